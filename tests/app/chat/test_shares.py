import json
import os
from pathlib import Path

import pytest

from app.chat.shares import MAX_BYTES, ShareError, Shares

RECORD = {"turns": [{"prompt": "hi", "replies": []}]}


def test_what_is_stored_is_what_is_loaded_and_the_key_is_not_in_it(tmp_path: Path) -> None:
    shares = Shares(tmp_path)
    receipt = shares.store(RECORD)
    assert shares.load(receipt.id)["turns"] == RECORD["turns"]
    assert receipt.key not in (tmp_path / f"{receipt.id}.json").read_text()


def test_only_its_author_or_the_operator_deletes_it(tmp_path: Path) -> None:
    shares = Shares(tmp_path)
    mine, other = shares.store(RECORD), shares.store(RECORD)
    with pytest.raises(ShareError, match="only its author"):
        shares.delete(mine.id, other.key)
    shares.delete(mine.id, mine.key)
    with pytest.raises(ShareError, match="nothing is shared"):
        shares.load(mine.id)
    shares.delete(other.id, "", operator=True)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("share_id", ["", "short", "../../../etc/passwd", "a" * 16, "a/b/c/d/e/f/g/h/"])
def test_a_link_that_leads_nowhere_says_so(tmp_path: Path, share_id: str) -> None:
    with pytest.raises(ShareError, match="nothing is shared under this link"):
        Shares(tmp_path).load(share_id)


def test_a_huge_comparison_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ShareError, match="larger than 500 kB"):
        Shares(tmp_path).store({"turns": ["x" * MAX_BYTES]})


def test_in_a_full_store_the_oldest_makes_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.chat.shares.MAX_SHARES", 2)
    shares = Shares(tmp_path)
    first, second = shares.store(RECORD), shares.store(RECORD)
    os.utime(tmp_path / f"{second.id}.json", (1, 1))
    third = shares.store(RECORD)
    assert {path.stem for path in tmp_path.iterdir()} == {first.id, third.id}


def test_new_links_do_not_push_out_those_of_this_week(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.chat.shares.MAX_SHARES", 2)
    shares = Shares(tmp_path)
    kept = {shares.store(RECORD).id, shares.store(RECORD).id}
    with pytest.raises(ShareError, match="there is no room"):
        shares.store(RECORD)
    assert {path.stem for path in tmp_path.iterdir()} == kept


def test_nobody_fills_the_store_within_an_hour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.chat.shares.MAX_PER_HOUR", 2)
    now = [0.0]
    shares = Shares(tmp_path, clock=lambda: now[0])
    shares.store(RECORD), shares.store(RECORD)
    with pytest.raises(ShareError, match="within an hour"):
        shares.store(RECORD)
    now[0] = 1801.0
    shares.store(RECORD)


def test_a_broken_or_newer_file_is_one_line(tmp_path: Path) -> None:
    shares = Shares(tmp_path)
    receipt = shares.store(RECORD)
    path = tmp_path / f"{receipt.id}.json"
    path.write_text(json.dumps({"schema_version": 2}))
    with pytest.raises(ShareError, match="another version"):
        shares.load(receipt.id)
    path.write_text("{")
    with pytest.raises(ShareError, match="cannot be read"):
        shares.load(receipt.id)
