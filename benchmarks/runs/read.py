"""A run on disk: `run.json`, the manifest, and `samples.jsonl`, one row a sample. App and reports only read them."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args

from benchmarks.runs.noise import is_noisy
from benchmarks.runs.possible import check_manifest, check_version, is_possible
from data.errors import TradeoffError
from data.records import read_json, shown

SCHEMA_VERSION = "1.4"
"""Major.minor. A newer minor only adds keys, which readers ignore; a newer major cannot be read.

1.4: the condition "as-served", and `note` of an answer.
1.3: `rows` of `run.json` counts the samples, so that a cut file shows.
1.3: `finish_reason` may be "loop": the reply repeated itself and was ended, which is not `truncated`.
1.2: `thinking_characters` of an answer, which are part of its `completion_characters` and not graded.
1.1: a model may be there twice, as ID and ID@again, with one sha256; rows' keys tell the two apart.
"""

AGAIN = "@again"
"""Ends the id of a run's second arm of the same file. No registry id can: "@" is not allowed in one."""

MANIFEST_NAME, SAMPLES_NAME = "run.json", "samples.jsonl"
FIXED_SHAPE = "fixed-shape"
"""Suite and kind of the rows that time a fixed number of tokens, as llama-bench does, and are not graded."""

DEPTH = "depth"
"""Suite of the rows, of kind `FIXED_SHAPE`, that time decoding after a context of so many tokens."""

Condition = Literal["timed-cold", "warm", "batched"]
CONDITIONS: tuple[Condition, ...] = get_args(Condition)
AS_SERVED = "as-served"
Key = tuple[str, str, str, str, str, int, int]


class RunError(TradeoffError):
    """A run's files that cannot be read or written; one line with the file and what to do."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One sample: one answer of one model to one prompt, or why there is none.

    Attributes:
        model, model_sha256: Registry id, and the digest of the GGUF that ran.
        condition: Figures of different ones never meet in one number; "as-served" is of a server's single answers.
        repetition, seed: From 0; the sampler's seed.
        prompt_sha256: Of the rendered prompt, chat template included.
        grade: 1 right, 0 wrong, None not graded; `grade_reason` says why.
        truncated: The answer was cut by its token limit.
        thinking_characters: Of `completion_characters`, those of traces like <think>…</think>, which no grader reads.
        prefill_s ... max_batch: See `benchmarks.engine.contract.Timings`; None where the engine cannot know.
        steal_share: Share of the machine's CPU time that the hypervisor gave to others during the sample.
        throttled: Times that the container's CPU quota stopped this run during the sample.
        cpu_wait_share: Share of the model's thread time spent ready to run, but waiting for a CPU that others used.
        load_1m: The machine's load average at the sample's start.
        pid: Process that made the answer.
        error, note: Why there is no answer, and what a whole one lacks; one line each.
        started_at: UTC, ISO 8601.
    """

    model: str
    model_sha256: str
    suite: str
    prompt_id: str
    kind: str
    condition: str
    repetition: int
    seed: int
    started_at: str
    template: str | None = None
    prompt_sha256: str | None = None
    prompt_tokens: int | None = None
    answer: str | None = None
    finish_reason: str | None = None
    truncated: bool = False
    grade: float | None = None
    grade_reason: str | None = None
    completion_tokens: int | None = None
    completion_characters: int | None = None
    thinking_characters: int | None = None
    prefill_tokens: int | None = None
    prefill_s: float | None = None
    decode_tokens: int | None = None
    decode_s: float | None = None
    ttft_s: float | None = None
    total_s: float | None = None
    itl_p50_s: float | None = None
    itl_p95_s: float | None = None
    max_batch: int | None = None
    steal_share: float | None = None
    throttled: int | None = None
    cpu_wait_share: float | None = None
    load_1m: float | None = None
    pid: int | None = None
    error: str | None = None
    note: str | None = None
    schema_version: str = SCHEMA_VERSION

    @property
    def key(self) -> Key:
        """What makes a sample this one; no run that is read holds two rows with one key."""
        return sample_key(
            self.model,
            self.model_sha256,
            self.suite,
            self.prompt_id,
            self.condition,
            self.repetition,
            self.seed,
        )

    @property
    def right(self) -> bool:
        return self.grade is not None and self.grade >= 1

    @property
    def looped(self) -> bool:
        """Whether the reply repeated itself, and was ended for that."""
        return self.finish_reason == "loop"

    @property
    def noisy(self) -> bool:
        """Whether something else than the model took a part of the sample's time."""
        return is_noisy(steal_share=self.steal_share, throttled=self.throttled, cpu_wait_share=self.cpu_wait_share)

    @property
    def is_answer(self) -> bool:
        """Whether a prompt was asked; else a fixed number of tokens was timed."""
        return self.kind != FIXED_SHAPE

    @property
    def decode_tok_per_s(self) -> float | None:
        return _rate(self.decode_tokens, self.decode_s)

    @property
    def prefill_tok_per_s(self) -> float | None:
        return _rate(self.prefill_tokens, self.prefill_s)


