"""A person's own suite as a table: one prompt a line, its grader named in a cell.

    prompt,grader,answer
    What is 17 + 26?,numeric,43
    What is the capital of France?,keywords,Paris

`prompt` is needed, and `grader` with an `answer`, or a `grader` cell that holds the whole configuration as JSON. `id`,
`kind`, `system`, `template`, `max_tokens`, `right` and `wrong` may be columns too. A `|` parts accepted answers.
"""

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from data.errors import SuiteError
from data.tables import parse_csv

COLUMNS = ("prompt", "grader", "answer", "id", "kind", "system", "template", "max_tokens", "right", "wrong")


def _parts(answer: str) -> list[str]:
    return [part.strip() for part in answer.split("|") if part.strip()]


def _number(answer: str) -> float:
    """A number as spreadsheets write it: with either decimal mark, and marks or spaces between groups of digits."""
    plain = "".join(answer.split()).replace("\N{MINUS SIGN}", "-")
    if re.fullmatch(r"[+-]?[1-9]\d{0,2},\d{3}", plain):
        raise SuiteError(f"answer is {answer!r}: write {plain.replace(',', '')} or {plain.replace(',', '.')}")
    for group, mark in (",.", ".,"):
        groups = rf"[+-]?\d{{1,3}}(\{group}\d{{3}})"
        if re.fullmatch(rf"{groups}+\{mark}\d+|{groups}{{2,}}", plain):
            plain = plain.replace(group, "")
    try:
        value = float(plain.replace(",", ".") if plain.count(",") == 1 else plain)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise SuiteError(f"answer is {answer!r}; the numeric grader needs a number")
    return value


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
    table = parse_csv(text, place, SuiteError)
    if unknown := [name for name in table.columns if name not in COLUMNS]:
        raise SuiteError(f"{place}: unknown column {unknown[0]!r}; known columns: {', '.join(COLUMNS)}")
    if missing := [name for name in ("prompt", "grader") if name not in table.columns]:
        raise SuiteError(
            f"{place}: missing column {missing[0]!r}; the first line names the columns: prompt,grader,answer"
        )
    for number, (line, row) in enumerate(table.rows, start=1):
        try:
            yield line, _fields(number, row)
        except SuiteError as error:
            raise SuiteError(f"{place}: line {line}: {error}") from None


def _fields(number: int, row: Mapping[str, str]) -> dict[str, Any]:
    given = {name: value for name, value in row.items() if value.strip()}
    fields: dict[str, Any] = {"id": f"line-{number}", "kind": "own"}
    fields |= {name: value for name, value in given.items() if name not in ("grader", "answer", "max_tokens")}
    if (limit := given.get("max_tokens", "").strip()) != "":
        fields["max_tokens"] = int(limit) if limit.isdecimal() and len(limit) < 10 else limit
    fields["grader"] = _grader(given.get("grader", "").strip(), given.get("answer", ""))
    return fields


def _grader(name: str, answer: str) -> Any:
    if name.startswith("{"):
        try:
            return json.loads(name)
        except ValueError as error:
            raise SuiteError(f"grader is not JSON ({error})") from None
    name = name.lower()  # spreadsheets write the first letter of a cell large
    if name not in _SHORT:
        raise SuiteError(f"grader is {name!r}; by name: {', '.join(_SHORT)}; any other as JSON with its options")
    if not answer.strip():
        raise SuiteError(f"answer is empty; the grader {name!r} needs one")
    return {"name": name, **_SHORT[name](answer)}
