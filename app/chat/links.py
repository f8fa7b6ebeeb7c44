"""What a link to the Compare page asks for: `?models=a,b&prompt=…&temperature=0`. No Streamlit in this module.

A link may be old, cut off or made up: whatever in it makes no sense is named once, and the page opens without it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.chat.conversation import MAX_LANES, MIN_LANES

_NUMBERS = {"temperature": float, "top_p": float, "top_k": int, "max_tokens": int, "seed": int}
_KNOWN = ("models", "prompt", *_NUMBERS)
OWN = ("chat",)
"""Parameters that the page itself sets."""


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What of a link can be done, and one line for each thing that cannot.

    Attributes:
        models: Two to four ids, or empty for the page's own choice.
    """

    models: tuple[str, ...] = ()
    prompt: str = ""
    sampling: Mapping[str, float | int]
    problems: tuple[str, ...] = ()


def read_link(parameters: Mapping[str, str], known_models: Mapping[str, object]) -> Wish:
    """Take a link's parameters apart."""
    problems = [
        f"the link's {name[:40]!r} is not known; it can have {', '.join(_KNOWN)}"
        for name in parameters
        if name not in (*_KNOWN, *OWN)
    ]
    models, trouble = _models(parameters.get("models", ""), known_models)
    sampling: dict[str, float | int] = {}
    for name, kind in _NUMBERS.items():
        if name in parameters:
            value = _number(name, parameters[name], kind)
            if value is None:
                problems.append(
                    f"the link's {name} is {parameters[name][:40]!r}, which is not possible; the usual is taken"
                )
            else:
                sampling[name] = value
    return Wish(models=models, prompt=parameters.get("prompt", ""), sampling=sampling, problems=(*trouble, *problems))


def _models(text: str, known: Mapping[str, object]) -> tuple[tuple[str, ...], list[str]]:
    asked = [part.strip() for part in text.split(",") if part.strip()]
    problems = [
        f"the link's model {model[:60]!r} is not here; see the Models page" for model in asked if model not in known
    ]
    models = [model for model in asked if model in known][:MAX_LANES]
    if len(asked) > MAX_LANES:
        problems.append(f"the link asks for {len(asked)} models; the first {MAX_LANES} are taken")
    if asked and len(models) < MIN_LANES:
        return (), problems or [f"the link has {len(models)} model; a comparison needs {MIN_LANES}"]
    return tuple(models), problems


def _number(name: str, text: str, kind: type[float] | type[int]) -> float | int | None:
    try:
        value = kind(text)
    except ValueError:
        return None
    least, most = RANGES[name]
    return value if least <= value <= most else None


RANGES: dict[str, tuple[Any, Any]] = {
    "temperature": (0.0, 2.0),
    "top_p": (0.05, 1.0),
    "min_p": (0.0, 0.5),
    "repeat_penalty": (1.0, 2.0),
    "top_k": (0, 1000),
    "max_tokens": (1, 4096),
    "seed": (0, 2**32 - 1),
}
"""Least and most of each number, narrower than what an engine takes."""
