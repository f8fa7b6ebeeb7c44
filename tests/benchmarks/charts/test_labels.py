import itertools
import random

import pytest

from benchmarks.charts.labels import HIGHER, MARK_PX, WIDER, Place, placed

LETTER, LINE, HEIGHT = 7.0, 16.0, 380.0
Box = tuple[float, float, float, float]


def place(points: list[tuple[float, float]], names: list[str], width: float) -> list[Place]:
    return placed(points, names, width=width, height=HEIGHT, letter_px=LETTER, line_px=LINE)


def box(point: tuple[float, float], place: Place) -> Box:
    length = len(place.text) * LETTER
    start = {"left": 0.0, "center": -length / 2, "right": -length}[place.align] + point[0] + place.dx
    middle = point[1] + place.dy
    return start, start + length, middle - LINE / 2, middle + LINE / 2


def overlap(a: Box, b: Box) -> bool:
    return a[0] < b[1] and b[0] < a[1] and a[2] < b[3] and b[2] < a[3]


def made(count: int, seed: int) -> tuple[list[tuple[float, float]], list[str]]:
    """Points in the unit square, most of them close together, as sizes of one family are."""
    rng = random.Random(seed)
    points = [(min(1.0, abs(rng.gauss(0.3, 0.2))), min(1.0, abs(rng.gauss(0.4, 0.1)))) for _ in range(count)]
    return points, [f"Model {number} · LoRA r{rng.choice([8, 16])} · Q8_0" for number in range(count)]


@pytest.mark.parametrize("count", [1, 2, 3, 8, 30])
@pytest.mark.parametrize("width", [240.0, 560.0])
def test_names_never_meet_nor_cover_a_point_nor_leave_the_plot_in_this_one_or_any_larger(
    count: int, width: float
) -> None:
    for seed in range(20):
        points, names = made(count, seed)
        places = place([(x * width, y * HEIGHT) for x, y in points], names, width)
        for wider, higher in ((1.0, 1.0), (1.3, 1.0), (1.0, 1.4), (2.0, 1.2), (WIDER, HIGHER)):
            here = [(x * width * wider, y * HEIGHT * higher) for x, y in points]
            boxes = [box(point, each) for point, each in zip(here, places, strict=True) if each.text]
            assert not any(overlap(a, b) for a, b in itertools.combinations(boxes, 2))
            assert all(each[0] + 1e-6 >= 0 and each[1] <= width * wider + 1e-6 for each in boxes)
            assert all(each[2] >= 0 and each[3] <= HEIGHT * higher for each in boxes)
            for (x, y), mine in zip(here, places, strict=True):
                mark = (x - MARK_PX, x + MARK_PX, y - MARK_PX, y + MARK_PX)
                others = [b for p, e in zip(here, places, strict=True) if e.text and e is not mine for b in [box(p, e)]]
                assert not any(overlap(mark, each) for each in others)


def test_a_few_points_all_have_their_names() -> None:
    for seed in range(20):
        points, names = made(4, seed)
        assert all(each.text for each in place([(x * 560, y * HEIGHT) for x, y in points], names, 560.0))


def test_a_name_longer_than_the_plot_is_cut_with_a_mark() -> None:
    (found,) = place([(120.0, 100.0)], ["A model whose name goes on and on and on"], 140.0)
    assert found.text == "A model whose name…"


def test_the_first_of_two_points_in_one_place_is_served_first() -> None:
    first, second = place([(100.0, 100.0), (100.0, 100.0)], ["One", "Two"], 560.0)
    assert (first.dy, second.dy) == (-0.8 * LINE, -0.8 * LINE) and (first.align, second.align) == ("left", "right")
