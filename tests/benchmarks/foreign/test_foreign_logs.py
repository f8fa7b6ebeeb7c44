"""On logs that lm-eval 0.4.13 and Inspect 0.3.285 wrote themselves: `scripts/write_foreign_logs.py`."""

import json
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from benchmarks.foreign.as_run import read_log, write_run
from benchmarks.foreign.inspect_log import _unpacked
from benchmarks.foreign.log import Log, LogError
from benchmarks.foreign_logs import main
from benchmarks.runs.read import read_run

LOGS = Path(__file__).parent / "logs"
SUMS = {name: next((LOGS / "lm_eval" / name).rglob("samples_sums_2*.jsonl")) for name in ("good", "less")}
CHOSEN = {name: next((LOGS / "lm_eval" / name).rglob("samples_sums_chosen_*.jsonl")) for name in ("good", "less")}
EVALS = {name: next((LOGS / "inspect" / name).glob("*.eval")) for name in ("good", "less")}


def read(path: Path | str, metric: str | None = None, wanted_filter: str | None = None) -> Log:
    return read_log(str(path), metric=metric, wanted_filter=wanted_filter)


def compared(arguments: list[object], out: Path, capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    assert main([*map(str, arguments), "--out", str(out), "--json"]) == 0
    found: list[dict[str, Any]] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return found


def refusal(arguments: list[object], capsys: pytest.CaptureFixture[str]) -> str:
    assert main([*map(str, arguments)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    return line


def lines_of(path: Path, change: Mapping[str, object], folder: Path) -> Path:
    """The same samples, each with something changed, without the results beside them."""
    made = folder / path.name
    made.write_text(
        "".join(json.dumps({**json.loads(line), **change}) + "\n" for line in path.read_text().splitlines())
    )
    return made


def rezipped(path: Path, folder: Path, change: Mapping[str, bytes | None]) -> Path:
    """The same log, deflated, with members put in, replaced or left out."""
    made = folder / path.name
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as new:
        kept = {name: _unpacked(old, path, name) for name in ("header.json", "summaries.json")}
        for name, content in {**kept, **change}.items():
            if content is not None:
                new.writestr(name, content)
    return made


@pytest.mark.parametrize("logs", [SUMS, CHOSEN, EVALS])
def test_two_models_are_compared_as_their_tool_graded_them(
    logs: Mapping[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (found,) = compared(list(logs.values()), tmp_path / "run", capsys)
    shares = (found["n"], found["share_b"], found["share_a"], found["only_b"], found["only_a"])
    assert shares == (24, 0.75, pytest.approx(16 / 24), 6, 4)  # every 4th wrong, every 3rd, and every 12th by both
    assert found["low"] < found["difference"] < found["high"] and found["detectable"] > 0.2


@pytest.mark.parametrize(
    ("path", "model", "prompt", "grader", "tokens"),
    [
        (SUMS["good"], "good", "3-", "exact_match, by lm-eval 0.4.13", None),
        (EVALS["good"], "mockllm/good", "sum-4", "match, by inspect_ai 0.3.285", 2),
    ],
)
def test_the_run_has_what_the_log_says(
    tmp_path: Path, path: Path, model: str, prompt: str, grader: str, tokens: int | None
) -> None:
    assert main([str(path), "--out", str(tmp_path / "run")]) == 0
    run = read_run(tmp_path / "run")
    row = run.rows[3]
    assert list(run.by_model) == [model] and run.finished
    assert row.prompt_id.startswith(prompt) and row.started_at.startswith("2026-11-28T")
    assert (row.answer, row.grade, row.grade_reason) == ("18", 0.0, grader)
    assert (row.suite, row.condition, row.completion_tokens) == ("sums", "batched", tokens)


def test_scores_of_different_names_are_not_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = refusal([SUMS["good"], EVALS["good"], "--out", tmp_path / "run"], capsys)
    assert "sums: its logs have different scores, exact_match and match; choose one with --metric" in line


def test_the_likeliest_choice_is_the_answer_and_another_metric_can_be_taken() -> None:
    log = read(CHOSEN["good"], "acc_norm")
    assert (log.metric, log.answers[0].text, log.answers[3].text, log.answers[3].grade) == ("acc_norm", "5", "18", 0.0)
    with pytest.raises(LogError, match="no metric 'f1'; it has acc, acc_norm"):
        read(CHOSEN["good"], "f1")


def test_a_model_can_be_given_a_name_and_two_of_one_name_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = refusal([SUMS["good"], f"good={SUMS['less']}", "--out", tmp_path / "run"], capsys)
    assert line == "error: two logs of sums call their model 'good'; tell them apart as NAME=FILE"
    (found,) = compared([SUMS["good"], f"other={SUMS['less']}"], tmp_path / "run", capsys)
    assert (found["a"], found["b"]) == ("other", "good")


def test_a_question_of_other_content_is_not_paired(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = lines_of(SUMS["less"], {"doc_hash": "0" * 64}, tmp_path)
    line = refusal([SUMS["good"], f"less={other}", "--out", tmp_path / "run"], capsys)
    assert line == "error: sums: good and less share no question: not the same data"
    assert not (tmp_path / "run").exists()


def test_one_of_several_filters_is_taken(tmp_path: Path) -> None:
    path = lines_of(SUMS["good"], {"filter": "strict"}, tmp_path)
    loose = [
        json.dumps({**json.loads(line), "filter": "loose", "exact_match": 0.0})
        for line in SUMS["good"].read_text().splitlines()
    ]
    path.write_text(path.read_text() + "\n".join(loose) + "\n")
    shares = [sum(answer.grade or 0 for answer in read(path, None, each).answers) for each in (None, "strict", "loose")]
    assert shares == [18, 18, 0]
    with pytest.raises(LogError, match="no filter 'none'; it has strict, loose"):
        read(path, None, "none")


def test_samples_of_earlier_versions_name_their_metrics_by_being_there(tmp_path: Path) -> None:
    path = lines_of(SUMS["good"], {"metrics": None}, tmp_path)
    assert (read(path).metric, read(path).model) == ("exact_match", tmp_path.name)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"exact_match": [1, 0]}, r"exact_match is \[1, 0\], no number from 0 to 1; choose another with --metric"),
        ({"exact_match": 7.5}, "exact_match is 7.5, no number from 0 to 1"),
        ({"metrics": []}, "no score in it"),
    ],
)
def test_a_score_that_is_no_grade_is_one_line(tmp_path: Path, change: Mapping[str, object], message: str) -> None:
    with pytest.raises(LogError, match=message):
        read(lines_of(SUMS["good"], change, tmp_path))


def test_a_line_ends_where_lm_eval_ends_it(tmp_path: Path) -> None:
    made = tmp_path / SUMS["good"].name
    lines = [
        json.loads(line) | {"filtered_resps": ["one\u2028two\x85"]} for line in SUMS["good"].read_text().splitlines()
    ]
    made.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))
    assert {answer.text for answer in read(made).answers} == {"one\u2028two\x85"}


