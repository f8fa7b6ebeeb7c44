"""Set everything up that `make app` or `make test` needs; what is there already is kept.

    python3 scripts/setup.py app     .venv, llama.cpp's libraries, the embedded models
    python3 scripts/setup.py train   the same, and .venv-train
    python3 scripts/setup.py test    the same as app, and .venv-test and Chromium

or one step of it, as the Dockerfile does: `libraries`, `environment` (.venv), `models` or `real-models` (1.6 GB).

Standard library only. As root on Debian it installs missing system packages; otherwise it names the command and stops.
"""

import argparse
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from data.llama_library import UnsupportedCPU, builds_dir, choose_variant, cpu_flags
from data.paths import ROOT

EMBEDDED_MODELS = ("smollm2-135m", "smollm2-small-r8", "smollm2-135m-r16")
REAL_MODELS = ("qwen2.5-coder-0.5b", "qwen2.5-coder-1.5b")
"""What the app fetches by itself while it serves; an image has them from the start."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", choices=("app", "train", "test", *STEPS))
    target = parser.parse_args().target
    started = time.monotonic()
    if sys.version_info < (3, 11):  # noqa: UP036 (the message is for people with an older Python)
        raise SystemExit(f"setup: Python {sys.version.split()[0]} is too old; Tradeoff needs 3.11 or later")
    if target in STEPS:
        STEPS[target]()
        return 0
    try:
        choose_variant(cpu_flags())
    except UnsupportedCPU as error:
        raise SystemExit(f"setup: {error}") from None
    for step in ("libraries", "environment"):
        STEPS[step]()
    if target == "train":
        make_environment(ROOT / ".venv-train", ["requirements.txt", "requirements-train.txt"])
    if target == "test":
        make_environment(ROOT / ".venv-test", ["requirements.txt", "requirements-train.txt", "requirements-dev.txt"])
        require("chromium", has=lambda: shutil.which("chromium") is not None)
    STEPS["models"]()
    if (seconds := time.monotonic() - started) > 5:
        say(f"ready after {seconds:.0f} s")
    return 0


def say(message: str) -> None:
    print(f"setup: {message}", flush=True)


def run(command: Sequence[str | Path], failure: str) -> None:
    """Run with the output shown; raise SystemExit with one line when it fails."""
    if subprocess.run([str(part) for part in command], cwd=ROOT).returncode:
        raise SystemExit(f"setup: {failure}")


def require(*packages: str, has: Callable[[], bool]) -> None:
    """Have Debian packages installed, unless what they bring is there."""
    if has():
        return
    names = " ".join(packages)
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise SystemExit(f"setup: missing {names}; install with: sudo apt-get install {names}")
    say(f"installing {names}")
    apt = ["apt-get", "-qq", "-o", "Dpkg::Use-Pty=0"]
    run([*apt, "update"], "apt-get update failed")
    run([*apt, "install", "-y", "--no-install-recommends", *packages], f"apt-get could not install {names}")
    if not has():
        raise SystemExit(f"setup: {names} was installed but does not work")


def build_llama() -> None:
    require("g++", "make", "cmake", has=lambda: all(map(shutil.which, ("c++", "make", "cmake"))))
    run([sys.executable, "scripts/build_llama.py"], "building llama.cpp failed; the reason is above")


def make_environment(path: Path, requirements: Sequence[str]) -> None:
    """A virtual environment with these requirements; made anew only when one of the files has changed."""
    recipe = sys.version + "".join((ROOT / name).read_text() for name in requirements)
    digest, stamp = hashlib.sha256(recipe.encode()).hexdigest(), path / "requirements.sha256"
    if stamp.exists() and stamp.read_text() == digest:
        return
    require("python3-venv", has=lambda: importlib.util.find_spec("ensurepip") is not None)
    say(f"installing {' and '.join(requirements)} into {path.name}")
    if not (path / "bin" / "python").exists():
        run([sys.executable, "-m", "venv", path], f"cannot make {path}")
    files = [option for name in requirements for option in ("-r", name)]
    options = ["--quiet", "--disable-pip-version-check", "--progress-bar=off", "--only-binary=llama-cpp-python"]
    wheels = str(builds_dir() / "wheels")
    pip = [str(path / "bin" / "python"), "-m", "pip", "install", *options, "--find-links", wheels, *files]
    run(pip, f"pip could not install {' and '.join(requirements)}; the reason is above")
    stamp.write_text(digest)


def fetch_models(environment: Path) -> None:
    run(
        [environment / "bin" / "python", "-m", "data.models", "fetch", *EMBEDDED_MODELS], "no embedded model, see above"
    )


def fetch_real_models() -> None:
    """They may be missing: the app serves without them, and tries again."""
    try:
        run(
            [ROOT / ".venv" / "bin" / "python", "-m", "data.models", "fetch", *REAL_MODELS], "no real models, see above"
        )
    except SystemExit as error:
        say(f"{error}; the app goes on trying")


STEPS: dict[str, Callable[[], None]] = {
    "libraries": build_llama,
    "environment": lambda: make_environment(ROOT / ".venv", ["requirements.txt"]),
    "models": lambda: fetch_models(ROOT / ".venv"),
    "real-models": fetch_real_models,
}


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        raise SystemExit("setup: interrupted; run it again to go on") from None
