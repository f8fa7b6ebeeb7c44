"""Prompt suites: JSON Lines files, one prompt a line, each with its grader's configuration and two example answers.

A person's own suite may also be a CSV file (`from_csv.py`); two come from the Hub (`from_hub.py`). What a
grader's configuration may say is checked by `benchmarks.graders`, which knows them.
"""

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast, get_args

from data.errors import SuiteError, TradeoffError
from data.message import Message, Role
from data.paths import ROOT
from data.records import check_keys, decoded, lone_surrogate
from data.suites.from_csv import read_csv
from data.suites.from_hub import HUB_SUITES, digest, fetch_rows, file_of, rows_of

PROMPTS_DIR = ROOT / "data" / "prompts"

_ROLES: tuple[Role, ...] = get_args(Role)
DEFAULT_MAX_TOKENS = 512
"""Where a prompt sets no limit: room for an answer with its work."""

_REQUIRED = ("id", "kind", "grader")
_EXAMPLES = ("right", "wrong")
_KNOWN = ("id", "kind", "prompt", "system", "messages", "grader", "max_tokens", "template", "right", "wrong")


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """One graded question.

    Attributes:
        id: Unique within its suite.
        kind: The slice that it is counted in, such as "arithmetic".
        messages: The conversation, ending with a user's turn.
        grader: `name` and options of a grader in `benchmarks.graders.GRADERS`.
        max_tokens: Upper bound of the reply.
        template: Name of the pattern that it shares with others, for clustered standard errors; None where alone.
        right, wrong: Example answers that the grader must tell apart; the tests run them. Shipped suites have both.
    """

    id: str
    kind: str
    messages: tuple[Message, ...]
    grader: dict[str, Any]
    max_tokens: int
    template: str | None = None
    right: str | None = None
    wrong: str | None = None

    @property
    def text(self) -> str:
        """The question itself: the last turn."""
        return self.messages[-1].content