def test_a_question_that_is_there_twice_is_not_counted_twice(tmp_path: Path) -> None:
    made, whole = tmp_path / SUMS["good"].name, SUMS["good"].read_text()
    made.write_text(whole + whole.splitlines(keepends=True)[0])
    with pytest.raises(LogError, match=r"question '0-.*' is answered twice; are two logs in one file"):
        read(made)


@pytest.mark.parametrize("results", [{"n-samples": None}, {"n-samples": {"sums": 5}}, {"n-samples": [1]}])
def test_results_that_do_not_tell_how_many_questions_there_were_are_borne(
    tmp_path: Path, results: dict[str, object]
) -> None:
    made = lines_of(SUMS["good"], {"filtered_resps": [[10**400, 0]]}, tmp_path)
    (tmp_path / f"results_{made.stem.rpartition('_')[2]}.json").write_text(json.dumps(results))
    assert {answer.text for answer in read(made).answers} == {None}


@pytest.mark.parametrize("name", ["two\nlines", "\udcff"])
def test_a_name_that_no_table_can_show_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    line = refusal([f"{name}={SUMS['good']}", "--out", tmp_path / "run"], capsys)
    assert "give the model's as NAME=FILE" in line and not (tmp_path / "run").exists()


def test_half_written_samples_are_one_line(tmp_path: Path) -> None:
    whole, made = SUMS["good"].read_bytes(), tmp_path / SUMS["good"].name
    for content, message in (
        (whole[:-30], "half written: its last line has no end"),
        (b"", "empty; was it half written"),
        (b'{"a": 1}\n', "line 1: no doc_id: not as lm-eval writes samples"),
        (b"not json\n", "line 1"),
        (b"\xff\xfe\n", "UTF-8"),
    ):
        made.write_bytes(content)
        with pytest.raises(LogError, match=message):
            read(made)
    shutil.copy(next(SUMS["good"].parent.glob("results_*.json")), tmp_path)
    made.write_bytes(b"".join(whole.splitlines(keepends=True)[:20]))
    with pytest.raises(LogError, match="half written: 20 of 24 questions"):
        read(made)


def test_what_is_no_log_is_one_line(tmp_path: Path) -> None:
    for name, message in (
        ("samples_sums.jsonl", "not named samples_TASK_DATE.jsonl"),
        ("log.json", "neither lm-eval's samples_"),
        ("log.eval", "not a whole .eval"),
    ):
        shutil.copy(SUMS["good"], tmp_path / name)
        with pytest.raises(LogError, match=message):
            read(tmp_path / name)
    with pytest.raises(LogError, match="no such file"):
        read(tmp_path / "none.eval")


