"""Which file to ship: the fastest within the budget whose answers are not shown to be worse."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.pick.arms import Arm
from benchmarks.statistics.pairs import PairComparison
from data.errors import TradeoffError
from data.files import size_text
from data.records import did_you_mean, shown

MOST = 2**50
"""Of any figure; a page's sliders count no further."""
_UNITS = {"MB": 1e6, "GB": 1e9, "MiB": 2.0**20, "GiB": 2.0**30}
_KEYS = {"memory": "memory_bytes", "min-tok-s": "min_tok_per_s", "max-kl": "max_kl", "max-loss": "max_loss_points"}


class BudgetError(TradeoffError):
    """A budget that cannot be read; the message is one line."""


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What a file has to keep.

    Attributes:
        memory_bytes: Highest resident memory while it was timed.
        min_tok_per_s: Of decoding one reply.
        max_kl: Mean KL divergence from the reference, nats per token.
        max_loss_points: A shown graded loss of no more than this is borne; 0 bears none that is shown.
    """

    memory_bytes: float | None = None
    min_tok_per_s: float | None = None
    max_kl: float = 0.05
    max_loss_points: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Miss:
    """A limit that a file does not keep; `excess` is by how much, as a share of the limit."""

    text: str
    excess: float


@dataclass(frozen=True, kw_only=True)
class Graded:
    """A file's answers against the reference's.

    Attributes:
        told_apart: The sequential rule ended the questions, for the two differ.
    """

    comparison: PairComparison
    told_apart: bool

    @property
    def all_the_same(self) -> bool:
        """No prompt was graded differently: an interval of no width would say more than that."""
        return self.comparison.only_a == self.comparison.only_b == 0

    @property
    def shown_loss_points(self) -> float:
        """Points lost, where a loss is shown; else 0."""
        lost = -100 * self.comparison.difference
        return lost if lost > 0 and (self.told_apart or self.comparison.differs) else 0.0


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What the rule says.

    Attributes:
        picked: None where nothing keeps the budget; `nearest` is then what comes nearest.
        misses: By quantization, why it was not picked; empty for those that were not needed, being slower.
        graded: Of those whose answers were looked at on the way.
    """

    picked: Arm | None
    nearest: Arm
    misses: dict[str, list[Miss]]
    graded: dict[str, Graded]


def parse_budget(text: str) -> Budget:
    """Read "memory=2GB,min-tok-s=20,max-kl=0.05,max-loss=2"; any of them may be left out.

    Raises:
        BudgetError: An unknown or doubled limit, or one that is no number of at least 0.
    """
    found: dict[str, float] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, value = part.partition("=")
        if name not in _KEYS:
            raise BudgetError(f"--budget: unknown limit {name!r}; known: {', '.join(_KEYS)}{did_you_mean(name, _KEYS)}")
        if _KEYS[name] in found:
            raise BudgetError(f"--budget: {name} is there twice")
        found[_KEYS[name]] = _bytes(value) if name == "memory" else _number(name, value)
    return Budget(**found)


def budget_text(budget: Budget) -> str:
    """As `parse_budget` reads it."""
    memory, speed = budget.memory_bytes, budget.min_tok_per_s
    parts = [f"memory={memory / 1e6:.0f}MB"] if memory is not None else []
    parts += [f"min-tok-s={speed:.3f}"] if speed is not None else []
    return ",".join([*parts, f"max-kl={budget.max_kl:.6f}", f"max-loss={budget.max_loss_points:.3f}"])


def choose(arms: Sequence[Arm], budget: Budget, grade: Callable[[Arm], Graded | None]) -> Choice:
    """The fastest that keeps the budget. Answers are looked at only until one is found: slower ones cannot win.

    Args:
        grade: Answers of a file against the reference's; None for the reference itself, and where none are known.
    """
    misses = {arm.quantization: _misses(arm, budget) for arm in arms}
    graded: dict[str, Graded] = {}
    picked = None
    for arm in sorted(arms, key=lambda arm: -arm.decode_tok_per_s):
        if misses[arm.quantization]:
            continue
        if found := grade(arm):
            graded[arm.quantization] = found
            misses[arm.quantization] = _loss(found, budget)
        if not misses[arm.quantization]:
            picked = arm
            break
    nearest = picked or min(arms, key=lambda arm: sum(miss.excess for miss in misses[arm.quantization]))
    return Choice(picked=picked, nearest=nearest, misses=misses, graded=graded)


def next_asked(
    arms: Sequence[Arm], budget: Budget, graded: Mapping[str, Graded], reference: str, *, every: bool
) -> str | None:
    """The file whose answers are looked at next: what would be picked, until it has been asked; or simply every one."""
    if every:
        left = [arm for arm in arms if arm.quantization not in {*graded, reference}]
        return max(left, key=lambda arm: arm.decode_tok_per_s).quantization if left else None
    picked = choose(arms, budget, lambda arm: graded.get(arm.quantization)).picked
    return picked.quantization if picked and picked.quantization not in {*graded, reference} else None


def _misses(arm: Arm, budget: Budget) -> list[Miss]:
    found = []
    if budget.memory_bytes is not None and arm.peak_rss_bytes > budget.memory_bytes:
        text = f"takes {size_text(arm.peak_rss_bytes)} of memory, over {size_text(round(budget.memory_bytes))}"
        found.append(Miss(text=text, excess=_over(arm.peak_rss_bytes, budget.memory_bytes)))
    if budget.min_tok_per_s is not None and arm.decode_tok_per_s < budget.min_tok_per_s:
        text = f"writes {arm.decode_tok_per_s:.1f} tok/s, under {budget.min_tok_per_s:g}"
        found.append(Miss(text=text, excess=_over(budget.min_tok_per_s, arm.decode_tok_per_s)))
    if arm.mean_kl > budget.max_kl:
        text = f"mean KL {arm.mean_kl:.3g}, over {budget.max_kl:g}"
        found.append(Miss(text=text, excess=_over(arm.mean_kl, budget.max_kl)))
    return found


def _loss(found: Graded, budget: Budget) -> list[Miss]:
    lost = found.shown_loss_points
    if lost <= budget.max_loss_points:
        return []
    return [Miss(text=f"loses {lost:.1f} points", excess=_over(lost, budget.max_loss_points or 1.0))]


def _over(value: float, limit: float) -> float:
    return value / max(limit, 1e-9) - 1


def _number(name: str, text: str) -> float:
    if not re.fullmatch(r"\d+(\.\d+)?", text, re.ASCII) or float(text) >= MOST:
        raise BudgetError(f"--budget: {name} is {shown(text)}; it must be a number of at least 0, such as {name}=2")
    return float(text)


def _bytes(text: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(MB|GB|MiB|GiB)", text, re.ASCII)
    size = float(match[1]) * _UNITS[match[2]] if match else MOST
    if size >= MOST:
        raise BudgetError(f"--budget: memory is {shown(text)}; write it with its unit, such as memory=2GB")
    return size
