"""A JSON schema that a person gives, checked before anything is made of it; nothing is ever fetched for one."""

import json
from typing import Any

MOST_CHARACTERS = 20_000
_MOST_DEPTH, _MOST_COUNT = 24, 200
_NOT_HELD = (
    *("pattern", "patternProperties", "propertyNames", "allOf", "not", "if", "then", "else", "contains"),
    *("dependentSchemas", "dependentRequired", "dependencies", "unevaluatedProperties", "unevaluatedItems"),
    *("uniqueItems", "multipleOf"),
)
"""What llama.cpp's grammars, or the converter to them, cannot keep, or only at a price that others would pay."""
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
        schema = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        where = str(error)[:40] or "too deep"
        if isinstance(error, json.JSONDecodeError):
            where = f"line {error.lineno}, column {error.colno}"
        raise ValueError(f"the JSON schema is not JSON ({where})") from None
    if not isinstance(schema, dict):
        raise ValueError(f"the JSON schema is a {type(schema).__name__}; it must be an object, such as {{}}")
    _check_part(schema, 0)
    _check_schema(schema)
    return json.dumps(schema, ensure_ascii=False)


def _refuse_constant(name: str) -> Any:
    raise ValueError(name)


def _check_part(part: Any, depth: int, *, names: bool = False) -> None:
    """Args:
    names: The keys of the part are names of properties or definitions, not words of JSON schema.
    """
    if depth > _MOST_DEPTH:
        raise ValueError(f"the JSON schema is nested more than {_MOST_DEPTH} deep")
    if isinstance(part, list):
        for each in part:
            _check_part(each, depth + 1)
    if not isinstance(part, dict):
        return
    for key, value in part.items():
        if names:
            _check_literal(key)
        else:
            _check_word(key, value)
        if key not in ("const", "enum", "default", "examples") or names:
            _check_part(value, depth + 1, names=not names and key in ("properties", "$defs", "definitions"))
    low, high = part.get("minItems", 0), part.get("maxItems", _MOST_COUNT)
    short, long = part.get("minLength", 0), part.get("maxLength", _MOST_COUNT)
    if not names and (low > high or short > long):
        raise ValueError("the JSON schema asks for more at least than at most (minItems, maxItems or the lengths)")


def _check_word(key: str, value: Any) -> None:
    if key in _NOT_HELD:
        raise ValueError(f"the JSON schema has {key!r}, to which a reply cannot be held; leave it out")
    if key == "$ref" and isinstance(value, str) and not value.startswith("#"):
        raise ValueError(f"the JSON schema refers to {value[:60]!r}; only references within it (#/…) are followed")
    if key in _COUNTS and not (isinstance(value, int) and 0 <= value <= _MOST_COUNT):
        shown = f"{value:,}" if isinstance(value, int) else repr(value)[:40]
        raise ValueError(f"the JSON schema has {key} {shown}; give a whole number of at most {_MOST_COUNT}")
    if key == "enum" and value == []:
        raise ValueError("the JSON schema has an enum without a choice")
    if key in ("const", "enum"):
        for each in value if isinstance(value, list) else [value]:
            _check_literal(each)


def _check_literal(value: Any) -> None:
    if isinstance(value, dict | list):
        raise ValueError("the JSON schema has a const or enum of objects or lists; give single values")
    if isinstance(value, str) and not (value.isprintable() and not set(value) & set('"\\')):
        raise ValueError(f"the JSON schema names {value[:40]!r}; quotes, backslashes and control characters do not go")


def _check_schema(schema: dict[str, Any]) -> None:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError

    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        place = "/".join(map(str, error.path)) or "the whole"
        raise ValueError(f"the JSON schema is none at {place}: {' '.join(error.message.split())[:160]}") from None
