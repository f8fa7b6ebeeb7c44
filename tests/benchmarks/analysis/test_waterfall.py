from pathlib import Path

import pytest

from benchmarks.analysis.waterfall import chain, waterfall
from benchmarks.runs.read import RunError
from data.models.entries import DerivedSource, ModelEntry, PyPISource
from data.models.registry import load_registry
from tests.benchmarks.made_runs import graded_rows, made_run, timed_rows

BASE = PyPISource(package="p", version="1", member="m")


def entry(model: str, size: str, rank: int | None, quantization: str, source: DerivedSource | PyPISource) -> ModelEntry:
    return ModelEntry(
        id=model, label=model, base="B", size=size, rank=rank, quantization=quantization, licence="L", source=source
    )


def derived(
    base: str, quantization: str | None = None, adapter: str | None = None, drop: tuple[int, ...] = ()
) -> DerivedSource:
    return DerivedSource(
        base=base, quantization=quantization, adapter=Path(adapter) if adapter else None, drop_layers=drop
    )


REGISTRY = {
    each.id: each
    for each in (
        entry("base", "135M", None, "q4_1", BASE),
        entry("small", "99M", None, "q4_1", derived("base", drop=(1,))),
        entry("tuned-q4", "99M", 8, "q4_k_m", derived("small", "q4_k_m", "a")),
        entry("tuned", "99M", 8, "q8_0", derived("small", "q8_0", "a")),
    )
}
SIZES = {"base": 90, "small": 70, "tuned": 100, "tuned-q4": 60}


def steps(model: str) -> list[tuple[str, str]]:
    return [(link.model, link.step) for link in chain(model, REGISTRY)]


def test_the_chain_leads_from_the_base_through_every_step_that_the_registry_has() -> None:
    assert steps("tuned-q4") == [
        ("base", "base"),
        ("small", "layers removed"),
        ("tuned", "LoRA r=8, q4_1 → q8_0"),
        ("tuned-q4", "q8_0 → q4_k_m"),
    ]
    assert steps("base") == [("base", "base")]


def test_a_step_over_models_that_were_not_measured_is_named_after_all_that_it_does() -> None:
    links = chain("tuned-q4", REGISTRY, measured=["base", "tuned-q4"])
    assert [link.step for link in links] == ["base", "layers removed, LoRA r=8, q4_1 → q4_k_m"]


def test_every_shipped_model_has_a_chain_that_ends_with_it() -> None:
    registry = load_registry()
    for model in registry:
        links = chain(model, registry)
        assert links[-1].model == model and links[0].step == "base"
        assert all(link.step != "no change" for link in links)


def test_each_step_says_what_it_changed_in_quality_size_and_speed() -> None:
    grades = {"base": "11110000", "small": "10000000", "tuned": "11111100", "tuned-q4": "11111000"}
    quality = made_run(
        *(graded_rows(model, mine) for model, mine in grades.items()),
        facts={model: {"file_size_bytes": size} for model, size in SIZES.items()},
    )
    rates = {"base": 100.0, "small": 140.0, "tuned": 130.0, "tuned-q4": 145.0}
    speed = made_run(*(timed_rows(model, [rate, rate + 1, rate + 2]) for model, rate in rates.items()), run_id="s")
    found = waterfall([quality, speed], "tuned-q4", REGISTRY)
    assert [each.share_correct for each in found] == [0.5, 0.125, 0.75, 0.625]
    assert [each.change and each.change.difference for each in found] == [None, -0.375, 0.625, -0.125]
    assert [each.size_change_bytes for each in found] == [None, -20, 30, -40]
    ratio = found[1].speed
    assert ratio is not None and ratio.ratio.estimate == pytest.approx(1.4, abs=0.01)


def test_a_step_without_measurements_is_left_unknown_and_one_model_alone_is_no_waterfall() -> None:
    with pytest.raises(RunError, match="no two of base, small, tuned have been measured"):
        waterfall([made_run(graded_rows("tuned", "10"))], "tuned", REGISTRY)
    apart = [made_run(graded_rows(model, "10"), run_id=model) for model in ("base", "small")]
    found = waterfall(apart, "small", REGISTRY)
    assert found[1].change is None and found[1].speed is None and found[1].share_correct is None
