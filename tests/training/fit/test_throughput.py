import json
from pathlib import Path

import pytest

from training.fit.cells import CELLS, TIMED_STEPS, Cell, cell_config
from training.fit.throughput import measure, measure_cell, table
from training.throughput import main

TINY = Cell(config="tiny", shape="tiny", backend="trl", examples=2, length=32, changes=("base.load_in_4bit=false",))


@pytest.mark.parametrize("name", CELLS)
def test_every_cell_is_a_shipped_configuration_at_its_true_rank(name: str) -> None:
    cell = CELLS[name]
    config = cell_config(cell, "shape.gguf")
    assert config.training.micro_batch == cell.examples
    assert config.training.effective_batch == cell.examples * cell.cards
    assert f"r{config.lora.rank}-{cell.backend}" in name


@pytest.mark.slow
def test_a_cell_trains_and_is_timed(tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CELLS, "tiny-r4-trl-2x32", TINY)  # type: ignore[index]
    monkeypatch.setattr("training.fit.throughput._COMMON_TOKENS", 100)
    found = measure_cell("tiny-r4-trl-2x32", str(tiny_base), tmp_path)
    assert len(found["step_s"]) == TIMED_STEPS
    assert found["tokens_per_step"] == 64
    assert found["losses"][-1] < found["losses"][0]


@pytest.mark.slow
def test_a_cell_that_fails_is_a_row_with_its_reason(tmp_path: Path) -> None:
    rows = measure(["1b-r8-trl-2x1024"], tmp_path, tmp_path / "out.json")
    assert "there is no GPU here" in rows[0]["error"]
    assert [row["cell"] for row in json.loads((tmp_path / "out.json").read_text())] == ["1b-r8-trl-2x1024"]
    assert "failed" in table(rows)


def test_unsloth_is_compared_with_the_plain_cell_of_the_same_batch() -> None:
    plain = {"cell": "1b-r8-trl-8x1024", "backend": "trl", "tokens_per_s": 10_000.0, "peak_gib": 4.0, "losses": [3.0]}
    plain["steps_until_loss_moves"] = None
    tuned = plain | {
        "cell": "1b-r8-unsloth-8x1024-padded",
        "backend": "unsloth",
        "tokens_per_s": 12_000.0,
        "peak_gib": 2.0,
    }
    assert "1.20× | 0.50× |  | not in 1" in table([plain, tuned])


def test_several_cards_are_compared_with_one_of_the_same_batch() -> None:
    one = {
        "cell": "q-r16-trl-16x1024-a-card-1",
        "backend": "trl",
        "cards": 1,
        "tokens_per_s": 10_000.0,
        "losses": [3.0],
    }
    one |= {"peak_gib": 4.0, "steps_until_loss_moves": None}
    two = one | {"cell": "q-r16-trl-16x1024-a-card-2", "cards": 2, "tokens_per_s": 19_000.0}
    assert "| 1.90× |" in table([one, two])


def test_an_unknown_cell_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["measure", "--out", str(tmp_path / "x.json"), "--only", "7b"]) == 1
    assert "unknown cell '7b'; known: 1b-r8-unsloth-2x1024" in capsys.readouterr().err
