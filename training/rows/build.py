"""The examples that a configuration trains on, written once, as token ids and labels, for every backend and rank.

Rows are read, brought to one form, and dropped where they are too long, repeated, or overlap with what is measured;
how many is in the data card. The result is shared by every run with the same data and tokenizer.
"""

import json
import random
import sys
import time
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.command import say
from data.files import sha256_of, write_atomically
from data.progress import StatusLine
from training.checkpoints.base_model import resolve
from training.config import Config, TrainingError, to_dict
from training.rows.conversations import Messages, UnusableRow, conversation_of
from training.rows.data_card import card_text
from training.rows.examples import Example, load_tokenizer, make_examples
from training.rows.overlap import Overlap, overlap_with, repetition_key, suite_prompts
from training.rows.sources import Placed, Rows, read_source
from training.rows.tally import DUPLICATE, OVERLAP, TOO_LONG, Tally
from training.run_directory import RUNS, fingerprint

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

CARD_VERSION = 3
"""3: rows are counted by why they were dropped, and one may be several examples; what an earlier version prepared is
prepared anew."""

Row = tuple[Example, ...]


@dataclass(kw_only=True)
class Kept:
    """A source's rows that passed, each as its examples, and where they and the others went.

    Attributes:
        not_drawn, validation, train: Rows; with those dropped they add up to the rows read, `train` divided by
            `repeat`.
    """

    rows: list[Row]
    tally: Tally
    provenance: dict[str, Any]
    weight: float
    repeat: int
    not_drawn: int = 0
    validation: int = 0
    train: int = 0
    validation_examples: int = 0
    train_tokens: int = 0
    trained_tokens: int = 0

    @property
    def tokens(self) -> int:
        return self.repeat * sum(map(_tokens, self.rows))

    @property
    def counts(self) -> dict[str, Any]:
        """As the card has them."""
        return {
            "read": self.tally.read,
            "dropped": self.tally.dropped,
            "not_drawn": self.not_drawn,
            "validation": self.validation,
            "train": self.train,
        }


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
    seen: set[bytes] = set()
    kept = {name: _read(name, config, tokenizer, overlap, seen, runs) for name in config.data.sources}
    if not any(source.rows for source in kept.values()):
        raise TrainingError(f"no row is left to train on: {_losses(kept)}")
    rng = random.Random(config.data.seed)
    for source in kept.values():
        rng.shuffle(source.rows)
    _draw(kept, config.data.tokens)
    validation, train = _split(kept, config, rng)
    path = runs / "data" / _key(config, tokenizer)
    path.mkdir(parents=True, exist_ok=True)
    tokenizer.save_pretrained(path / "tokenizer")
    sums = {name: _write(path / name, rows) for name, rows in _files(train, validation)}
    card = _card(config, kept, train, validation, sums)
    (path / "README.md").write_text(card_text(card), encoding="utf-8")
    write_atomically(path / "card.json", json.dumps(card, indent=2) + "\n")  # last: marks it complete
    return Prepared(path=path, card=card)


def _files(train: list[Example], validation: list[Example]) -> list[tuple[str, list[Example]]]:
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


def _read(
    name: str, config: Config, tokenizer: "PreTrainedTokenizerFast", overlap: Overlap, seen: set[bytes], runs: Path
) -> Kept:
    """Read a source; a row that cannot be trained on is dropped and counted."""
    source, where = config.data.sources[name], f"data.sources.{name}"
    say(f"reading {name}")
    rows = read_source(name, source, config, runs=runs)
    tally, kept = Tally(), []
    for place, row in _shown(rows, name):
        tally.read += 1
        try:
            if isinstance(row, UnusableRow):
                raise row
            conversation = conversation_of(row, source)
            kept.append(_examples(conversation.messages, config.training.max_length, tokenizer, overlap, seen))
            tally.keep(conversation)
        except UnusableRow as error:
            tally.drop(place, row, error)
    if not tally.read:
        raise TrainingError(f"{where}: no rows in {rows.provenance['from']}")
    tally.judge(where, config.data.max_dropped)
    return Kept(rows=kept, tally=tally, provenance=rows.provenance, weight=source.weight, repeat=source.repeat)


def _shown(rows: Rows, name: str) -> Iterator[Placed]:
    """The rows, counted on the screen."""
    line = StatusLine(stream=sys.stderr, terminal_pause_s=0.5, shown_s=time.monotonic())
    count = 0
    for count, placed in enumerate(rows.placed, start=1):
        yield placed
        line.show(f"tokenizing {name}: {count:,} rows")
    line.show(f"tokenizing {name}: {count:,} rows", at_once=True)
    line.end()


