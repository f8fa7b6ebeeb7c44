"""What a link to the Compare page asks for: `?models=a,b&prompt=…&temperature=0`.

A link may be old, cut off or made up: whatever in it makes no sense is named once, and the page opens without it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from app.chat.conversation import MAX_LANES, MIN_LANES
from app.chat.sampling import CONTROLS

_NUMBERS = tuple(name for name, control in CONTROLS.items() if control.in_links)
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
    for name in _NUMBERS:
        if name in parameters:
            value = CONTROLS[name].read(parameters[name])
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
