"""A Space on the loopback Hub, by the real client: created, updated, followed until it runs, and every refusal."""

import json
from pathlib import Path

import pytest

from app import deploy
from app.space import publish
from tests.hub import Account, Hub, Repo

SPACE = "spaces/alice/demo"
SECRET = "hush-this-is-a-long-token"


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A small checkout in place of this one, and no waiting between looks at a build."""
    from app.space import staging

    root = tmp_path / "checkout"
    for part in staging.PARTS:
        (root / part).parent.mkdir(parents=True, exist_ok=True)
        (root / part).write_text(f"{part}\n")
    (root / "space").mkdir()
    (root / "space" / "README.md").write_text("---\nsdk: docker\napp_port: 8501\n---\n# A card\n")
    real = staging.stage
    monkeypatch.setattr("app.deploy.stage", lambda folder: real(folder, root=root))
    monkeypatch.setattr("app.space.publish.POLL_S", 0.0)


@pytest.fixture
def token(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> Hub:
    hub.accounts["hf_good"] = Account(name="alice")
    monkeypatch.setenv("HF_TOKEN", "hf_good")
    return hub


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert deploy.main(["--repo", "alice/demo", *arguments]) == 1
    said = capsys.readouterr().err
    (line,) = [line for line in said.splitlines() if line.startswith("error:")]
    assert said.endswith(line + "\n") and "Traceback" not in said and "hf_" not in said
    return line


def test_a_space_is_created_filled_followed_and_its_address_printed(
    token: Hub, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRADEOFF_OPERATOR_TOKEN", SECRET)
    options = ["--secret", "TRADEOFF_OPERATOR_TOKEN", "--variable", "TRADEOFF_HUB_NAMESPACE=alice"]
    assert deploy.main(["--repo", "alice/demo", *options]) == 0
    space, printed = token.repos[SPACE], capsys.readouterr()
    assert (space.sdk, space.hardware) == ("docker", "cpu-basic")
    assert space.variables == {"TRADEOFF_HUB_NAMESPACE": "alice"}
    assert space.secrets == {"TRADEOFF_OPERATOR_TOKEN": SECRET}
    assert space.files["README.md"].startswith(b"---\nsdk: docker") and space.files["Dockerfile"] == b"Dockerfile\n"
    assert printed.out.strip() == f"{token.url}/spaces/alice/demo"
    assert "building" in printed.err and "running" in printed.err
    assert SECRET not in printed.out + printed.err


def test_an_existing_space_gets_exactly_the_new_files_and_settings(token: Hub) -> None:
    token.repos[SPACE] = Repo(files={".gitattributes": b"", "old.py": b"x"}, sdk="docker")
    assert deploy.main(["--repo", "alice/demo", "--variable", "A=1", "--hardware", "cpu-upgrade"]) == 0
    space = token.repos[SPACE]
    assert "old.py" not in space.files and ".gitattributes" in space.files
    assert (space.variables, space.hardware) == ({"A": "1"}, "cpu-upgrade")


def test_a_build_of_an_older_commit_is_not_taken_for_the_new_one(token: Hub) -> None:
    class Api:
        answers = iter([("RUNNING", "old"), ("BUILD_ERROR", "old"), ("BUILDING", "new"), ("RUNNING", "new")])

    said: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        from huggingface_hub import HfApi
        from huggingface_hub._space_api import SpaceRuntime

        def look(self: HfApi, repo: str) -> SpaceRuntime:
            stage, sha = next(Api.answers)
            return SpaceRuntime({"stage": stage, "hardware": {}, "sha": sha})

        patch.setattr(HfApi, "get_space_runtime", look)
        publish.wait_until_running("alice/demo", "new", say=said.append)
    assert next(Api.answers, None) is None
    assert [line.split("s  ")[1] for line in said] == ["running", "build error", "building", "running"]


def test_a_build_that_fails_is_one_line_with_its_log(token: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    token.repos[SPACE] = Repo(files={}, sdk="docker", stages=["BUILDING", "BUILD_ERROR"])
    assert "alice/demo ended as BUILD_ERROR; its log: " in refusal(capsys)


def test_a_dry_run_shows_every_file_and_asks_nobody(hub: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    assert deploy.main(["--repo", "alice/demo", "--dry-run"]) == 0
    printed = capsys.readouterr()
    assert "Dockerfile" in printed.out and "together" in printed.err and hub.requests == []


@pytest.mark.parametrize("status", [402, 403])
def test_an_account_without_a_plan_hears_of_plans_and_of_the_free_way(
    token: Hub, capsys: pytest.CaptureFixture[str], status: int
) -> None:
    token.refusals["/repos/create"] = status
    line = refusal(capsys)
    assert f"({status})" in line and "paid plan" in line and "app.static --deploy" in line


@pytest.mark.parametrize(
    ("name", "there", "message"),
    [
        (SPACE, Repo(files={}, sdk="static"), "as a Space of sdk 'static'; this needs 'docker'"),
        ("alice/demo", Repo(files={}), "as a model repository; choose another name"),
        ("datasets/alice/demo", Repo(files={}), "as a dataset repository; choose another name"),
    ],
)
def test_a_name_that_stands_for_something_else_is_refused(
    token: Hub, capsys: pytest.CaptureFixture[str], name: str, there: Repo, message: str
) -> None:
    token.repos[name] = there
    assert message in refusal(capsys)
    assert list(token.repos) == [name]


def test_no_token_and_a_token_that_may_only_read(
    hub: Hub, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "no Hugging Face token; make one that may write" in refusal(capsys)
    hub.accounts["hf_read"] = Account(name="alice", role="read")
    monkeypatch.setenv("HF_TOKEN", "hf_read")
    assert "may only read" in refusal(capsys)
    hub.accounts["hf_read"] = Account(name="bob")
    assert "may not write to 'alice'" in refusal(capsys)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--repo", "no-namespace"), "write NAMESPACE/NAME"),
        (("--repo", "alice/a b"), "--repo is 'alice/a b'"),
        (("--variable", "HF_TOKEN=x"), "would be public"),
        (("--variable", "novalue"), "write NAME=VALUE"),
        (("--secret", "UNSET_THING"), "the environment has no UNSET_THING"),
        (("--secret", "NAME=hush"), "takes a name only"),
        (("--secret", "hf_" + "a" * 34), "takes a name only"),
        (("--variable", "NAMESPACE=hf_" + "a" * 34), "would be public"),
    ],
)
def test_wrong_arguments_are_one_line(
    token: Hub, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], message: str
) -> None:
    assert message in refusal(capsys, *arguments)
    assert token.requests == []


def test_a_secret_never_shows_in_a_wish() -> None:
    assert SECRET not in repr(publish.Wish(repo="a/b", secrets={"X": SECRET}))
    assert json.dumps(publish.read_secrets(["X"], {"X": SECRET})) == json.dumps({"X": SECRET})


def test_no_network_is_one_line(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("HF_TOKEN", "hf_good")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    assert "check the network" in refusal(capsys)
