"""What each way to ship a fine-tune does to it: its next-token distributions against base and adapter merged in F16.

    python scripts/shipping_ways.py RUN BASE.gguf ADAPTER.gguf MODEL…

MODEL is a registry id or a path: the adapter applied as it runs, or merged and quantized. Texts are what the first of
them answered in RUN, prompt and reply, 60 of them; perplexity is that of the replies. Needs room for the F16 file.
"""

import argparse
import math
import sys
import tempfile
from contextlib import closing
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.engine.contract import LoadOptions, Request
from benchmarks.engine.worker_engine import WorkerEngine
from benchmarks.runs.read import read_run
from benchmarks.statistics.divergence import divergence
from data.gguf.lora import merge_adapter
from data.message import Message
from data.models.fetch import locate
from data.suites.prompts import load_suite
from data.tables import aligned

TEXTS, CONTEXT_TOKENS = 60, 1024
Text = tuple[list[int], int]


def main() -> int:
    """Exit status: 0."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("base", type=Path)
    parser.add_argument("adapter", type=Path)
    parser.add_argument("models", nargs="+")
    options = parser.parse_args()
    table = [("file", "mean KL, nats", "largest", "same next token", "perplexity of the replies", "tokens")]
    with tempfile.TemporaryDirectory(dir=options.base.resolve().parent) as scratch:
        merged = Path(scratch) / "merged.f16.gguf"
        merge_adapter(options.base, options.adapter, merged)
        with closing(_open(merged)) as engine:
            texts = _texts(engine, options.run, options.models[0])
            expected = [engine.distributions(ids)[start - 1 : -1].astype(np.float16) for ids, start in texts]
        table.append(("merged, F16", "", "", "", f"{_perplexity(expected, texts):.3f}", ""))
    for model in options.models:
        with closing(_open(locate(model))) as engine:
            found = [engine.distributions(ids)[start - 1 : -1] for ids, start in texts]
        far = divergence((one.astype(np.float32), other) for one, other in zip(expected, found, strict=True))
        figures = (f"{far.mean_kl:.2g}", f"{far.max_kl:.2g}", f"{far.top1:.1%}", f"{_perplexity(found, texts):.3f}")
        table.append((model, *figures, f"{far.tokens:,}"))
    print(aligned(table))
    return 0


def _open(path: Path) -> WorkerEngine:
    return WorkerEngine(path, LoadOptions(context_tokens=CONTEXT_TOKENS))


def _texts(engine: WorkerEngine, run: Path, model: str) -> list[Text]:
    """Token ids of prompt and reply up to its end of turn, and where the reply begins."""
    prompts = {prompt.id: prompt for prompt in load_suite("core").prompts}
    texts: list[Text] = []
    for row in read_run(run).by_model[model]:
        if row.suite == "core" and row.answer and not row.truncated and len(texts) < TEXTS:
            asked = prompts[row.prompt_id].messages
            start = engine.tokenize(Request(messages=asked))
            whole, other = (
                engine.tokenize(Request(messages=(*asked, Message(role="assistant", content=text))))
                for text in (row.answer, "x")
            )
            after = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(reversed(whole), reversed(other))))
            texts.append((whole[: min(len(whole) - after + 1, CONTEXT_TOKENS // 2)], len(start)))
    return [each for each in texts if len(each[0]) > each[1]]


def _perplexity(distributions: list[npt.NDArray[Any]], texts: list[Text]) -> float:
    chosen = [one[at, id_] for one, (ids, start) in zip(distributions, texts) for at, id_ in enumerate(ids[start:])]
    return math.exp(-float(np.mean(np.asarray(chosen, dtype=np.float64))))


if __name__ == "__main__":
    sys.exit(main())
