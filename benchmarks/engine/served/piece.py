"""What one event of a reply's stream brings, taken from whatever a server sends."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.engine.logprobs import TokenLogprob
from data.records import whole_characters


@dataclass(frozen=True, kw_only=True)
class Piece:
    """What one event of a stream brings.

    Attributes:
        usage, timings: As the server reports them, with the last piece or with each.
    """

    text: str = ""
    thinking: str = ""
    logprobs: tuple[TokenLogprob, ...] = ()
    finish: str | None = None
    usage: Mapping[str, Any] | None = None
    timings: Mapping[str, Any] | None = None


def piece_of(chunk: Any) -> Piece:
    """A server may leave out anything.

    Raises:
        AttributeError, TypeError, ValueError: What is there has another form than OpenAI's.
    """
    usage, timings = _table(chunk.usage), _table(getattr(chunk, "timings", None))
    if not chunk.choices:
        return Piece(usage=usage, timings=timings)
    choice = chunk.choices[0]
    delta = choice.delta
    thinking = getattr(delta, "reasoning_content", None) or getattr(delta, "reasoning", None)
    logprobs = choice.logprobs.content if choice.logprobs and choice.logprobs.content else ()
    return Piece(
        text=_text(delta.content if delta else None),
        thinking=_text(thinking),
        logprobs=tuple(map(_logprob, logprobs)),
        finish=choice.finish_reason,
        usage=usage,
        timings=timings,
    )


def _text(value: Any) -> str:
    if value is not None and not isinstance(value, str):
        raise TypeError("a piece of the reply is no text")
    return whole_characters(value or "")


def _table(value: Any) -> Mapping[str, Any] | None:
    """The client makes a record of usage, whatever types stand in it."""
    table = value.model_dump(warnings=False) if hasattr(value, "model_dump") else value
    return table if isinstance(table, dict) else None


def _logprob(said: Any) -> TokenLogprob:
    top = tuple((_bytes(each), _number(each.logprob)) for each in said.top_logprobs or ())
    return TokenLogprob(token=_bytes(said), logprob=_number(said.logprob), top=top)


def _number(said: Any) -> float:
    if not math.isfinite(said):
        raise ValueError("a log-probability is no number")
    return float(said)


def _bytes(said: Any) -> bytes:
    """As listed; of a mere number `bytes` would make so many zeros."""
    return bytes(said.bytes) if isinstance(said.bytes, list) else str(said.token).encode(errors="replace")
