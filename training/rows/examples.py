"""A conversation as token ids and labels: the answers and their end-of-turn are trained on, nothing else.

The text is cut where an answer begins and where its turn ends, and the pieces are tokenized apart: exactly so is the
prompt tokenized when the model is used, where it ends before the answer. Control tokens that stand in a row's text are
text, as they are in use.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, cast

from benchmarks.engine.chat_template import ChatTemplate, TemplateRefusal
from benchmarks.engine.contract import EngineError
from benchmarks.engine.typed_text import ControlTokens, Render, Rendered, render_typed
from data.message import Message, Role
from data.paths import ROOT
from training.checkpoints.tokenizer import set_padding, splitting_name
from training.config import TrainingError
from training.rows.conversations import Messages

if TYPE_CHECKING:
    from tokenizers import Tokenizer
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
    template = chat_template(tokenizer)
    answers = [index for index, message in enumerate(messages) if message["role"] == "assistant"]

    def render(turns: Sequence[Message]) -> list[str]:
        return [
            text
            for index in answers
            for text in (template.render(turns[:index]), template.render(turns[: index + 1], answer=False))
        ]

    rendered = _render(messages, tokenizer, render)
    example = Example(input_ids=[], labels=[])
    done = ""
    for prompt, whole in zip(rendered.texts[::2], rendered.texts[1::2], strict=True):
        answer_end = whole.rfind(str(tokenizer.eos_token)) + len(str(tokenizer.eos_token))
        if not prompt.startswith(done) or not whole.startswith(prompt) or answer_end <= len(prompt):
            raise TrainingError(
                "the chat template does not write a conversation turn by turn with the end-of-turn token "
                f"{tokenizer.eos_token!r}; set data.template"
            )
        question = _ids(rendered, prompt[len(done) :], tokenizer)
        answer = _ids(rendered, whole[len(prompt) : answer_end], tokenizer)
        example.input_ids.extend(question + answer)
        example.labels.extend([IGNORED] * len(question) + answer)
        done = whole[:answer_end]
    return example


def prompt_ids(messages: Sequence[dict[str, str]], tokenizer: "PreTrainedTokenizerFast") -> list[int]:
    """Tokens of a conversation up to where the answer begins.

    Raises:
        TrainingError: The template refuses the conversation, or leaves out what it says.
    """
    template = chat_template(tokenizer)
    rendered = _render(messages, tokenizer, lambda turns: [template.render(turns)])
    return _ids(rendered, rendered.texts[-1], tokenizer)


def chat_template(tokenizer: "PreTrainedTokenizerFast") -> ChatTemplate:
    """The tokenizer's template as the engine renders it, with its pinned date."""
    special = {name: text for name, text in tokenizer.special_tokens_map.items() if isinstance(text, str)}
    return _compiled(str(tokenizer.get_chat_template()), tuple(special.items()))


@lru_cache(maxsize=4)
def _compiled(source: str, special: tuple[tuple[str, str], ...]) -> ChatTemplate:
    try:
        return ChatTemplate(source, special=dict(special))
    except EngineError as error:
        raise TrainingError(f"{error}; set data.template") from None


def _render(messages: Sequence[dict[str, str]], tokenizer: "PreTrainedTokenizerFast", render: Render) -> Rendered:
    turns = [Message(role=cast(Role, each["role"]), content=each["content"]) for each in messages]
    template = str(tokenizer.get_chat_template())
    try:
        return render_typed(turns, _vocabulary(tokenizer)[0], render, template=template)
    except TemplateRefusal as error:
        raise TrainingError(f"the chat template refuses a conversation: {error.reason}") from None


def _ids(rendered: Rendered, text: str, tokenizer: "PreTrainedTokenizerFast") -> list[int]:
    plain = _vocabulary(tokenizer)[1]
    return rendered.token_ids(text, lambda piece: plain.encode(piece, add_special_tokens=False).ids)


@lru_cache(maxsize=4)
def _vocabulary(tokenizer: "PreTrainedTokenizerFast") -> "tuple[ControlTokens, Tokenizer]":
    """The control tokens, and a copy of the tokenizer that takes them for text."""
    from tokenizers import Tokenizer

    added = [(id_, token) for id_, token in tokenizer.added_tokens_decoder.items() if token.special]
    controls = ControlTokens(
        ids={token.content: id_ for id_, token in added},
        strip_before=frozenset(token.content for _, token in added if token.lstrip),
        strip_after=frozenset(token.content for _, token in added if token.rstrip),
    )
    plain = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    plain.encode_special_tokens = True
    return controls, plain


def _tokens_in(template: str) -> list[str]:
    return sorted(set(re.findall(r"<\|\w+\|>", template)))
