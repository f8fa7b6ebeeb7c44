"""Publishing, by the real huggingface_hub client to a Hub on loopback."""

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from data.models import published as catalogue
from data.models.fetch import fetch, pin_state
from data.models.registry import read_registry
from data.paths import ROOT
from tests.hub import Account, Hub, Repo
from tests.training.published_runs import LLAMA, finished_run, sha256
from training.publish import main
from training.run_directory import RunDirectory

REPO = "alice/tiny-r8"
# httpx asks for `content` where the client still says `data`.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=<...>':DeprecationWarning")


@pytest.fixture(autouse=True)
def writer(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """alice is signed in, and the client waits for nobody."""
    hub.accounts = {
        "hf_write": Account(name="alice", organisations=("club",)),
        "hf_read": Account(name="alice", role="read"),
        "hf_fine": Account(name="alice", role="fineGrained"),
    }
    monkeypatch.setenv("HF_TOKEN", "hf_write")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return finished_run(tmp_path / "runs")


def published(hub: Hub, repo: str = REPO) -> dict[str, bytes]:
    files = dict(hub.repos[repo].files)
    del files[".gitattributes"]
    return files


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str | Path, hub: Hub | None = None) -> str:
    """The one line that the command ends with; nothing is published."""
    assert main([*map(str, arguments)]) == 1
    *_, last = capsys.readouterr().err.splitlines()
    assert last.startswith("error: ")
    if hub is not None:
        assert hub.repos == {}
    return last


def test_a_run_is_published_in_one_commit(run: RunDirectory, hub: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(run.path), "--repo", REPO]) == 0
    files = published(hub)
    assert set(files) == {
        "README.md", "LICENSE", "parity.json", "card.json", "manifest.json", "run.json", "loss.png", "models.toml",
        "adapter/adapter_config.json", "adapter/adapter_model.safetensors",
        "tiny-r8.adapter.gguf", "tiny-r8.f16.gguf", "tiny-r8.q4_k_m.gguf",
    }  # fmt: skip
    assert len(hub.repos[REPO].history) == 1
    for kind in ("adapter", "f16", "q4_k_m"):
        assert files[f"tiny-r8.{kind}.gguf"] == run.gguf(kind).read_bytes()
    assert b"Apache License" in files["LICENSE"]
    shown = capsys.readouterr()
    assert shown.out.startswith(f"{hub.url}/{REPO}\n")
    assert "tiny-r8.f16.gguf: sending" in shown.err


def test_what_is_published_names_no_directory_of_this_machine(run: RunDirectory, hub: Hub, tmp_path: Path) -> None:
    assert main([str(run.path), "--repo", REPO]) == 0
    for content in published(hub).values():
        assert str(tmp_path).encode() not in content
    files = published(hub)
    assert json.loads(files["run.json"])["data_path"] == "runs/data/tiny-r8"
    base = json.loads(files["adapter/adapter_config.json"])["base_model_name_or_path"]
    assert base == "HuggingFaceTB/SmolLM2-135M-Instruct"


def test_the_printed_entry_fetches_the_published_model(
    run: RunDirectory, hub: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(run.path), "--repo", REPO]) == 0
    registry_file = tmp_path / "models.toml"
    registry_file.write_text(capsys.readouterr().out.partition("\n")[2])
    registry = read_registry(registry_file)
    assert list(registry) == ["tiny-r8-f16", "tiny-r8-q4_k_m"]
    entry = registry["tiny-r8-f16"]
    assert entry.base == "SmolLM2-135M-Instruct"
    assert (entry.size, entry.rank, entry.alpha, entry.licence) == ("135M", 8, 16, "Apache-2.0")
    assert pin_state(entry, registry) == "pinned"
    assert fetch(entry, registry).read_bytes() == run.gguf("f16").read_bytes()
    commit = hub.repos[REPO].commit
    assert all(f"/resolve/{commit}/" in seen.path for seen in hub.downloads())


@pytest.mark.slow
def test_the_entry_stays_valid_when_a_later_commit_changes_the_repository(
    run: RunDirectory, hub: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(run.path), "--repo", REPO]) == 0
    entries = capsys.readouterr().out.partition("\n")[2]
    (run.path / "metrics.jsonl").write_text("")
    assert main([str(run.path), "--repo", REPO]) == 0
    (tmp_path / "models.toml").write_text(entries)
    registry = read_registry(tmp_path / "models.toml")
    assert fetch(registry["tiny-r8-f16"], registry).is_file()


def test_the_catalogue_offers_what_was_published_with_the_results_on_its_card(run: RunDirectory, hub: Hub) -> None:
    assert main([str(run.path), "--repo", REPO]) == 0
    hub.repos[REPO].tags = (catalogue.TAG,)  # the Hub reads it from the card's front matter
    found = catalogue.published("alice", {})
    assert [entry.id for entry in found.entries] == ["tiny-r8-f16", "tiny-r8-q4_k_m"] and found.problems == ()
    card = found.cards[REPO]
    assert [section.title for section in card] == ["Training", "Data", "Loss", "Parity", "Benchmark", "Limits"]
    assert "mean KL" in card[3].rows[0] and "passed" in card[3].rows[0]
    assert any("training" in row for row in card[2].rows)


