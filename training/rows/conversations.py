"""Rows of any common form as one: messages in which both sides take turns, ending with an answer; or a named reason.

What a row says is used or refused: nothing that a model would need for the answer is left out without a word.
"""

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from training.config import RowSource, TrainingError

Messages = list[dict[str, str]]

_ROLES = {
    name: role
    for role, names in {
        "system": "system developer",
        "user": "user human prompter",
        "assistant": "assistant gpt chatgpt model bot chatbot ai",
        "tool": "tool function observation environment ipython function_call function_response tool_call "
        "tool_response tool_result tool_results",
    }.items()
    for name in names.split()
}
_LISTS = ("messages", "conversations", "conversation", "dialogue", "dialog", "chat", "contents", "data")
_PAIRS = (
    ("prompt", "completion"),
    ("prompt", "response"),
    ("instruction", "output"),
    ("instruction", "response"),
    ("question", "answer"),
    ("question", "response"),
    ("query", "response"),
    ("query", "answer"),
    ("input", "output"),
    ("problem", "solution"),
    ("inputs", "targets"),
    ("user", "assistant"),
    ("human", "assistant"),
)
_FORMS: tuple[tuple[str, ...], ...] = (*((name,) for name in _LISTS), *_PAIRS)
_SYSTEM = ("system", "system_prompt", "system_message")
_CONTEXT = ("input", "context")
# What an answer depends on and no template here is given.
_REFUSED = (
    *("tools", "functions", "tool_calls", "function_call", "documents", "history"),
    *("choices", "options"),
    *("image", "images", "audio", "audios", "video", "videos"),
)
_KNOWN = {*_SYSTEM, *_CONTEXT, *_REFUSED, *(name for form in _FORMS for name in form)}
_REFUSED_IN_TURNS = (*_REFUSED, "tool_call_id", "reasoning", "reasoning_content", "thinking")
_SIDES = ("user", "assistant")
_COLUMN_HINT = "; data.sources.NAME.ignore_columns leaves it out"
_BLANK_LINES = re.compile(r"\A(?:[^\S\n]*\n)+")


class UnusableRow(TrainingError):
    """A row that is dropped; the message says more than its reason.

    Args:
        reason: What it is counted under: few words, the same for rows of one kind.
    """

    def __init__(self, reason: str, message: str = "") -> None:
        self.reason = reason
        super().__init__(message or reason)


@dataclass(frozen=True, kw_only=True)
class Conversation:
    """A row's messages.

    Attributes:
        changes: What of the row is not in the messages, in words.
        unused: Columns with something in them that were not read.
    """

    messages: Messages
    changes: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()


def form_of(row: Mapping[str, Any], source: RowSource) -> tuple[str, ...]:
    """Which columns hold the conversation: one of messages, or a question and an answer.

    Raises:
        UnusableRow: None that is known; the message lists the columns.
    """
    if source.prompt_column:
        for column in (source.prompt_column, source.answer_column):
            if column not in row:
                raise UnusableRow(f"no column {column!r}", f"no column {column!r}; columns: {', '.join(row)}")
        return source.prompt_column, source.answer_column
    there = [form for form in _FORMS if all(column in row for column in form)]
    if not there:
        raise UnusableRow(
            "no conversation found",
            f"no conversation found; columns: {', '.join(row)}; known: {', '.join(map('/'.join, _FORMS))}; "
            "or set prompt_column and answer_column",
        )
    return next((form for form in there if _fits(row, form)), there[0])


def _fits(row: Mapping[str, Any], form: tuple[str, ...]) -> bool:
    """A column called `data` or `chat` may hold anything."""
    if len(form) == 1:
        return isinstance(_read(row[form[0]]), list | Mapping)
    return all(row[column] is not None for column in form)


def conversation_of(row: Mapping[str, Any], source: RowSource) -> Conversation:
    """The conversation of one row.

    Raises:
        UnusableRow: It is none, or says what cannot be trained on.
    """
    row = _by_known_names({name: value for name, value in row.items() if name not in source.ignore_columns}, source)
    form = form_of(row, source)
    _refuse(row, [name for name in _REFUSED if name not in form], "the column", _COLUMN_HINT)
    turns, changes = _turns(row, form)
    columns = [name for name in _SYSTEM if name not in form]
    system = _joined([_text(row.get(name)) for name in columns] + _leading(turns))
    turns = turns[len(_leading(turns)) :]
    if not system and source.system:
        system = source.system
    if system:
        turns = [{"role": "system", "content": system}, *turns]
    while turns and turns[-1]["role"] != "assistant":
        turns.pop()
        changes.append("last turn without an answer left out")
    for turn in turns:
        if turn["role"] == "assistant":
            for pattern, replacement in source.replace:
                turn["content"] = _trimmed(re.sub(pattern, replacement, turn["content"]))
    _check(turns)
    used = {*form, *columns, *_CONTEXT}
    unused = tuple(name for name, value in row.items() if name not in used and not _is_blank(value))
    return Conversation(messages=turns, changes=tuple(dict.fromkeys(changes)), unused=unused)


def _by_known_names(row: Mapping[str, Any], source: RowSource) -> dict[str, Any]:
    """The row with "Question" as "question", where no other column is called so."""
    named = dict(row)
    for name in row:
        plain = name.strip().lower()
        if plain in _KNOWN and plain not in named and name not in (source.prompt_column, source.answer_column):
            named[plain] = named.pop(name)
    return named


