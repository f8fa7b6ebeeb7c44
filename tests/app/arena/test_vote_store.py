import sqlite3
from pathlib import Path

import pytest

from app.arena.vote_store import Vote, VotedAlready, VotesError, VoteStore, votes_csv


def vote(battle_id: str, outcome: str = "a") -> Vote:
    return Vote(battle_id=battle_id, model_a="x", model_b="y", outcome=outcome)  # type: ignore[arg-type]


def test_votes_are_on_disk_for_the_next_process(tmp_path: Path) -> None:
    path = tmp_path / "state" / "votes.sqlite"
    assert VoteStore(path).all() == []
    VoteStore(path).add(vote("1"))
    VoteStore(path).add(Vote(battle_id="2", model_a="y", model_b="x", outcome="tie", suite="core", grade_a=1.0))
    first, second = VoteStore(path).all()
    assert (first.outcome, first.battle.score_a) == ("a", 1.0)
    assert (second.suite, second.grade_a, second.grade_b) == ("core", 1.0, None)
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()


def test_a_battle_has_one_vote(tmp_path: Path) -> None:
    store = VoteStore(tmp_path / "votes.sqlite")
    store.add(vote("1", "a"))
    with pytest.raises(VotedAlready, match="your vote already"):
        store.add(vote("1", "b"))
    assert [each.outcome for each in store.all()] == ["a"]


def test_a_locked_file_is_one_line_and_nothing_is_lost(tmp_path: Path) -> None:
    store = VoteStore(tmp_path / "votes.sqlite", busy_s=0.05)
    store.add(vote("1"))
    other = sqlite3.connect(store.path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(VotesError, match="locked; try again"):
        store.add(vote("2"))
    other.execute("ROLLBACK")
    other.close()
    store.add(vote("2"))
    assert len(store.all()) == 2


def test_a_corrupt_file_is_named_and_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "votes.sqlite"
    path.write_bytes(b"no database at all " * 300)
    for action in (VoteStore(path).all, lambda: VoteStore(path).add(vote("1"))):
        with pytest.raises(VotesError, match=r"votes\.sqlite: .*move the file away"):
            action()
    assert path.read_bytes().startswith(b"no database")


def test_an_outcome_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(VotesError, match="unknown outcome 'maybe'"):
        VoteStore(tmp_path / "votes.sqlite").add(vote("1", "maybe"))


def test_the_export_has_every_column() -> None:
    head, row = votes_csv([vote("1")]).splitlines()
    assert head == "battle_id,model_a,model_b,outcome,voted_at,suite,prompt_id,grade_a,grade_b"
    assert row.startswith("1,x,y,a,")
