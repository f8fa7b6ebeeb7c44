"""A comparison as Markdown, JSON and CSV, and as what a shared link stores."""

import csv
import dataclasses
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

from app.chat.conversation import Turn
from app.chat.inert import inert_cell
from app.chat.lanes import Lane
from app.chat.reply_facts import details, statistics_line

FIGURES = (
    "prompt_tokens",
    "completion_tokens",
    "decode_tok_per_s",
    "characters_per_s",
    "ttft_s",
    "memory_bytes",
    "as_served",
)


def as_record(turns: Sequence[Turn], labels: Mapping[str, str]) -> dict[str, Any]:
    """Turns as JSON has them: what was asked, with which sampling, and every reply with its figures."""
    return {"turns": [_turn(turn, labels) for turn in turns]}


def digest(record: Mapping[str, Any]) -> str:
    """Tells two records apart whenever anything in them differs."""
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()


def as_json(turns: Sequence[Turn], labels: Mapping[str, str]) -> str:
    return json.dumps(as_record(turns, labels), indent=2, ensure_ascii=False) + "\n"


def as_markdown(turns: Sequence[Turn], labels: Mapping[str, str]) -> str:
    """Prompts and replies in fences longer than any in the text, so that nothing in it is taken for markup."""
    parts = []
    for turn in turns:
        parts += ["## Prompt", _fenced(turn.prompt)]
        for lane in turn.lanes:
            line = statistics_line(lane).replace("**", "")
            parts += [f"### {labels.get(lane.model_id, lane.model_id)}", _fenced(lane.text or lane.error or ""), line]
    return "\n\n".join(part for part in parts if part) + "\n"


def as_csv(turns: Sequence[Turn], labels: Mapping[str, str]) -> str:
    """One row a reply. A cell that a spreadsheet would take for a formula gets an apostrophe."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["prompt", "model", "label", "reply", *FIGURES, "reason", "error"])
    for turn in turns:
        for lane in turn.lanes:
            figures = [getattr(lane, name) for name in FIGURES]
            label = labels.get(lane.model_id, lane.model_id)
            texts = [inert_cell(text) for text in (turn.prompt, lane.model_id, label, lane.text)]
            writer.writerow([*texts, *figures, lane.reason, inert_cell(lane.error or "")])
    return out.getvalue()


def _turn(turn: Turn, labels: Mapping[str, str]) -> dict[str, Any]:
    return {
        "prompt": turn.prompt,
        "system": turn.system,
        "sampling": [dataclasses.asdict(each) for each in turn.sampling],
        "replies": [_reply(lane, labels) for lane in turn.lanes],
    }


def _reply(lane: Lane, labels: Mapping[str, str]) -> dict[str, Any]:
    return {
        "model": lane.model_id,
        "label": labels.get(lane.model_id, lane.model_id),
        "text": lane.text,
        "reason": lane.reason,
        "error": lane.error,
        **{name: getattr(lane, name) for name in FIGURES},
        "statistics": statistics_line(lane),
        "details": details(lane),
    }


def _fenced(text: str) -> str:
    longest = max((len(run) for run in _runs(text, "`")), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text}\n{fence}"


def _runs(text: str, letter: str) -> list[str]:
    """The unbroken runs of a letter in a text."""
    return [run for run in "".join(each if each == letter else " " for each in text).split(" ") if run]
