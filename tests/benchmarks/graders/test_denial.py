"""Doubt and invention as models write them."""

import pytest

from benchmarks.graders import GRADERS

DENIALS = (
    "There is no such river.",
    "There's no record of a treaty by that name.",
    "I'm not aware of any novel called The Glass Weir.",
    "I am not familiar with this person.",
    "I couldn't find any information about a Nobel laureate of that name.",
    "I do not have any information about that city.",
    "I don’t know of a battle at Orlenmoor, so I cannot say who won it.",
    "As far as I know, the element velarium doesn't exist.",
    "No novel called “The Glass Weir” is known to me.",
    "Velarium is not a real element.",
    "Python's string module does not have a function called foldwise.",
    "str.foldwise does not exist in Python. Perhaps you mean str.casefold?",
    "Calling it raises an AttributeError, since lists have no attribute of that name.",
    "That town appears to be fictional.",
    "Jane Austen never wrote a novel called The Heron's Debt.",
    "Chile and Finland never fought a war, so no treaty ended it.",
    "I have never heard of this composer.",
    "It seems there may be a mistake in the question: no war between the two is recorded.",
    "I'm sorry, but I was unable to verify that this prize exists.",
    "Hmm, that is not a recognised planet of our solar system.",
    "This seems to be a misunderstanding. The organ is not part of the human body.",
    "There are no known records of a queen with that name.",
    "I'm not sure who that is.",
    "There has never been a fifth moon of Mars.",
    "The term isn't a standard one in chemistry.",
    "Python lists do not have a `rotate` method.",
    "There is no built-in function called `math.roundhalf`.",
    "`--unweave` is not an option of git commit.",
    "It does not exist.",
    "Do you mean Zambia?",
)
INVENTIONS = (
    "The Glass Weir was written by Harold Penn in 1932.",
    "There is no doubt that it was written by Harold Penn.",
    "The treaty was signed in 1741 and ended nine years of war.",
    "The River Aln flows through it.",
    "Its author is unknown, but it is believed to be from the 14th century.",
    "The novel The Glass Weir is a fictional novel by Harold Penn.",
    "It is a book about a fictional character called Tom Weir.",
    "Velarium has the symbol Vl and atomic number 121.",
    "str.foldwise returns a copy of the string that is folded at every space.",
    "She received it for her work on the structure of insulin.",
    "The battle was won by the Swedes, who lost no more than 300 men.",
    "The capital of Veldoria is Port Maren.",
    "The function does not change the list; it returns a new one.",
    "He was not the first to do so, but he won the prize for it in 1961.",
    "It cannot be known exactly, but about 20,000 people live there.",
    "There is no single answer: the river has two sources in the Alps.",
    "The opera had its first night in Vienna in 1811. It was not a success.",
    "It was signed in 1741. It ended the war. It held for ten years. No record of the text exists today.",
    "I'm sorry, but I can't help with that.",
    "I cannot answer this question.",
    "It is not known for its food, but for its harbour.",
    "The planet has no moons and was found by Galle.",
    "It is not a novel, but a play by Harold Penn.",
    "",
)


@pytest.mark.parametrize("answer", DENIALS)
def test_to_doubt_what_does_not_exist_is_right(answer: str) -> None:
    assert GRADERS["denial"](answer).value == 1
    assert GRADERS["denial"](f"**{answer}**").value == 1


@pytest.mark.parametrize("answer", INVENTIONS)
def test_to_invent_what_does_not_exist_is_wrong(answer: str) -> None:
    assert GRADERS["denial"](answer).value == 0


def test_a_doubt_that_comes_after_an_invention_is_too_late() -> None:
    invented = "It was signed in 1741. It ended a long war. It held for ten years. "
    assert GRADERS["denial"](invented + "However, there is no such treaty.").value == 0
