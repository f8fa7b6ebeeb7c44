"""The harder half of core: what its README says of it."""

import re
import subprocess
import sys
from collections import Counter

import pytest

from data.suites.prompts import Prompt, load_suite

SUITE = load_suite("hard")
WORKED = re.compile(r"\b(?:Show your work|Work it out|Think it through|Trace it)\b|line \"Answer: \" and the number")
TOKENS_A_WORD = 1 / 0.75


def of_kind(kind: str) -> list[Prompt]:
    return [prompt for prompt in SUITE.prompts if prompt.kind == kind]


def test_where_work_is_asked_for_there_is_room_for_it() -> None:
    for prompt in SUITE.prompts:
        assert prompt.max_tokens >= (512 if WORKED.search(prompt.text) else 256), prompt.id


@pytest.mark.parametrize("prompt", of_kind("code"), ids=lambda prompt: prompt.id)
def test_the_right_answer_on_a_program_is_what_it_prints(prompt: Prompt) -> None:
    program = prompt.text.split("```python\n")[1].split("\n```")[0]
    ran = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, timeout=30, check=True)
    assert prompt.right == f"Answer: {ran.stdout.strip()}"


def test_the_long_texts_are_twelve_at_most_and_neither_short_nor_endless() -> None:
    texts = {prompt.template: prompt.text.partition("\n\nQuestion:")[0] for prompt in of_kind("reading")}
    assert len(texts) <= 12 and len({*texts.values()}) == len(texts)
    for template, text in texts.items():
        assert 500 <= len(text.split()) * TOKENS_A_WORD <= 3_000, template


def test_things_that_do_not_exist_are_asked_about_as_often_as_real_ones_and_in_the_same_words() -> None:
    asked = of_kind("hallucination")
    halves = Counter((prompt.template, prompt.grader["name"] == "denial") for prompt in asked)
    endings = Counter((prompt.template, prompt.text.partition("?")[2]) for prompt in asked)
    assert {*halves.values()} == {1} and {*endings.values()} == {2}
    assert len(halves) == len(asked) == 2 * len(endings)
