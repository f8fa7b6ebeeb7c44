"""Charts of runs for the app and the reports: Altair, no Streamlit. Rows are aggregated before they are drawn."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from benchmarks.colours import colour_of
from benchmarks.runs import Run
from benchmarks.stats import Interval
from benchmarks.summary import Summary, summarise

if TYPE_CHECKING:
    import altair as alt
    import pandas as pd

SPEED_TITLE = "Decode speed (tokens/s)"
QUALITY_TITLE = "Graded quality (share correct)"

_NAMES = ("run_id", "model", "label", "quantization", "condition")
_MEASURED = (
    *("decode_tok_per_s", "decode_low", "decode_high", "accuracy", "accuracy_low", "accuracy_high"),
    *("prefill_tok_per_s", "ttft_s", "characters_per_s", "answer_s", "s_per_correct_answer", "peak_rss_bytes"),
)
_COUNTED = ("correct", "n", "truncated", "ungradable", "errors", "noisy", "samples")
COLUMNS = (*_NAMES, *_MEASURED, *_COUNTED)

_NEAR_X, _NEAR_Y = 0.12, 0.05  # points nearer than this share of the axes get their labels on different sides
_SIDES: tuple[tuple[Literal["left", "right"], int, int], ...] = (
    ("left", 9, -9),
    ("left", 9, 13),
    ("right", -9, -9),
    ("right", -9, 13),
)


def model_points(runs: Iterable[Run]) -> "pd.DataFrame":
    """One row per run, model and condition, with the columns `COLUMNS`; NaN where something was not measured.

    Conditions are never mixed: a point's figures all come from one.
    """
    import pandas as pd

    points = [_point(run, summary) for run in runs for summary in summarise(run)]
    return pd.DataFrame(points, columns=list(COLUMNS)).astype(dict.fromkeys(_MEASURED, "float64"))


def scatter(points: "pd.DataFrame", palette: Mapping[str, str] | None = None) -> "alt.LayerChart":
    """Decode speed against graded quality, one mark per point, with 95% intervals both ways.

    Points without a speed or a grade are left out.

    Args:
        palette: Model id to colour; None takes `colour_of`.

    Raises:
        ValueError: No point has both a speed and a grade.
    """
    import altair as alt

    drawn = points.dropna(subset=["decode_tok_per_s", "accuracy"])
    if drawn.empty:
        raise ValueError("no model has both a decode speed and a graded answer yet")
    colours = palette or colour_of(drawn["model"])
    drawn = drawn.assign(
        name=drawn["label"] + drawn["condition"].map(lambda it: "" if it == "timed-cold" else f" ({it})"),
        peak_rss_mb=drawn["peak_rss_bytes"] / 1e6,
        side=_label_sides(list(drawn["decode_tok_per_s"]), list(drawn["accuracy"])),
    )
    models = list(dict.fromkeys(drawn["model"]))
    base = alt.Chart(drawn).encode(
        color=alt.Color(
            "model:N", scale=alt.Scale(domain=models, range=[colours[model] for model in models]), legend=None
        )
    )
    speed = alt.X("decode_tok_per_s:Q", title=SPEED_TITLE, scale=alt.Scale(zero=False, nice=True, padding=40))
    quality = alt.Y(
        "accuracy:Q", title=QUALITY_TITLE, axis=alt.Axis(format="%"), scale=alt.Scale(domain=_quality_domain(drawn))
    )
    bars = (
        base.mark_rule(strokeWidth=2, opacity=0.55).encode(x=speed, y=alt.Y("accuracy_low:Q"), y2="accuracy_high:Q"),
        base.mark_rule(strokeWidth=2, opacity=0.55).encode(x="decode_low:Q", x2="decode_high:Q", y=quality),
    )
    marks = base.mark_point(filled=True, size=140, opacity=1).encode(x=speed, y=quality, tooltip=_tooltips())
    return alt.LayerChart(
        layer=[*bars, marks, *_labels(base, speed, quality)],
        height=380,
        background="transparent",
        description=_description(drawn),
        usermeta={"alt": _description(drawn), "intervals": "95%"},
        config=alt.Config(view=alt.ViewConfig(strokeOpacity=0)),
    )


def _point(run: Run, summary: Summary) -> dict[str, object]:
    facts = run.models.get(summary.model, {})
    decode, accuracy = summary.decode_tok_per_s, summary.accuracy
    share = accuracy.estimate if accuracy else None
    return {
        "run_id": run.id,
        "model": summary.model,
        "label": facts.get("label") or summary.model,
        "quantization": facts.get("quantization"),
        "condition": summary.condition,
        "decode_tok_per_s": _estimate(decode),
        "decode_low": decode.low if decode else None,
        "decode_high": decode.high if decode else None,
        "accuracy": share,
        "accuracy_low": accuracy.low if accuracy else None,
        "accuracy_high": accuracy.high if accuracy else None,
        "correct": summary.correct,
        "n": summary.graded,
        "prefill_tok_per_s": _estimate(summary.prefill_tok_per_s),
        "ttft_s": _estimate(summary.ttft_s),
        "characters_per_s": _estimate(summary.characters_per_s),
        "answer_s": _estimate(summary.answer_s),
        "s_per_correct_answer": summary.mean_answer_s / share if summary.mean_answer_s and share else None,
        "peak_rss_bytes": summary.peak_rss_bytes,
        "truncated": summary.truncated,
        "ungradable": summary.ungradable,
        "errors": summary.errors,
        "noisy": summary.noisy,
        "samples": summary.samples,
    }


def _estimate(interval: Interval | None) -> float | None:
    return interval.estimate if interval else None


def _quality_domain(drawn: "pd.DataFrame") -> list[float]:
    """From 0, so that a small difference does not look like a large one, to a bit above the highest interval."""
    return [0.0, min(1.0, float(drawn["accuracy_high"].max()) + 0.05)]


def _label_sides(speeds: Sequence[float], shares: Sequence[float]) -> list[int]:
    """For each point, the first side of it that no near, earlier point uses for its label."""
    width = max(max(speeds) - min(speeds), 1e-9)
    sides: list[int] = []
    for place, (speed, share) in enumerate(zip(speeds, shares)):
        taken = {
            sides[other]
            for other in range(place)
            if abs(speeds[other] - speed) / width < _NEAR_X and abs(shares[other] - share) < _NEAR_Y
        }
        preferred = (2, 3, 0, 1) if speed > min(speeds) + 0.75 * width else (0, 1, 2, 3)
        sides.append(next((side for side in preferred if side not in taken), place % len(_SIDES)))
    return sides


def _labels(base: "alt.Chart", speed: "alt.X", quality: "alt.Y") -> list["alt.Chart"]:
    """One text layer for each side, since a mark's offset is the same for all of a layer."""
    return [
        base.transform_filter(f"datum.side === {side}")
        .mark_text(align=align, dx=dx, dy=dy, fontSize=13, fontWeight=600)
        .encode(x=speed, y=quality, text="name:N")
        for side, (align, dx, dy) in enumerate(_SIDES)
    ]


