"""Questions with choices, one of which is right, as they are put to a model that only says how likely a text is.

From the Hub: `arc_challenge`, `hellaswag` and `mmlu`, worded as lm-evaluation-harness words them, so that figures
compare; `arc_challenge:my-rows.jsonl` reads rows like the Hub's from a file. Or a file of one's own, a line a question:

    {"beginning": "Question: Which is a colour?\\nAnswer:", "choices": ["red", "loud"], "right": 0}

Between beginning and choice stands one space. `id` and `kind` may be there, too.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.errors import SuiteError
from data.records import build, decoded, did_you_mean, parse_json
from data.suites.from_hub import NOT_A_ROW, HubSuite, digest, load_rows

_LETTERS = ("A", "B", "C", "D")


@dataclass(frozen=True, kw_only=True)
class Question:
    """One question.

    Attributes:
        right: The right choice's place, from 0.
    """

    beginning: str
    choices: tuple[str, ...]
    right: int
    id: str = ""
    kind: str = "choice"

    def __post_init__(self) -> None:
        if len(self.choices) < 2 or not all(choice.strip() for choice in self.choices):
            raise SuiteError("choices must be two texts or more, none of them empty")
        if not 0 <= self.right < len(self.choices):
            raise SuiteError(f"right is {self.right}; the choices are counted from 0 to {len(self.choices) - 1}")
        if not self.beginning.strip():
            raise SuiteError("beginning is empty; the choices need something to follow")


@dataclass(frozen=True, kw_only=True)
class ChoiceSuite:
    """Questions under one name, and the sha256 of them as they are put."""

    name: str
    sha256: str
    questions: tuple[Question, ...]


def _arc(number: int, row: Mapping[str, Any]) -> dict[str, Any]:
    """School science (Clark et al. 2018, arXiv:1803.05457)."""
    return {
        "id": str(row.get("id", number)),
        "kind": "arc",
        "beginning": f"Question: {row['question']}\nAnswer:",
        "choices": list(row["choices"]["text"]),
        "right": list(row["choices"]["label"]).index(row["answerKey"]),
    }


def _hellaswag(number: int, row: Mapping[str, Any]) -> dict[str, Any]:
    """What happens next (Zellers et al. 2019, arXiv:1905.07830)."""
    return {
        "id": f"hellaswag-{number}",
        "kind": str(row["activity_label"]),
        "beginning": _tidy(f"{row['activity_label']}: {row['ctx_a']} {row['ctx_b'].capitalize()}"),
        "choices": [_tidy(ending) for ending in row["endings"]],
        "right": int(row["label"]),
    }


def _tidy(text: str) -> str:
    """Without the marks that WikiHow's articles left in the data set."""
    return re.sub(r"\[.*?\]", "", text.strip().replace(" [title]", ". ")).replace("  ", " ")


def _mmlu(number: int, row: Mapping[str, Any]) -> dict[str, Any]:
    """57 subjects (Hendrycks et al. 2021, arXiv:2009.03300); without examples, and the letter is the answer."""
    subject = str(row["subject"]).replace("_", " ")
    lines = [f"{letter}. {choice}" for letter, choice in zip(_LETTERS, row["choices"], strict=True)]
    head = f"The following are multiple choice questions (with answers) about {subject}.\n\n"
    return {
        "id": f"{row['subject']}-{number}",
        "kind": str(row["subject"]),
        "beginning": head + "\n".join([row["question"].strip(), *lines, "Answer:"]),
        "choices": list(_LETTERS),
        "right": int(row["answer"]),
    }


CHOICE_SUITES: dict[str, HubSuite] = {
    "arc_challenge": HubSuite(repo="allenai/ai2_arc", config="ARC-Challenge", split="test", fields=_arc),
    "hellaswag": HubSuite(repo="Rowan/hellaswag", config=None, split="validation", fields=_hellaswag),
    "mmlu": HubSuite(repo="cais/mmlu", config="all", split="test", fields=_mmlu),
}


def load_choices(name: str) -> ChoiceSuite:
    """A suite of the Hub, its rows in a file (`mmlu:FILE`), or a file of one's own.

    Raises:
        SuiteError: No such suite or file, or a line that is no such question.
    """
    known, _, path = name.partition(":")
    if known in CHOICE_SUITES and path:
        return _made(known, [_question(CHOICE_SUITES[known].fields, *line) for line in _lines(Path(path))])
    if known in CHOICE_SUITES:
        rows = enumerate(load_rows(known, CHOICE_SUITES[known]), start=1)
        return _made(known, [_question(CHOICE_SUITES[known].fields, n, row, f"{known}, row {n}") for n, row in rows])
    if not name.endswith(".jsonl"):
        raise SuiteError(
            f"unknown suite {name!r}; known: {', '.join(CHOICE_SUITES)}, or a .jsonl file of one's own"
            f"{did_you_mean(name, CHOICE_SUITES)}"
        )
    return _made(
        Path(name).stem, [_question(lambda n, row: {"id": str(n), **row}, *line) for line in _lines(Path(name))]
    )


def _made(name: str, questions: Sequence[Question]) -> ChoiceSuite:
    if not questions:
        raise SuiteError(f"{name}: no question in it")
    ids = [question.id for question in questions]
    if len(set(ids)) < len(ids):
        doubled = next(each for each in ids if ids.count(each) > 1)
        raise SuiteError(f"{name}: two questions with the id {doubled!r}; give each its own")
    return ChoiceSuite(name=name, sha256=digest(vars(question) for question in questions), questions=tuple(questions))


def _question(
    fields: Callable[[int, Mapping[str, Any]], dict[str, Any]], number: int, row: Mapping[str, Any], where: str
) -> Question:
    try:
        return build(Question, fields(number, row), SuiteError)
    except SuiteError as error:
        raise SuiteError(f"{where}: {error}") from None
    except NOT_A_ROW as error:
        raise SuiteError(f"{where}: not a row of this suite ({type(error).__name__}: {error})") from None


def _lines(path: Path) -> Iterable[tuple[int, dict[str, Any], str]]:
    try:
        text = decoded(path.read_bytes(), str(path), SuiteError)
    except OSError as error:
        raise SuiteError(f"{path}: cannot be read ({error.strerror})") from None
    for number, line in enumerate(text.split("\n"), start=1):  # not splitlines(): JSON text may hold U+2028
        if line.strip():
            where = f"{path}, line {number}"
            yield number, parse_json(line, where, SuiteError), where