def header(**change: object) -> bytes:
    with zipfile.ZipFile(EVALS["good"]) as archive:
        return json.dumps({**json.loads(_unpacked(archive, EVALS["good"], "header.json")), **change}).encode()


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"header.json": None, "_journal/start.json": b"{}"}, "half written: the evaluation did not end"),
        ({"summaries.json": None}, "no summaries.json in it: not as Inspect writes logs"),
        ({"summaries.json": b"[]"}, "no list of samples"),
        ({"summaries.json": b"["}, "not a whole .eval"),
        ({"summaries.json": b"[" * 100_000}, "nested too deep"),
        ({"summaries.json": b'[{"scores": {"match": {"value": "C"}}}]'}, "a sample without id or epoch"),
        (
            {"summaries.json": b'[{"id": 1, "epoch": 1e30, "scores": {"m": {"value": 1}}}]'},
            "a sample without id or epoch",
        ),
        ({"summaries.json": b'[{"id": 1}, {"id": 1, "scores": {"m": {"value": 1}}}]'}, "'1' is answered twice"),
        ({"summaries.json": b'[{"id": "a\\nb", "scores": {"m": {"value": 7}}}]'}, r"sample 'a\\nb': m is 7, no number"),
        ({"summaries.json": b'[{"id": 1, "scores": {}}]'}, "no score in it; was the model's work scored"),
        ({"summaries.json": b'[{"id": 1, "scores": {"m": {"value": "B"}}}]'}, "m is 'B', no number from 0 to 1"),
        ({"header.json": header(version=3)}, "version 3 of Inspect's logs; known: 2"),
        ({"header.json": header(status="error")}, "its status is 'error'; go on with: inspect eval-retry"),
        ({"header.json": header(eval={})}, "its header names no model, task or date"),
    ],
)
def test_an_eval_that_is_half_written_or_of_another_schema_is_one_line(
    tmp_path: Path, members: Mapping[str, bytes | None], message: str
) -> None:
    with pytest.raises(LogError, match=message):
        read(rezipped(EVALS["good"], tmp_path, members))


def test_a_cut_or_damaged_eval_is_one_line(tmp_path: Path) -> None:
    whole, made = EVALS["good"].read_bytes(), tmp_path / "cut.eval"
    with zipfile.ZipFile(EVALS["good"]) as archive:
        at = archive.getinfo("summaries.json").header_offset + 200
    for content in (whole[:-100], whole[:at] + b"\0\0\0\0" + whole[at + 4 :]):
        made.write_bytes(content)
        with pytest.raises(LogError, match="not a whole"):
            read(made)


@pytest.mark.parametrize("way", ["encrypted", "broken lzma"])
def test_an_eval_that_cannot_be_unpacked_is_one_line(tmp_path: Path, way: str) -> None:
    made = tmp_path / "made.eval"
    with zipfile.ZipFile(made, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("header.json", header())
        archive.writestr("summaries.json", "[" + "1," * 500 + "1]")
    content = bytearray(made.read_bytes())
    if way == "encrypted":
        for mark, flags in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
            content[content.find(mark) + flags] |= 1
    else:
        at = content.find(b"summaries.json") + len("summaries.json") + 6
        content[at : at + 12] = b"\xff" * 12
    made.write_bytes(content)
    with pytest.raises(LogError, match=r"not a whole .eval \(.*was it half written"):
        read(made)


def test_counts_that_nothing_can_have_and_an_odd_header_cost_no_run(tmp_path: Path) -> None:
    samples = [
        {"id": n, "scores": {"m": {"value": "C"}}, "model_usage": {"x": {"output_tokens": tokens}}}
        for n, tokens in enumerate([5, True, 10**30, -1])
    ]
    facts = {"model": "m", "task": "t", "created": "2026-11-28", "packages": []}
    path = rezipped(
        EVALS["good"], tmp_path, {"summaries.json": json.dumps(samples).encode(), "header.json": header(eval=facts)}
    )
    run = write_run([read(path)], tmp_path / "run")
    assert [row.completion_tokens for row in run.rows] == [5, None, None, None]


def test_inspects_letters_numbers_epochs_and_failed_samples_are_read(tmp_path: Path) -> None:
    values: list[object] = ["C", "I", "P", "N", 0.25, True, "0.5", None]
    samples = [{"id": n, "epoch": 2, "scores": {"m": {"value": each}}} for n, each in enumerate(values)]
    samples.append({"id": "died", "epoch": 1, "error": "first\nsecond"})
    path = rezipped(EVALS["good"], tmp_path, {"summaries.json": json.dumps(samples).encode()})
    *graded, died = read(path).answers
    assert [answer.grade for answer in graded] == [1, 0, 0.5, 0, 0.25, 1, 0.5, None]
    assert {answer.repetition for answer in graded} == {1}
    assert (died.grade, died.error) == (None, "first second")


def test_a_run_that_is_there_is_not_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(SUMS["good"]), "--out", str(tmp_path / "run")]) == 0
    assert "a comparison needs the logs of another model, too" in capsys.readouterr().out
    assert refusal([SUMS["less"], "--out", tmp_path / "run"], capsys).endswith("is a run already; choose another --out")
