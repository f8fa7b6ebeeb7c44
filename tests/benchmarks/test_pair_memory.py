import json
from pathlib import Path

import pytest

from benchmarks import pair_memory


@pytest.fixture
def models(tmp_path: Path) -> list[str]:
    paths = [tmp_path / "one.gguf", tmp_path / "two.gguf"]
    for path in paths:
        path.write_bytes(b"GGUF")
        script = {"reply": "some words of a reply", "decode_tok_per_s": 50, "prefill_tok_per_s": 500}
        path.with_suffix(".json").write_text(json.dumps(script))
    return [str(path) for path in paths]


def test_two_models_write_at_once_and_the_memory_of_both_is_read(
    models: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert pair_memory.main([*models, "--tokens", "4", "--engine", "scripted"]) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert set(found["decode_tok_per_s"]) == {"0-one", "1-two"}
    assert found["peak_rss_mb"] >= found["loaded_rss_mb"] > 0


def test_a_model_that_cannot_be_opened_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert pair_memory.main([str(tmp_path / "none.gguf"), "--engine", "scripted"]) == 1
    assert capsys.readouterr().err.count("\n") == 1
