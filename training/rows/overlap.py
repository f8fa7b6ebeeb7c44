"""Keep what is measured out of what is trained on, and what is trained on already.

A row is removed when a user turn of it is a prompt of a suite (same words, whatever case and punctuation), or shares a
run of 13 words with one, the length that GPT-3's authors used (Brown et al. 2020, arXiv:2005.14165, appendix C). Suites
drawn from the same generator as the training data share whole instructions by design; for those, only the first counts.

Rows repeat each other by more than their words: "40 + 7" is not "40 - 7", nor C++ C.
"""

import hashlib
import json
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from data.suites.prompts import load_suite, shipped_suites
from training.rows.conversations import Messages

RUN_WORDS = 13
_WORD = re.compile(r"\w+")


def normalized(text: str) -> str:
    """Lower-case words alone; for a text without any, its visible characters."""
    words = _WORD.findall(text.lower())
    return " ".join(words) if words else "".join(text.split())


def repetition_key(messages: Messages) -> bytes:
    """Digest of what a conversation says and who says it; case, white space and the form of characters do not count."""
    said = [(each["role"], " ".join(_folded(each["content"]).split())) for each in messages]
    return hashlib.blake2b(json.dumps(said).encode(), digest_size=16).digest()


def _folded(text: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


@dataclass(frozen=True, kw_only=True)
class Overlap:
    """The prompts that may not be trained on.

    Attributes:
        exact: Normalized prompts.
        runs: Runs of 13 words.
    """

    exact: frozenset[str]
    runs: frozenset[str]

    def found_in(self, texts: Iterable[str]) -> bool:
        """Whether any of these user turns is, or quotes, a prompt."""
        return any(self._found(normalized(text)) for text in texts)

    def _found(self, text: str) -> bool:
        return text in self.exact or not self.runs.isdisjoint(_runs(text))


def overlap_with(prompts: Iterable[str], in_distribution: Iterable[str] = ()) -> Overlap:
    """An index of prompts.

    Args:
        in_distribution: Prompts that are compared as a whole only.
    """
    strict = [normalized(prompt) for prompt in prompts]
    loose = [normalized(prompt) for prompt in in_distribution]
    return Overlap(
        exact=frozenset(filter(None, [*strict, *loose])), runs=frozenset(run for text in strict for run in _runs(text))
    )


def suite_prompts(held_out: Iterable[str]) -> tuple[list[str], list[str]]:
    """User turns of every shipped suite: those compared in full, and those of the held-out ones.

    Raises:
        SuiteError: A held-out suite does not exist.
    """
    named = set(held_out)
    strict: list[str] = []
    loose: list[str] = []
    for name in sorted({*shipped_suites(), *named}):
        turns = [turn.content for prompt in load_suite(name).prompts for turn in prompt.messages if turn.role == "user"]
        (loose if name in named else strict).extend(turns)
    return strict, loose


def _runs(text: str) -> Iterator[str]:
    words = text.split(" ")
    for start in range(len(words) - RUN_WORDS + 1):
        yield " ".join(words[start : start + RUN_WORDS])
