"""What set-up keeps of llama.cpp's source; compiling it is `make setup`'s own test."""

from pathlib import Path

import pytest

from data.llama_library import VARIANTS, builds_dir, source_dir
from scripts import build_llama


@pytest.fixture
def unpacked(tmp_path: Path) -> Path:
    """A source distribution with what is kept, and with what is not."""
    root = tmp_path / "sdist" / "vendor" / "llama.cpp"
    for name in ("models/templates/a.jinja", "conversion/llama.py", "gguf-py/gguf/__init__.py", "src/llama.cpp"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    for name in ("LICENSE", "convert_hf_to_gguf.py", "convert_lora_to_gguf.py"):
        (root / name).write_text(name)
    return tmp_path / "sdist"


def built() -> None:
    """A cache in which everything is compiled, as earlier versions left it."""
    for name in VARIANTS:
        (builds_dir() / name).mkdir(parents=True)
        (builds_dir() / name / "build.json").write_text("{}")
    (builds_dir() / "wheels").mkdir()
    (builds_dir() / "wheels" / "llama_cpp_python-0-py3-none-any.whl").touch()


def test_templates_and_converters_are_added_to_a_cache_that_lacks_them_without_compiling(
    cache: Path, unpacked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built()
    downloads = []
    monkeypatch.setattr("sys.argv", ["build_llama.py"])
    monkeypatch.setattr(build_llama, "download_source", lambda scratch: downloads.append(scratch) or unpacked)
    monkeypatch.setattr(build_llama, "build_variant", lambda *_, **__: pytest.fail("nothing is to be compiled"))
    assert [build_llama.main(), build_llama.main()] == [0, 0]
    kept = {str(path.relative_to(source_dir())) for path in source_dir().rglob("*") if path.is_file()}
    assert "models/templates/a.jinja" in kept and "conversion/llama.py" in kept and "src/llama.cpp" not in kept
    assert len(kept) == 6 and len(downloads) == 1
    assert [path.name for path in builds_dir().iterdir() if path.name.startswith(".")] == []


def test_without_a_network_what_is_built_is_used(
    cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(scratch: Path) -> Path:
        raise SystemExit("build_llama: failed: pip download")

    built()
    monkeypatch.setattr("sys.argv", ["build_llama.py"])
    monkeypatch.setattr(build_llama, "download_source", fails)
    assert build_llama.main() == 0
    assert "the app works without llama.cpp's templates" in capsys.readouterr().out
