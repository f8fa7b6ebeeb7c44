"""The Results pages as files that any web host can serve. No Streamlit in this module."""

import json
import shutil
from collections.abc import Sequence
from html import escape
from pathlib import Path

from benchmarks.reports.content import collect
from benchmarks.reports.html import section_html, vega_library
from benchmarks.reports.parts import Section
from benchmarks.reports.site_data import site_data
from benchmarks.runs.read import Run
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
_EXPLORER = """
<section id="overview"><h2>Speed against quality</h2>
<div class="controls">
<label>Against quality <select id="axis"></select></label>
<label>Prompts <select id="prompts"></select></label>
<fieldset id="filter_quantizations"><legend>Quantization</legend></fieldset>
<fieldset id="filter_ranks"><legend>LoRA rank</legend></fieldset>
<fieldset id="filter_sizes"><legend>Size</legend></fieldset>
</div>
<figure class="wide"><div id="plot" style="width: 100%"></div></figure>
<p class="note">Lines are 95% intervals; where they overlap much, the runs do not tell the models apart. Dashed: the
frontier of all models on these prompts. Shares on different prompts do not compare directly.</p>
<div class="wide" id="figures" tabindex="0" role="region" aria-label="Figures of every model"></div></section>
<section id="two"><h2>Two models</h2>
<div class="controls"><label>Pair <select id="pair"></select></label>
<label>On <select id="pair_suite"></select></label></div>
<p class="verdict" id="sentence"></p>
<div class="wide" id="facts" tabindex="0" role="region" aria-label="Figures of the verdict"></div>
<h3>Where they differ</h3>
<div class="wide" id="flips" tabindex="0" role="region" aria-label="Prompts with one right answer"></div></section>
<section id="answers"><h2>Every answer</h2>
<div class="controls"><label>Of <select id="samples_of"></select></label>
<label>Containing <input type="search" id="find"></label>
<fieldset id="results"><legend>Result</legend></fieldset></div>
<p class="note" id="count"></p>
<div class="wide" id="samples" tabindex="0" role="region" aria-label="Answers with their grades"></div>
<details><summary>Hardware and method of this run</summary>
<pre class="wide" id="method" tabindex="0"></pre></details></section>
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
    first, *others = [section for section in sections if section.title not in _IN_THE_EXPLORER]
    evidence = "\n".join(section_html(section, place) for place, section in enumerate(others, start=1))
    names = ", ".join(run.id for run in runs)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>Tradeoff results</title>\n'
        '<link rel="icon" href="data:,">\n<link rel="stylesheet" href="site.css">\n'
        '<script defer src="vega.js"></script>\n<script defer src="site.js"></script>\n</head>\n<body>\n'
        '<nav><a href="#overview">Overview</a><a href="#two">Two models</a><a href="#answers">Every answer</a>'
        '<a href="#evidence">Evidence</a></nav>\n<main>\n<h1>Which fine-tune should I ship on a CPU?</h1>\n'
        f"{section_html(first, 0)}\n"
        "<noscript><p>The explorer needs JavaScript; the evidence below does not.</p></noscript>\n"
        f'{_EXPLORER}\n<div id="evidence">\n{evidence}\n</div>\n<p class="note">Runs: {escape(names)}</p>\n'
        "</main>\n</body>\n</html>\n"
    )