def _turns(row: Mapping[str, Any], form: tuple[str, ...]) -> tuple[Messages, list[str]]:
    """All turns of a row, trimmed, and what was left out of them."""
    contexts = [name for name in _CONTEXT if name not in form]
    cells = [_read(row.get(name)) for name in form]
    if len(form) == 2 and not any(map(_is_messages, cells)):
        asked = _joined([_text(cells[0]), *(_text(row.get(name)) for name in contexts)])
        return [_message("user", asked), _message("assistant", _text(cells[1]))], []
    _refuse(row, contexts, "beside messages, the column", _COLUMN_HINT)
    if len(form) == 1:
        entries = _listed(cells[0])
    else:
        sides = [cell if _is_messages(cell) else [{"role": role, "content": cell}] for cell, role in zip(cells, _SIDES)]
        entries = [entry for side in sides for entry in side]
    turns = [_turn(entry) for entry in entries]
    kept = [turn for turn in turns if turn["role"] != "system" or turn["content"]]
    changes = ["blank system turn left out"] if len(kept) < len(turns) else []
    changes += ["names of speakers left out"] if any(not _is_blank(entry.get("name")) for entry in entries) else []
    return kept, changes


def _read(value: Any) -> Any:
    """Messages that are written as a JSON text, as they were meant."""
    if not isinstance(value, str) or not re.match(r"\s*\[\s*\{", value):
        return value
    try:
        found = json.loads(value)
    except (ValueError, RecursionError):
        return value
    return found if _is_messages(found) else value


def _is_messages(value: Any) -> bool:
    return isinstance(value, list) and any(
        isinstance(each, Mapping) and ("role" in each or "from" in each) for each in value
    )


def _listed(value: Any) -> list[Any]:
    """The entries of a list of messages, of columns of messages, or of texts that take turns."""
    if isinstance(value, Mapping) and value and all(isinstance(each, list) for each in value.values()):
        return [dict(zip(value, each)) for each in zip(*value.values())]
    if not isinstance(value, list) or not value:
        raise UnusableRow("not a list of turns")
    if all(isinstance(each, str) for each in value):
        return [{"role": _SIDES[place % 2], "content": text} for place, text in enumerate(value)]
    return value


def _turn(entry: Any) -> dict[str, str]:
    if not isinstance(entry, Mapping):
        raise UnusableRow("a turn without role and content")
    _refuse(entry, _REFUSED_IN_TURNS, "in a turn,")
    name = entry.get("role") or entry.get("from")
    role = _ROLES.get(str(name).strip().lower())
    if role is None:
        raise UnusableRow("unknown role", f"unknown role {name!r}; known: {', '.join(_ROLES)}")
    if role == "tool":
        raise UnusableRow("a tool's turn", f"the turn of a tool ({name!r}) cannot be trained on")
    if role == "assistant" and any(entry.get(key) == 0 for key in ("weight", "train")):
        raise UnusableRow("an answer not to train on", "an answer of weight 0 cannot be left out of training")
    contents = (entry.get(key) for key in ("content", "value", "text", "parts"))
    return _message(role, _text(next((each for each in contents if each is not None), None)))


def _message(role: str, text: str) -> dict[str, str]:
    return {"role": role, "content": _trimmed(text)}


def _text(value: Any) -> str:
    """What a cell says: a text, a number, or parts of text, a line each."""
    if isinstance(value, str):
        return value
    if value is None or _is_nan(value):
        return ""
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return str(value)
    if isinstance(value, Mapping) and value.get("type", "text") in ("text", "input_text", "output_text", None):
        if isinstance(value.get("text"), str):
            return str(value["text"])
    elif isinstance(value, list):
        return "\n".join(map(_text, value))
    kind = value.get("type") if isinstance(value, Mapping) else None
    raise UnusableRow("content that is no text", f"content that is no text ({kind or type(value).__name__})")


def _trimmed(text: str) -> str:
    """Without blank lines around it; its indentation stays, but one space is none."""
    text = _BLANK_LINES.sub("", text).rstrip()
    return text[1:] if re.match(r" \S", text) else text


def _joined(texts: Iterable[str]) -> str:
    """Different texts that say something, a blank line between them."""
    return "\n\n".join(dict.fromkeys(filter(None, map(_trimmed, texts))))


def _leading(turns: Messages) -> list[str]:
    """System messages that come first, of which some data have several."""
    first = next((place for place, turn in enumerate(turns) if turn["role"] != "system"), len(turns))
    return [turn["content"] for turn in turns[:first]]


def _refuse(values: Mapping[str, Any], names: Iterable[str], what: str, hint: str = "") -> None:
    for name in names:
        if not _is_blank(values.get(name)):
            raise UnusableRow(f"{what} {name!r}", f"{what} {name!r} is not trained on{hint}")


def _is_blank(value: Any) -> bool:
    if isinstance(value, str):
        return value.strip() in ("", "[]", "{}", "null")
    return value is None or value == [] or value == {} or _is_nan(value)


def _is_nan(value: Any) -> bool:
    """What a table of numbers and gaps has where a cell is empty."""
    return isinstance(value, float) and math.isnan(value)


def _check(turns: Sequence[Mapping[str, str]]) -> None:
    rest = turns[1:] if turns and turns[0]["role"] == "system" else turns
    if any(turn["role"] == "system" for turn in rest):
        raise UnusableRow("a system turn in the middle")
    if not rest:
        raise UnusableRow("no answer")
    if not rest[-1]["content"]:
        raise UnusableRow("an empty answer")
    if any(not turn["content"] for turn in rest):
        raise UnusableRow("a blank turn")
    if any(turn["role"] == after["role"] for turn, after in pairwise(rest)):
        raise UnusableRow("two turns of one side in a row")
    if len(rest) < 2:
        raise UnusableRow("no question")
