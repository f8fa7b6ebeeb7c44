"""Deterministic graders: pure functions of an answer, looked up by name and configured in the suite, not in code.

A configuration is an object with the grader's name and its options: `{"name": "numeric", "value": 42}`.
A new grader is one function and one line in `GRADERS`. Each is given the visible answer: no thinking trace, NFC.
"""

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from benchmarks.graders import choice, form, ifeval, numbers, structure, words
from benchmarks.graders.grade import Grade, Grader, GraderError, shown
from benchmarks.graders.visible import Visible, visible
from data.records import did_you_mean, fits
from data.suites.prompts import Prompt, Suite

__all__ = ["GRADERS", "VERSION", "Grade", "Grader", "GraderError", "Visible", "check_suite", "grade", "visible"]

VERSION = 2
"""Of what graders say: one more whenever an answer may be graded otherwise than before. Runs note it in `run.json`.

2: the visible answer alone, and the final answer in it, in every writing of numbers and letters.
"""


def all_of(answer: str, *, graders: Sequence[Mapping[str, Any]]) -> Grade:
    """Right only if every one of several graders says so; wrong if any does; else it could not be graded."""
    if not graders:
        raise GraderError("graders is empty; give at least one")
    grades = [_call(config, answer) for config in graders]
    for verdict in (0.0, None):
        for each in grades:
            if each.value == verdict:
                return each
    return Grade(value=1.0, reason="; ".join(dict.fromkeys(each.reason for each in grades)))


def _of_visible(grader: Grader) -> Grader:
    @functools.wraps(grader)
    def graded(answer: str, **options: Any) -> Grade:
        return grader(visible(answer).answer, **options)

    return graded


_ALL: dict[str, Grader] = {
    "all": all_of,
    "choice": choice.choice,
    "contains": structure.contains,
    "denial": words.denial,
    "exact": words.exact,
    "format": form.form,
    "ifeval": ifeval.ifeval,
    "json_schema": structure.json_schema,
    "keywords": words.keywords,
    "numeric": numbers.numeric,
    "order": words.order,
    "quantity": numbers.quantity,
    "regex": structure.regex,
    "sequence": numbers.sequence,
}
GRADERS: dict[str, Grader] = {name: _of_visible(grader) for name, grader in _ALL.items()}


def grade(prompt: Prompt, answer: str) -> Grade:
    """Grade one answer with the prompt's grader; run `check_suite` first. Repeating the question is wrong."""
    said = visible(answer).answer
    if len(said) < 2 * len(prompt.text) + 99 and words.normalised(said) == _question(prompt.text):
        return Grade(value=0.0, reason="repeats the question")
    return _call(prompt.grader, said)


@functools.lru_cache(maxsize=4096)
def _question(text: str) -> str:
    return words.normalised(text)


def check_suite(suite: Suite) -> None:
    """Find every mistake in the graders' configuration before any work is done.

    Raises:
        GraderError: An unknown grader or option, a missing one, a value that makes no sense, or an example answer that
            is not graded as the suite says; names suite and prompt.
    """
    for prompt in suite.prompts:
        try:
            _call(prompt.grader, "")  # graders check their options whatever the answer
            _check_example(prompt, "right", prompt.right, 1.0)
            _check_example(prompt, "wrong", prompt.wrong, 0.0)
        except GraderError as error:
            raise GraderError(f"suite {suite.name}, prompt {prompt.id!r}: {error}") from None


def _check_example(prompt: Prompt, name: str, example: str | None, expected: float) -> None:
    if example is None:
        return
    found = grade(prompt, example)
    if found.value not in (expected, None):
        raise GraderError(
            f"its example {name!r} is graded {'wrong' if expected else 'right'} ({shown(found.reason, 200)}); "
            "correct the grader's options or the example"
        )


def _call(config: Mapping[str, Any], answer: str) -> Grade:
    if not isinstance(config, Mapping) or not isinstance(config.get("name"), str):
        raise GraderError('a grader is an object with a name, such as {"name": "numeric", "value": 7}')
    options = {key: value for key, value in config.items() if key != "name"}
    grader = GRADERS.get(config["name"])
    if grader is None:
        raise GraderError(
            f"unknown grader {config['name']!r}; known: {', '.join(GRADERS)}{did_you_mean(config['name'], GRADERS)}"
        )
    _check_options(config["name"], grader, options)
    return grader(answer, **options)


def _check_options(name: str, grader: Callable[..., Grade], options: Mapping[str, Any]) -> None:
    parameters = _parameters(grader)
    for key, value in options.items():
        if key not in parameters:
            known = ", ".join(parameters)
            raise GraderError(f"grader {name!r}: unknown option {key!r}; known: {known}{did_you_mean(key, parameters)}")
        if not fits(value, parameters[key].annotation):
            wanted = inspect.formatannotation(parameters[key].annotation).replace("collections.abc.", "")
            raise GraderError(f"grader {name!r}: option {key} is {value!r}; expected {wanted}")
    for key, parameter in parameters.items():
        if parameter.default is parameter.empty and key not in options:
            raise GraderError(f"grader {name!r}: option {key!r} is missing")


@functools.cache
def _parameters(grader: Callable[..., Grade]) -> dict[str, inspect.Parameter]:
    return {key: value for key, value in inspect.signature(grader).parameters.items() if key != "answer"}