def _tooltips() -> list["alt.Tooltip"]:
    import altair as alt

    shown = (
        ("label", "Model", ""),
        ("run_id", "Run", ""),
        ("condition", "Condition", ""),
        ("quantization", "Quantization", ""),
        ("decode_tok_per_s", "Decode, tokens/s", ".1f"),
        ("decode_low", "  from (95%)", ".1f"),
        ("decode_high", "  to (95%)", ".1f"),
        ("accuracy", "Share correct", ".1%"),
        ("accuracy_low", "  from (95%)", ".1%"),
        ("accuracy_high", "  to (95%)", ".1%"),
        ("n", "Graded answers", "d"),
        ("prefill_tok_per_s", "Prefill, tokens/s", ".0f"),
        ("ttft_s", "Time to first token, s", ".2f"),
        ("characters_per_s", "Characters/s", ".0f"),
        ("answer_s", "Seconds per answer", ".2f"),
        ("s_per_correct_answer", "Seconds per correct answer", ".2f"),
        ("peak_rss_mb", "Peak memory, MB", ".0f"),
    )
    return [
        alt.Tooltip(name, title=title, format=form, type="quantitative")
        if form
        else alt.Tooltip(name, title=title, type="nominal")
        for name, title, form in shown
    ]


def _description(drawn: "pd.DataFrame") -> str:
    """The chart in words, for who cannot see it."""
    columns = (drawn["name"], drawn["decode_tok_per_s"], drawn["accuracy"], drawn["n"])
    parts = [
        f"{name}: {rate:.1f} tokens/s, {share:.0%} of {n} answers correct" for name, rate, share, n in zip(*columns)
    ]
    return f"Decode speed against graded quality, with 95% intervals. {'; '.join(parts)}."
