"""A person's own suite as a table: one prompt a line, its grader named in a cell. Standard library only.

    prompt,grader,answer
    What is 17 + 26?,numeric,43
    What is the capital of France?,keywords,Paris

`prompt` is needed, and `grader` with an `answer`, or a `grader` cell that holds the whole configuration as JSON. `id`,
`kind`, `system`, `template`, `max_tokens`, `right` and `wrong` may be columns too. A `|` parts accepted answers.
"""

import csv
import io
import json
from collections.abc import Callable, Iterator
from typing import Any

from data.errors import SuiteError

COLUMNS = ("prompt", "grader", "answer", "id", "kind", "system", "template", "max_tokens", "right", "wrong")
_DEFAULT_MAX_TOKENS = 256


def _parts(answer: str) -> list[str]:
    return [part.strip() for part in answer.split("|") if part.strip()]


def _number(answer: str) -> float:
    try:
        return float(answer)
    except ValueError:
        raise SuiteError(f"answer is {answer!r}; the numeric grader needs a number") from None


_SHORT: dict[str, Callable[[str], dict[str, Any]]] = {
    "numeric": lambda answer: {"value": _number(answer)},
    "exact": lambda answer: {"answers": _parts(answer)},
    "keywords": lambda answer: {"any_of": _parts(answer)},
    "contains": lambda answer: {"texts": _parts(answer)},
    "regex": lambda answer: {"pattern": answer},
}
"""Graders that one cell can configure; the others take JSON."""


def read_csv(text: str, place: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Line number and fields of each prompt, as a JSONL suite would have them.

    Args:
        place: What the errors name: the file.

    Raises:
        SuiteError: Columns that are missing or not known, or a line's own mistakes with its number.
    """
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    columns = reader.fieldnames or []
    if unknown := [name for name in columns if name not in COLUMNS]:
        raise SuiteError(f"{place}: unknown column {unknown[0]!r}; known columns: {', '.join(COLUMNS)}")
    if missing := [name for name in ("prompt", "grader") if name not in columns]:
        raise SuiteError(
            f"{place}: missing column {missing[0]!r}; the first line names the columns: prompt,grader,answer"
        )
    number = 0
    try:
        for number, row in enumerate(reader, start=1):
            yield reader.line_num, _fields(number, row)
    except (csv.Error, SuiteError) as error:
        raise SuiteError(f"{place}: line {reader.line_num}: {error}") from None


def _fields(number: int, row: dict[str | None, Any]) -> dict[str, Any]:
    if None in row:
        raise SuiteError('more cells than columns; put text that holds a comma in "quotes"')
    given = {str(name): value for name, value in row.items() if value}
    fields: dict[str, Any] = {"id": f"line-{number}", "kind": "own", "max_tokens": _DEFAULT_MAX_TOKENS}
    fields |= {name: value for name, value in given.items() if name not in ("grader", "answer", "max_tokens")}
    if (limit := given.get("max_tokens")) is not None:
        fields["max_tokens"] = int(limit) if limit.isdecimal() and len(limit) < 10 else limit
    fields["grader"] = _grader(given.get("grader", ""), given.get("answer", ""))
    return fields


def _grader(name: str, answer: str) -> Any:
    if name.startswith("{"):
        try:
            return json.loads(name)
        except ValueError as error:
            raise SuiteError(f"grader is not JSON ({error})") from None
    if name not in _SHORT:
        raise SuiteError(f"grader is {name!r}; by name: {', '.join(_SHORT)}; any other as JSON with its options")
    if not answer.strip():
        raise SuiteError(f"answer is empty; the grader {name!r} needs one")
    return {"name": name, **_SHORT[name](answer)}
