from app.chat.diff import MAX_WORDS, as_html, common_share, is_cut, shared_share, word_diff


def test_a_changed_word_is_removed_and_added_and_the_rest_is_the_same() -> None:
    segments = word_diff("the tower is 70 m tall", "the tower is 330 m tall")
    assert [(each.change, each.text) for each in segments] == [
        ("same", "the tower is "),
        ("removed", "70 "),
        ("added", "330 "),
        ("same", "m tall"),
    ]
    assert shared_share(segments) == 10 / 12


def test_what_is_shown_of_each_reply_is_the_reply() -> None:
    before, after = "a  b\nc d", "a x\nc\td e"
    segments = word_diff(before, after)
    assert "".join(each.text for each in segments if each.change != "removed") == after


def test_markup_is_escaped() -> None:
    html = as_html(word_diff("<script>alert(1)</script>", "<b>x</b> & $y$"))
    assert html == "<del>&lt;script&gt;alert(1)&lt;/script&gt;</del><ins>&lt;b&gt;x&lt;/b&gt; &amp; $y$</ins>"


def test_two_empty_replies_share_nothing_to_speak_of_and_long_ones_are_cut() -> None:
    assert word_diff("", "") == () and shared_share([]) is None
    [only] = word_diff("same " * (MAX_WORDS + 5), "same " * (MAX_WORDS + 9))
    assert only.change == "same" and len(only.text.split()) == MAX_WORDS
    assert is_cut("same " * (MAX_WORDS + 1)) and not is_cut("same " * MAX_WORDS)


def test_words_in_both_count_wherever_they_stand_and_as_often_as_both_have_them() -> None:
    assert common_share("one two two", "two three one") == 4 / 6
    assert (common_share("", ""), common_share("a", ""), common_share("a b", "b  a")) == (None, 0.0, 1.0)
