import pytest

from benchmarks.engine.contract import Sampling, Timings


@pytest.mark.parametrize(
    ("option", "value"),
    [("temperature", -0.1), ("temperature", float("nan")), ("top_p", 0), ("min_p", 1), ("max_tokens", 0), ("seed", -1)],
)
def test_sampling_out_of_range_is_refused_with_the_range(option: str, value: float) -> None:
    with pytest.raises(ValueError, match=rf"{option} is .*; it must lie between"):
        Sampling(**{option: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("stop", [("x",) * 17, ("x" * 201,)])
def test_too_many_or_too_long_stop_strings_are_refused(stop: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="give at most"):
        Sampling(stop=stop)


def test_an_empty_stop_string_is_refused() -> None:
    with pytest.raises(ValueError, match="empty string"):
        Sampling(stop=("",))


def test_a_rate_that_cannot_be_known_is_none() -> None:
    assert Timings(prompt_tokens=3).decode_tok_per_s is None
    assert Timings(prompt_tokens=3, decode_tokens=0, decode_s=0.0).decode_tok_per_s is None
    assert Timings(prompt_tokens=3, prefill_tokens=30, prefill_s=0.5).prefill_tok_per_s == 60
