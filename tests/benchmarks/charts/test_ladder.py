import re
from xml.etree import ElementTree

import pytest

from benchmarks.charts.ladder import Rung, ladder, words


def rung(name: str, tok_per_s: float, kl: float, *, within: bool = True, picked: bool = False, said: str = "") -> Rung:
    low, high = max(0.0, kl - 0.01), kl + 0.01
    return Rung(
        name=name, tok_per_s=tok_per_s, kl=kl, kl_low=low, kl_high=high, within=within, picked=picked, said=said
    )


RUNGS = [
    rung("f16", 10, 0.0),
    rung("q8_0", 18, 0.001),
    rung("q4_0", 30, 0.04, picked=True),
    rung("q2_k", 40, 0.6, within=False, said="mean KL 0.6, over 0.05"),
]


def places(svg: str) -> dict[float, tuple[float, float]]:
    """Of the marks, by radius and place across."""
    circles = [node.attrib for node in ElementTree.fromstring(svg).iter() if node.tag.endswith("circle")]
    return {float(each["cx"]): (float(each["cy"]), float(each["r"])) for each in circles}


def test_the_fastest_stands_right_the_nearest_on_top_and_the_pick_is_large() -> None:
    marks = places(ladder(RUNGS, most_kl=0.05, ink="#000"))
    downs, sizes = zip(*(marks[across] for across in sorted(marks)), strict=True)
    assert list(downs) == sorted(downs)
    assert sizes == (5, 5, 9, 5)


def test_the_budget_is_drawn_where_it_lies_within_the_picture() -> None:
    assert "at most 0.05" in ladder(RUNGS, most_kl=0.05, ink="#000")
    assert "at most" not in ladder(RUNGS, most_kl=3, ink="#000")


def test_every_file_has_its_name_and_the_pick_says_so() -> None:
    texts = re.findall(r">([^<]+)</text>", ladder(RUNGS, most_kl=0.05, ink="#000"))
    assert {"f16", "q8_0", "q4_0: ship this", "q2_k"} <= set(texts)


def test_the_picture_in_words_tells_all() -> None:
    assert words(RUNGS) == (
        "Speed against distance from the reference. f16: 10.0 tokens/s, KL 0; q8_0: 18.0 tokens/s, KL 0.001; "
        "q4_0: 30.0 tokens/s, KL 0.04, picked; q2_k: 40.0 tokens/s, KL 0.6, over the budget, mean KL 0.6, over 0.05."
    )


def test_a_name_cannot_break_the_picture() -> None:
    ElementTree.fromstring(ladder([rung('<a&b>"', 3, 0.1)], most_kl=0.05, ink="#000"))


def test_the_reference_alone_is_a_picture_and_nothing_is_none() -> None:
    ElementTree.fromstring(ladder([rung("f16", 10, 0.0)], most_kl=0.05, ink="#000"))
    with pytest.raises(ValueError, match="no file has been measured yet"):
        ladder([], most_kl=0.05, ink="#000")
