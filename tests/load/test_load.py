"""Samples of what `make soak` does for hours: some visitors, some kills, some hostile bytes."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.load import fuzz, kills, visitors
from tests.load.server import Server, serving

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving(tok_per_s=60) as made:
        yield made


def measured(server: Server, **options: Any) -> dict[str, Any]:
    """In a thread of its own: where a browser was driven before, this one has an event loop already."""
    with ThreadPoolExecutor(max_workers=1) as thread:
        found = thread.submit(lambda: asyncio.run(visitors.measure(server, 5, **options))).result()
    visitors.forget_what_was_cut()  # with its loop, else a later test is told of it
    return found


@pytest.mark.parametrize("hostile", [None, "messages", "tabs"])
def test_five_visitors_get_their_replies_whoever_else_is_there(server: Server, hostile: str | None) -> None:
    found = measured(server, seconds=6, every_s=3, hostile=hostile)
    assert found["prompts"] >= 5, found
    assert (found["broken"], found["refused"], found["tracebacks"]) == (0, 0, 0), found
    assert len(server.workers()) == 1


@pytest.mark.timing
def test_a_page_opens_within_a_second_beside_somebody_at_full_speed(server: Server) -> None:
    found = measured(server, seconds=4, every_s=9, hostile="messages")
    assert found["opened_s"][0] < 1.0, found


@pytest.mark.parametrize("writer", kills.WRITERS)
def test_what_a_writer_confirmed_survives_its_death(
    writer: str, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.chat.shares.MAX_PER_HOUR", 10**9)
    (tmp_path / "made").mkdir()
    done = kills.kill_again_and_again(writer, tmp_path / "made", cycles=20, seed=1)
    assert done["confirmed"] >= done["cycles"]


def test_a_writer_that_loses_what_it_confirmed_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forgets(folder: Path, first: int) -> Iterator[str]:
        while True:
            yield str(first)
            first += 1

    monkeypatch.setitem(kills.WRITERS, "forgetful", (forgets, lambda folder: set()))
    with pytest.raises(AssertionError, match="are lost in cycle 0"):
        kills.kill_again_and_again("forgetful", tmp_path, cycles=1, seed=1)


@pytest.mark.parametrize("target", fuzz.TARGETS)
def test_hostile_bytes_are_one_line_within_a_second(target: str) -> None:
    assert fuzz.fuzz(target, 100.0, seed=2, most=300) == 300