def sample_key(
    model: str, model_sha256: str, suite: str, prompt_id: str, condition: str, repetition: int, seed: int
) -> Key:
    """The key of a sample, made or still to be made: the file counts, not the model's name, but for its second arm."""
    arm = AGAIN if model.endswith(AGAIN) else ""
    return (model_sha256, arm, suite, prompt_id, condition, repetition, seed)


_FIELDS = {field.name: field for field in dataclasses.fields(Row)}
_REQUIRED = [name for name, field in _FIELDS.items() if field.default is dataclasses.MISSING]
_DEFAULTS = {name: field.default for name, field in _FIELDS.items() if field.default is not dataclasses.MISSING}
_BY_WORD = (("str", (str,)), ("bool", (bool,)), ("float", (int, float)), ("int", (int,)))
_NAMES = {str: "a text", bool: "true or false", int: "a number"}
_KINDS: dict[str, tuple[type, ...]] = {
    name: next(kinds for word, kinds in _BY_WORD if word in str(field.type)) for name, field in _FIELDS.items()
}
_DECODER = json.JSONDecoder(parse_constant=lambda _: None)


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run as read: its manifest, and its rows in the order in which they were made.

    Where a sample failed and was made again, the row that failed is left out.
    """

    directory: Path
    manifest: Mapping[str, Any]
    rows: tuple[Row, ...]
    lost_rows: int = 0
    """Samples that the manifest counts and the file has no more."""

    @property
    def id(self) -> str:
        return str(self.manifest.get("run_id", self.directory.name))

    @property
    def finished(self) -> bool:
        return self.manifest.get("finished_at") is not None

    @property
    def models(self) -> Mapping[str, Mapping[str, Any]]:
        """Per model id: label, quantization, sha256, peak_rss_bytes and the rest of its manifest."""
        models: Mapping[str, Mapping[str, Any]] = self.manifest.get("models", {})
        return models

    def label(self, model: str) -> str:
        """What people call a model; its id where the manifest does not say."""
        return str(self.models.get(model, {}).get("label") or model)

    @cached_property
    def by_model(self) -> Mapping[str, tuple[Row, ...]]:
        """Rows of each model, in order of first appearance."""
        found: dict[str, list[Row]] = {}
        for row in self.rows:
            found.setdefault(row.model, []).append(row)
        return {model: tuple(rows) for model, rows in found.items()}

    @property
    def machine(self) -> str:
        """The CPU that it ran on, its threads and llama.cpp's build: speeds of one machine alone are compared."""
        machine = self.manifest.get("machine", {})
        threads = self.manifest.get("config", {}).get("threads") or machine.get("usable_threads", "?")
        cores = machine.get("cores", threads)
        of = "" if cores == threads else f" of {cores}"
        variant = (self.manifest.get("llama_cpp") or {}).get("variant")
        build = f", {variant}" if variant else ""
        return f"{machine.get('cpu', 'a CPU that was not recorded')}, {threads} threads{of}{build}"


