"""The examples that a configuration trains on, written once, as token ids and labels, for every backend and rank.

Rows are read, brought to one form, and dropped where they are too long, repeated, or overlap with what is measured;
how many is in the data card. The result is shared by every run with the same data and tokenizer.
"""

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.command import say
from data.files import sha256_of, write_atomically
from data.progress import Counter
from training.checkpoints.base_model import resolve
from training.config import Config, TrainingError, to_dict
from training.rows.data_card import card_text
from training.rows.examples import load_tokenizer, make_example
from training.rows.overlap import normalized, overlap_with, suite_prompts
from training.rows.sources import read_source
from training.run_directory import RUNS, fingerprint

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

    from training.rows.examples import Example
    from training.rows.overlap import Overlap

CARD_VERSION = 2
"""2: control tokens in a row's text are text; what an earlier version prepared is prepared anew."""


@dataclass(kw_only=True)
class Counts:
    """What became of a source's rows; the numbers add up to `read`, with `train` divided by the source's `repeat`."""

    read: int = 0
    not_a_conversation: int = 0
    too_long: int = 0
    duplicate: int = 0
    overlap: int = 0
    not_drawn: int = 0
    validation: int = 0
    train: int = 0


@dataclass(kw_only=True)
class Kept:
    """A source's examples that passed, and what was counted."""

    examples: "list[Example]"
    counts: Counts
    provenance: dict[str, Any]
    weight: float
    repeat: int
    train_tokens: int = 0
    trained_tokens: int = 0

    @property
    def tokens(self) -> int:
        return self.repeat * sum(len(example.input_ids) for example in self.examples)


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """Examples on disk. `card` is the data card's content."""

    path: Path
    card: Mapping[str, Any]

    @property
    def train(self) -> Path:
        return self.path / "train.parquet"

    @property
    def validation(self) -> Path:
        return self.path / "validation.parquet"

    @property
    def tokenizer(self) -> Path:
        return self.path / "tokenizer"


def find_prepared(config: Config, tokenizer: "PreTrainedTokenizerFast", runs: Path) -> Prepared | None:
    """What an earlier prepare wrote for this data, tokenizer and length."""
    path = runs / "data" / _key(config, tokenizer)
    if not (path / "card.json").is_file():
        return None
    return Prepared(path=path, card=json.loads((path / "card.json").read_text(encoding="utf-8")))


def prepare(config: Config, *, runs: Path = RUNS) -> Prepared:
    """Prepare a configuration's data, or find it prepared.

    Raises:
        TrainingError: Base or data cannot be had, or no row is left; one line.
    """
    tokenizer = load_tokenizer(resolve(config.base).path, config.data.template)
    if found := find_prepared(config, tokenizer, runs):
        return found
    overlap = overlap_with(*suite_prompts(config.data.held_out))
    seen: set[str] = set()
    kept = {name: _read(name, config, tokenizer, overlap, seen) for name in config.data.sources}
    if not any(source.examples for source in kept.values()):
        raise TrainingError(f"no row is left to train on: {_losses(kept)}")
    rng = random.Random(config.data.seed)
    for source in kept.values():
        rng.shuffle(source.examples)
    _draw(kept)
    validation, train = _split(kept, config, rng)
    path = runs / "data" / _key(config, tokenizer)
    path.mkdir(parents=True, exist_ok=True)
    tokenizer.save_pretrained(path / "tokenizer")
    sums = {name: _write(path / name, rows) for name, rows in _files(train, validation)}
    card = _card(config, kept, train, validation, sums)
    (path / "README.md").write_text(card_text(card), encoding="utf-8")
    write_atomically(path / "card.json", json.dumps(card, indent=2) + "\n")  # last: marks it complete
    return Prepared(path=path, card=card)


def _files(train: "list[Example]", validation: "list[Example]") -> "list[tuple[str, list[Example]]]":
    return [("train.parquet", train), ("validation.parquet", validation)]


def _key(config: Config, tokenizer: "PreTrainedTokenizerFast") -> str:
    vocabulary = fingerprint(sorted(tokenizer.get_vocab().items()), tokenizer.chat_template)
    sources = (to_dict(config.data), _local_sums(config), suite_prompts(config.data.held_out))
    return fingerprint(*sources, config.training.max_length, vocabulary, CARD_VERSION)


def _local_sums(config: Config) -> list[str]:
    """SHA-256 of every file that the data come from: other content is other data."""
    names = [config.data.path]
    for source in config.data.sources.values():
        names += [source.path, *source.prompts]
    return [sha256_of(Path(name)) for name in names if name and Path(name).is_file()]


