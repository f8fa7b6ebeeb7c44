"""Charts on a page: shown, selectable, and to take away."""

import json
from functools import partial
from typing import TYPE_CHECKING, Any

import streamlit as st

if TYPE_CHECKING:
    import altair as alt

PICKED, SVG_PX = "picked", 860


def show_chart(chart: Any, key: str) -> None:
    """A chart of `benchmarks`, and its specification as a file; its own toolbar saves it as a picture."""
    st.altair_chart(chart, key=key)
    _show_download(chart, key)


def show_selectable(chart: "alt.LayerChart", key: str) -> list[str]:
    """The same with points to select; returns the selected models."""
    event = st.altair_chart(selectable(chart), key=key, on_select="rerun", selection_mode=PICKED)
    _show_download(chart, key)
    return [str(each["model"]) for each in event["selection"].get(PICKED, []) if "model" in each]


def selectable(chart: "alt.LayerChart") -> "alt.LayerChart":
    """The chart with its point marks answering to clicks, by their `model`."""
    import altair as alt

    picked = alt.selection_point(name=PICKED, fields=["model"])
    layers = [layer.add_params(picked) if _is_points(layer) else layer for layer in chart.layer]
    kept = {
        name: getattr(chart, name) for name in ("data", "height", "background", "description", "usermeta", "config")
    }
    return alt.LayerChart(layer=layers, **kept)


def _is_points(layer: Any) -> bool:
    return bool(getattr(layer.mark, "type", layer.mark) == "point")


def _show_download(chart: Any, key: str) -> None:
    """As a specification, and as a picture that is drawn only when somebody wants it."""
    specification = chart.to_dict()
    forms: tuple[tuple[str, str, str, Any], ...] = (
        ("Vega-Lite", "vl.json", "application/json", json.dumps(specification)),
        ("SVG", "svg", "image/svg+xml", partial(svg_of, specification)),
    )
    with st.container(horizontal=True, gap="small"):
        for name, ending, mime, data in forms:
            st.download_button(
                f"This chart, as {name}" if ending != "svg" else name,
                data,
                file_name=f"tradeoff-{key}.{ending}",
                mime=mime,
                key=f"download_{key}_{ending}",
                icon=":material/download:",
                type="tertiary",
                on_click="ignore",
            )


def svg_of(specification: dict[str, Any]) -> str:
    import vl_convert

    wide = specification if "hconcat" in specification else {**specification, "width": SVG_PX}
    svg: str = vl_convert.vegalite_to_svg({**wide, "background": "white"})
    return svg
