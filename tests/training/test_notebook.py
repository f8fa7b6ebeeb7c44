from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from tests.hub import Account, Hub
from tests.training.conftest import Tiny
from training.config import CONFIGS_DIR, load_config
from training.run_directory import RunDirectory, read_record

NOTEBOOK = CONFIGS_DIR.parent / "finetune.ipynb"
ROOT = CONFIGS_DIR.parents[1]


def read() -> Any:
    return nbformat.read(NOTEBOOK, as_version=4)


def with_parameters(**values: object) -> Any:
    """The notebook with other values in its first code cell."""
    notebook = read()
    (cell,) = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    cell.source += "".join(f"\n{name} = {value!r}" for name, value in values.items())
    return notebook


def printed(notebook: Any) -> str:
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    return "".join(output.get("text", "") for output in outputs)


def test_the_notebook_is_stored_as_a_valid_one_without_results() -> None:
    notebook = read()
    nbformat.validate(notebook)
    for cell in notebook.cells:
        assert cell.cell_type != "code" or (cell.outputs == [] and cell.execution_count is None)
    assert notebook.metadata.accelerator == "GPU"


def test_both_models_of_the_notebook_are_shipped_configurations() -> None:
    text = NOTEBOOK.read_text()
    for name in ("llama-3.2-1b-r8", "llama-3.2-3b-r16"):
        assert name in text
        load_config(CONFIGS_DIR / f"{name}.toml")


@pytest.mark.slow
def test_the_notebook_trains_exports_verifies_and_publishes(
    tiny: Tiny, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.accounts = {"hf_write": Account(name="me")}
    monkeypatch.setenv("HF_TOKEN", "hf_write")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    notebook = with_parameters(
        MAX_STEPS=2,
        RUNS=str(tiny.runs),
        PUBLISH_TO="me/tiny",
        CONFIG="training/configs/tiny.toml",
        SETTINGS=tiny.changes(),
        PUBLISH_OPTIONS=["--licence", "mit", "--files", "q8_0"],
    )
    NotebookClient(notebook, timeout=150, resources={"metadata": {"path": str(ROOT / "training")}}).execute()
    text = printed(notebook)
    assert "missing:" not in text  # nothing is installed where everything is there
    assert "2 optimizer steps" in text
    assert "all " in text
    assert "checks passed" in text
    assert "tiny.q8_0.gguf" in hub.repos["me/tiny"].files
    assert read_record(RunDirectory(path=tiny.runs / "tiny")).summary["steps"] == 2
    assert any("image/png" in output.get("data", {}) for cell in notebook.cells for output in cell.get("outputs", []))


@pytest.mark.slow
def test_a_step_that_fails_stops_the_notebook_with_its_reason(tiny: Tiny) -> None:
    notebook = with_parameters(CONFIG="training/configs/none.toml", RUNS=str(tiny.runs))
    with pytest.raises(CellExecutionError, match="It stopped; the reason is the last line above"):
        NotebookClient(notebook, timeout=60, resources={"metadata": {"path": str(ROOT)}}).execute()
    assert "error: training/configs/none.toml: cannot be read (No such file or directory)" in printed(notebook)
