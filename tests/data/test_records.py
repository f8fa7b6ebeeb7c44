"""Text that is not ours: whatever it is, it is read or refused in one line, within a second."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from data.errors import TradeoffError
from data.models.registry import parse_registry
from data.records import parse_json, parse_toml, set_key

DERIVED = """[[model]]
id = "m{0}"
label = "m"
base = "b"
size = "1"
quantization = "q8_0"
licence = "MIT"
source = {{ kind = "derived", base = "m{1}", quantization = "q8_0" }}
"""


def refused(read: Callable[[], Any]) -> str:
    started = time.process_time()
    with pytest.raises(TradeoffError) as caught:
        read()
    message = str(caught.value)
    assert time.process_time() - started < 1 and len(message) < 1000 and "\n" not in message
    return message


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (".".join(["a"] * 200_000) + " = 1", "a key of more than 32 parts in line 1"),
        ("x = 1\n[" + ".".join(["a"] * 200_000) + "]", "in line 2"),
        ('"" . ' * 200_000 + "a = 1", "32 parts"),
        ("x = {" + "a." * 200_000 + "b = 1}", "32 parts"),
        ("x = " + "[" * 100_000, "nested too deeply"),
        ("x = " + "{a = " * 100_000, "nested too deeply"),
        ("x = " + "9" * 100_000, "not TOML"),
        ("x = 1" + "_1" * 100_000, "not TOML"),
        ("x = '" + "a" * 5_000_000 + "'", "5,000,006 characters"),
    ],
)
def test_toml_without_measure_is_one_line_within_a_second(text: str, why: str) -> None:
    assert why in refused(lambda: parse_toml(text, "x.toml", TradeoffError))


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"a":' * 100_000, '{"a": ' + "9" * 100_000 + "}", '{"a": "\\ud800"}', "3"]
)
def test_json_without_measure_is_one_line_within_a_second(text: str) -> None:
    assert refused(lambda: parse_json(text, "x.json", TradeoffError)).startswith("x.json: ")


@pytest.mark.parametrize("change", ["a." * 200_000 + "b=1", "x=" + "[" * 100_000, "x=" + "a." * 100_000 + "b"])
def test_a_change_of_a_key_is_bounded_too(change: str) -> None:
    started = time.process_time()
    try:
        set_key({}, change, TradeoffError)
    except TradeoffError as error:
        assert len(str(error)) < 1000
    assert time.process_time() - started < 1


def test_a_chain_of_three_thousand_derivations_is_one_line() -> None:
    text = "".join(DERIVED.format(number, number + 1) for number in range(3_000))
    started = time.process_time()
    with pytest.raises(TradeoffError, match=r"\[m0\] is derived in 16 steps or more"):
        parse_registry(text, Path("models.toml"))
    assert time.process_time() - started < 3  # of which TOML's parser takes most


def test_a_number_of_a_million_digits_in_a_registry_is_named_by_its_size() -> None:
    text = DERIVED.format(0, 1).replace('size = "1"', "size = 0x" + "f" * 1_000_000)
    assert "size is a number of 4,000,000 bits" in refused(lambda: parse_registry(text, Path("models.toml")))
