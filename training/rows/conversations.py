"""Rows of any common form as one: a list of messages whose turns alternate and end with an answer."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from training.config import RowSource, TrainingError

Messages = list[dict[str, str]]

_ROLES = {
    "system": "system",
    "user": "user",
    "human": "user",
    "prompter": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "model": "assistant",
}
_PAIRS = (("prompt", "completion"), ("question", "answer"), ("instruction", "output"))


def form_of(columns: Sequence[str], source: RowSource, where: str) -> tuple[str, ...]:
    """Which columns hold the conversation: one of messages, or a question and an answer.

    Raises:
        TrainingError: None that is known; the message lists the columns.
    """
    if source.prompt_column:
        for column in (source.prompt_column, source.answer_column):
            if column not in columns:
                raise TrainingError(f"{where}: no column {column!r}; columns: {', '.join(columns)}")
        return source.prompt_column, source.answer_column
    for column in ("messages", "conversations"):
        if column in columns:
            return (column,)
    for pair in _PAIRS:
        if all(column in columns for column in pair):
            return pair
    raise TrainingError(
        f"{where}: no conversation found; columns: {', '.join(columns)}; known: messages, conversations, "
        + ", ".join("/".join(pair) for pair in _PAIRS)
        + "; or set prompt_column and answer_column"
    )


def messages_of(row: Mapping[str, Any], form: tuple[str, ...], source: RowSource) -> Messages | None:
    """The conversation of one row; None where it is not one (empty, unknown roles, no answer at its end)."""
    turns = _listed(row.get(form[0])) if len(form) == 1 else _paired(row, form)
    if turns is None:
        return None
    if turns[0]["role"] != "system" and source.system:
        turns = [{"role": "system", "content": source.system}, *turns]
    while turns and turns[-1]["role"] != "assistant":
        turns = turns[:-1]  # a question without an answer teaches nothing
    for turn in turns:
        if turn["role"] == "assistant":
            for pattern, replacement in source.replace:
                turn["content"] = re.sub(pattern, replacement, turn["content"]).strip()
    return turns if _is_conversation(turns) else None


def _listed(value: Any) -> Messages | None:
    if not isinstance(value, Sequence) or isinstance(value, str) or not value:
        return None
    turns = []
    for entry in value:
        if not isinstance(entry, Mapping):
            return None
        role = _ROLES.get(str(entry.get("role", entry.get("from", ""))).lower())
        content = entry.get("content", entry.get("value"))
        if role is None or not isinstance(content, str):
            return None
        turns.append({"role": role, "content": content.strip()})
    return turns


def _paired(row: Mapping[str, Any], form: tuple[str, ...]) -> Messages | None:
    question, answer = row.get(form[0]), row.get(form[1])
    if isinstance(question, list) and isinstance(answer, list):
        return _listed([*question, *answer])
    if not isinstance(question, str) or not isinstance(answer, str):
        return None
    context = row.get("input") if form == ("instruction", "output") else None
    if isinstance(context, str) and context.strip():
        question = f"{question.strip()}\n\n{context.strip()}"
    return [{"role": "user", "content": question.strip()}, {"role": "assistant", "content": answer.strip()}]


def _is_conversation(turns: Messages) -> bool:
    rest = turns[1:] if turns and turns[0]["role"] == "system" else turns
    expected = ("user", "assistant")
    return (
        len(rest) >= 2
        and all(turn["role"] == expected[index % 2] for index, turn in enumerate(rest))
        and all(turn["content"] for turn in turns)
    )
