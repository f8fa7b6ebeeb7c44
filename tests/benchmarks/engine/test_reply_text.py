"""Text of a reply as it grows, and when it only repeats itself: no right answer of a committed run does."""

import pytest

from benchmarks.engine.reply_text import LOOK_EVERY, ReplyText, in_a_loop
from benchmarks.runs.on_disk import find_runs
from benchmarks.runs.read import read_run
from data.paths import ROOT

SENTENCE = "The coin is in box 1.\n"
PARAGRAPH = (
    "The coin is in one of the boxes, and the box is in the house, and the house stands in the town where it rains.\n"
)
COUNTED = "".join(f"{number}. The coin is in box {number}.\n" for number in range(200))


def test_a_character_that_spans_tokens_is_held_back_until_it_is_whole() -> None:
    text = ReplyText()
    snowman = "☃".encode()
    assert [text.push(snowman[i : i + 1]) for i in range(3)] == ["", "", "☃"]


def test_half_a_character_at_the_end_becomes_a_replacement_character() -> None:
    text = ReplyText()
    assert text.push("☃".encode()[:2]) == ""
    assert text.finish() == "\ufffd"


def test_a_stop_string_that_spans_tokens_never_shows() -> None:
    text = ReplyText(stop=["END"])
    assert [text.push(piece) for piece in (b"all ", b"E", b"N", b"D", b" more")] == ["all ", "", "", "", ""]
    assert text.stopped
    assert text.finish() == ""


def test_the_beginning_of_a_stop_string_that_was_none_is_released() -> None:
    text = ReplyText(stop=["END"])
    assert text.push(b"EN") == ""
    assert text.push(b"TER") == "ENTER"
    assert not text.stopped


def test_what_is_held_back_comes_out_at_the_end() -> None:
    text = ReplyText(stop=["END"])
    assert text.push(b"the EN") == "the "
    assert text.finish() == "EN"


def test_the_earliest_of_several_stop_strings_ends_the_reply() -> None:
    text = ReplyText(stop=["later", "now"])
    assert text.push(b"not now or later") == "not "


@pytest.mark.parametrize(
    ("text", "looped"),
    [
        ("", False),
        (SENTENCE * 7, False),
        (SENTENCE * 20, True),
        ("Well, let me see. " + SENTENCE * 20, True),
        ("Well, let me see. " + SENTENCE * 20 + "The co", True),
        (SENTENCE * 20 + "It is in box 2.", False),
        (PARAGRAPH * 3, False),
        (PARAGRAPH * 6, True),
        ("2. " * 79, False),
        ("2. " * 80, True),
        (COUNTED, False),
        ("| a | b |\n" * 5, False),
        ("no " * 100_000, True),
    ],
)
def test_a_loop_is_one_span_again_and_again(text: str, looped: bool) -> None:
    assert in_a_loop(text) is looped


@pytest.mark.slow
def test_the_rule_ends_no_right_answer_of_a_committed_run() -> None:
    right = [
        row.answer
        for directory in find_runs([ROOT / "benchmarks" / "results"])
        for row in read_run(directory).rows
        if row.answer and row.right and not row.looped  # those were ended by the rule already
    ]
    assert len(right) > 3_000
    step = 2 * LOOK_EVERY  # characters: a look at least at each that the engine makes
    ended = [text for text in set(right) for end in range(240, len(text) + step, step) if in_a_loop(text[:end])]
    assert not ended
