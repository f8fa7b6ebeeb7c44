"""Charts of runs, in Altair; the app and the reports draw the same ones. No Streamlit here."""

from collections.abc import Mapping, Sequence

import altair as alt
import pandas as pd

from benchmarks.runs import Run
from benchmarks.stats import Interval
from benchmarks.summary import Summary, summarise


def model_points(runs: Sequence[Run]) -> pd.DataFrame:
    """One row per run, model and condition; a column that was not measured holds NaN.

    Rates are medians in tokens/s, quality is the share correct, both with 95% intervals (`_low`, `_high`).
    """
    return pd.DataFrame([_point(run, summary) for run in runs for summary in summarise(run)])


def _point(run: Run, summary: Summary) -> dict[str, object]:
    about = run.models.get(summary.model, {})
    return {
        "run": run.id,
        "model": summary.model,
        "label": about.get("label", summary.model),
        "quantization": about.get("quantization"),
        "condition": summary.condition,
        **_interval("decode_tok_per_s", summary.decode_tok_per_s),
        **_interval("quality", summary.accuracy),
        "correct": summary.correct,
        "graded": summary.graded,
        "prefill_tok_per_s": summary.prefill_tok_per_s.estimate if summary.prefill_tok_per_s else None,
        "ttft_s": summary.ttft_s.estimate if summary.ttft_s else None,
        "characters_per_s": summary.characters_per_s.estimate if summary.characters_per_s else None,
        "answer_s": summary.answer_s.estimate if summary.answer_s else None,
        "truncated": summary.truncated,
        "ungradable": summary.ungradable,
        "errors": summary.errors,
        "noisy": summary.noisy,
        "peak_rss_gb": summary.peak_rss_bytes / 1e9 if summary.peak_rss_bytes else None,
    }


def _interval(name: str, interval: Interval | None) -> dict[str, float | None]:
    if interval is None:
        return {name: None, f"{name}_low": None, f"{name}_high": None}
    return {name: interval.estimate, f"{name}_low": interval.low, f"{name}_high": interval.high}


def scatter(points: pd.DataFrame, colours: Mapping[str, str], *, height: int = 380) -> alt.LayerChart | alt.FacetChart:
    """Decode rate against graded quality, with both 95% intervals; up and to the right is better.

    Args:
        points: From `model_points`; rows without both figures are left out.
        colours: From `benchmarks.colours`; models that it does not know are grey.
    """
    shown = points.dropna(subset=["decode_tok_per_s", "quality"])
    models = sorted(shown["model"].unique())
    scale = alt.Scale(domain=models, range=[colours.get(model, "#8a8f98") for model in models])
    fastest = float(shown["decode_tok_per_s_high"].fillna(shown["decode_tok_per_s"]).max()) if len(shown) else 1.0
    base = alt.Chart(shown).encode(
        x=alt.X("decode_tok_per_s:Q", title="Decode speed (tokens/s)", scale=alt.Scale(domain=[0, fastest * 1.15])),
        y=alt.Y(
            "quality:Q", title="Graded quality (share correct)", axis=alt.Axis(format="%"), scale=_share_scale(shown)
        ),
        color=alt.Color("model:N", scale=scale, legend=None),
    )
    quality = base.mark_rule(strokeWidth=1.5, opacity=0.6).encode(y="quality_low:Q", y2="quality_high:Q")
    speed = base.mark_rule(strokeWidth=1.5, opacity=0.6).encode(
        x="decode_tok_per_s_low:Q", x2="decode_tok_per_s_high:Q"
    )
    dots = base.mark_circle(size=140, opacity=1).encode(tooltip=_tooltip())
    names = base.mark_text(align="left", dx=10, dy=-10, fontSize=12).encode(text="label:N")
    description = f"Decode speed against graded quality of {len(models)} models, with 95% intervals"
    return alt.layer(quality, speed, dots, names).properties(
        height=height, background="transparent", description=description
    )


def _share_scale(points: pd.DataFrame) -> alt.Scale:
    highest = float(points["quality_high"].max()) if len(points) else 1.0
    return alt.Scale(domain=[0, min(1.0, highest + 0.05)])


def _tooltip() -> list[alt.Tooltip]:
    return [
        alt.Tooltip("label:N", title="model"),
        alt.Tooltip("decode_tok_per_s:Q", title="decode tok/s", format=".1f"),
        alt.Tooltip("quality:Q", title="share correct", format=".1%"),
        alt.Tooltip("correct:Q", title="correct"),
        alt.Tooltip("graded:Q", title="graded"),
        alt.Tooltip("prefill_tok_per_s:Q", title="prefill tok/s", format=".0f"),
        alt.Tooltip("ttft_s:Q", title="TTFT (s)", format=".2f"),
        alt.Tooltip("answer_s:Q", title="seconds per answer", format=".2f"),
        alt.Tooltip("peak_rss_gb:Q", title="peak memory (GB)", format=".2f"),
        alt.Tooltip("condition:N", title="condition"),
    ]
