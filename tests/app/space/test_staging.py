"""What a Space is sent: all that it needs, and nothing of this machine."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from app.space.staging import stage, summary
from data.paths import ROOT


@pytest.fixture(scope="module")
def staged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("space") / "staged"
    stage(folder)
    return folder


def test_the_card_is_the_readme_and_says_docker(staged: Path) -> None:
    _, front, words = (staged / "README.md").read_text().split("---\n", 2)
    card = yaml.safe_load(front)
    assert (card["sdk"], card["app_port"]) == ("docker", 8501)
    assert words.lstrip().startswith("# Tradeoff")
    assert not (ROOT / "README.md").read_text().startswith("---")


def test_everything_that_the_dockerfile_copies_is_there(staged: Path) -> None:
    lines = (staged / "Dockerfile").read_text().splitlines()
    copied = [line.split() for line in lines if line.startswith("COPY") and "--from" not in line]
    names = [name for words in copied for name in words[1:-1] if not name.startswith("--")]
    assert "requirements.txt" in names
    assert all((staged / name).exists() for name in names)
    assert "EXPOSE 8501" in lines and "USER user" in lines


def test_nothing_of_this_machine_is_sent(staged: Path) -> None:
    names = {path.name for path in staged.rglob("*")}
    assert not names & {".git", ".venv", "__pycache__", "secrets.toml", "tests", "replay", ".dockerignore"}
    assert sum(path.stat().st_size for path in staged.rglob("*")) < 120e6  # of which the adapters are 70


@pytest.mark.slow
def test_the_staged_app_imports_on_its_own(staged: Path) -> None:
    code = "import app.serve, app.runtime, benchmarks.engine.process, data.models; print(app.runtime.__file__)"
    done = subprocess.run([sys.executable, "-c", code], cwd=staged, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip().startswith(str(staged)), done.stderr


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("x")
    with pytest.raises(FileExistsError, match="not empty"):
        stage(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_the_summary_counts_every_part(tmp_path: Path) -> None:
    root, folder = tmp_path / "root", tmp_path / "out"
    for part in ("app", "benchmarks", "data", ".streamlit", "training/results", "scripts", "space"):
        (root / part).mkdir(parents=True)
    scripts = ("scripts/setup.py", "scripts/build_llama.py", "scripts/tile_config.h")
    for name in ("Dockerfile", "LICENSE", "requirements.txt", *scripts):
        (root / name).write_text("x")
    (root / "space" / "README.md").write_text("card")
    (root / "app" / "a.py").write_bytes(b"1" * 2_000_000)
    (root / ".streamlit" / "secrets.toml").write_text("secret")
    files = stage(folder, root=root)
    assert [file.name for file in files if file.size_bytes > 1] == ["README.md", "app/a.py"]
    assert "app/                    1 files      2 MB" in summary(files)
