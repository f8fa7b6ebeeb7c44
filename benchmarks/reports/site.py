"""The Results pages as files that any web host can serve."""

import itertools
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.analysis.figures import gather
from benchmarks.analysis.filters import Filters, narrowed, options
from benchmarks.analysis.points import AXES, placed_points
from benchmarks.analysis.verdict import ALL_SUITES, Verdict, verdict, verdict_figures
from benchmarks.charts.frame import colour_of
from benchmarks.charts.scatter import scatter
from benchmarks.reports.content import collect
from benchmarks.reports.html import full_width, page, vega_library
from benchmarks.reports.parts import Section
from benchmarks.reports.replies import as_html
from benchmarks.runs.on_disk import RESULTS, run_name, samples_table, without_paths
from benchmarks.runs.read import Run, RunError
from benchmarks.statistics.flips import flip_table
from data.files import write_atomically

ASSETS = Path(__file__).with_name("site_assets")
MARKER = ".tradeoff-site"
_IN_THE_EXPLORER = ("Speed and quality", "Cost of a right answer", "Figures")
_CARD = """---
title: Tradeoff results
emoji: ⚖️
colorFrom: blue
colorTo: gray
sdk: static
app_file: index.html
short_description: Speed and graded quality of fine-tunes on a CPU
license: apache-2.0
---

Written by `python -m app.static`: every figure and every sample of the benchmark runs, without a server.
"""
_DRAW = """
window.drawChart = (place, spec) =>
  vegaEmbed(place, spec, { actions: false, renderer: "svg", config });
"""


def write_site(runs: Sequence[Run], folder: Path) -> list[Path]:
    """Write the site into an empty or new folder, or in place of an earlier site; returns its files.

    Raises:
        FileExistsError: There is something else in the folder.
        RunError: The runs have nothing to show.
    """
    report = collect(runs)
    _make_room(folder)
    (folder / "data").mkdir()
    for name, content in site_data(runs):
        text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        (folder / "data" / f"{name}.js").write_text(f"tradeoff({json.dumps(name)}, {text});\n", encoding="utf-8")
    for asset in ASSETS.iterdir():
        shutil.copy2(asset, folder / asset.name)
    (folder / "vega.js").write_text(vega_library(_DRAW), encoding="utf-8")
    (folder / "README.md").write_text(_CARD, encoding="utf-8")
    (folder / "index.html").write_text(_page(report.sections, runs), encoding="utf-8")
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.name != MARKER)


