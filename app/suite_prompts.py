"""The prompts of the suites as a library, and their graders for replies. No Streamlit in this module."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.graders import Grade, GraderError, grade
from data.suites import Prompt, SuiteError, load_suite, shipped_suites


@dataclass(frozen=True, kw_only=True)
class SuitePrompt:
    suite: str
    prompt: Prompt

    @property
    def system(self) -> str:
        return "".join(turn.content for turn in self.prompt.messages if turn.role == "system")


@functools.cache
def library() -> Mapping[str, tuple[SuitePrompt, ...]]:
    """Prompts of each suite that are one question, with or without a system prompt; a broken suite is left out."""
    found = {}
    for name in shipped_suites():
        try:
            prompts = load_suite(name).prompts
        except SuiteError:
            continue
        asked = [each for each in prompts if [turn.role for turn in each.messages if turn.role != "system"] == ["user"]]
        found[name] = tuple(SuitePrompt(suite=name, prompt=each) for each in asked)
    return found


@functools.cache
def _by_text() -> Mapping[str, SuitePrompt]:
    return {each.prompt.text.strip(): each for prompts in library().values() for each in prompts}


def find(text: str) -> SuitePrompt | None:
    """The suites' prompt with exactly this text."""
    return _by_text().get(text.strip())


def grade_reply(prompt_text: str, reply: str) -> Grade | None:
    """The grade of a reply where the prompt is a suite's; None where it is not."""
    found = find(prompt_text)
    if found is None:
        return None
    try:
        return grade(found.prompt, reply)
    except GraderError as error:
        return Grade(value=None, reason=str(error))
