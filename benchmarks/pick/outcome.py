"""What is known of a ladder, as it grows: `pick.json` beside its picture, read again by the command's page."""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path

from benchmarks.pick.arms import Arm, PickError
from benchmarks.pick.beside import Beside
from benchmarks.pick.rule import MOST, Budget, Choice, Graded, choose
from data.files import model_stem, write_atomically
from data.records import build, read_json

OUTCOME_NAME = "pick.json"
SCHEMA_VERSION = "1.0"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A ladder, whole or as far as it is.

    Attributes:
        name: Of the model.
        reference: Quantization of the file that the others are compared with.
        planned: Quantizations in the order in which they are measured, the reference first.
        graded: Of those whose answers were looked at, by quantization.
        s_per_right: Mean seconds of an answer alone over the share right, by quantization.
        beside: The picked file and the reference timed in turns; None where that is the reference, or before.
        path: The picked file, on the machine that made it; empty until then.
    """

    name: str
    reference: str
    suite: str
    threads: int
    planned: tuple[str, ...]
    budget: Budget
    arms: tuple[Arm, ...] = ()
    graded: dict[str, Graded] = field(default_factory=dict)
    s_per_right: dict[str, float] = field(default_factory=dict)
    beside: Beside | None = None
    path: str = ""
    schema_version: str = SCHEMA_VERSION

    @cached_property
    def choice(self) -> Choice:
        """What the rule says of it; what was not asked shows no loss.

        Raises:
            ValueError: No file has been measured yet.
        """
        return choose(self.arms, self.budget, lambda arm: self.graded.get(arm.quantization))

    @property
    def reference_arm(self) -> Arm:
        return next(arm for arm in self.arms if arm.quantization == self.reference)

    def save(self, directory: Path) -> None:
        write_atomically(directory / OUTCOME_NAME, json.dumps(asdict(self), allow_nan=False, indent=1) + "\n")


def place_of(model: str) -> str:
    """What a model's folders are called: one name for each model and place."""
    digest = hashlib.sha256(os.fsencode(Path(model).absolute())).hexdigest()[:8]
    return f"{model_stem(Path(model).name)}-{digest}"


def read_outcome(directory: Path) -> Outcome:
    """What was saved there.

    Raises:
        PickError: It cannot be read, is of a later version, or has a figure that nothing can have.
    """
    path = directory / OUTCOME_NAME
    values: Mapping[str, object] = read_json(path, PickError)
    version = str(values.get("schema_version", ""))
    if version.partition(".")[0] != SCHEMA_VERSION.partition(".")[0]:
        raise PickError(f"{path}: schema_version is {version!r}, this reads {SCHEMA_VERSION}; update Tradeoff")
    found = build(Outcome, values, PickError)
    if found.arms and found.arms[0].quantization != found.reference:
        raise PickError(f"{path}: its first file is not the reference {found.reference}")
    if wrong := _impossible(found):
        raise PickError(f"{path}: the figures of {wrong} are none that can be; run the command again")
    return found


def _impossible(found: Outcome) -> str | None:
    """Whose figures cannot be compared or drawn."""
    limits = [value for value in vars(found.budget).values() if value is not None]
    if not all(0 <= limit < MOST for limit in limits):
        return "its budget"
    for arm in found.arms:
        figures = (arm.size_bytes, arm.prefill_tok_per_s, arm.decode_tok_per_s, *arm.decode_samples)
        if len(arm.decode_samples) < 2 or not all(0 < figure < MOST for figure in (*figures, 1 + arm.peak_rss_bytes)):
            return arm.quantization
    for name, graded in found.graded.items():
        pair = graded.comparison
        counts = (pair.only_a, pair.only_b, pair.clusters, pair.independent)
        if not (0 < pair.n < MOST and all(0 <= count <= pair.n for count in counts) and abs(pair.difference) <= 1):
            return f"{name}'s answers"
    return None


def find_outcomes(directories: Iterable[Path]) -> list[Path]:
    """Folders of ladders below the given ones, the newest first."""
    found = {path.parent: path.stat().st_mtime for each in directories for path in each.glob(f"*/{OUTCOME_NAME}")}
    return sorted(found, key=lambda folder: (-found[folder], folder.name))