@dataclass(frozen=True, kw_only=True)
class Suite:
    """A named list of prompts.

    Attributes:
        sha256: Of the file's bytes.
        beginnings: The same of the file's first line, first two lines, and so on, each with its line end and without:
            what it may have been before it grew.
    """

    name: str
    prompts: tuple[Prompt, ...]
    sha256: str
    beginnings: tuple[str, ...] = ()

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds in order of first appearance."""
        return tuple(dict.fromkeys(prompt.kind for prompt in self.prompts))


def questions_sha256(prompts: Iterable[Prompt]) -> str:
    """Of what is asked and how it is graded, in order; limits and examples may change without it."""
    so_far, comma = hashlib.sha256(b"["), b""
    for each in prompts:  # one by one: all of them at once would take as much memory again
        asked = [each.id, each.kind, [vars(turn) for turn in each.messages], each.grader]
        so_far.update(comma + json.dumps(asked, sort_keys=True).encode())
        comma = b", "
    so_far.update(b"]")
    return so_far.hexdigest()


def shipped_suites() -> list[str]:
    """Names of the suites in `data/prompts`."""
    return sorted(path.stem for path in PROMPTS_DIR.glob("*.jsonl"))


def load_suite(name_or_path: str | Path) -> Suite:
    """Read a shipped suite or one of the Hub's by its name, or a JSONL or CSV file by its path.

    A file of rows as the Hub has them is named after its suite: "gsm8k:my-half.jsonl"; the suite has the file's name.

    Raises:
        SuiteError: No such suite, or a line that is not a prompt; one line with the file and the line number.
    """
    if str(name_or_path) in HUB_SUITES:
        return _from_hub(str(name_or_path))
    of_hub = file_of(str(name_or_path))
    path = of_hub[1] if of_hub else _locate(str(name_or_path))
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SuiteError(f"{path}: cannot be read ({error.strerror})") from None
    text = decoded(content, str(path), SuiteError)
    shipped = path.parent == PROMPTS_DIR
    rows: Iterable[tuple[int, Any]] = read_csv(text, str(path)) if path.suffix.lower() == ".csv" else _json_lines(text)
    if of_hub:
        rows = enumerate(rows_of(of_hub[0], _json_lines(text), str(path)), start=1)
    prompts = _prompts(rows, str(path), required=(*_REQUIRED, *_EXAMPLES) if shipped else _REQUIRED)
    if not prompts:
        raise SuiteError(f"{path}: no prompt in it; write one a line")
    sha256 = hashlib.sha256(content).hexdigest()
    return Suite(name=path.stem, prompts=prompts, sha256=sha256, beginnings=tuple(_beginnings(content)))


def _beginnings(content: bytes) -> Iterator[str]:
    so_far = hashlib.sha256()
    for line in content.splitlines(keepends=True):
        text = line.rstrip(b"\r\n")
        for part in (text, line[len(text) :]):
            so_far.update(part)
            yield so_far.hexdigest()


def _from_hub(name: str) -> Suite:
    rows = fetch_rows(name)
    prompts = _prompts(enumerate(rows, start=1), name, required=_REQUIRED)
    return Suite(name=name, prompts=prompts, sha256=digest(rows))


def _json_lines(text: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(text.split("\n"), start=1):  # not splitlines(): JSON text may hold U+2028
        if line.strip():
            yield number, line


def _prompts(rows: Iterable[tuple[int, Any]], where: str, *, required: Sequence[str]) -> tuple[Prompt, ...]:
    """The prompts of numbered rows: JSON text, or fields that are read already."""
    prompts: dict[str, Prompt] = {}
    for number, row in rows:
        try:
            prompt = _prompt(_parsed(row) if isinstance(row, str) else row, required)
            if prompt.id in prompts:
                raise _Malformed(f"id {prompt.id!r} is used before; give each prompt its own")
        except _Malformed as error:
            raise SuiteError(f"{where}, line {number}: {error}") from None
        prompts[prompt.id] = prompt
    return tuple(prompts.values())


def balanced(prompts: Iterable[Prompt], limit: int | None, kinds: Collection[str] = ()) -> tuple[Prompt, ...]:
    """The first `limit` prompts taken in turn from each kind, in the suite's order.

    Args:
        limit: None takes all.
        kinds: Keep these only; empty keeps all.
    """
    kept = [prompt for prompt in prompts if not kinds or prompt.kind in kinds]
    if limit is None or limit >= len(kept):
        return tuple(kept)
    seen: dict[str, int] = {}
    place: dict[str, int] = {}
    for prompt in kept:
        place[prompt.id] = seen[prompt.kind] = seen.get(prompt.kind, 0) + 1
    chosen = {prompt.id for prompt in sorted(kept, key=lambda prompt: place[prompt.id])[:limit]}
    return tuple(prompt for prompt in kept if prompt.id in chosen)


class _Malformed(TradeoffError):
    """What is wrong with one line."""


def _locate(name: str) -> Path:
    if name.lower().endswith((".jsonl", ".csv")) or "/" in name:
        path = Path(name)
        if not path.is_file():
            raise SuiteError(f"{path}: no such file")
        return path
    if name not in shipped_suites():
        known = ", ".join((*shipped_suites(), *HUB_SUITES))
        raise SuiteError(f"unknown suite {name!r}; known: {known}, or a path ending in .jsonl or .csv")
    return PROMPTS_DIR / f"{name}.jsonl"


def _parsed(line: str) -> object:
    try:
        fields: object = json.loads(line)
    except ValueError as error:
        raise _Malformed(f"not JSON ({error})") from None
    except RecursionError:
        raise _Malformed("JSON nested too deeply") from None
    return fields


def _prompt(fields: object, required: Sequence[str]) -> Prompt:
    if not isinstance(fields, dict):
        raise _Malformed(f"a JSON {type(fields).__name__}; expected an object with {', '.join(required)}")
    _check_keys(fields, required)
    max_tokens = fields.get("max_tokens", DEFAULT_MAX_TOKENS)
    if not isinstance(max_tokens, int) or isinstance(max_tokens, bool) or max_tokens < 1:
        raise _Malformed(f"max_tokens is {max_tokens!r}; expected a whole number of at least 1")
    template = fields.get("template")
    if template is not None:
        template = _text(fields, "template")
    return Prompt(
        id=_text(fields, "id"),
        kind=_text(fields, "kind"),
        messages=_messages(fields),
        grader=_grader(fields["grader"]),
        max_tokens=max_tokens,
        template=template,
        right=_text(fields, "right") if "right" in fields else None,
        wrong=_text(fields, "wrong", may_be_empty=True) if "wrong" in fields else None,
    )


def _check_keys(fields: dict[str, Any], required: Sequence[str]) -> None:
    check_keys(fields, _KNOWN, _Malformed)
    if missing := [key for key in required if key not in fields]:
        raise _Malformed(f"missing {', '.join(missing)}")
    if ("prompt" in fields) == ("messages" in fields):
        raise _Malformed("needs either 'prompt' or 'messages', and not both")
    if "system" in fields and "messages" in fields:
        raise _Malformed("'system' goes with 'prompt'; in 'messages', write it as the first turn")


def _text(fields: dict[str, Any], key: str, *, may_be_empty: bool = False) -> str:
    value = fields[key]
    if not isinstance(value, str):
        raise _Malformed(f"{key} is {value!r}; expected text")
    if not value.strip() and not may_be_empty:
        raise _Malformed(f"{key} is empty")
    if half := lone_surrogate(value):
        raise _Malformed(f"{key} holds half a character, {half}; write the whole character, or leave it out")
    return value


def _messages(fields: dict[str, Any]) -> tuple[Message, ...]:
    if "prompt" in fields:
        system = (Message(role="system", content=_text(fields, "system")),) if "system" in fields else ()
        return (*system, Message(role="user", content=_text(fields, "prompt")))
    messages = fields["messages"]
    if not isinstance(messages, list) or not messages:
        raise _Malformed("messages is not a list of turns with 'role' and 'content'")
    turns = tuple(_turn(message) for message in messages)
    if turns[-1].role != "user":
        raise _Malformed(f"the last message is the {turns[-1].role}'s; it must be the user's")
    return turns


def _turn(message: object) -> Message:
    if not isinstance(message, dict) or set(message) != {"role", "content"}:
        raise _Malformed("a message needs exactly 'role' and 'content'")
    if message["role"] not in _ROLES:
        raise _Malformed(f"unknown role {message['role']!r}; known: {', '.join(_ROLES)}")
    return Message(role=message["role"], content=_text(message, "content"))


def _grader(value: object) -> dict[str, Any]:
    if not isinstance(value, dict) or not isinstance(value.get("name"), str):
        raise _Malformed('grader is not an object with a name, such as {"name": "numeric", "value": 7}')
    if half := lone_surrogate(json.dumps(value, ensure_ascii=False)):
        raise _Malformed(f"grader holds half a character, {half}; write the whole character, or leave it out")
    return cast(dict[str, Any], value)