def _examples(
    messages: Messages, longest: int, tokenizer: "PreTrainedTokenizerFast", overlap: Overlap, seen: set[bytes]
) -> Row:
    """A row's examples.

    Raises:
        UnusableRow: It repeats a row that was seen, or a prompt of a suite, or is too long, or the template refuses it.
    """
    key = repetition_key(messages)
    if key in seen:
        raise UnusableRow(DUPLICATE)
    seen.add(key)
    if overlap.found_in(message["content"] for message in messages if message["role"] == "user"):
        raise UnusableRow(OVERLAP)
    examples = make_examples(messages, tokenizer)
    if (length := max(len(example.input_ids) for example in examples)) > longest:
        raise UnusableRow(TOO_LONG, f"{length:,} tokens; training.max_length is {longest:,}")
    # Four bytes a number: lists of Python's numbers would take ten times as much for as long as all rows are read.
    return tuple(
        Example(input_ids=array("i", example.input_ids), labels=array("i", example.labels)) for example in examples
    )


def _tokens(row: Row) -> int:
    return sum(len(example.input_ids) for example in row)


def _draw(kept: Mapping[str, Kept], tokens: int) -> None:
    """Keep of each source its share of the tokens: as many as wanted, or as the scarcest source allows."""
    if not any(source.weight for source in kept.values()):
        return
    total = sum(source.weight for source in kept.values())
    budget, scarcest = min((source.tokens * total / source.weight, name) for name, source in kept.items())
    if tokens > budget:
        raise TrainingError(
            f"data.tokens is {tokens:,}; {scarcest} has enough for {budget:,.0f}: lower it, or give that source more"
        )
    budget = tokens or budget
    for source in kept.values():
        wanted, drawn = budget * source.weight / total, 0
        for index, row in enumerate(source.rows):
            if drawn >= wanted:
                source.not_drawn = len(source.rows) - index
                del source.rows[index:]
                break
            drawn += source.repeat * _tokens(row)


def _split(kept: Mapping[str, Kept], config: Config, rng: random.Random) -> tuple[list[Example], list[Example]]:
    """Validation rows, from every source by its number of rows, and the rest, shuffled."""
    total = sum(len(source.rows) for source in kept.values())
    wanted = config.data.validation_rows
    if total <= wanted:
        raise TrainingError(f"data.validation_rows is {wanted}, but only {total} rows are left; {_losses(kept)}")
    validation: list[Example] = []
    train: list[Example] = []
    for source in kept.values():
        count = max(1, round(wanted * len(source.rows) / total)) if source.rows else 0
        apart, rest = source.rows[:count], source.rows[count:] * source.repeat
        source.validation, source.train = len(apart), len(rest)
        source.validation_examples = sum(map(len, apart))
        source.train_tokens = sum(map(_tokens, rest))
        source.trained_tokens = sum(label >= 0 for row in rest for example in row for label in example.labels)
        validation += [example for row in apart for example in row]
        train += [example for row in rest for example in row]
    if not train:
        raise TrainingError(f"data.validation_rows is {wanted}, which takes all {total} rows; {_losses(kept)}")
    rng.shuffle(train)
    return validation, train


def _losses(kept: Mapping[str, Kept]) -> str:
    return "; ".join(f"{name}: {source.tally.losses}" for name, source in kept.items())


def _write(path: Path, examples: Sequence[Example]) -> str:
    import pyarrow as pa
    from pyarrow import parquet

    kind = pa.list_(pa.int32())
    schema = pa.schema([("input_ids", kind), ("labels", kind)])
    temporary = path.with_suffix(".partial")
    with parquet.ParquetWriter(temporary, schema, compression="zstd") as writer:
        for start in range(0, len(examples), 1000):
            rows = [
                {"input_ids": list(example.input_ids), "labels": list(example.labels)}
                for example in examples[start : start + 1000]
            ]
            writer.write_table(pa.Table.from_pylist(rows, schema=schema))
    temporary.replace(path)
    return sha256_of(path)


def _card(
    config: Config,
    kept: Mapping[str, Kept],
    train: Sequence[Example],
    validation: Sequence[Example],
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
                "counts": source.counts,
                "changed": source.tally.changed,
                "columns_not_used": source.tally.unused,
                "validation_examples": source.validation_examples,
                "train_tokens": source.train_tokens,
                "token_share": round(source.train_tokens / total, 4) if total else None,
            }
            for name, source in kept.items()
        ],
        "files": dict(sums),
    }
