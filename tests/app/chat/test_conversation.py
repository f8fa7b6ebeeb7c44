from app.chat.conversation import Turn, history, lane_requests
from app.chat.lanes import Lane
from app.chat.reply_facts import statistics_line, status_line
from benchmarks.engine.contract import Sampling, Timings


def turn(prompt: str, *replies: str) -> Turn:
    lanes = tuple(Lane(model_id="m", stage="done", text=reply, reason="stop") for reply in replies)
    return Turn(prompt=prompt, model_ids=("m",) * len(replies), comparison_id=None, lanes=lanes)


def texts(turns: list[Turn], lane: int, system: str = "") -> list[tuple[str, str]]:
    return [(message.role, message.content) for message in history(turns, lane, "next", system)]


def test_each_lane_is_told_its_own_replies() -> None:
    turns = [turn("hi", "from a", "from b")]
    assert texts(turns, 1) == [("user", "hi"), ("assistant", "from b"), ("user", "next")]


def test_a_turn_without_a_reply_is_left_out_of_that_lane_only() -> None:
    turns = [turn("hi", "from a", "  ")]
    assert texts(turns, 1) == [("user", "next")]
    assert len(texts(turns, 0)) == 3


def test_an_empty_system_prompt_leaves_the_models_own() -> None:
    assert texts([], 0, " ")[0] == ("user", "next")
    assert texts([], 0, "Be brief.")[0] == ("system", "Be brief.")


def test_every_model_gets_the_same_prompt_and_sampling() -> None:
    requests = lane_requests([], "hello", ["a", "b"], system="", sampling=[Sampling(seed=5)] * 2)
    assert [request.model_id for request in requests] == ["a", "b"]
    assert requests[0].request == requests[1].request


def test_statistics_leave_out_what_is_not_known() -> None:
    timings = Timings(prompt_tokens=4, decode_tokens=10, decode_s=0.5, total_s=1.25)
    lane = Lane(model_id="m", stage="done", reason="length", completion_tokens=11, ttft_s=0.25, timings=timings)
    assert (
        statistics_line(lane) == "**20.0 tok/s** decode · TTFT 0.25 s · 11 tokens · 1.2 s · cut off at the token limit"
    )
    assert statistics_line(Lane(model_id="m")) == ""


def test_a_lane_says_what_it_waits_for() -> None:
    assert status_line(Lane(model_id="m"), 3) == "Waiting for a free place: number 3 in the queue"
    fetching = Lane(model_id="m", stage="fetching", done_bytes=5_000_000, total_bytes=98_000_000)
    assert status_line(fetching, None) == "Fetching the model: 5 MB of 98 MB"
    assert (
        status_line(Lane(model_id="m", stage="prefill", prompt_tokens=1200), None)
        == "Reading the prompt (1,200 tokens)"
    )
