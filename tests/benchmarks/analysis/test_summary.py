import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.analysis.summary import as_json, summarise, table
from benchmarks.runs.read import FIXED_SHAPE, Row, Run
from tests.benchmarks.made_runs import graded_rows, made_run

ROW = Row(
    model="m",
    model_sha256="ab",
    suite="core",
    prompt_id="p",
    kind="facts",
    condition="timed-cold",
    repetition=0,
    seed=1,
    started_at="2026-01-01T00:00:00+00:00",
    prompt_tokens=50,
    prefill_tokens=50,
    prefill_s=0.1,
    decode_tokens=20,
    decode_s=0.2,
    completion_tokens=21,
    completion_characters=84,
    ttft_s=0.15,
    total_s=0.5,
    grade=1.0,
)


def row(**changes: Any) -> Row:
    return dataclasses.replace(ROW, **changes)


def run(*rows: Row, **facts: Any) -> Run:
    models = {"z": {"peak_rss_bytes": 5}, "m": {"peak_rss_bytes": 2e8}}
    return Run(directory=Path("r"), manifest={"run_id": "r", "models": models, **facts}, rows=rows)


def test_figures_are_medians_over_the_samples_of_one_model_and_condition() -> None:
    (summary,) = summarise(run(row(), row(decode_s=0.1), row(decode_s=0.4, grade=0.0)))
    assert summary.decode_tok_per_s is not None and summary.decode_tok_per_s.estimate == pytest.approx(100)
    assert summary.prefill_tok_per_s is not None and summary.prefill_tok_per_s.estimate == pytest.approx(500)
    assert summary.characters_per_s is not None and summary.characters_per_s.estimate == pytest.approx(400)
    assert summary.answer_s is not None and summary.answer_s.estimate == 0.5
    assert (summary.correct, summary.graded, summary.peak_rss_bytes) == (2, 3, 2e8)


def test_answers_of_fewer_than_8_decoded_tokens_give_no_decode_rate() -> None:
    (summary,) = summarise(run(row(), row(decode_tokens=7, decode_s=0.0001)))
    assert summary.decode_tok_per_s is not None
    assert (summary.decode_tok_per_s.n, summary.decode_tok_per_s.estimate) == (1, pytest.approx(100))


def test_truncated_ungradable_failed_and_noisy_samples_are_counted_apart() -> None:
    rows = [
        *(row(), row(truncated=True, grade=0.0), row(grade=None), row(error="died", grade=None), row(throttled=2)),
        row(finish_reason="loop", grade=0.0),
    ]
    (summary,) = summarise(run(*rows))
    assert (summary.truncated, summary.ungradable, summary.errors, summary.noisy) == (1, 1, 1, 1)
    assert summary.looped == 1
    assert (summary.correct, summary.graded, summary.samples) == (2, 4, 6)


def test_the_fixed_shape_stays_out_of_the_prompts_figures() -> None:
    fixed = row(kind=FIXED_SHAPE, suite=FIXED_SHAPE, decode_s=2.0, grade=None)
    (summary,) = summarise(run(row(), fixed, fixed))
    assert summary.decode_tok_per_s is not None and summary.decode_tok_per_s.estimate == pytest.approx(100)
    assert summary.fixed_decode_tok_per_s is not None
    assert summary.fixed_decode_tok_per_s.estimate == pytest.approx(10)
    assert (summary.ungradable, summary.graded) == (0, 1)


def test_conditions_are_never_mixed_and_batched_wall_time_is_no_answer_time() -> None:
    summaries = summarise(run(row(), row(condition="batched", decode_s=0.02)))
    by_condition = {summary.condition: summary for summary in summaries}
    assert by_condition["timed-cold"].decode_tok_per_s != by_condition["batched"].decode_tok_per_s
    assert by_condition["timed-cold"].answer_s is not None
    assert by_condition["batched"].answer_s is None


def test_models_come_in_the_manifests_order() -> None:
    assert [summary.model for summary in summarise(run(row(), row(model="z")))] == ["z", "m"]


def test_reading_a_run_twice_gives_the_same_intervals() -> None:
    rows = [row(decode_s=0.1 + place / 100) for place in range(9)]
    assert summarise(run(*rows)) == summarise(run(*rows))


def test_a_model_of_which_nothing_is_known_has_nulls_and_not_zeros() -> None:
    (summary,) = summarise(run(row(error="cannot load", grade=None)))
    flat = json.loads(json.dumps(as_json(summary), allow_nan=False))
    assert flat["id"] == "m"
    assert (flat["decode_tok_per_s"], flat["ttft_s"], flat["accuracy"], flat["n"]) == (None, None, None, 0)
    assert flat["errors"] == 1
    assert "–" in table([summary])


def test_the_table_shows_a_single_sample_without_an_interval() -> None:
    text = table(summarise(run(row())))
    assert "100.0  " in text and "nan" not in text
    assert "1/1 = 100% [21%, 100%]" in text
    assert len({len(line.split("  ")) > 3 for line in text.splitlines()}) == 1


def test_batched_answers_are_graded_but_give_no_speed() -> None:
    (summary,) = summarise(run(row(condition="batched"), row(condition="batched", grade=0.0)))
    assert (summary.correct, summary.graded) == (1, 2)
    timings = (summary.decode_tok_per_s, summary.prefill_tok_per_s, summary.ttft_s, summary.characters_per_s)
    assert timings == (None,) * 4 and summary.answer_s is None


def test_prompts_of_one_template_and_repetitions_widen_the_interval_of_the_share() -> None:
    alone = summarise(made_run(graded_rows("a", "1100" * 10)))[0].accuracy
    shared = summarise(made_run(graded_rows("a", "1100" * 10, ["t1", "t1", "t2", "t2"] * 10)))[0].accuracy
    assert alone and shared and alone.estimate == shared.estimate == 0.5
    assert shared.high - shared.low > alone.high - alone.low
    twice = summarise(made_run(graded_rows("a", "1100"), graded_rows("a", "1100", repetition=1)))[0].accuracy
    assert twice and twice.n == 4
