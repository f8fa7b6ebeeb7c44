"""What fine-tuning took away: perplexity on held-out rows by source, and how replies to held-out prompts end.

The rows are a configuration's validation rows, which no training saw. The first model is what others are compared with.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.engine.ask import ask_all
from benchmarks.engine.contract import Engine, Finished, Request, Sampling
from data.progress import Counter
from data.tables import markdown
from training.config import TrainingError
from training.parity.checks import perplexity
from training.rows.build import Prepared
from training.rows.replay import loops

REPLY_TOKENS = 400
SEQUENCES = 8


@dataclass(frozen=True, kw_only=True)
class HeldOut:
    """A validation row: token ids, labels (negative where the token is not part of an answer), and its source."""

    ids: list[int]
    labels: list[int]
    source: str

    @property
    def prompt(self) -> tuple[int, ...]:
        """What comes before the first answer."""
        return tuple(self.ids[: next(place for place, label in enumerate(self.labels) if label >= 0)])


@dataclass(frozen=True, kw_only=True)
class Retained:
    """One model.

    Attributes:
        perplexity: Of the answers' tokens, by source.
        replies: Greedy replies to the prompts of one source.
        stopped: Share of them that ended by themselves within `REPLY_TOKENS`.
        looped: Share in which six words in a row came four times.
    """

    model: str
    sha256: str
    perplexity: Mapping[str, float]
    replies: int
    stopped: float
    looped: float


def held_out(prepared: Prepared, limit: int = 0) -> list[HeldOut]:
    """The validation rows with their sources, which lie there one after the other; the first `limit` of each source."""
    from pyarrow import parquet

    rows = parquet.read_table(prepared.validation).to_pylist()
    sources = [source["name"] for source in prepared.card["sources"] for _ in range(source["validation_examples"])]
    found = [
        HeldOut(ids=row["input_ids"], labels=row["labels"], source=source)
        for row, source in zip(rows, sources, strict=True)
    ]
    return [row for place, row in enumerate(found) if not limit or place - sources.index(row.source) < limit]


def retained(model: str, sha256: str, engine: Engine, rows: Sequence[HeldOut], *, asked: str) -> Retained:
    """Score all rows, and answer the prompts of the source `asked`."""
    import numpy as np

    scores: dict[str, list[np.ndarray]] = {}
    counter = Counter(f"scoring {model}", total=len(rows))
    for done, row in enumerate(rows, start=1):
        answers = np.array(row.labels[1:]) >= 0
        scores.setdefault(row.source, []).append(engine.score(row.ids)[answers])
        counter.show(done)
    prompts = [row.prompt for row in rows if row.source == asked]
    if not prompts:
        raise TrainingError(f"no validation row is of {asked!r}; take more: --set data.validation_rows=N")
    ends = _replies(engine, prompts)
    return Retained(
        model=model,
        sha256=sha256,
        perplexity={source: perplexity(np.concatenate(each)) for source, each in scores.items()},
        replies=len(ends),
        stopped=sum(end.reason == "stop" for end in ends) / len(ends),
        looped=sum(loops(end.text) for end in ends) / len(ends),
    )


def _replies(engine: Engine, prompts: Sequence[tuple[int, ...]]) -> list[Finished]:
    counter = Counter("answering", total=len(prompts))
    requests = [Request(prompt_tokens=prompt, sampling=Sampling(max_tokens=REPLY_TOKENS)) for prompt in prompts]
    return ask_all(engine, requests, at_once=SEQUENCES, on_end=counter.show)


def table(found: Sequence[Retained]) -> str:
    """As Markdown; perplexities with their ratio to the first model's."""
    sources = list(found[0].perplexity)
    head = ["model", *(f"perplexity, {source}" for source in sources), "replies that stop", "that loop"]
    rows = []
    for each in found:
        cells = [
            f"{each.perplexity[source]:.2f} ({each.perplexity[source] / found[0].perplexity[source]:.2f}×)"
            for source in sources
        ]
        rows.append([each.model, *cells, f"{each.stopped:.1%}", f"{each.looped:.1%}"])
    return markdown(head, rows, numbers_from=1)
