"""A side-by-side conversation: its turns, and what each model is told of it."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field

from app.chat.lanes import Lane, LaneRequest
from app.chat.shares import Receipt
from benchmarks.engine.contract import Request, Sampling
from data.message import Message

REPORT_PROMPTS = (
    "Continue the fibonnaci sequence: 1, 1, 2, 3, 5, 8,",
    "Describe a tall tower in the capital of France.",
)
MIN_LANES, MAX_LANES = 2, 4


@dataclass(kw_only=True)
class Turn:
    """One prompt and the replies to it; `lanes` are final once `comparison_id` is None.

    Attributes:
        system: The system prompt that went with it; empty for the models' own.
        sampling: One for each lane.
    """

    prompt: str
    model_ids: tuple[str, ...]
    comparison_id: str | None
    lanes: tuple[Lane, ...] = ()
    system: str = ""
    sampling: tuple[Sampling, ...] = ()


@dataclass(kw_only=True)
class Chat:
    """The turns of one side-by-side conversation; who holds its id can open it again.

    Attributes:
        receipts: Of what was shared of it, by `export.digest`; kept here so that a reloaded tab can still delete.
    """

    visitor: str
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    turns: list[Turn] = field(default_factory=list)
    receipts: dict[str, Receipt] = field(default_factory=dict)

    @property
    def running(self) -> bool:
        return bool(self.turns and self.turns[-1].comparison_id)


def lane_requests(
    turns: Sequence[Turn], prompt: str, model_ids: Sequence[str], *, system: str, sampling: Sequence[Sampling]
) -> list[LaneRequest]:
    """One request per lane: the same prompt, after what that lane has said before."""
    return [
        LaneRequest(
            model_id=model_id, request=Request(messages=history(turns, lane, prompt, system), sampling=sampling[lane])
        )
        for lane, model_id in enumerate(model_ids)
    ]


def history(turns: Sequence[Turn], lane: int, prompt: str, system: str) -> tuple[Message, ...]:
    """The lane's messages up to the new prompt. A turn without a reply is left out: turns must alternate."""
    messages = [Message(role="system", content=system)] if system.strip() else []
    for turn in turns:
        if lane < len(turn.lanes) and (reply := turn.lanes[lane].text.strip()):
            messages += [Message(role="user", content=turn.prompt), Message(role="assistant", content=reply)]
    return (*messages, Message(role="user", content=prompt))