def test_only_the_chosen_files_are_sent(run: RunDirectory, hub: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(run.path), "--repo", REPO, "--files", "f16"]) == 0
    files = published(hub)
    assert [name for name in files if name.endswith((".gguf", ".safetensors"))] == ["tiny-r8.f16.gguf"]
    assert list(json.loads(files["manifest.json"])["files"]) == ["tiny-r8.f16.gguf"]
    assert b"q4_k_m.gguf" not in files["README.md"]
    assert 'id = "tiny-r8"\n' in capsys.readouterr().out


def test_a_dry_run_shows_the_card_and_asks_nobody(
    run: RunDirectory, hub: Hub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("HF_TOKEN")
    assert main([str(run.path), "--repo", REPO, "--dry-run"]) == 0
    shown = capsys.readouterr()
    assert shown.out.startswith("---\nlicense: apache-2.0\n")
    assert f"tiny-r8.f16.gguf  0 MB  sha256 {sha256(run.gguf('f16').read_bytes())}" in shown.err
    assert hub.requests == []


def test_a_private_repository_is_asked_for(run: RunDirectory, hub: Hub) -> None:
    assert main([str(run.path), "--repo", "club/tiny-r8", "--private"]) == 0
    assert hub.repos["club/tiny-r8"].access == "private"


def test_a_public_repository_is_not_taken_for_a_private_one(
    run: RunDirectory, hub: Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.repos[REPO] = Repo(files={})
    message = refusal(capsys, run.path, "--repo", REPO, "--private")
    assert f"{REPO} is there already and public; make it private at {hub.url}/{REPO}/settings" in message
    assert hub.repos[REPO].files == {}


@pytest.mark.slow
def test_a_file_cut_half_way_is_sent_again_and_the_others_are_not(
    run: RunDirectory, hub: Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    sent = [sha256(run.gguf(kind).read_bytes()) for kind in ("adapter", "f16", "q4_k_m")]
    hub.refusals = {f"/lfs/objects/{sent[2]}": 502}
    message = refusal(capsys, run.path, "--repo", REPO)
    assert f"{hub.url} answered 502 for {REPO}; what was sent is kept there: run the same command again" in message
    assert published(hub) == {}
    hub.refusals = {}
    hub.requests.clear()
    hub.cut_uploads = [50_000]
    assert main([str(run.path), "--repo", REPO]) == 0
    weights = sha256((run.adapter / "adapter_model.safetensors").read_bytes())
    plot = sha256(run.loss_plot.read_bytes())
    assert hub.uploads() == [sent[2], sent[2], weights, plot]
    assert published(hub)["tiny-r8.q4_k_m.gguf"] == run.gguf("q4_k_m").read_bytes()


def test_a_connection_that_keeps_breaking_leaves_no_half_repository(
    run: RunDirectory, hub: Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.cut_uploads = [100] * 6
    message = refusal(capsys, run.path, "--repo", REPO)
    assert f"the connection to {hub.url} failed" in message
    assert "run the same command again" in message
    assert published(hub) == {}


@pytest.mark.slow
def test_publishing_twice_sends_no_large_file_and_makes_no_commit(
    run: RunDirectory, hub: Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(run.path), "--repo", REPO]) == 0
    first, commit = capsys.readouterr().out, hub.repos[REPO].commit
    hub.requests.clear()
    assert main([str(run.path), "--repo", REPO]) == 0
    second = capsys.readouterr()
    assert second.out == first
    assert "tiny-r8.f16.gguf: on the Hub already" in second.err
    assert hub.uploads() == []
    assert hub.repos[REPO].commit == commit


@pytest.mark.slow
def test_a_file_of_an_earlier_publish_is_pointed_out(
    run: RunDirectory, hub: Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(run.path), "--repo", REPO]) == 0
    assert main([str(run.path), "--repo", REPO, "--files", "f16"]) == 0
    assert f"note: {REPO} also holds tiny-r8.q4_k_m.gguf, which the new" in capsys.readouterr().err


def test_without_parity_nothing_leaves(run: RunDirectory, hub: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    run.parity.unlink()
    message = refusal(capsys, run.path, "--repo", REPO, hub=hub)
    assert f"{run.path} has no parity.json; run python -m training.verify {run.path}" in message


def test_a_file_changed_since_the_gate_is_refused(
    run: RunDirectory, hub: Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    run.gguf("q4_k_m").write_bytes(b"GGUF, but another")
    message = refusal(capsys, run.path, "--repo", REPO, hub=hub)
    assert "tiny-r8.q4_k_m.gguf is not the file that the parity gate judged" in message
    assert f"run python -m training.verify {run.path} again" in message
    assert main([str(run.path), "--repo", REPO, "--files", "f16,adapter"]) == 0


def test_a_name_that_the_licence_forbids_is_refused(
    tmp_path: Path, hub: Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    run = finished_run(tmp_path / "others", base=LLAMA, name="llama-3.2-1b-r8")
    message = refusal(capsys, run.path, "--repo", "alice/llama-3.2-1b-r8", hub=hub)
    assert "use --repo alice/Llama-3.2-1b-r8" in message


def test_a_run_is_found_by_its_name(run: RunDirectory, hub: Hub) -> None:
    assert main([run.name, "--repo", REPO]) == 0
    assert REPO in hub.repos


def test_no_token_says_how_to_get_one(
    run: RunDirectory, hub: Hub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("HF_TOKEN")
    message = refusal(capsys, run.path, "--repo", REPO, hub=hub)
    assert "no Hugging Face token; make one that may write at https://huggingface.co/settings/tokens" in message
    assert "set HF_TOKEN or run `hf auth login`" in message


@pytest.mark.parametrize(
    ("token", "repo", "message"),
    [
        ("hf_read", REPO, "the Hugging Face token of alice may only read; make one that may write"),
        ("hf_wrong", REPO, "does not accept the Hugging Face token (401): it is wrong, expired or revoked"),
        ("hf_write", "bob/tiny", "the token of alice may not write to 'bob'; it may to: alice, club"),
        ("hf_fine", "club/tiny", "the Hugging Face token may not write to club/tiny (403)"),
    ],
)
def test_a_token_that_may_not_write_there_is_refused(
    run: RunDirectory,
    hub: Hub,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    token: str,
    repo: str,
    message: str,
) -> None:
    monkeypatch.setenv("HF_TOKEN", token)
    assert message in refusal(capsys, run.path, "--repo", repo, hub=hub)
    assert hub.uploads() == []


def test_a_repository_of_others_refuses_the_write(
    run: RunDirectory, hub: Hub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.repos["club/tiny"] = Repo(files={})
    monkeypatch.setenv("HF_TOKEN", "hf_fine")
    assert "may not write to club/tiny (403)" in refusal(capsys, run.path, "--repo", "club/tiny")
    assert hub.uploads() == []


def test_no_network_and_offline_mode_are_named(
    run: RunDirectory,
    hub: Hub,
    hub_constant: Callable[[str, object], None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert "the connection to http://127.0.0.1:9 failed" in refusal(capsys, run.path, "--repo", REPO, hub=hub)
    hub_constant("HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE is set; unset it" in refusal(capsys, run.path, "--repo", REPO, hub=hub)


@pytest.mark.slow
def test_a_refused_commit_can_be_repeated_without_sending_again(
    run: RunDirectory, hub: Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.refusals = {"/commit/": 503}
    assert "answered 503" in refusal(capsys, run.path, "--repo", REPO)
    assert published(hub) == {}
    hub.refusals = {}
    hub.requests.clear()
    assert main([str(run.path), "--repo", REPO]) == 0
    assert hub.uploads() == []


def test_a_llama_carries_its_licence_and_notice(tmp_path: Path, hub: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    run = finished_run(tmp_path / "others", base=LLAMA, name="llama-3.2-1b-r8")
    command = [str(run.path), "--repo", "alice/Llama-3.2-1b-r8"]
    message = refusal(capsys, *command, hub=hub)
    assert "the Llama 3.2 Community licence wants its text beside every copy" in message
    assert "https://www.llama.com/llama3_2/license/ and pass it as --licence-file FILE" in message
    hub.repos["meta-llama/Llama-3.2-1B-Instruct"] = Repo(files={"LICENSE.txt": b"the agreement"})
    assert main(command) == 0
    files = published(hub, "alice/Llama-3.2-1b-r8")
    assert files["LICENSE"] == b"the agreement"
    notice = "Llama 3.2 is licensed under the Llama 3.2 Community License, Copyright © Meta Platforms, Inc."
    assert files["NOTICE"].decode().startswith(notice)
    given = tmp_path / "agreement.txt"
    given.write_bytes(b"as saved")
    assert main([*command, "--licence-file", str(given)]) == 0
    assert published(hub, "alice/Llama-3.2-1b-r8")["LICENSE"] == b"as saved"


def test_a_base_of_another_licence_is_published_under_that(tmp_path: Path, hub: Hub) -> None:
    run = finished_run(tmp_path / "others", base={"source": "path", "name": "models/own"}, name="own-r8")
    assert main([str(run.path), "--repo", "alice/own-r8", "--licence", "mit"]) == 0
    files = published(hub, "alice/own-r8")
    assert files["README.md"].startswith(b"---\nlicense: mit\n")
    assert b"base_model" not in files["README.md"]
    assert "LICENSE" not in files


@pytest.mark.slow
def test_the_command_itself_uploads_where_the_hub_has_no_xet(run: RunDirectory, hub: Hub, cache: Path) -> None:
    """In a process of its own, since the client reads its settings at import."""
    environment = {key: value for key, value in os.environ.items() if key != "HF_HUB_DISABLE_XET"}
    command = [sys.executable, "-m", "training.publish", str(run.path), "--repo", REPO, "--files", "f16"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr.count("error")) == (0, 0), done.stderr
    (model,) = tomllib.loads(done.stdout.partition("\n")[2])["model"]
    assert model["source"]["revision"] == hub.repos[REPO].commit
