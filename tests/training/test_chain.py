"""From rows to a chat: every command in turn, on a tiny model of each architecture, a CPU, and a Hub on loopback."""

import json
import tomllib
from pathlib import Path

import pytest

from benchmarks.engine.contract import Finished, LoadOptions, Request, Sampling
from benchmarks.engine.worker_engine import WorkerEngine
from data.message import Message
from data.models.fetch import fetch
from data.models.registry import read_registry
from tests.hub import COMMIT, Account, Hub, Repo
from tests.training.tiny_models import TINY_ARCHITECTURES, write_rows, write_tiny
from training import export, forgetting, prepare, publish, sft, verify
from training.config import CONFIGS_DIR
from training.rows.examples import prompt_ids
from training.run_directory import RunDirectory, read_record

REPO = "me/tiny-r4"

pytestmark = [
    pytest.mark.slow,
    # httpx asks for `content` where the Hub's client still says `data`.
    pytest.mark.filterwarnings("ignore:Use 'content=<...>':DeprecationWarning"),
]


@pytest.fixture(params=tuple(TINY_ARCHITECTURES))
def architecture(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def at_home(datasets_hub: Hub, architecture: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    """The Hub has the base and the rows; who is signed in may write."""
    base = write_tiny(tmp_path / "base", architecture)
    hub = datasets_hub
    hub.accounts = {"hf_write": Account(name="me")}
    hub.repos["me/tiny-base"] = Repo(files={file.name: file.read_bytes() for file in base.iterdir()})
    hub.repos["datasets/me/sums"] = Repo(files={"train.jsonl": write_rows(tmp_path / "sums.jsonl").read_bytes()})
    monkeypatch.setenv("HF_TOKEN", "hf_write")
    monkeypatch.chdir(tmp_path)
    return hub


def test_rows_become_a_model_that_is_published_fetched_and_answers(
    at_home: Hub, architecture: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changes = {
        "base.source": "hub",
        "base.name": "me/tiny-base",
        "data.sources.rows.kind": "hub",
        "data.sources.rows.name": "me/sums",
        "data.sources.rows.path": "",
        "data.template": "llama-3.1" if architecture == "llama" else "base",
        "export.quantizations": '["q4_k_m", "q8_0"]',
    }
    config = [str(CONFIGS_DIR / "tiny.toml"), *(part for pair in changes.items() for part in ("--set", "=".join(pair)))]
    run = RunDirectory(path=Path("runs/tiny"))

    assert prepare.main(config) == 0
    assert sft.main([*config, "--dry-run"]) == 0
    assert sft.main([*config, "--stop-after", "3"]) == 0
    assert sft.main([*config, "--resume"]) == 0
    record = read_record(run)
    assert (record.status, record.base_sha256) == ("finished", COMMIT)
    card = json.loads((Path(record.data_path) / "card.json").read_text())
    assert card["sources"][0]["revision"] == COMMIT

    assert publish.main([str(run.path), "--repo", REPO, "--licence", "mit"]) == 1
    assert "no export/manifest.json; run python -m training.export runs/tiny" in capsys.readouterr().err
    assert export.main([str(run.path)]) == 0
    assert publish.main([str(run.path), "--repo", REPO, "--licence", "mit"]) == 1
    assert "run python -m training.verify runs/tiny" in capsys.readouterr().err
    assert verify.main([str(run.path), "--replies", "4"]) == 0
    files = [str(run.gguf(kind)) for kind in ("f16", "q4_k_m")]
    assert forgetting.main([*config, *files, "--asked", "rows"]) == 0
    exact, quantized = capsys.readouterr().out.splitlines()[-2:]
    assert exact.startswith("| tiny.f16 |") and "(1.00×)" in exact and exact.count("%") == 2
    assert quantized.startswith("| tiny.q4_k_m |")
    assert forgetting.main([*config, *files, "--asked", "poems"]) == 1
    assert "--asked is 'poems'; the sources are rows" in capsys.readouterr().err
    capsys.readouterr()
    assert publish.main([str(run.path), "--repo", REPO, "--licence", "mit"]) == 0

    entries = capsys.readouterr().out.partition("\n")[2]
    (tmp_path / "models.toml").write_text(entries)
    assert len(tomllib.loads(entries)["model"]) == 3
    registry = read_registry(tmp_path / "models.toml")
    model = fetch(registry["tiny-q4_k_m"], registry)
    assert model.read_bytes() == run.gguf("q4_k_m").read_bytes()
    _chat(model, Path(record.data_path) / "tokenizer")


def _chat(model: Path, trained_with: Path) -> None:
    """Two turns; each prompt is read as the tokenizer that was trained with reads it."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(trained_with)
    engine = WorkerEngine(model, LoadOptions(context_tokens=512))
    turns = [{"role": "user", "content": "What is 2 + 3?"}]
    try:
        for question in ("And 4 + 4?", ""):
            request = _request(turns)
            assert engine.tokenize(request) == prompt_ids(turns, tokenizer)
            engine.submit(request)
            end: Finished | None = None
            while end is None:
                end = next((event for event in engine.step(1.0) if isinstance(event, Finished)), None)
            assert end.error is None
            assert end.reason in ("stop", "length")
            assert end.text
            turns += [{"role": "assistant", "content": end.text}, {"role": "user", "content": question}]
    finally:
        engine.close()


def _request(turns: list[dict[str, str]]) -> Request:
    messages = tuple(Message(role=turn["role"], content=turn["content"]) for turn in turns)  # type: ignore[arg-type]
    return Request(messages=messages, sampling=Sampling(max_tokens=24))
