"""Files as an accident or an attacker leaves them: every place of a JSON value deleted, replaced, nested or retyped."""

import copy
import random
from collections.abc import Iterator
from typing import Any

NESTED: Any = 1
for _ in range(900):
    NESTED = [NESTED]
REPLACEMENTS: tuple[Any, ...] = (
    *(None, True, 0, -1, 2.5, 1e308, 10**30, 10**400, "", "x", "9" * 5000, "\ud800", "../../etc", "$x$ <b>"),
    *([], {}, [None], ["x"], [[]], {"": None}, {"x": {"x": []}}, NESTED),
)
DELETE = object()


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Ways to every value inside, the whole first; of a long list the first three."""
    yield at
    if isinstance(value, dict):
        for key, item in value.items():
            yield from places(item, (*at, key))
    elif isinstance(value, list):
        for number, item in enumerate(value[:3]):
            yield from places(item, (*at, number))


def changed(value: Any, at: tuple[Any, ...], new: Any) -> Any:
    """A copy with another value in that place; DELETE takes it out."""
    if not at:
        return {} if new is DELETE else new
    made = copy.deepcopy(value)
    inner = made
    for key in at[:-1]:
        inner = inner[key]
    if new is DELETE:
        del inner[at[-1]]
    else:
        inner[at[-1]] = new
    return made


def mutations(value: Any, *, most: int, seed: int = 1) -> Iterator[tuple[str, Any]]:
    """What was changed, and the value then: about `most`, seeded; every place is changed at least once."""
    rng = random.Random(seed)
    ways = list(places(value))
    chosen = [(at, rng.choice((DELETE, *REPLACEMENTS))) for at in ways]
    every = [(at, new) for at in ways for new in (DELETE, *REPLACEMENTS)]
    chosen += rng.sample(every, min(len(every), max(0, most - len(chosen))))
    for at, new in chosen:
        yield f"{'.'.join(map(str, at))} := {'deleted' if new is DELETE else repr(new)[:60]}", changed(value, at, new)
        wrapped = value
        for key in at:
            wrapped = wrapped[key]
        if new is DELETE:
            yield f"{at} in a list", changed(value, at, [wrapped])
