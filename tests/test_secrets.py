"""A token never shows: not in output, logs, errors or files that leave, whatever goes wrong while it is set."""

import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from app import deploy
from app.arena.vote_backup import VoteBackup
from app.arena.vote_store import VoteStore
from app.space.staging import LEFT_OUT, StagedFile, staged_files
from data.errors import ModelError
from data.hub.repository import push_files
from data.models.__main__ import main as models
from data.models.published import published
from data.paths import ROOT
from tests.data.models.test_models_command import REGISTRY
from tests.data.models.test_published import entries
from tests.gguf_bytes import model_bytes
from tests.hub import Account, Hub, Repo
from tests.training.published_runs import finished_run
from training.checkpoints.base_model import resolve
from training.config import CONFIGS_DIR, Base, RowSource, TrainingError, load_config
from training.publish import main as publish
from training.rows.sources import read_source

TOKEN = "hf_RecognisableSecret0123456789abcd"
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=<...>':DeprecationWarning")


class Told:
    """All that was printed and logged so far."""

    def __init__(self, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        self._capsys, self._caplog, self._before = capsys, caplog, ""

    def __call__(self) -> str:
        self._before += "".join(self._capsys.readouterr())
        return self._before + self._caplog.text


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> Told:
    return Told(capsys, caplog)


@pytest.fixture(autouse=True)
def signed_in(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """alice, with the token; nothing waits."""
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    hub.accounts[TOKEN] = Account(name="alice")
    hub.repos["org/tiny-GGUF"] = Repo(files={"tiny-q4.gguf": model_bytes(200_000)})
    monkeypatch.setattr("data.hub.download.RETRY_PAUSES_S", (0.0,))
    (tmp_path / "my.toml").write_text(REGISTRY)
    monkeypatch.chdir(tmp_path)


def one_file(folder: Path) -> list[StagedFile]:
    (folder / "app.py").write_text("pass")
    return staged_files(folder)


def was_sent(hub: Hub) -> bool:
    return any(TOKEN in seen.headers.get("Authorization", "") for seen in hub.requests)


def refuse(part: str, status: int) -> Callable[[Hub], None]:
    return lambda hub: hub.refusals.update({part: status})


def take(name: str, repo: Repo) -> Callable[[Hub], None]:
    return lambda hub: hub.repos.update({name: repo})


def revoke(hub: Hub) -> None:
    hub.revoked = (TOKEN,)


def gate(hub: Hub) -> None:
    hub.repos["org/tiny-GGUF"].access = "gated"


def hide(hub: Hub) -> None:
    hub.repos["org/tiny-GGUF"].access = "private"


def fail(hub: Hub) -> None:
    hub.failures = [500] * 9


def cut(hub: Hub) -> None:
    hub.cut_after, hub.failures = 100_000, [503] * 9


@pytest.mark.parametrize("go_wrong", [revoke, gate, hide, fail, cut])
def test_a_fetch_that_fails(hub: Hub, told: Told, go_wrong: Callable[[Hub], None]) -> None:
    go_wrong(hub)
    assert models(["fetch", "tiny", "--registry", "my.toml"]) == 1
    assert "error: " in told() and TOKEN not in told() and was_sent(hub)


@pytest.mark.parametrize(
    "go_wrong",
    [
        revoke,
        refuse("/whoami", 403),
        refuse("/repos/create", 403),
        refuse("/commit/", 503),
        refuse("/lfs/objects/", 502),
    ],
)
def test_a_publish_that_fails(hub: Hub, told: Told, tmp_path: Path, go_wrong: Callable[[Hub], None]) -> None:
    run = finished_run(tmp_path / "runs")
    go_wrong(hub)
    assert publish([str(run.path), "--repo", "alice/tiny-r8"]) == 1
    assert "error: " in told() and TOKEN not in told() and was_sent(hub)


def test_what_is_published(hub: Hub, told: Told, tmp_path: Path) -> None:
    assert publish([str(finished_run(tmp_path / "runs").path), "--repo", "alice/tiny-r8"]) == 0
    files = hub.repos["alice/tiny-r8"].files
    assert len(files) > 5 and not any(TOKEN.encode() in content for content in files.values())
    assert TOKEN not in told() and was_sent(hub)


def test_a_dry_run_of_a_deploy_and_the_folder_that_it_stages(hub: Hub, told: Told, tmp_path: Path) -> None:
    options = ["--secret", "HF_TOKEN", "--dry-run", "--out", str(tmp_path / "staged")]
    assert deploy.main(["--repo", "alice/demo", *options]) == 0
    assert "secrets, by name: HF_TOKEN" in told() and TOKEN not in told()
    staged = [path for path in (tmp_path / "staged").rglob("*") if path.is_file()]
    assert staged and not any(TOKEN.encode() in path.read_bytes() for path in staged)


@pytest.mark.parametrize(
    "go_wrong",
    [
        revoke,
        refuse("/whoami", 401),
        refuse("/repos/create", 403),
        refuse("/commit/", 503),
        take("spaces/alice/demo", Repo(files={}, sdk="static")),
        take("datasets/alice/demo", Repo(files={})),
    ],
)
def test_a_deploy_that_fails(
    hub: Hub, told: Told, monkeypatch: pytest.MonkeyPatch, go_wrong: Callable[[Hub], None]
) -> None:
    monkeypatch.setattr("app.deploy.stage", one_file)
    go_wrong(hub)
    assert deploy.main(["--repo", "alice/demo", "--secret", "HF_TOKEN"]) == 1
    assert "error: " in told() and TOKEN not in told() and was_sent(hub)


def test_a_token_that_was_given_for_a_name(hub: Hub, told: Told) -> None:
    for options in (["--secret", TOKEN], ["--variable", TOKEN], ["--variable", f"NAME={TOKEN}"]):
        assert deploy.main(["--repo", "alice/demo", *options]) == 1
    assert told().count("error: ") == 3 and TOKEN not in told() and hub.requests == []


@pytest.mark.parametrize("go_wrong", [revoke, refuse("/repos/create", 403), refuse("/commit/", 503)])
def test_a_push_that_fails(hub: Hub, told: Told, go_wrong: Callable[[Hub], None]) -> None:
    go_wrong(hub)
    with pytest.raises(ModelError) as caught:
        push_files("alice/runs", {"a.txt": b"a"}, message="m")
    assert TOKEN not in str(caught.value) + told() and was_sent(hub)


def unusable_token(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("HF_TOKEN", f"{TOKEN}\v{TOKEN}")  # the client's own error quotes such a header
    return "has a character that no token has"


def endpoint_with_a_password(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("HF_ENDPOINT", f"http://alice:{TOKEN}@127.0.0.1:9")
    return "HF_ENDPOINT holds a user name or password"


@pytest.mark.parametrize("set_up", [unusable_token, endpoint_with_a_password])
def test_a_setting_that_an_error_would_quote_is_refused_everywhere(
    hub: Hub, told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, set_up: Callable[..., str]
) -> None:
    monkeypatch.setattr("app.deploy.stage", one_file)
    run, message = finished_run(tmp_path / "runs"), set_up(monkeypatch)
    assert models(["fetch", "tiny", "--registry", "my.toml"]) == 1
    assert deploy.main(["--repo", "alice/demo"]) == 1
    assert publish([str(run.path), "--repo", "alice/tiny-r8"]) == 1
    with pytest.raises(ModelError, match=message):
        push_files("alice/runs", {}, message="m")
    with pytest.raises(ModelError, match=message):
        published("alice", {})
    with pytest.raises(TrainingError, match=message):
        resolve(Base(source="hub", name="alice/base"))
    with pytest.raises((ModelError, TrainingError), match=message):
        read_source("rows", RowSource(kind="hub", name="alice/rows"), load_config(CONFIGS_DIR / "tiny.toml"))
    backup = VoteBackup(VoteStore(tmp_path / "votes.sqlite"), "alice/votes", TOKEN)
    assert not backup._attempt(backup.restore) and message in (backup.problem or "")
    assert told().count(message) >= 3 and TOKEN not in told() + (backup.problem or "") and hub.requests == []


def test_a_catalogue_that_cannot_be_offered(hub: Hub, told: Told) -> None:
    hub.repos["alice/mine"] = Repo(files={"models.toml": entries("alice/mine")}, tags=("tradeoff",), access="gated")
    (problem,) = published("alice", {}).problems
    assert "gated (403)" in problem and TOKEN not in problem + told() and was_sent(hub)


def test_an_image_is_built_without_files_of_secrets_and_without_secrets_as_arguments() -> None:
    ignored = (ROOT / ".dockerignore").read_text().split()
    assert {"secrets.toml", ".env*"} <= set(LEFT_OUT)
    assert {"**/secrets.toml", "**/.env*"} <= set(ignored)
    instructions = (ROOT / "Dockerfile").read_text().splitlines()
    named = [line for line in instructions if line.startswith(("ARG", "ENV", "RUN --mount=type=secret"))]
    assert named and not any(word in line for line in named for word in ("SECRET", "HF_TOKEN", "OPERATOR"))
    assert [line for line in named if line.startswith("ARG")] == ["ARG MODELS=real"]
