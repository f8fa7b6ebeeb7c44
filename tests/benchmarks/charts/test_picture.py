from xml.etree import ElementTree

import pytest

from benchmarks.charts.picture import Spot, picture, words
from benchmarks.statistics.stats import Interval

SVG = "{http://www.w3.org/2000/svg}"
COLOURS = {"a": "#111111", "b": "#222222"}


def interval(estimate: float, room: float) -> Interval:
    return Interval(estimate=estimate, low=estimate - room, high=estimate + room, n=100)


def spot(model: str, speed: float, share: float, label: str = "") -> Spot:
    return Spot(model=model, label=label or model.upper(), speed=interval(speed, 4.0), share=interval(share, 0.03))


SPOTS = (spot("a", 150, 0.2), spot("b", 100, 0.4), spot("c", 90, 0.1), spot("d", 120, 0.3))


def drawn(*pair: str, spots: tuple[Spot, ...] = SPOTS) -> ElementTree.Element:
    return ElementTree.fromstring(picture(spots, pair, COLOURS, ink="#333333"))


def test_the_pair_is_drawn_large_with_names_and_figures_and_the_others_small() -> None:
    circles = drawn("a", "b").findall(f"{SVG}circle")
    assert sorted(circle.get("r", "") for circle in circles) == ["4", "4", "9", "9"]
    texts = [text.text for text in drawn("a", "b").findall(f"{SVG}text")]
    assert {"A", "150 tokens/s, 20% right", "B", "100 tokens/s, 40% right"} <= set(texts) and "C" not in texts


def test_faster_is_to_the_right_and_better_is_above() -> None:
    fast, good = [each for each in drawn("a", "b").findall(f"{SVG}circle") if each.get("r") == "9"]
    assert float(fast.get("cx", 0)) > float(good.get("cx", 0)) and float(fast.get("cy", 0)) > float(good.get("cy", 0))


def test_whoever_cannot_see_it_hears_the_pair_and_how_many_others_there_are() -> None:
    said = drawn("a", "b").get("aria-label")
    assert said == words(SPOTS, ("a", "b"))
    assert said.endswith("A: 150 tokens/s, 20% right; B: 100 tokens/s, 40% right; 2 other models around them.")


def test_long_names_stand_by_their_points_whichever_is_named_first() -> None:
    names = ("Qwen2.5-Coder 0.5B · LoRA r8 · Q4_K_M", "Qwen2.5-Coder 1.5B · LoRA r16 · Q4_K_M")
    near = (spot("a", 50, 0.48, names[0]), spot("b", 29.5, 0.7, names[1]), *SPOTS[2:])
    for pair in ("ab", "ba"):
        image = drawn(*pair, spots=near)
        middles = sorted(float(each.get("cy", 0)) for each in image.findall(f"{SVG}circle") if each.get("r") == "9")
        lines = [each for each in image.findall(f"{SVG}text") if (each.text or "").startswith("Qwen")]
        lines = sorted(lines, key=lambda each: float(each.get("y", 0)))
        assert [each.text for each in lines] == ["Qwen2.5-Coder 1.5B", "Qwen2.5-Coder 0.5B"]
        heights = [float(each.get("y", 0)) for each in lines]
        assert all(abs(height - middle) < 60 for height, middle in zip(heights, middles, strict=True))


def test_a_name_is_never_markup() -> None:
    hostile = spot("a", 150, 0.2, "<script>&\"'")
    texts = [text.text for text in drawn("a", spots=(hostile,)).findall(f"{SVG}text")]
    assert "<script>&\"'" in texts


def test_one_model_alone_and_a_pair_that_was_not_measured_are_drawn_and_no_spot_is_an_error() -> None:
    assert len(drawn("nobody").findall(f"{SVG}circle")) == 4
    assert len(drawn("a", "a", spots=SPOTS[:1]).findall(f"{SVG}circle")) == 1
    with pytest.raises(ValueError, match="no model has both"):
        picture((), ("a",), COLOURS, ink="#333333")
