"""The sampling that people can set: one table for the page's controls, their defaults, and what a link may ask for."""

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any

from benchmarks.engine.contract import Sampling


@dataclass(frozen=True, kw_only=True)
class Control:
    """One number of `Sampling`.

    Attributes:
        least, most: Narrower than what an engine takes. Floats are set by a slider, whole numbers in a box.
        in_links: A link may set it.
    """

    title: str
    least: float
    most: float
    default: float
    step: float
    help: str | None = None
    in_links: bool = True

    def read(self, text: str) -> float | int | None:
        """A link's value; None where it makes no sense."""
        try:
            value = type(self.default)(text)
        except ValueError:
            return None
        return value if self.least <= value <= self.most else None


CONTROLS: Mapping[str, Control] = {
    "temperature": Control(title="Temperature", least=0.0, most=2.0, default=0.6, step=0.05, help="0 is greedy"),
    "top_p": Control(title="Top-p", least=0.05, most=1.0, default=0.9, step=0.05),
    "min_p": Control(title="Min-p", least=0.0, most=0.5, default=0.0, step=0.01, in_links=False),
    "repeat_penalty": Control(title="Repeat penalty", least=1.0, most=2.0, default=1.0, step=0.05, in_links=False),
    "top_k": Control(title="Top-k (0: all)", least=0, most=1000, default=0, step=1),
    "max_tokens": Control(title="Max tokens", least=1, most=32_768, default=256, step=1),
    "seed": Control(title="Seed", least=0, most=2**32 - 1, default=3407, step=1),
}


def sampling_of(values: MutableMapping[Any, Any], end: str = "") -> Sampling:
    """What the controls say, each by its name and `end`; one that is not there yet has its default.

    Raises:
        ValueError: A setting that makes no sense.
    """
    numbers: dict[str, Any] = {name: values.get(f"{name}{end}", each.default) for name, each in CONTROLS.items()}
    stop = tuple(line for line in str(values.get(f"stop{end}", "")).splitlines() if line)
    return Sampling(**numbers, stop=stop)