def _read(name: str, config: Config, tokenizer: "PreTrainedTokenizerFast", overlap: "Overlap", seen: set[str]) -> Kept:
    source = config.data.sources[name]
    say(f"reading {name}")
    rows = read_source(name, source, config)
    counts = Counts(read=len(rows.conversations) + rows.unusable, not_a_conversation=rows.unusable)
    examples = []
    counter = Counter(f"tokenizing {name}", total=len(rows.conversations))
    for index, messages in enumerate(rows.conversations, start=1):
        counter.show(index)
        questions = [message["content"] for message in messages if message["role"] == "user"]
        key = normalized("\n".join(questions))
        if key in seen:
            counts.duplicate += 1
            continue
        seen.add(key)
        if overlap.found_in(questions):
            counts.overlap += 1
            continue
        example = make_example(messages, tokenizer)
        if len(example.input_ids) > config.training.max_length:
            counts.too_long += 1
            continue
        examples.append(example)
    return Kept(
        examples=examples, counts=counts, provenance=rows.provenance, weight=source.weight, repeat=source.repeat
    )


def _draw(kept: Mapping[str, Kept]) -> None:
    """Keep of each source its share of the tokens: as many as the scarcest source allows."""
    if not any(source.weight for source in kept.values()):
        return
    total = sum(source.weight for source in kept.values())
    budget = min(source.tokens / (source.weight / total) for source in kept.values())
    for source in kept.values():
        wanted, drawn = budget * source.weight / total, 0
        for index, example in enumerate(source.examples):
            if drawn >= wanted:
                source.counts.not_drawn = len(source.examples) - index
                del source.examples[index:]
                break
            drawn += source.repeat * len(example.input_ids)


def _split(kept: Mapping[str, Kept], config: Config, rng: random.Random) -> "tuple[list[Example], list[Example]]":
    """Validation rows, from every source by its number of rows, and the rest, shuffled."""
    total = sum(len(source.examples) for source in kept.values())
    wanted = config.data.validation_rows
    if total <= wanted:
        raise TrainingError(f"data.validation_rows is {wanted}, but only {total} rows are left; {_losses(kept)}")
    validation, train = [], []
    for source in kept.values():
        count = max(1, round(wanted * len(source.examples) / total)) if source.examples else 0
        apart, rest = source.examples[:count], source.examples[count:] * source.repeat
        source.counts.validation, source.counts.train = len(apart), len(rest)
        source.train_tokens = sum(len(example.input_ids) for example in rest)
        source.trained_tokens = sum(label >= 0 for example in rest for label in example.labels)
        validation += apart
        train += rest
    if not train:
        raise TrainingError(f"data.validation_rows is {wanted}, which takes all {total} rows; {_losses(kept)}")
    rng.shuffle(train)
    return validation, train


def _losses(kept: Mapping[str, Kept]) -> str:
    names = ("not_a_conversation", "too_long", "duplicate", "overlap")
    parts = []
    for name, source in kept.items():
        lost = [
            f"{getattr(source.counts, key)} {key.replace('_', ' ')}" for key in names if getattr(source.counts, key)
        ]
        parts.append(f"{name}: {source.counts.read} read, {', '.join(lost) or 'none dropped'}")
    return "; ".join(parts)


def _write(path: Path, examples: "Sequence[Example]") -> str:
    import pyarrow as pa
    from pyarrow import parquet

    kind = pa.list_(pa.int32())
    schema = pa.schema([("input_ids", kind), ("labels", kind)])
    temporary = path.with_suffix(".partial")
    with parquet.ParquetWriter(temporary, schema, compression="zstd") as writer:
        for start in range(0, len(examples), 1000):
            rows = [asdict(example) for example in examples[start : start + 1000]]
            writer.write_table(pa.Table.from_pylist(rows, schema=schema))
    temporary.replace(path)
    return sha256_of(path)


def _card(
    config: Config,
    kept: Mapping[str, Kept],
    train: "Sequence[Example]",
    validation: "Sequence[Example]",
    sums: Mapping[str, str],
) -> dict[str, Any]:
    total = sum(source.train_tokens for source in kept.values())
    return {
        "schema_version": CARD_VERSION,
        "template": config.data.template,
        "max_length": config.training.max_length,
        "seed": config.data.seed,
        "held_out": list(config.data.held_out),
        "counts": {
            "train_rows": len(train),
            "validation_rows": len(validation),
            "train_tokens": total,
            "trained_tokens": sum(source.trained_tokens for source in kept.values()),
        },
        "sources": [
            {
                "name": name,
                "kind": config.data.sources[name].kind,
                **source.provenance,
                "repeat": source.repeat,
                "counts": asdict(source.counts),
                "train_tokens": source.train_tokens,
                "token_share": round(source.train_tokens / total, 4) if total else None,
            }
            for name, source in kept.items()
        ],
        "files": dict(sums),
    }
