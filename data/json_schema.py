"""A JSON schema that a person gives, checked before anything is made of it; nothing is ever fetched for one."""

import json
from collections.abc import Iterator
from typing import Any

MOST_CHARACTERS = 20_000
_MOST_DEPTH, _MOST_COUNT = 24, 200
_COUNTS = ("minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties")


def checked(text: str) -> str:
    """The schema in one form; empty for a blank one.

    Raises:
        ValueError: No JSON, no schema, or one that would ask for something else; one line.
    """
    if not text.strip():
        return ""
    if len(text) > MOST_CHARACTERS:
        raise ValueError(f"the JSON schema has {len(text):,} characters; give at most {MOST_CHARACTERS:,}")
    try:
        schema = json.loads(text)
    except (ValueError, RecursionError) as error:
        where = f"line {error.lineno}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else "too deep"
        raise ValueError(f"the JSON schema is not JSON ({where})") from None
    if not isinstance(schema, dict):
        raise ValueError(f"the JSON schema is a {type(schema).__name__}; it must be an object, such as {{}}")
    for key, value, depth in _parts(schema, 0):
        _check_part(key, value, depth)
    _check_schema(schema)
    return json.dumps(schema, ensure_ascii=False)


def _parts(value: Any, depth: int) -> Iterator[tuple[str, Any, int]]:
    if depth > _MOST_DEPTH:
        raise ValueError(f"the JSON schema is nested more than {_MOST_DEPTH} deep")
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in items:
        yield str(key), part, depth
        yield from _parts(part, depth + 1)


def _check_part(key: str, value: Any, depth: int) -> None:
    if key == "$ref" and isinstance(value, str) and not value.startswith("#"):
        raise ValueError(f"the JSON schema refers to {value[:60]!r}; only references within it (#/…) are followed")
    if key in _COUNTS and isinstance(value, int) and value > _MOST_COUNT:
        raise ValueError(f"the JSON schema has {key} {value:,}; give at most {_MOST_COUNT}")


def _check_schema(schema: dict[str, Any]) -> None:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError

    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        place = "/".join(map(str, error.path)) or "the whole"
        raise ValueError(f"the JSON schema is none at {place}: {' '.join(error.message.split())[:160]}") from None
