"""Graders of structure: JSON by schema, regular expressions, literal texts."""

import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.graders.grade import MAX_ANSWER_CHARACTERS, Grade, GraderError, right, shown, wrong
from benchmarks.graders.words import body, normalised

_REGEX_CHILD = Path(__file__).with_name("regex_child.py")
_REGEX_TIME_LIMIT_S = 2.0


def json_schema(answer: str, *, schema: Mapping[str, Any], only: bool = False) -> Grade:
    """The first JSON object or array in the answer satisfies the schema.

    Text around it is allowed unless `only` is set; a code fence always is. An answer without JSON is wrong. Schemas
    have no `pattern` here (an untrusted pattern can run for ever: use `regex`) and no references.
    """
    _check_schema(schema)
    text = body(answer)[:MAX_ANSWER_CHARACTERS]
    found = _first_json(text)
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


def _first_json(text: str) -> tuple[Any, str] | None:
    """The first object or array that parses, and the text around it; never a part of one that does not."""
    decoder = json.JSONDecoder(parse_constant=_refuse_constant)
    start = _next_bracket(text, 0)
    while start is not None:
        try:
            value, end = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            start = _next_bracket(text, _closing(text, start))
        else:
            return value, text[:start] + text[end:]
    return None


def _next_bracket(text: str, position: int) -> int | None:
    match = re.compile(r"[{\[]").search(text, position)
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
    thread; so it runs in a process of its own (about 20 ms) for two seconds at most. Out of time is ungradable.
    """
    flags = re.IGNORECASE if ignore_case else re.NOFLAG
    try:
        re.compile(pattern, flags)
    except (re.error, RecursionError, OverflowError) as error:
        raise GraderError(f"pattern {shown(pattern)} is not a regular expression ({error})") from None
    question = {"pattern": pattern, "flags": int(flags), "whole": whole, "text": answer.strip()[:MAX_ANSWER_CHARACTERS]}
    command = [sys.executable, "-I", "-S", str(_REGEX_CHILD)]
    try:
        child = subprocess.run(
            command, input=json.dumps(question), capture_output=True, text=True, timeout=_REGEX_TIME_LIMIT_S, check=True
        )
    except subprocess.TimeoutExpired:
        return Grade(value=None, reason=f"pattern {shown(pattern)} took longer than {_REGEX_TIME_LIMIT_S:g} s")
    except subprocess.CalledProcessError as error:
        return Grade(value=None, reason=f"pattern {shown(pattern)} failed ({shown(error.stderr[-200:])})")
    return right("matches the pattern") if json.loads(child.stdout) else wrong(f"does not match {shown(pattern)}")


def contains(answer: str, *, texts: Sequence[str], case: bool = True) -> Grade:
    """Each of these texts occurs, punctuation and all, apart from spacing; for e-mail addresses, times, codes."""
    if not texts:
        raise GraderError("texts is empty; give at least one")
    plain = normalised(answer, case=case)
    for text in texts:
        if normalised(text, case=case) not in plain:
            return wrong(f"does not contain {shown(text)}")
    return right("contains what it must")
