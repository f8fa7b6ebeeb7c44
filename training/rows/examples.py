"""A conversation as token ids and labels: the answers and their end-of-turn are trained on, nothing else.

The text is cut where an answer begins and where its turn ends, and the pieces are tokenized apart: exactly so is the
prompt tokenized when the model is used, where it ends before the answer.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from data.paths import ROOT
from training.checkpoints.tokenizer import set_padding, splitting_name
from training.config import TrainingError
from training.rows.conversations import Messages

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

IGNORED = -100
_TEMPLATES = ROOT / "training" / "templates"


@dataclass(frozen=True, kw_only=True)
class Example:
    """Both of the same length, in tokens; a label of -100 is not trained on."""

    input_ids: list[int]
    labels: list[int]


def load_tokenizer(checkpoint: Path, template: str) -> "PreTrainedTokenizerFast":
    """A checkpoint's tokenizer with the chat template to train with, and a padding token of its own.

    Raises:
        TrainingError: No chat template, tokens of the template that are not in the vocabulary, or a tokenizer that
            llama.cpp does not know.
    """
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    if template != "base":
        source = (_TEMPLATES / f"{template}.jinja").read_text(encoding="utf-8")
        vocabulary = tokenizer.get_vocab()
        if missing := [token for token in _tokens_in(source) if token not in vocabulary]:
            raise TrainingError(f"data.template is {template!r}, but the base has no token {missing[0]!r}; use 'base'")
        tokenizer.chat_template = source
    if not tokenizer.chat_template:
        raise TrainingError(
            "the base has no chat template; set data.template to 'llama-3.1', or take an instruct model"
        )
    set_padding(tokenizer)
    splitting_name(json.loads(tokenizer.backend_tokenizer.to_str()))  # one that llama.cpp knows, or export would fail
    return tokenizer


def make_example(messages: Messages, tokenizer: "PreTrainedTokenizerFast") -> Example:
    """Tokens and labels of a conversation that ends with an answer.

    Raises:
        TrainingError: The template rewrites earlier turns, or does not end answers with the end-of-turn token.
    """
    input_ids: list[int] = []
    labels: list[int] = []
    done = ""
    for index, message in enumerate(messages):
        if message["role"] != "assistant":
            continue
        prompt = _render(messages[:index], tokenizer, ask=True)
        whole = _render(messages[: index + 1], tokenizer, ask=False)
        answer_end = whole.rfind(str(tokenizer.eos_token)) + len(str(tokenizer.eos_token))
        if not prompt.startswith(done) or not whole.startswith(prompt) or answer_end <= len(prompt):
            raise TrainingError(
                "the chat template does not write a conversation turn by turn with the end-of-turn token "
                f"{tokenizer.eos_token!r}; set data.template"
            )
        question, answer = _ids(prompt[len(done) :], tokenizer), _ids(whole[len(prompt) : answer_end], tokenizer)
        input_ids += question + answer
        labels += [IGNORED] * len(question) + answer
        done = whole[:answer_end]
    return Example(input_ids=input_ids, labels=labels)


def prompt_ids(messages: Sequence[dict[str, str]], tokenizer: "PreTrainedTokenizerFast") -> list[int]:
    """Tokens of a conversation up to where the answer begins."""
    return _ids(_render(list(messages), tokenizer, ask=True), tokenizer)


def _render(messages: Messages, tokenizer: "PreTrainedTokenizerFast", *, ask: bool) -> str:
    from jinja2 import TemplateError

    try:
        return str(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=ask))
    except TemplateError as error:
        raise TrainingError(f"the chat template refuses a conversation: {error}") from None


def _ids(text: str, tokenizer: "PreTrainedTokenizerFast") -> list[int]:
    ids: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    return ids


def _tokens_in(template: str) -> list[str]:
    return sorted(set(re.findall(r"<\|\w+\|>", template)))
