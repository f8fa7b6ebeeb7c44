import pytest

from app.chat.lanes import Comparison, Lane, LaneRequest
from app.chat.reply_facts import details, statistics_line, status_line, thinking_line, thinking_tokens
from benchmarks.engine.contract import Delta, Message, Request, Sampling
from benchmarks.graders.visible import visible


def written(*texts: str, tokens_each: int = 1) -> Lane:
    """A lane to which these texts came one after the other, each with its tokens at ten a second."""
    request = Request(messages=(Message(role="user", content="x"),), sampling=Sampling())
    comparison = Comparison("visitor", [LaneRequest(model_id="a", request=request)], 0.0)
    for place, text in enumerate(texts, 1):
        tokens = place * tokens_each
        comparison.take(0, Delta(id=1, text=text, completion_tokens=tokens, decode_s=(tokens - 1) / 10, ttft_s=0.5))
    return comparison.lanes[0]


def test_tokens_and_seconds_of_thinking_are_those_until_its_mark() -> None:
    lane = written("<think>", " so", " on", "</", "think>", "\n\n", "The", " answer")
    assert (lane.thinking_tokens, lane.thinking_s) == (5, 0.9)
    assert "8 tokens (3 answer, 5 thinking)" in statistics_line(lane)
    assert details(lane)["Of them thinking"] == "5 tokens"
    assert thinking_line(visible(lane.text), lane, finished=False) == "Thought · 5 tokens · 5 characters · 0.9 s"


def test_a_lane_that_loads_says_how_much_is_read() -> None:
    assert status_line(Lane(model_id="a", stage="loading", total_bytes=145_000_000), None).endswith("0 of 145 MB read")
    assert status_line(Lane(model_id="a", stage="loading"), None) == "Loading the model"


def test_a_trace_that_the_prompt_opened_counts_from_the_start() -> None:
    assert written("so", " on", "</think>", " x").thinking_tokens == 3


def test_an_update_of_several_tokens_is_shared_by_its_characters() -> None:
    lane = written("<think> one two", " three </think> abc", tokens_each=10)
    assert lane.thinking_tokens == pytest.approx(18, abs=1)


def test_while_it_thinks_all_tokens_are_thinking_and_the_title_stays() -> None:
    lane = written("<think>", " so", " on")
    assert (lane.thinking_tokens, thinking_tokens(lane, visible(lane.text))) == (None, 3)
    assert thinking_line(visible(lane.text), lane, finished=False) == "Thinking"


@pytest.mark.parametrize("texts", [("a <b>", " c", "</b>"), ("if x", "->", "y"), ("final", " words")])
def test_without_thinking_nothing_is_said_of_it(texts: tuple[str, ...]) -> None:
    lane = written(*texts)
    assert lane.thinking_tokens is None
    assert "thinking" not in statistics_line(lane) and "Thinking" not in details(lane)
