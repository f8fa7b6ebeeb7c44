"""Rows of a JSON Lines file, with the line's number in every complaint."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from data.records import lone_surrogate
from training.config import TrainingError


def json_rows(where: str, path: Path) -> Iterator[Mapping[str, Any]]:
    """Each line's object; empty lines are left out.

    Raises:
        TrainingError: Not UTF-8, not JSON, not an object, or half a character in it; begins with `where`.
    """
    with path.open(encoding="utf-8") as file:
        try:
            for number, line in enumerate(file, start=1):
                if not line.strip():
                    continue
                row = json.loads(line)
                if not isinstance(row, dict):
                    raise TrainingError(f"{where}: {path}, line {number}: expected an object")
                # The JSON of a file that is UTF-8 can only write one as an escape.
                if "\\u" in line and (half := lone_surrogate(json.dumps(row, ensure_ascii=False))):
                    raise TrainingError(
                        f"{where}: {path}, line {number}: half a character, {half}; write the whole, or leave it out"
                    )
                yield row
        except UnicodeDecodeError as error:
            raise TrainingError(f"{where}: {path}: not UTF-8 ({error.reason})") from None
        except ValueError as error:
            raise TrainingError(f"{where}: {path}, line {number}: not JSON ({error})") from None