def _make_room(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    there = list(folder.iterdir())
    if there and not (folder / MARKER).exists():
        raise FileExistsError(17, "is not empty, and not a site that this command wrote; name another", str(folder))
    for path in there:
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    write_atomically(folder / MARKER, "written by python -m app.static\n")


def _page(sections: Sequence[Section], runs: Sequence[Run]) -> str:
    first, *evidence = [section for section in sections if section.title not in _IN_THE_EXPLORER]
    return page("site.html", first=first, evidence=evidence, runs=", ".join(run.id for run in runs))


_MODEL_FILTERS = {"quantizations": "Quantization", "ranks": "LoRA rank", "sizes": "Size"}
_COLUMNS = {
    "model": "",
    "label": "Model",
    "accuracy": "Share correct",
    "of": "Correct / graded",
    "decode_tok_per_s": "Decode tok/s",
    "characters_per_s": "Characters/s",
    "prefill_tok_per_s": "Prefill tok/s",
    "ttft_s": "TTFT (s)",
    "answer_s": "Seconds per answer",
    "s_per_correct_answer": "Seconds per correct answer",
    "p_on_frontier": "P(on the frontier)",
    "truncated": "Cut off by the limit",
    "bounds": "If those were wrong / right",
    "note": "From",
}
_FORMS = {"accuracy": ".1%", "decode_tok_per_s": ".1f", "characters_per_s": ".0f", "prefill_tok_per_s": ".0f"}


def site_data(runs: Sequence[Run]) -> Iterator[tuple[str, Any]]:
    """Name and JSON content of each data file; `index` comes last, when all the others are there."""
    prompts, pairs, samples = [], [], []
    for place, (title, choice) in enumerate(_prompt_choices(runs)):
        prompts.append((f"prompts-{place}", title))
        yield f"prompts-{place}", _overview(narrowed(runs, choice), runs)
    models = list(dict.fromkeys(row.model for run in runs for row in run.rows if row.grade is not None))
    labels = _labels(runs)
    for place, (a, b) in enumerate(itertools.combinations(models, 2)):
        if found := dict(_verdicts(runs, a, b)):
            pairs.append((f"pair-{place}", f"{labels[a]} against {labels[b]}"))
            yield f"pair-{place}", found
    answered = [(run, model) for run in runs for model in run.by_model]
    for place, (source, model) in enumerate(answered):
        table = _samples(source, model)
        if table["rows"]:
            samples.append((f"samples-{place}", f"{labels[model]} in {run_name(source)}"))
            yield f"samples-{place}", table
    yield "index", _index(runs, prompts, pairs, samples)


def _prompt_choices(runs: Sequence[Run]) -> list[tuple[str, Filters]]:
    possible = options(runs)
    suites = [(f"Suite: {suite}", Filters(suites=(suite,))) for suite in possible["suites"]]
    kinds = [(f"Kind: {kind.replace('_', ' ')}", Filters(kinds=(kind,))) for kind in possible["kinds"]]
    return [("All prompts", Filters()), *suites, *kinds]


def _overview(chosen: Sequence[Run], runs: Sequence[Run]) -> dict[str, Any]:
    """Charts along every axis, and the figures as a table whose first column is the model's id."""
    charts: dict[str, Any] = {}
    colours = colour_of([model for run in runs for model in run.by_model])
    figures = gather(chosen)
    for axis in AXES:
        points = placed_points(figures, axis=axis)
        try:
            charts[axis] = full_width(scatter(points, colours, axis=axis).to_dict(validate=False))
        except ValueError:  # no model has both
            charts[axis] = None
    points = placed_points(figures)
    points = points.assign(of=points["correct"].astype(str) + " / " + points["n"].astype(str))
    rows = [[_cell(name, row[name]) for name in _COLUMNS] for row in points.to_dict("records")]
    return {"charts": charts, "head": list(_COLUMNS.values()), "rows": rows}


def _cell(name: str, value: Any) -> str | None:
    if value is None or value != value:
        return None
    return f"{value:{_FORMS.get(name, '.2f')}}" if isinstance(value, float) else str(value)


def _verdicts(runs: Sequence[Run], a: str, b: str) -> Iterator[tuple[str, Any]]:
    """What is known of two models, on all prompts and suite by suite."""
    for suite in (None, *options(runs)["suites"]):
        try:
            found = verdict(runs, a, b, suite=suite)
            flips = _flips(found, suite)
        except RunError:  # not both are graded there
            continue
        facts = list(verdict_figures(found).items())
        yield suite or ALL_SUITES, {"sentence": found.sentence, "facts": facts, "flips": flips}


def _flips(found: Verdict, suite: str | None) -> dict[str, Any]:
    flips = flip_table(found.run, found.a, found.b, suite=suite, condition=found.quality.condition)
    names = (found.label_a, found.label_b)
    rows = [
        [
            *(flip.prompt_id, flip.kind, names[flip.grade_b > flip.grade_a]),
            *(_reply(answer) for answer in (flip.answer_a, flip.answer_b)),
        ]
        for flip in flips
    ]
    return {"head": ["Prompt", "Kind", "Only right", *(f"{name} says" for name in names)], "rows": rows}


def _samples(run: Run, model: str) -> dict[str, Any]:
    table = samples_table(run, model)
    content = json.loads(table.to_json(orient="split", index=False, double_precision=3))
    for row in content["data"]:  # without any, no column has a name
        place = content["columns"].index("answer")
        row[place] = _reply(row[place])
    method = {key: value for key, value in run.manifest.items() if key != "models"}
    return {"head": content["columns"], "rows": content["data"], "method": without_paths(method)}


def _reply(answer: str | None) -> str | dict[str, str] | None:
    """Text as it was written; where it is Markdown, as HTML too."""
    html = as_html(answer or "")
    return answer if answer is None or html is None else {"text": answer, "html": html}


def _index(
    runs: Sequence[Run], prompts: list[tuple[str, str]], pairs: list[tuple[str, str]], samples: list[tuple[str, str]]
) -> dict[str, Any]:
    possible = options(runs)
    return {
        "axes": [(name, axis.title) for name, axis in AXES.items()],
        "prompts": prompts,
        "pairs": pairs,
        "samples": samples,
        "results": RESULTS,
        "filters": {name: possible[name] for name in _MODEL_FILTERS},
        "models": {model: _facts(run.models.get(model, {})) for run in reversed(runs) for model in run.by_model},
    }


def _facts(manifest: Mapping[str, Any]) -> dict[str, str]:
    facts = {name: manifest.get(name.removesuffix("s")) for name in _MODEL_FILTERS}
    return {name: "none" if value is None else str(value) for name, value in facts.items()}


def _labels(runs: Sequence[Run]) -> dict[str, str]:
    return {model: run.label(model) for run in reversed(runs) for model in run.by_model}
