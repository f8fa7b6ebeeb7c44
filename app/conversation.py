"""A side-by-side conversation: its turns, and what each model is told of it. No Streamlit in this module."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.lanes import Lane, LaneRequest
from benchmarks.engine import Message, Request, Sampling

REPORT_PROMPTS = (
    "Continue the fibonnaci sequence: 1, 1, 2, 3, 5, 8,",
    "Describe a tall tower in the capital of France.",
)

ENDINGS = {
    "stop": "finished",
    "length": "cut off at the token limit",
    "cancelled": "stopped",
    "error": "failed",
}


@dataclass(kw_only=True)
class Turn:
    """One prompt and the replies to it; `lanes` are final once `comparison_id` is None."""

    prompt: str
    model_ids: tuple[str, ...]
    comparison_id: str | None
    lanes: tuple[Lane, ...] = ()


def lane_requests(
    turns: Sequence[Turn], prompt: str, model_ids: Sequence[str], *, system: str, sampling: Sampling
) -> list[LaneRequest]:
    """One request per lane: the same prompt, after what that lane has said before."""
    return [
        LaneRequest(
            model_id=model_id, request=Request(messages=history(turns, lane, prompt, system), sampling=sampling)
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


def status_line(lane: Lane, place: int | None) -> str:
    """What a lane that has not written anything yet is doing."""
    if place is not None:
        return f"Waiting for a free place: number {place} in the queue"
    if lane.stage == "fetching":
        done = f"{lane.done_bytes / 1e6:,.0f} MB"
        total = f" of {lane.total_bytes / 1e6:,.0f} MB" if lane.total_bytes else ""
        return f"Fetching the model: {done}{total}" if lane.done_bytes else "Looking for the model"
    reading = f"Reading the prompt ({lane.prompt_tokens:,} tokens)" if lane.prompt_tokens else "Reading the prompt"
    stages = {"queued": "Starting", "loading": "Loading the model", "waiting": "Waiting for its turn"}
    return stages.get(lane.stage, reading)


def statistics_line(lane: Lane) -> str:
    """TTFT, decode rate, tokens, seconds and ending of a reply; what an engine does not know is left out."""
    parts = []
    if (rate := lane.decode_tok_per_s) is not None:
        parts.append(f"**{rate:.1f} tok/s** decode")
    if lane.ttft_s is not None:
        parts.append(f"TTFT {lane.ttft_s:.2f} s")
    if lane.completion_tokens:
        parts.append(f"{lane.completion_tokens:,} token{'s' if lane.completion_tokens != 1 else ''}")
    if lane.timings and lane.timings.total_s is not None:
        parts.append(f"{lane.timings.total_s:.1f} s")
    if lane.reason:
        parts.append(ENDINGS[lane.reason])
    return " · ".join(parts)
