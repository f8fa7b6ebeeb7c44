"""Hold the engine for served models against a real server: llama.cpp's own, on loopback (`make peers` installs it).

    .venv/bin/python scripts/served_check.py [MODEL] [--prompts 40] [--tokens 64] [--json FILE]

The same GGUF is asked the same prompts at temperature 0 by our engine and through the server. Both must write the same
tokens up to the first near tie: a place where one of the two holds the tokens that they chose for almost equally
likely, so that a difference in rounding decides. Nothing is downloaded but the model, where it is not here.
"""

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.engine.contract import Delta, Engine, Finished, LoadOptions, Request, Sampling
from benchmarks.engine.logprobs import TokenLogprob
from benchmarks.engine.worker import beside_others
from benchmarks.engine.worker_engine import WorkerEngine
from data.models.fetch import locate
from data.paths import ROOT
from data.suites.prompts import balanced, load_suite

PEERS = ROOT / ".venv-peers" / "bin" / "python"
NEAR_TIE = 0.25
"""Nats between the two tokens; weights of 4 bits, rounded otherwise, move a logit by a tenth of that and more."""
NAME = "the-file"
_SERVE = f"""
import sys, time, xllamacpp
params = xllamacpp.CommonParams()
params.model.path, params.n_parallel, params.n_ctx = sys.argv[1], int(sys.argv[2]), 2048 * int(sys.argv[2])
params.model_alias = {{{NAME!r}}}
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = int(sys.argv[3])
server = xllamacpp.Server(params)
print(server.listening_address, flush=True)
sys.stdin.read()
import os; os._exit(0)
"""


@dataclass(frozen=True, kw_only=True)
class Answer:
    text: str
    tokens: tuple[TokenLogprob, ...]
    prompt_tokens: int | None


@dataclass(frozen=True, kw_only=True)
class Compared:
    """One prompt. `same` tokens at the beginning; `gap` in nats where they part, the smaller of the two engines'."""

    prompt: str
    same: int
    of: int
    gap: float | None = None

    @property
    def agrees(self) -> bool:
        return self.gap is None or self.gap <= NEAR_TIE


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0, or 1 where an answer differs before a near tie."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", default="smollm2-135m", metavar="MODEL", help="id or GGUF")
    parser.add_argument("--prompts", type=int, default=40, help="of the core suite; default: 40")
    parser.add_argument("--tokens", type=int, default=64, help="of each answer; default: 64")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every prompt's comparison")
    options = parser.parse_args(arguments)
    path, prompts = locate(options.model), balanced(load_suite("core").prompts, options.prompts)
    sampling = Sampling(max_tokens=options.tokens)
    requests = {each.id: Request(messages=each.messages, sampling=sampling, cold=True, logprobs=5) for each in prompts}
    ours = answers(path, requests)
    with served(path) as address:
        theirs = answers(address, requests)
    found = [compared(prompt, ours[prompt], theirs[prompt]) for prompt in requests]
    if options.json:
        options.json.write_text(json.dumps([asdict(each) for each in found], indent=1) + "\n")
    whole, near = [sum(test(each) for each in found) for test in (lambda it: it.gap is None, lambda it: it.agrees)]
    lengths = [prompt for prompt in requests if ours[prompt].prompt_tokens != theirs[prompt].prompt_tokens]
    print(
        f"{len(found)} answers: {whole} the same to the end, {near - whole} up to a near tie, "
        f"{len(found) - near} otherwise; {len(lengths)} prompts were read as other tokens"
    )
    for each in found:
        if not each.agrees:
            print(f"{each.prompt}: the same for {each.same} of {each.of} tokens, then {each.gap:.2f} nats apart")
    return 0 if near == len(found) and not lengths else 1


@contextmanager
def served(gguf: Path, *, sequences: int = 1, threads: int | None = None) -> Iterator[Path]:
    """The server's address as a registry's file, while it runs."""
    threads = threads or len(os.sched_getaffinity(0))
    command = [str(PEERS), "-c", _SERVE, str(gguf), str(sequences), str(threads)]
    environment = os.environ | beside_others()
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
        ) as process,
    ):
        assert process.stdout
        if not (url := process.stdout.readline().strip()):
            raise SystemExit("served_check: the server did not start; see `make peers`")
        address = Path(folder) / "served.openai.json"
        address.write_text(json.dumps({"url": f"{url}/v1", "model": NAME, "key": None}))
        try:
            yield address
        finally:
            process.kill()


def answers(path: Path, requests: dict[str, Request]) -> dict[str, Answer]:
    """One after the other, each alone."""
    engine = WorkerEngine(path, LoadOptions(context_tokens=2048), environment=beside_others())
    try:
        return {prompt: _answer(engine, request) for prompt, request in requests.items()}
    finally:
        engine.close()


def _answer(engine: Engine, request: Request) -> Answer:
    engine.submit(request)
    tokens: list[TokenLogprob] = []
    while True:
        for event in engine.step(1.0):
            if isinstance(event, Delta):
                tokens += event.logprobs
            elif isinstance(event, Finished):
                if event.error:
                    raise SystemExit(f"served_check: {event.error}")
                return Answer(text=event.text, tokens=tuple(tokens), prompt_tokens=event.timings.prompt_tokens)


def compared(prompt: str, ours: Answer, theirs: Answer) -> Compared:
    """Where the two part, and how far from each other the two tokens are there."""
    pairs = list(zip(ours.tokens, theirs.tokens, strict=False))
    same = next((at for at, (a, b) in enumerate(pairs) if a.token != b.token), len(pairs))
    of = max(len(ours.tokens), len(theirs.tokens))
    if same == of and ours.text == theirs.text:
        return Compared(prompt=prompt, same=same, of=of)
    next_tokens = [each.tokens[same] if same < len(each.tokens) else None for each in (ours, theirs)]
    gaps = [_gap(mine, other) for mine, other in itertools.permutations(next_tokens) if mine]
    return Compared(prompt=prompt, same=same, of=of, gap=min(gaps, default=float("inf")))


def _gap(mine: TokenLogprob, other: TokenLogprob | None) -> float:
    """How much likelier one engine held its token than the other's, or than the end, which is a token without text."""
    return mine.logprob - dict(mine.top).get(other.token if other else b"", -float("inf"))


if __name__ == "__main__":
    sys.exit(main())
