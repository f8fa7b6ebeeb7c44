"""Answers questions on standard input, one JSON object a line, until that is closed; `bounded` starts and ends it.

    {"task": "regex", "pattern": "a+", "flags": 0, "whole": false, "text": "…", "limit_s": 2}    value: true or false
    {"task": "mathematics", "text": "\\sqrt{2}", "limit_s": 2}                                   value: a number or null

A question with "load" is answered as soon as what its task needs is imported.
"""

import contextlib
import json
import re
import resource
import signal
import sys
from typing import Any

_MEMORY_BYTES = 2 << 30
_GRACE_S = 5
_PARTS = (
    *("7", "2.5", r"\frac{3}{4}", r"\sqrt{5}", "2^{3}", r"2^{\frac12}", r"2\pi", r"\binom{4}{2}", "5!"),
    *(r"\sqrt[3]{7}", r"\log_{2} 9", "(3)", r"-\frac{1}{2}\cdot 3", r"\left(4\right)^2", "2+3", "4-1"),
    *(r"3 \times 2", r"\ln 3", r"\sin 2"),
)
_WHOLES = (
    r"\frac{%s}{%s}",
    r"\sqrt{%s}+%s",
    "2.5^{%s}-%s",
    r"%s \times %s",
    r"(%s)^{%s}",
    r"\left(%s\right)^2-\frac{%s}{3}",
)
FIRST_FORMULAS = tuple(
    whole % (part, _PARTS[(7 * place + 3) % len(_PARTS)]) for whole in _WHOLES for place, part in enumerate(_PARTS)
)
"""The parser learns its grammar while it works: a formula takes 20 ms where a construction stands within another for
the first time, and less than 2 ms after that. So each is met within each before the first question is timed."""


def matches(question: dict[str, Any]) -> bool:
    search = re.fullmatch if question["whole"] else re.search
    return search(question["pattern"], question["text"], question["flags"]) is not None


def value_of(question: dict[str, Any]) -> float | None:
    """A formula's value as a number; its own time-outs are off, since they need signals and the main thread.

    Parsed as ANTLR's authors advise: in its quick mode (SLL), and what that cannot read, in its thorough one (LL).
    """
    from antlr4.atn.PredictionMode import PredictionMode
    from math_verify import LatexExtractionConfig, parse

    for mode in (PredictionMode.SLL, PredictionMode.LL):
        found: list[Any] = []
        _predict_in(mode)
        for formula in FIRST_FORMULAS if question.get("load") else [question["text"]]:
            found = parse(f"${formula}$", [LatexExtractionConfig()], parsing_timeout=None, raise_on_error=False)
        with contextlib.suppress(TypeError, ValueError, AttributeError, OverflowError):
            if found and not isinstance(found[0], str):
                return float(found[0])
    return None


def _predict_in(mode: Any) -> None:
    """Every parser that is made from now on is in this mode; math-verify makes its own, and has no option for it."""
    from antlr4.atn.ParserATNSimulator import ParserATNSimulator

    ParserATNSimulator.predictionMode = property(lambda simulator: mode, lambda simulator, default: None)


TASKS = {"regex": matches, "mathematics": value_of}


def answer(line: str) -> dict[str, Any]:
    question: dict[str, Any] = json.loads(line)
    signal.setitimer(signal.ITIMER_REAL, question["limit_s"] + _GRACE_S)  # ends an orphan that nobody can interrupt
    try:
        if question.get("load") and question["task"] == "regex":
            return {"value": None}
        return {"value": TASKS[question["task"]](question)}
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    for line in sys.stdin:
        reply = json.dumps(answer(line), allow_nan=True)
        sys.stdout.write(reply + "\n")
        sys.stdout.flush()
