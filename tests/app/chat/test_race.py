from dataclasses import replace
from xml.etree import ElementTree

from app.chat.lanes import Lane, Pace
from app.chat.race import outcome, race
from benchmarks.engine.contract import Timings

SVG = "{http://www.w3.org/2000/svg}"
NAMES, COLOURS = ("A", "B"), ("#111111", "#222222")


def lane(tokens: int, rate: float, *, ttft_s: float = 0.2, text: str = "one two three", **changes: object) -> Lane:
    """A finished reply that was written at one rate."""
    decode_s = (tokens - 1) / rate
    facts: dict[str, object] = {
        "model_id": "m",
        "stage": "done",
        "reason": "stop",
        "text": text,
        "completion_tokens": tokens,
        "ttft_s": ttft_s,
        "paces": tuple(Pace(tokens=count, decode_s=(count - 1) / rate) for count in range(1, tokens + 1)),
        "timings": Timings(
            prompt_tokens=5, decode_tokens=tokens - 1, decode_s=decode_s, ttft_s=ttft_s, total_s=ttft_s + decode_s
        ),
    }
    return Lane(**{**facts, **changes})  # type: ignore[arg-type]


def test_the_line_says_who_was_faster_to_the_first_token_and_in_all_and_what_the_replies_share() -> None:
    fast, slow = lane(101, 100.0, ttft_s=0.1, text="one two three"), lane(51, 25.0, ttft_s=0.4, text="one two four")
    assert outcome([slow, fast], NAMES, ["wrong", "right"]) == (
        "B wrote 4.0× as fast as A (100 against 25 tokens/s); B began 4.0× as soon as A (0.10 against 0.40 s); "
        "B was done 2.2× as soon as A (1.1 against 2.4 s); A 51 and B 101 tokens long; 67% of the words are in both; "
        "graded: A wrong, B right."
    )


def test_what_differs_by_little_is_called_alike() -> None:
    said = outcome([lane(50, 100.0), lane(50, 102.0)], NAMES)
    assert (
        said.startswith("B and A wrote alike fast (102 against 100 tokens/s); ")
        and "began together (0.20 against 0.20 s)" in said
    )


def test_one_reply_alone_has_no_outcome_and_what_an_engine_does_not_know_is_left_out() -> None:
    assert outcome([lane(50, 100.0), lane(50, 100.0, text="", reason="error")], NAMES) == ""
    unknown = [replace(lane(tokens, 1.0), timings=None, ttft_s=None) for tokens in (5, 6)]
    assert outcome(unknown, NAMES) == ("A 5 and B 6 tokens long; 100% of the words are in both.")


def test_three_replies_compare_the_fastest_with_the_slowest() -> None:
    said = outcome([lane(50, 50.0), lane(50, 100.0), lane(50, 25.0)], ("A", "B", "C"))
    assert (
        said.startswith("B wrote 4.0× as fast as C") and "A 50, B 50 and C 50 tokens" in said and "in both" not in said
    )


def test_the_race_has_a_line_a_lane_and_names_that_stand_apart() -> None:
    drawn = ElementTree.fromstring(race([lane(300, 100.0), lane(300, 101.0)], NAMES, COLOURS, ink="#333333") or "")
    lines = drawn.findall(f"{SVG}polyline")
    assert [line.get("stroke") for line in lines] == list(COLOURS)
    assert all(len((line.get("points") or "").split()) <= 80 for line in lines)
    ends = [float(text.get("y", 0)) for text in drawn.findall(f"{SVG}text") if (text.text or "").endswith(" 300")]
    assert len(ends) == 2 and abs(ends[0] - ends[1]) >= 14 and max(ends) < 110
    assert drawn.get("aria-label") == "A: 300 tokens; B: 300 tokens"


def test_before_anybody_writes_there_is_no_race_and_a_lane_that_waits_is_left_out() -> None:
    waiting = lane(1, 1.0, paces=())
    assert race([waiting, waiting], NAMES, COLOURS, ink="#333333") is None
    drawn = ElementTree.fromstring(race([waiting, lane(20, 50.0)], NAMES, COLOURS, ink="#333333") or "")
    assert len(drawn.findall(f"{SVG}polyline")) == 1


def test_seconds_of_a_server_and_of_this_machine_never_meet() -> None:
    served = lane(101, 100.0, text="one two four", as_served=True)
    assert outcome([lane(51, 25.0), served], NAMES) == (
        "B as served, so that seconds are not compared; A 51 and B 101 tokens long; 67% of the words are in both."
    )
    assert outcome([served, served], NAMES).startswith("A and B wrote") or "wrote alike" in outcome([served] * 2, NAMES)
    drawn = race([lane(51, 25.0), served], NAMES, COLOURS, ink="#000000")
    assert drawn and len(ElementTree.fromstring(drawn).findall(f"{SVG}polyline")) == 1
