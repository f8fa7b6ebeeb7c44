"""Where two answers part, and whether that is a near tie."""

import math

import pytest

from benchmarks.engine.logprobs import TokenLogprob
from scripts.served_check import NEAR_TIE, Answer, compared


def token(text: str, logprob: float = -0.5, **top: float) -> TokenLogprob:
    others = tuple((name.replace("end", "").encode(), value) for name, value in top.items())
    return TokenLogprob(token=text.encode(), logprob=logprob, top=((text.encode(), logprob), *others))


def answer(*tokens: TokenLogprob) -> Answer:
    return Answer(text=b"".join(each.token for each in tokens).decode(), tokens=tokens, prompt_tokens=5)


def test_answers_that_are_the_same_have_no_gap() -> None:
    found = compared("p", answer(token("a"), token("b")), answer(token("a"), token("b", -0.6)))
    assert (found.same, found.of, found.gap, found.agrees) == (2, 2, None, True)


@pytest.mark.parametrize(("other", "agrees"), [(-0.6, True), (-0.5 - 2 * NEAR_TIE, False)])
def test_they_may_part_where_the_two_tokens_are_almost_as_likely(other: float, agrees: bool) -> None:
    found = compared("p", answer(token("a"), token("b", b=-0.5, c=other)), answer(token("a"), token("c")))
    assert found.same == 1
    assert found.gap == pytest.approx(-0.5 - other)
    assert found.agrees is agrees


def test_the_smaller_gap_of_the_two_counts() -> None:
    ours, theirs = answer(token("b", -0.2, c=-1.8)), answer(token("c", -0.7, b=-0.8))
    assert compared("p", ours, theirs).gap == pytest.approx(0.1)


def test_one_may_end_where_the_end_was_almost_as_likely_as_the_next_token() -> None:
    longer = answer(token("a"), token("."))
    assert compared("p", answer(token("a")), longer).gap == math.inf
    longer = answer(token("a"), token(".", end=-0.6))
    assert compared("p", answer(token("a")), longer).gap == pytest.approx(0.1)
