"""Load curves on disk, and the sentence that comes of one."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.runs.load import Level, LoadCurve, find_loads, latest, read_load, write_load
from benchmarks.runs.read import RunError


def level(users: int, rate: float | None) -> Level:
    return Level(
        users=users,
        seconds=30.0,
        answers=9,
        errors=0,
        ttft_p50_s=0.2,
        ttft_p95_s=0.4,
        gap_p50_s=0.05,
        gap_p95_s=0.08,
        tok_per_s_per_user=rate,
        tok_per_s=users * (rate or 0.0),
        answers_per_hour=900.0,
        prompt_tokens=40.0,
        answer_tokens=128.0,
    )


def made_curve(
    *rates: float | None, model: str = "m", server: str | None = None, made: str = "2026-01-01"
) -> LoadCurve:
    return LoadCurve(
        schema_version="1.0",
        created_at=made,
        model=model,
        served_by=server,
        suite="core",
        answer_tokens=128,
        threads=None,
        at_least=10.0,
        machine={"cpu": "A CPU", "usable_threads": 2, "cores": 2},
        llama_cpp=None if server else {"variant": "avx2"},
        levels=tuple(level(2**place, rate) for place, rate in enumerate(rates)),
    )


@pytest.mark.parametrize(
    ("rates", "count", "said"),
    [
        ((40, 22, 11, 6), 4, "this machine serves 4 users of m at 10 tok/s each"),
        ((40, 22, 11, 10), 8, "this machine serves at least 8 users of m at 10 tok/s each"),
        ((10, 5, 11, 1), 1, "this machine serves 1 user of m at 10 tok/s each"),
        ((9, 5, 3, 1), 0, "this machine serves no user of m at 10 tok/s"),
        ((40, None, 11, 6), 1, "this machine serves 1 user of m at 10 tok/s each"),
    ],
)
def test_the_sentence_says_how_many_users_get_enough(rates: tuple[float | None, ...], count: int, said: str) -> None:
    curve = made_curve(*rates)
    assert (curve.users, curve.sentence) == (count, said)
    there = replace(curve, served_by="there:80").sentence
    assert there == said.replace("this machine", "there:80") + ", as served"


def test_a_curve_is_read_as_it_was_written_and_a_newer_minor_too(tmp_path: Path) -> None:
    path = tmp_path / "load" / "m.json"
    write_load(path, made_curve(40, None))
    assert read_load(path) == made_curve(40, None)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schema_version": "1.9", "joules": 3}))
    assert read_load(path).levels == made_curve(40, None).levels
    assert find_loads([tmp_path, tmp_path / "nothing"]) == [path]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"schema_version": "2.0"}, "newer than 1.0"),
        ({"schema_version": None}, "schema_version is None"),
        ({"levels": []}, "its levels cannot be"),
        ({"levels": [{"users": 1}]}, "missing"),
        ({"model": 7}, "model"),
        ({"machine": "x"}, "machine"),
    ],
)
def test_a_damaged_file_is_one_line(tmp_path: Path, change: dict[str, object], why: str) -> None:
    path = tmp_path / "m.json"
    write_load(path, made_curve(40))
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(RunError) as caught:
        read_load(path)
    assert why in str(caught.value) and "\n" not in str(caught.value)


def test_figures_below_nothing_and_levels_out_of_order_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.json"
    for levels in ((level(1, -4.0),), (level(2, 4.0), level(1, 5.0))):
        write_load(path, replace(made_curve(1), levels=levels))
        with pytest.raises(RunError, match="its levels cannot be"):
            read_load(path)


def test_each_place_has_the_newest_curve_of_each_model() -> None:
    old, new = made_curve(1.0), made_curve(2.0, made="2026-02-01")
    far = made_curve(3.0, model="far", server="there:80")
    found = latest([new, far, old, made_curve(4.0, model="b")])
    assert list(found) == ["A CPU, 2 threads, avx2", "there:80, as served"]
    assert [(each.model, each.levels[0].tok_per_s) for each in found["A CPU, 2 threads, avx2"]] == [
        ("b", 4.0),
        ("m", 2.0),
    ]
