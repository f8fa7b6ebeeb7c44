from benchmarks.engine.reply_text import ReplyText


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
