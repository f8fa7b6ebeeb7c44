"""What is known of a ladder, as it grows: `pick.json` beside its picture, read again by the command's page."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path

from benchmarks.pick.arms import Arm, PickError
from benchmarks.pick.beside import Beside
from benchmarks.pick.rule import Budget, Choice, Graded, choose
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
    digest = hashlib.sha256(str(Path(model).absolute()).encode()).hexdigest()[:8]
    return f"{model_stem(Path(model).name)}-{digest}"


def read_outcome(directory: Path) -> Outcome:
    """What was saved there.

    Raises:
        PickError: It cannot be read, or is of a later version.
    """
    path = directory / OUTCOME_NAME
    values: Mapping[str, object] = read_json(path, PickError)
    version = str(values.get("schema_version", ""))
    if version.partition(".")[0] != SCHEMA_VERSION.partition(".")[0]:
        raise PickError(f"{path}: schema_version is {version!r}, this reads {SCHEMA_VERSION}; update Tradeoff")
    found = build(Outcome, values, PickError)
    if found.arms and found.arms[0].quantization != found.reference:
        raise PickError(f"{path}: its first file is not the reference {found.reference}")
    return found


def find_outcomes(directories: Iterable[Path]) -> list[Path]:
    """Folders of ladders below the given ones, the newest first."""
    found = {path.parent: path.stat().st_mtime for each in directories for path in each.glob(f"*/{OUTCOME_NAME}")}
    return sorted(found, key=lambda folder: (-found[folder], folder.name))
