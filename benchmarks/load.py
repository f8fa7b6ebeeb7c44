"""How a model serves more and more users at once: seconds to the first token, from token to token, tokens a second.

    python -m benchmarks.load smollm2-135m
    python -m benchmarks.load http://localhost:8080/v1 --model NAME [--key VARIABLE] [--out FILE.json]

MODEL is a registry id, the path of a GGUF, or the address of a server of OpenAI's protocol, with the model's name there
and the name of the environment variable with its key. Each user asks a prompt of a suite, reads an answer of 128
tokens (servers of no known kind end theirs as they like), and asks the next at once; all begin together. A model of
this machine runs on the project's own engine, with a place for every user; nothing else should run, and levels during
which something did are flagged as noisy. What a server does is measured as seen from here ("as served"), the way
included, and compares with no figure of this machine. The result says how many users get so many tokens a second each.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from data.command import parser_of, positive, run_command, say

if TYPE_CHECKING:
    from benchmarks.runs.load import Level, LoadCurve


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parse(arguments)
    return run_command(lambda: _run(options), interrupted="nothing was written")


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = parser_of("benchmarks.load", __doc__)
    parser.add_argument("target", metavar="MODEL", help="registry id, path of a GGUF, or a server's URL")
    parser.add_argument("--model", metavar="NAME", help="its name at the URL")
    parser.add_argument("--key", metavar="VARIABLE", help="name of the environment variable with the URL's key")
    parser.add_argument("--users", type=positive, nargs="+", default=[1, 2, 4, 8, 16], help="default: 1 2 4 8 16")
    parser.add_argument("--seconds", type=positive, default=30, help="of each level (default: 30)")
    parser.add_argument("--tokens", type=positive, default=128, help="of each answer (default: 128)")
    parser.add_argument("--at-least", type=positive, default=10, metavar="TOK_PER_S", help="of each user (default: 10)")
    parser.add_argument("--suite", default="core", help="of prompts (default: core)")
    parser.add_argument("--context", type=positive, default=2048, help="tokens of each user's place (default: 2048)")
    parser.add_argument("--threads", type=positive, help="default: what this process may use")
    parser.add_argument("--out", type=Path, metavar="FILE", help="default: a new one in results/load")
    parser.add_argument("--json", action="store_true", help="the last line of stdout is one JSON object")
    options = parser.parse_args(arguments)
    if _is_url(options.target) != bool(options.model):
        parser.error("--model is the model's name at a URL: a URL needs it, and nothing else has it")
    return options


def _is_url(target: str) -> bool:
    return target.lower().startswith(("http://", "https://"))


def _run(options: argparse.Namespace) -> int:
    from benchmarks.engine.contract import EngineError
    from benchmarks.engine.limits import LIMITS
    from benchmarks.measure.load import load_curve, table
    from benchmarks.runs.load import write_load
    from data.suites.prompts import load_suite

    if options.tokens > (most := LIMITS["max_tokens"][1]):
        raise EngineError(f"--tokens is {options.tokens:,}; a reply has at most {most:,}")
    with tempfile.TemporaryDirectory() as folder:
        path, name, server = _target(options, Path(folder))
        levels = load_curve(
            path,
            load_suite(options.suite).prompts,
            sorted(set(options.users)),
            seconds=options.seconds,
            tokens=options.tokens,
            context_tokens=options.context,
            threads=options.threads,
            say=say,
        )
    curve = _curve(options, name, server, levels)
    print(table(levels))
    print(curve.sentence, flush=True)  # before the disk can refuse what took minutes
    out = options.out or _new_file(name, curve.created_at)
    write_load(out, curve)
    say(f"{out}; chart: the Results page of the app (`make app`)")
    if options.json:
        print(json.dumps(json.loads(out.read_text(encoding="utf-8"))))
    return 0


def _new_file(name: str, created_at: str) -> Path:
    kept = "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in name).lstrip(".") or "model"
    return Path("results") / "load" / f"{kept[:80]}-{created_at[:19].replace(':', '')}.json"


def _target(options: argparse.Namespace, folder: Path) -> tuple[Path, str, str | None]:
    """The model's file or address, its name, and the server's, where there is one."""
    from benchmarks.engine.contract import EngineError
    from data.files import is_gguf_name
    from data.models.entries import OpenAISource
    from data.models.fetch import fetch, locate
    from data.models.registry import get, load_registry
    from data.models.served import why_no_server, write_address

    if _is_url(options.target):
        source = OpenAISource(url=options.target, model=options.model, key=options.key)
        if problem := why_no_server(source):
            raise EngineError(problem)
        return write_address(source, folder), options.model, source.host
    if is_gguf_name(options.target):
        return locate(options.target), Path(options.target).name, None
    registry = load_registry()
    entry = get(registry, options.target)
    server = entry.source.host if isinstance(entry.source, OpenAISource) else None
    return fetch(entry, registry), entry.id, server


def _curve(options: argparse.Namespace, name: str, server: str | None, levels: "Sequence[Level]") -> "LoadCurve":
    from benchmarks.measure.machine_state import describe_machine
    from benchmarks.measure.manifest import engine_facts, now
    from benchmarks.runs.load import SCHEMA_VERSION, LoadCurve

    return LoadCurve(
        schema_version=SCHEMA_VERSION,
        created_at=now(),
        model=name,
        served_by=server,
        suite=options.suite,
        answer_tokens=options.tokens,
        threads=options.threads,
        at_least=options.at_least,
        machine=describe_machine(),
        llama_cpp=None if server else engine_facts("llama_cpp"),
        levels=tuple(levels),
    )


if __name__ == "__main__":
    sys.exit(main())
