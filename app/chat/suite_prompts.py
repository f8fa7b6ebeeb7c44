"""The prompts of the suites as a library, and their graders for replies."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.graders import Grade, GraderError, grade
from data.errors import SuiteError
from data.suites.prompts import Prompt, load_suite, shipped_suites


@dataclass(frozen=True, kw_only=True)
class SuitePrompt:
    suite: str
    prompt: Prompt

    @property
    def system(self) -> str:
        return "".join(turn.content for turn in self.prompt.messages if turn.role == "system")


def _prompts(name: str) -> tuple[Prompt, ...]:
    try:
        return load_suite(name).prompts
    except SuiteError:
        return ()


@functools.cache
def library() -> Mapping[str, tuple[SuitePrompt, ...]]:
    """Prompts of each suite that are one question, with or without a system prompt; a broken suite is left out."""
    found = {}
    for name in shipped_suites():
        asked = [
            each
            for each in _prompts(name)
            if [turn.role for turn in each.messages if turn.role != "system"] == ["user"]
        ]
        if asked:
            found[name] = tuple(SuitePrompt(suite=name, prompt=each) for each in asked)
    return found


EXAMPLES = (
    ("core", "facts-01", "Easy: both get it right, so the faster one is enough."),
    ("core", "facts-17", "Harder: only the larger one knew it."),
    ("core", "rewriting-20", "To the letter: only the larger one did just that."),
)
"""Suite, id, and what the first pairs showed in it, as `tests/app/chat/test_suite_prompts.py` finds in the runs."""


def examples() -> list[tuple[SuitePrompt, str]]:
    """Prompts to begin with, and why; those of a suite that is not here are left out."""
    known = library()
    return [
        (each, why)
        for suite, prompt_id, why in EXAMPLES
        for each in known.get(suite, ())
        if each.prompt.id == prompt_id
    ]


@functools.cache
def _by_text() -> Mapping[str, SuitePrompt]:
    return {each.prompt.text.strip(): each for prompts in library().values() for each in prompts}


def find(text: str) -> SuitePrompt | None:
    """The suites' prompt with exactly this text."""
    return _by_text().get(text.strip())


@functools.cache
def _by_id() -> Mapping[tuple[str, str], str]:
    return {(name, each.id): each.text for name in shipped_suites() for each in _prompts(name)}


def prompt_text(suite: str, prompt_id: str) -> str | None:
    """A shipped suite's prompt by its id; None where the suite is not shipped any more, or was somebody's own."""
    return _by_id().get((suite, prompt_id))


@functools.lru_cache(maxsize=256)
def grade_reply(prompt_text: str, reply: str) -> Grade | None:
    """The grade of a reply where the prompt is a suite's; None where it is not."""
    found = find(prompt_text)
    if found is None:
        return None
    try:
        return grade(found.prompt, reply)
    except GraderError as error:
        return Grade(value=None, reason=str(error))
