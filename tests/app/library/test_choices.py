from app.library.choices import choices, recommended, rows
from data.hub.listing import ListedModel

GB = 10**9


def listed(name: str, gigabytes: float, **changes: object) -> ListedModel:
    return ListedModel(file=name, size_bytes=int(gigabytes * GB), sha256=None, **changes)  # type: ignore[arg-type]


FAMILY = [
    listed("m-IQ2_XS.gguf", 0.5),
    listed("m-Q4_K_M.gguf", 1),
    listed("m-Q8_0.gguf", 2),
    listed("m-F16.gguf", 4),
]


def test_the_usual_quantization_is_recommended_where_it_fits() -> None:
    assert recommended(choices(FAMILY, 16 * GB)).file == "m-Q4_K_M.gguf"  # type: ignore[union-attr]


def test_where_nothing_usual_fits_the_largest_that_does_is_and_else_nothing() -> None:
    assert recommended(choices(FAMILY, GB)).file == "m-IQ2_XS.gguf"  # type: ignore[union-attr]
    assert recommended(choices(FAMILY, GB // 10)) is None


def test_a_row_says_what_fits_and_why_something_cannot_be_taken() -> None:
    names = tuple(f"big-{number:05}-of-00009.gguf" for number in range(2, 10))
    strange = [listed("big-00001-of-00009.gguf", 1, missing=names), listed("mmproj-F16.gguf", 0.1)]
    told = {row["File"]: row for row in rows(choices([*FAMILY, *strange], 3 * GB))}
    assert (told["m-Q4_K_M.gguf"][""], told["m-Q4_K_M.gguf"]["Quantization"]) == ("recommended", "Q4_K_M")
    assert (told["m-Q8_0.gguf"]["Fits"], told["m-F16.gguf"]["Fits"]) == (True, False)
    assert told["mmproj-F16.gguf"][""] == "a part of another model, which sees or hears"
    assert told["big-00001-of-00009.gguf"][""] == (
        "incomplete: big-00002-of-00009.gguf, big-00003-of-00009.gguf, big-00004-of-00009.gguf and 5 more missing in "
        "the repository"
    )


def test_the_title_of_a_file_has_its_size_and_says_when_it_does_not_fit() -> None:
    assert [each.title for each in choices(FAMILY[1:3], 2 * GB)] == [
        "m-Q4_K_M.gguf · 1.00 GB",
        "m-Q8_0.gguf · 2.00 GB · does not fit in memory",
    ]