def read_run(directory: Path) -> Run:
    """Read a run, finished or not.

    A torn last line is dropped: the process died while writing it. NaN reads as None.

    Raises:
        RunError: No run there, a newer major schema, or a malformed line before the last.
    """
    manifest = read_manifest(directory)
    rows = _read_rows(directory / SAMPLES_NAME)
    lost = max(0, manifest.get("rows", 0) - len(rows))
    return Run(directory=directory, manifest=manifest, rows=_without_made_again(rows), lost_rows=lost)


def read_manifest(directory: Path) -> dict[str, Any]:
    """Read `run.json` alone, without the samples.

    Raises:
        RunError: It is missing, not JSON, of a newer major schema, or has a value of another type.
    """
    path = directory / MANIFEST_NAME
    if not path.is_file():
        raise RunError(f"{path}: cannot be read (No such file or directory); is this a run's directory?")
    manifest = read_json(path, RunError)
    try:
        _check_version(manifest.get("schema_version"))
        check_manifest(manifest, RunError)
    except RunError as error:
        raise RunError(f"{path}: {error}") from None
    return manifest


def _read_rows(path: Path) -> tuple[Row, ...]:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise RunError(f"{path}: cannot be read ({error.strerror})") from None
    return tuple(_parse_row(path, number, line) for number, line in _numbered(content))


def _without_made_again(rows: tuple[Row, ...]) -> tuple[Row, ...]:
    if not any(row.error for row in rows):
        return rows
    keys = [(row.model, *row.key[1:]) for row in rows]  # a model's file may have been missing at first
    last = {key: place for place, key in enumerate(keys)}
    return tuple(row for place, row in enumerate(rows) if not row.error or last[keys[place]] == place)


def _numbered(content: bytes) -> list[tuple[int, bytes]]:
    """Lines that hold something, with their numbers; what follows the last newline was not written to its end."""
    lines = content.removeprefix(b"\xef\xbb\xbf").split(b"\n")[:-1]
    return [(number, line) for number, line in enumerate(lines, start=1) if line.strip()]


def _parse_row(path: Path, number: int, line: bytes) -> Row:
    try:
        return _row(_parsed(line))
    except RunError as error:
        raise RunError(f"{path}, line {number}: {error}") from None
    except (ValueError, RecursionError) as error:
        raise RunError(f"{path}, line {number}: not JSON ({' '.join(str(error).split())}); remove the line") from None


def _parsed(line: bytes) -> Any:
    """orjson is three times as fast, and knows no NaN, which reads as None here."""
    import orjson

    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        fields = _DECODER.decode(line.decode())
        json.dumps(fields, ensure_ascii=False).encode()
        return fields


def _row(fields: Any) -> Row:
    """A checked row. A frozen dataclass sets its fields one call each, which is most of the time of reading many."""
    if not isinstance(fields, dict):
        raise RunError(f"a JSON {type(fields).__name__}; expected an object")
    _check_version(fields.get("schema_version"))
    if missing := [name for name in _REQUIRED if fields.get(name) is None]:
        raise RunError(f"missing {', '.join(missing)}")
    for name, value in fields.items():
        if value is None or (kinds := _KINDS.get(name)) is None:
            continue
        if type(value) not in kinds:
            raise RunError(f"{name} is {shown(value)}; expected {_NAMES[kinds[0]]}")
        if kinds[0] is int and not is_possible(value, name):
            raise RunError(f"{name} is {shown(value)}, which it cannot be")
    row = object.__new__(Row)
    values = vars(row)
    values.update(_DEFAULTS)
    values.update(fields if fields.keys() <= _FIELDS.keys() else {k: v for k, v in fields.items() if k in _FIELDS})
    return row


def _check_version(version: object) -> None:
    check_version(version[:80] if isinstance(version, str) else shown(version), SCHEMA_VERSION, RunError)


def _rate(tokens: int | None, seconds: float | None) -> float | None:
    return tokens / seconds if tokens and seconds else None
