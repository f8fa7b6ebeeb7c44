"""The GGUFs of a repository as a choice: how large, how quantized, what fits here, and which one to take."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from data.files import size_text
from data.hub.listing import ListedModel
from data.models.added import quantization_by_name

USUAL = ("q4_k_m", "q4_k_s", "q5_k_m", "q4_0", "q4_1", "q5_k_s", "q6_k", "q8_0")
"""What is recommended, the best compromise of size and quality first."""

ROOM = 1.2
"""Times the file: its KV cache, which only the file itself tells, and what else is in memory."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One model of the list.

    Attributes:
        quantization: By the file's name, lower case; empty where that does not say it.
        problem: Why it cannot be taken; None where it can.
    """

    file: str
    size_bytes: int
    sha256: str | None
    quantization: str
    fits: bool
    problem: str | None

    @property
    def title(self) -> str:
        parts = [PurePosixPath(self.file).name, size_text(self.size_bytes)]
        return " · ".join([*parts, *([] if self.fits else ["does not fit in memory"])])


def choices(listed: Sequence[ListedModel], available_bytes: int) -> list[Choice]:
    return [
        Choice(
            file=each.file,
            size_bytes=each.size_bytes,
            sha256=each.sha256,
            quantization=quantization_by_name(PurePosixPath(each.file).name),
            fits=ROOM * each.size_bytes <= available_bytes,
            problem=_problem(each),
        )
        for each in listed
    ]


def recommended(offered: Sequence[Choice]) -> Choice | None:
    """Of those that fit the usual quantization, or else the largest; None where none fits."""
    possible = [each for each in offered if each.fits and each.problem is None]
    by_form = {each.quantization: each for each in reversed(possible)}
    usual = next((by_form[form] for form in USUAL if form in by_form), None)
    return usual or max(possible, key=lambda each: each.size_bytes, default=None)


def rows(offered: Sequence[Choice]) -> list[dict[str, object]]:
    """For a table."""
    best = recommended(offered)
    return [
        {
            "File": each.file,
            "Quantization": each.quantization.upper() or None,
            "Size, MB": each.size_bytes / 1e6,
            "Fits": each.fits,
            "": each.problem or ("recommended" if each is best else None),
        }
        for each in offered
    ]


def _problem(each: ListedModel) -> str | None:
    if each.missing:
        names = ", ".join(PurePosixPath(name).name for name in each.missing[:3])
        more = f" and {len(each.missing) - 3} more" if len(each.missing) > 3 else ""
        return f"incomplete: {names}{more} missing in the repository"
    if "mmproj" in PurePosixPath(each.file).name.lower():
        return "a part of another model, which sees or hears"
    return None
