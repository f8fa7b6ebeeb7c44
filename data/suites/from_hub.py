"""Suites that come from the Hugging Face Hub when a benchmark runs: GSM8K and IFEval.

The same rows may also lie in a file: `gsm8k:my-half.jsonl` reads that in place of the Hub's.

They are not shipped: others' work stays where it is, under its own licence, and is read through `datasets`, which is
needed for these suites only.
"""

import hashlib
import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.errors import SuiteError
from data.hub.network import check_access

_DATASETS = "datasets==4.8.5"
NOT_A_ROW = (LookupError, ValueError, TypeError, AttributeError, RecursionError)


@dataclass(frozen=True, kw_only=True)
class HubSuite:
    """Where a suite is, and how a row of it becomes a prompt's fields."""

    repo: str
    config: str | None
    split: str
    fields: Callable[[int, Mapping[str, Any]], dict[str, Any]]


def _gsm8k(number: int, row: Mapping[str, Any]) -> dict[str, Any]:
    """Grade-school word problems; the answer follows the last "####" (Cobbe et al. 2021, arXiv:2110.14168)."""
    rationale, _, result = str(row["answer"]).rpartition("####")
    value = float(result.replace(",", "").strip())
    if not math.isfinite(value):
        raise ValueError(f"the answer is {value}")
    return {
        "id": f"gsm8k-{number}",
        "kind": "gsm8k",
        "prompt": f"{row['question']}\nWork it out step by step. End with: The answer is ...",
        "grader": {"name": "numeric", "value": value},
        "max_tokens": 1024,
        "right": f"{rationale.strip()}\nThe answer is {_written(value)}.",
        "wrong": f"The answer is {_written(value + 1)}.",
    }


def _written(value: float) -> str:
    """Every digit: "2125000", where `:g` writes "2.125e+06", and what the data set has is compared exactly."""
    return f"{value:.0f}" if value.is_integer() else repr(value)


def _ifeval(number: int, row: Mapping[str, Any]) -> dict[str, Any]:
    """Instructions that code can check (Zhou et al. 2023, arXiv:2311.07911); all of a prompt's must be followed."""
    given = row["kwargs"] if isinstance(row["kwargs"], list) else [{}] * len(row["instruction_id_list"])
    instructions = [
        {"id": name, **{key: value for key, value in (options or {}).items() if value is not None}}
        for name, options in zip(row["instruction_id_list"], given, strict=True)
    ]
    return {
        "id": f"ifeval-{row.get('key', number)}",
        "kind": str(row["instruction_id_list"][0]).partition(":")[0],
        "prompt": str(row["prompt"]),
        "grader": {"name": "ifeval", "instructions": instructions},
        "max_tokens": 1024,
    }


HUB_SUITES: dict[str, HubSuite] = {
    "gsm8k": HubSuite(repo="openai/gsm8k", config="main", split="test", fields=_gsm8k),
    "ifeval": HubSuite(repo="google/IFEval", config=None, split="train", fields=_ifeval),
}


def fetch_rows(name: str) -> list[dict[str, Any]]:
    """A suite's prompts as fields, in the Hub's order.

    Raises:
        SuiteError: `datasets` is not installed, the Hub cannot be reached, or its rows are not as they were.
    """
    suite = HUB_SUITES[name]
    rows = load_rows(name, suite)
    try:
        return [suite.fields(number, row) for number, row in enumerate(rows, start=1)]
    except NOT_A_ROW as error:
        reason = f"{type(error).__name__}: {error}"
        raise SuiteError(f"suite {name}: the rows of {suite.repo} are not as expected ({reason})") from None


def file_of(name: str) -> tuple[str, Path] | None:
    """The Hub's suite and the file in "gsm8k:my-half.jsonl"; None where a name is not of this form."""
    suite, colon, path = name.partition(":")
    return (suite, Path(path)) if colon and suite in HUB_SUITES else None


def rows_of(name: str, lines: Iterable[tuple[int, str]], where: str) -> list[dict[str, Any]]:
    """A suite's prompts as fields, from numbered JSON lines that are as the Hub's rows.

    Raises:
        SuiteError: A line that is not; one line with the file and the line's number.
    """
    found = []
    for number, line in lines:
        try:
            found.append(HUB_SUITES[name].fields(number, json.loads(line)))
        except NOT_A_ROW as error:
            raise SuiteError(f"{where}, line {number}: not a row of {name} ({type(error).__name__}: {error})") from None
    return found


def digest(rows: Iterable[Mapping[str, Any]]) -> str:
    """The sha256 of the prompts as they are asked: another revision of the data set is another suite."""
    lines = (json.dumps(row, sort_keys=True, ensure_ascii=False) + "\n" for row in rows)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def load_rows(name: str, suite: HubSuite) -> Iterable[Mapping[str, Any]]:
    """A suite's rows as the Hub has them.

    Raises:
        SuiteError: `datasets` is not installed, or the Hub cannot be reached.
    """
    try:
        import datasets
    except ImportError:
        raise SuiteError(
            f"suite {name} comes from the Hub through 'datasets', which is not installed here: pip install {_DATASETS}"
        ) from None
    try:
        check_access()
        found: Iterable[Mapping[str, Any]] = datasets.load_dataset(suite.repo, suite.config, split=suite.split)
    except Exception as error:  # the library raises many kinds, its dependencies' too
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise SuiteError(
            f"suite {name}: {suite.repo} cannot be had from the Hub ({reason}); check the network and HF_ENDPOINT"
        ) from None
    return found
