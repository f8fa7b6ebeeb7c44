"""What a Space is made of: exactly these files, copied into a folder of their own."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from data.files import size_text
from data.paths import ROOT

CARD = "space/README.md"
PARTS = (
    *("Dockerfile", "LICENSE", "requirements.txt", ".streamlit", "app", "benchmarks", "data"),
    *("scripts/setup.py", "scripts/build_llama.py", "scripts/tile_config.h", "training/results"),
)
LEFT_OUT = ("__pycache__", "*.pyc", ".*_cache", "replay", "secrets.toml", ".env*")  # replay: for training only


@dataclass(frozen=True, kw_only=True)
class StagedFile:
    """A file of the folder, by its path there."""

    name: str
    size_bytes: int


def stage(folder: Path, *, root: Path = ROOT) -> list[StagedFile]:
    """Copy what the Space needs into an empty or new folder, the card as its README.

    Raises:
        FileExistsError: There is something in the folder.
        OSError: It cannot be read or written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if next(folder.iterdir(), None) is not None:
        raise FileExistsError(17, "is not empty; name a new folder", str(folder))
    for part in PARTS:
        source, target = root / part, folder / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns(*LEFT_OUT))
        else:
            shutil.copy2(source, target)
    shutil.copy2(root / CARD, folder / "README.md")
    return staged_files(folder)


def staged_files(folder: Path) -> list[StagedFile]:
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return [StagedFile(name=path.relative_to(folder).as_posix(), size_bytes=path.stat().st_size) for path in paths]


def summary(files: list[StagedFile]) -> str:
    """Files and bytes of each top-level part, and of all, as lines."""
    parts: dict[str, list[int]] = {}
    for file in files:
        top, slash, _ = file.name.partition("/")
        parts.setdefault(top + slash, []).append(file.size_bytes)
    lines = [f"  {name:<20} {len(sizes):>4} files  {size_text(sum(sizes)):>8}" for name, sizes in parts.items()]
    total = sum(file.size_bytes for file in files)
    return "\n".join([*lines, f"  {'together':<20} {len(files):>4} files  {size_text(total):>8}"])
