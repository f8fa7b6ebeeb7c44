"""What is said below a reply: one line while it is written, and all figures on request."""

from app.chat.lanes import Lane
from benchmarks.graders.visible import Visible, visible

ENDINGS = {
    "stop": "finished",
    "length": "cut off at the token limit",
    "loop": "ended, for it repeated itself",
    "deadline": "out of time",
    "cancelled": "stopped",
    "error": "failed",
}

ROOM = "Waiting for memory: others' models are writing"


def status_line(lane: Lane, place: int | None, wait_s: float | None = None) -> str:
    """What a lane that has not written anything yet is doing.

    Args:
        place, wait_s: As in `Snapshot`.
    """
    if place is not None:
        about = f", about {max(1.0, wait_s):.0f} s" if wait_s is not None else ""
        return f"Waiting for a free place: number {place} in the queue{about}"
    if lane.stage == "fetching":
        done = f"{lane.done_bytes / 1e6:,.0f} MB"
        total = f" of {lane.total_bytes / 1e6:,.0f} MB" if lane.total_bytes else ""
        return f"Fetching the model: {done}{total}" if lane.done_bytes else "Looking for the model"
    reading = f"Reading the prompt ({lane.prompt_tokens:,} tokens)" if lane.prompt_tokens else "Reading the prompt"
    stages = {"queued": "Starting", "loading": _loading(lane), "room": ROOM, "waiting": "Waiting for its turn"}
    return stages.get(lane.stage, reading)


def _loading(lane: Lane) -> str:
    done, total = lane.done_bytes / 1e6, (lane.total_bytes or 0) / 1e6
    read = f": {done:,.0f} of {total:,.0f} MB read" if done < total else f": {total:,.0f} MB read, now being arranged"
    read = read if lane.total_bytes else ""
    needs = f"; it needs {lane.needs_bytes / 1e9:.1f} GB of memory" if lane.needs_bytes else ""
    return f"Loading the model{read}{needs}"


def statistics_line(lane: Lane) -> str:
    """TTFT, decode rate, tokens, seconds and ending of a reply; what an engine does not know is left out."""
    parts = []
    if (rate := lane.decode_tok_per_s) is not None:
        parts.append(f"**{rate:.1f} tok/s** decode")
    if lane.ttft_s is not None:
        parts.append(f"TTFT {lane.ttft_s:.2f} s")
    if lane.completion_tokens:
        parts.append(f"{lane.completion_tokens:,} token{'s' if lane.completion_tokens != 1 else ''}{_of_them(lane)}")
    if lane.timings and lane.timings.total_s is not None:
        parts.append(f"{lane.timings.total_s:.1f} s")
    if lane.as_served and parts:
        parts.append("as served")
    if lane.reason:
        parts.append(ENDINGS[lane.reason])
    if lane.note:
        parts.append(lane.note)
    return " · ".join(parts)


def _of_them(lane: Lane) -> str:
    thinking = thinking_tokens(lane, visible(lane.text))
    return f" ({lane.completion_tokens - thinking:,} answer, {thinking:,} thinking)" if thinking else ""


def thinking_tokens(lane: Lane, said: Visible) -> int | None:
    """Tokens of the thinking: all of them until an answer begins; None where it is not known."""
    if not said.thinking:
        return 0
    return lane.thinking_tokens if lane.thinking_tokens is not None or said.answer else lane.completion_tokens


def thinking_line(said: Visible, lane: Lane | None, *, finished: bool) -> str:
    """A title for the thinking: how long it was and what it took. It stays one title as long as the thinking goes on,
    since Streamlit folds what has a new one."""
    if not (finished or said.answer):
        return "Thinking"
    amounts = [f"{len(said.thinking):,} characters"]
    if lane is not None and (tokens := thinking_tokens(lane, said)):
        amounts.insert(0, f"{tokens:,} token{'s' if tokens != 1 else ''}")
    if lane is not None and lane.thinking_s is not None:
        amounts.append(f"{lane.thinking_s:.1f} s")
    return " · ".join(["Thought", *amounts])


def details(lane: Lane) -> dict[str, str]:
    """Every figure of a reply by its name, for people; what is not known is left out."""
    timings, said = lane.timings, visible(lane.text)
    known: dict[str, tuple[str, float | int | str | None]] = {
        "Prompt": ("{:,} tokens", lane.prompt_tokens),
        "Read from the cache": ("{:,} tokens", lane.cached_tokens or None),
        "Prefill": ("{:.0f} tok/s", timings.prefill_tok_per_s if timings else None),
        "Prefill time": ("{:.2f} s", timings.prefill_s if timings else None),
        "Time to first token": ("{:.2f} s", lane.ttft_s),
        "Decode": ("{:.1f} tok/s", lane.decode_tok_per_s),
        "Decode time": ("{:.2f} s", timings.decode_s if timings else lane.decode_s),
        "Slowest of 20 tokens": ("{:.0f} ms", 1000 * timings.itl_p95_s if timings and timings.itl_p95_s else None),
        "Reply": ("{:,} tokens", lane.completion_tokens),
        "Of them thinking": ("{:,} tokens", thinking_tokens(lane, said) or None),
        "Thinking": ("{:.2f} s", lane.thinking_s),
        "Thinking's length": ("{:,} characters", len(said.thinking) or None),
        "Length": ("{:,} characters", len(lane.text)),
        "Characters": ("{:.0f} per s", lane.characters_per_s),
        "Whole time": ("{:.2f} s", timings.total_s if timings else None),
        "Worker's memory": ("{:.2f} GB", None if lane.as_served else _gigabytes(lane.memory_bytes)),
        "Seed": ("{}", lane.seed),
    }
    if lane.as_served:
        known["Seconds"] = ("{}as served: another machine's, and the way to it", "")
    shown = {name: form.format(value) for name, (form, value) in known.items() if value is not None}
    return shown | ({"Ending": ENDINGS[lane.reason]} if lane.reason else {})


def _gigabytes(count: int | None) -> float | None:
    return count / 1e9 if count else None
