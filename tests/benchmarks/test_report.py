import csv
import io
import json
import re
from pathlib import Path

import pytest

from benchmarks import report
from benchmarks.analysis.points import COLUMNS
from benchmarks.reports.content import collect
from benchmarks.reports.html import html_report
from benchmarks.runs.read import DEPTH, FIXED_SHAPE, Run, RunError
from benchmarks.runs.write import RunWriter, write_manifest
from tests.benchmarks.made_runs import graded_rows, made_run, timed_rows

HOSTILE = "<script>alert(1)</script> | and </table>"
GRADES = {"smollm2-135m": "1100" * 10, "smollm2-small": "1000" * 10, "tuned-8": "1110" * 10, "tuned-16": "1111" * 10}


def quality() -> Run:
    """A base, a smaller one and two fine-tunes; a few answers alone, and a hostile one."""
    groups = [graded_rows(model, grades) for model, grades in GRADES.items()]
    groups += [graded_rows(model, grades[:4], condition="timed-cold") for model, grades in GRADES.items()]
    groups[3] = graded_rows("tuned-16", GRADES["tuned-16"], answer=HOSTILE)
    groups.append(graded_rows("smollm2-135m@again", GRADES["smollm2-135m"]))
    return made_run(*groups, run_id="q", facts={model: {"file_size_bytes": 9 * 10**6} for model in GRADES})


def speed() -> Run:
    rates = dict(zip(GRADES, (100.0, 140.0, 99.0, 98.0)))
    groups = [timed_rows(model, [rate, rate + 1, rate + 2, rate + 1]) for model, rate in rates.items()]
    groups += [timed_rows("smollm2-135m@again", [101.0, 100, 102, 101])]
    groups += [
        timed_rows(model, [rate / 2] * 3, suite=DEPTH, kind=FIXED_SHAPE, prompt_id="d512-tg20")
        for model, rate in rates.items()
    ]
    return made_run(*groups, run_id="s", day=2)


def on_disk(directory: Path, run: Run) -> str:
    with RunWriter(directory / run.id) as writer:
        write_manifest(writer.directory, run.manifest)
        for row in run.rows:
            writer.write(row)
    return str(directory / run.id)


@pytest.fixture
def runs(tmp_path: Path) -> list[str]:
    return [on_disk(tmp_path, quality()), on_disk(tmp_path, speed())]


def test_markdown_has_verdicts_figures_suites_steps_noise_flips_and_sources(
    runs: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert report.main(runs) == 0
    text = capsys.readouterr().out
    titles = re.findall(r"^## (.*)", text, re.MULTILINE)
    assert titles == [
        "Verdict",
        "Speed and quality",
        "Cost of a right answer",
        "Right within the time one has",
        "Figures",
        "Suite by suite",
        "From base to file",
        "Decoding after a context",
        "Noise floor",
        "The same again",
        "Flips",
        "What this rests on",
    ]
    assert "TUNED-16 answers +50.0 points more correctly" in text
    assert "(layers removed): -25.0 [" in text
    assert "SMOLLM2-135M decodes at 1.00" in text and "× its own rate." in text
    assert "SMOLLM2-135M against itself, batched: +0.0 [+0.0, +0.0] points (n=40)." in text
    assert all(len(set(re.findall(r"(?<!\\)\|", line))) <= 1 for line in text.splitlines())
    assert "<script>" not in text


@pytest.mark.slow
def test_the_html_is_one_file_that_asks_nobody_for_anything_and_escapes_what_models_wrote(runs: list[str]) -> None:
    out = Path(runs[0]).parent / "report.html"
    assert report.main([*runs, "--format", "html", "--out", str(out)]) == 0
    page = out.read_text()
    assert not re.search(r"<(?:script|img|iframe)[^>]+src=|<link|@import|url\(http", page.split("<body>")[0])
    body = page.split("<body>")[1].rpartition('<script type="module">')[0]
    assert not re.search(r"src=|href=|http", body.replace("https://vega.github.io/schema", ""))
    assert "<script>alert" not in body and "&lt;script&gt;alert(1)&lt;/script&gt;" in body
    assert body.count("<figure") == body.count("</figure>") == 6
    specs = re.findall(r'<script type="application/json">(.*?)</script>', body, re.DOTALL)
    assert all(json.loads(spec)["background"] == "transparent" for spec in specs)
    assert re.search(r'<figure[^>]+aria-label="Decode speed \(tokens/s\) against graded quality', body)


@pytest.mark.slow
def test_csv_has_a_line_a_file_and_json_the_figures_behind_it_without_nan(
    runs: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert report.main([*runs, "--format", "csv"]) == 0
    lines = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert tuple(lines[0]) == COLUMNS and {line["model"] for line in lines} == set(GRADES)
    assert report.main([*runs, "--format", "json", "--base", "tuned-8"]) == 0
    found = json.loads(capsys.readouterr().out, parse_constant=lambda name: pytest.fail(name))
    assert found["base"] == "tuned-8" and len(found["verdicts"]) == 3
    assert found["verdicts"][0]["quality"]["n"] == 40


def test_a_run_of_speeds_alone_is_reported_without_verdicts() -> None:
    titles = {section.title: section for section in collect([speed()]).sections}
    assert titles["Verdict"].text[0].startswith("Nothing is graded for smollm2-135m and another model")
    assert "Suite by suite" not in titles and titles["Figures"].table is not None
    assert "Vega" not in html_report(collect([made_run(timed_rows("m", [1.0, 2.0]))]))


def test_what_cannot_be_reported_is_one_line(
    tmp_path: Path, runs: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert report.main([str(tmp_path / "none")]) == 1
    assert "is this a run's directory?" in capsys.readouterr().err
    assert report.main([*runs, "--base", "nobody"]) == 1
    assert "no run has a model 'nobody'; there are smollm2-135m" in capsys.readouterr().err
    assert report.main([*runs, "--out", str(tmp_path / "no" / "where.md")]) == 1
    assert "cannot be written" in capsys.readouterr().err
    with pytest.raises(RunError, match="no rows yet"):
        collect([made_run()])


def test_a_price_puts_dollars_beside_seconds_per_correct_answer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    facts = {"far": {"served_by": "there:80", "usd_per_million_in": 1.0, "usd_per_million_out": 2.0}}
    groups = [graded_rows("smollm2-135m", "1100" * 5), graded_rows("far", "1110" * 5)]
    assert report.main([on_disk(tmp_path, made_run(*groups, run_id="priced", facts=facts))]) == 0
    text = capsys.readouterr().out
    head = next(line for line in text.splitlines() if "$ per correct answer" in line)
    row = next(line for line in text.splitlines() if line.startswith("| FAR |") and "priced" in line)
    cells = dict(zip(head.split("|"), row.split("|"), strict=True))
    assert float(cells[" $ per correct answer "]) == pytest.approx(20 * (50 + 2 * 21) / 1e6 / 15, rel=0.01)
    assert report.main([on_disk(tmp_path, quality())]) == 0
    assert "$ per correct" not in capsys.readouterr().out
