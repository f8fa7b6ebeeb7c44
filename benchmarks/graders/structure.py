"""Graders of structure: JSON by schema, regular expressions, literal texts."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmarks.graders import bounded
from benchmarks.graders.grade import MAX_ANSWER_CHARACTERS, Grade, GraderError, right, shown, wrong
from benchmarks.graders.words import body, normalised

_OPENS_JSON = re.compile(r"""\{\s*(?:["'}\[{]|\w+\s*:)|\[""")
"""A brace that cannot be JSON, broken JSON included, is prose: "a { opens it"."""

_ASIDE = re.compile(r"\[\s*\d{0,3}(?:\s*,\s*\d{1,3})*\s*\]|\{\s*\}")
"""A reference such as [1], or empty brackets: JSON only where there is no other."""


def json_schema(answer: str, *, schema: Mapping[str, Any], only: bool = False) -> Grade:
    """The first JSON object or array in the answer, of the type that the schema names, satisfies it.

    Text around it is allowed unless `only` is set; a code fence always is. An answer without JSON is wrong. Schemas
    have no `pattern` here (an untrusted pattern can run for ever: use `regex`) and no references.
    """
    _check_schema(schema)
    text = body(answer)[:MAX_ANSWER_CHARACTERS]
    found = _first_json(text, schema.get("type"))
    if found is None:
        return wrong("contains no valid JSON object or array")
    value, rest = found
    if only and rest.strip():
        return wrong("contains text beside the JSON")
    import jsonschema
    import referencing

    validator = jsonschema.Draft202012Validator(dict(schema), registry=referencing.Registry())
    fault = next(iter(validator.iter_errors(value)), None)
    if fault is None:
        return right("valid JSON of the shape asked for")
    return wrong(f"at {fault.json_path}: {shown(fault.message)}")


def _check_schema(schema: Mapping[str, Any]) -> None:
    import jsonschema

    written = json.dumps(schema)
    for keyword in ("pattern", "patternProperties", "$ref", "$dynamicRef"):
        if f'"{keyword}":' in written:
            raise GraderError(f"schema uses {keyword!r}, which is not supported here")
    try:
        jsonschema.Draft202012Validator.check_schema(schema)
    except jsonschema.SchemaError as error:
        raise GraderError(f"schema is not a JSON schema ({error.message})") from None


def _first_json(text: str, kind: object) -> tuple[Any, str] | None:
    """The first object or array that parses, and the text around it; never a part of one that does not.

    One of another kind than the schema's counts only where there is none of its kind.
    """
    found = list(_every_json(text))
    right_kind = {"object": dict, "array": list}.get(str(kind), (dict, list))
    for start, end, value in [
        *(each for each in found if isinstance(each[2], right_kind) and not _ASIDE.fullmatch(text, each[0], each[1])),
        *(each for each in found if isinstance(each[2], right_kind)),
        *found,
    ]:
        return value, text[:start] + text[end:]
    return None


def _every_json(text: str) -> Iterator[tuple[int, int, Any]]:
    decoder = json.JSONDecoder(parse_constant=_refuse_constant)
    start = _next_bracket(text, 0)
    while start is not None:
        try:
            value, end = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            start = _next_bracket(text, _closing(text, start))
        else:
            yield start, end, value
            start = _next_bracket(text, end)


def _next_bracket(text: str, position: int) -> int | None:
    match = _OPENS_JSON.search(text, position)
    return match.start() if match else None


def _closing(text: str, start: int) -> int:
    """Position after the bracket that closes the one at `start`, or the end of the text."""
    depth = 0
    for match in re.compile(r"[{}\[\]]").finditer(text, start):
        depth += 1 if match[0] in "{[" else -1
        if depth == 0:
            return match.end()
    return len(text)


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def regex(answer: str, *, pattern: str, whole: bool = False, ignore_case: bool = False) -> Grade:
    """A pattern found in the answer, or matching the whole of it.

    A pattern can take longer than the universe on 40 characters, and Python's `re` cannot be interrupted from another
    thread; so it runs in a process of its own (see `bounded`) for two seconds at most. Out of time is ungradable.
    """
    flags = re.IGNORECASE if ignore_case else re.NOFLAG
    try:
        re.compile(pattern, flags)
    except (re.error, RecursionError, OverflowError) as error:
        raise GraderError(f"pattern {shown(pattern)} is not a regular expression ({error})") from None
    text = answer.strip()[:MAX_ANSWER_CHARACTERS]
    try:
        matches = bounded.ask({"task": "regex", "pattern": pattern, "flags": int(flags), "whole": whole, "text": text})
    except bounded.OutOfTime:
        return Grade(value=None, reason=f"pattern {shown(pattern)} took longer than {bounded.TIME_LIMIT_S:g} s")
    except bounded.BoundedError as error:
        return Grade(value=None, reason=f"pattern {shown(pattern)} failed ({shown(str(error))})")
    return right("matches the pattern") if matches else wrong(f"does not match {shown(pattern)}")


def contains(answer: str, *, texts: Sequence[str], case: bool = True) -> Grade:
    """Each of these texts occurs, punctuation and all, apart from spacing; for e-mail addresses, times, codes."""
    if not texts:
        raise GraderError("texts is empty; give at least one")
    plain = normalised(answer, case=case)
    for text in texts:
        if normalised(text, case=case) not in plain:
            return wrong(f"does not contain {shown(text)}")
    return right("contains what it must")
