import json
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from app.arena.vote_backup import FILE_NAME, VoteBackup, banner
from app.arena.vote_store import Vote, VoteStore
from data.settings import VOTES_REPO
from tests.hub import Account, Hub

REPO = "me/votes"


@pytest.fixture
def account(hub: Hub) -> Hub:
    hub.accounts["hf_write"] = Account(name="me")
    return hub


def store_with(path: Path, *ids: str) -> VoteStore:
    store = VoteStore(path)
    for battle_id in ids:
        store.add(Vote(battle_id=battle_id, model_a="x", model_b="y", outcome="a", grade_a=1.0, grade_b=0.0))
    return store


def backup_of(store: VoteStore) -> VoteBackup:
    return VoteBackup(store, REPO, "hf_write", pause_s=0)


def test_votes_survive_a_lost_disk(account: Hub, tmp_path: Path) -> None:
    store = store_with(tmp_path / "a.sqlite", "1", "2")
    first = backup_of(store)
    assert first.restore() == 0  # makes the private repository
    first.push()
    repo = account.repos[f"datasets/{REPO}"]
    assert repo.access == "private" and len(repo.files[FILE_NAME].splitlines()) == 2
    fresh = store_with(tmp_path / "b.sqlite", "3")
    assert backup_of(fresh).restore() == 2
    assert {vote.battle_id for vote in fresh.all()} == {"1", "2", "3"}
    assert backup_of(fresh).restore() == 0


def test_a_vote_is_pushed_in_the_background(account: Hub, tmp_path: Path) -> None:
    store = store_with(tmp_path / "a.sqlite", "1")
    backup = backup_of(store)
    pushed = threading.Event()
    push = backup.push
    backup.push = lambda: (push(), pushed.set())[0]  # type: ignore[method-assign, func-returns-value]
    backup.start()
    backup.vote_added()
    assert pushed.wait(20)
    backup.close()
    [line] = account.repos[f"datasets/{REPO}"].files[FILE_NAME].decode().splitlines()
    assert json.loads(line)["battle_id"] == "1"
    assert backup.problem is None


def wait_until(done: Callable[[], object]) -> None:
    """For what another thread does within 20 s."""
    tick = threading.Event()
    assert any(done() or tick.wait(0.01) for _ in range(2000))


def test_what_fails_is_said_in_one_line_and_tried_again_and_nothing_is_replaced_before_it_is_read(
    hub: Hub, tmp_path: Path
) -> None:
    backup = VoteBackup(store_with(tmp_path / "a.sqlite", "1"), REPO, "hf_write", pause_s=0, retry_s=(0.01,))
    backup.start()
    backup.vote_added()
    wait_until(lambda: backup.problem is not None)
    assert backup.problem is not None and "cannot be kept on the Hub" in backup.problem and "\n" not in backup.problem
    assert not hub.repos
    hub.accounts["hf_write"] = Account(name="me")
    wait_until(lambda: FILE_NAME in getattr(hub.repos.get(f"datasets/{REPO}"), "files", {}))
    backup.close()
    assert json.loads(hub.repos[f"datasets/{REPO}"].files[FILE_NAME])["battle_id"] == "1"


def test_a_space_without_a_token_warns_before_the_vote() -> None:
    assert "vanish" in (banner({"SPACE_ID": "me/space"}) or "")
    assert banner({"SPACE_ID": "me/space", VOTES_REPO.name: REPO, "HF_TOKEN": "hf"}) is None
    assert banner({}) is None
