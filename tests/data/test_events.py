"""Logs as JSON, one object a line."""

import json
import logging

import pytest

from data import events
from data.events import JsonLines


def test_an_event_is_one_object_with_its_facts_and_is_counted(caplog: pytest.LogCaptureFixture) -> None:
    before = events.counts().get("test.happened", 0)
    with caplog.at_level(logging.INFO, "tradeoff"):
        events.note("test.happened", request="5f0c9a31", seconds=1.23456, models=["a"])
    (record,) = caplog.records
    line = json.loads(JsonLines().format(record))
    assert line.pop("at").endswith("Z")
    assert line == {"event": "test.happened", "request": "5f0c9a31", "seconds": 1.235, "models": ["a"]}
    assert events.counts()["test.happened"] == before + 1


def test_neither_a_long_text_nor_a_traceback_comes_through() -> None:
    record = logging.LogRecord("tradeoff", logging.ERROR, "file", 1, "first\nsecond" + "x" * 999, (), None)
    try:
        raise ValueError("a visitor's secret")
    except ValueError as error:
        record.exc_info = (type(error), error, error.__traceback__)
    line = JsonLines().format(record)
    assert "secret" not in line and "\n" not in line and len(line) < 300
