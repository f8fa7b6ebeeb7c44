"""What a sampling may ask for."""

from collections.abc import Sequence

from data.records import shown

MAX_STOPS, MAX_STOP_CHARACTERS = 16, 200
LIMITS = {
    "temperature": (0, 2),
    "top_p": (1e-6, 1),
    "top_k": (0, 1_000_000),
    "min_p": (0, 0.999),
    "repeat_penalty": (0.1, 10),
    "max_tokens": (1, 1_000_000),
    "seed": (0, 2**32 - 1),
    "deadline_s": (0.001, 86_400),
}
MOST_ALTERNATIVES = 20
"""To each token of a reply whose log-probabilities are told."""


def check_number(name: str, value: float) -> None:
    """Raises:
    ValueError: It is outside what this setting may be; NaN is, too.
    """
    low, high = LIMITS[name]
    if not low <= value <= high:
        raise ValueError(f"{name} is {shown(value)}; it must lie between {low:g} and {high:g}")


def check_stops(stops: Sequence[str]) -> None:
    """Raises:
    ValueError: They are too many, or one of them is empty or too long.
    """
    if any(not text for text in stops):
        raise ValueError("stop contains an empty string; leave it out")
    if len(stops) > MAX_STOPS:
        raise ValueError(f"stop has {len(stops)} strings; give at most {MAX_STOPS}")
    if longest := max((len(text) for text in stops if len(text) > MAX_STOP_CHARACTERS), default=0):
        raise ValueError(f"stop has a string of {longest} characters; give at most {MAX_STOP_CHARACTERS}")
