"""Conversations as token ids and labels: the answers and their end-of-turn are trained on, nothing else.

The text is cut where an answer begins and where its turn ends, and the pieces are tokenized apart: exactly so is the
prompt tokenized when the model is used, where it ends before the answer. Control tokens that stand in a row's text are
text, as they are in use. Each answer is trained on after what the template writes before it in use: where that is not
how the conversation began in the answer before (thinking is left out of earlier turns), it is an example of its own.
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
from training.rows.conversations import Messages, UnusableRow

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

IGNORED = -100
_LEFT_OUT = "text left out by the chat template"
_TEMPLATES = ROOT / "training" / "templates"


@dataclass(frozen=True, kw_only=True, slots=True)
class Example:
    """Both of the same length, in tokens; a label of -100 is not trained on."""

    input_ids: Sequence[int]
    labels: Sequence[int]


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


def make_examples(messages: Messages, tokenizer: "PreTrainedTokenizerFast") -> list[Example]:
    """Tokens and labels of a conversation that ends with an answer: one example, or more where the template rewrites
    earlier turns. A greeting before the first question is not trained on.

    Raises:
        UnusableRow: The template refuses the conversation, leaves out text, or does not end answers with the
            end-of-turn token.
    """
    template = chat_template(tokenizer)
    first = next((place for place, each in enumerate(messages) if each["role"] == "user"), len(messages))
    answers = [place for place, each in enumerate(messages) if each["role"] == "assistant" and place > first]

    def render(turns: Sequence[Message]) -> list[str]:
        return [
            text
            for place in answers
            for text in (template.render(turns[:place]), template.render(turns[: place + 1], answer=False))
        ]

    rendered = _render(messages, tokenizer, render)
    examples: list[tuple[list[int], list[int]]] = []
    done = ""
    for place, prompt, whole in zip(answers, rendered.texts[::2], rendered.texts[1::2], strict=True):
        text = _answer(messages[place]["content"], prompt, whole, rendered, str(tokenizer.eos_token))
        if not examples or not prompt.startswith(done):
            examples.append(([], []))
            done = ""
        question, answer = (_ids(rendered, part, tokenizer) for part in (prompt[len(done) :], text))
        input_ids, labels = examples[-1]
        input_ids += question + answer
        labels += [IGNORED] * len(question) + answer
        done = prompt + text
    given = [each["content"] for place, each in enumerate(messages) if place not in answers]
    _check_complete(given, rendered.shown(rendered.texts[-2]))
    return [Example(input_ids=ids, labels=labels) for ids, labels in examples]


def _answer(content: str, prompt: str, whole: str, rendered: Rendered, eos: str) -> str:
    """What the model is to write after a prompt: the answer with its indentation, and the end-of-turn token."""
    end = whole.rfind(eos)
    if not whole.startswith(prompt) or end < len(prompt):
        raise UnusableRow(
            "not written turn by turn by the chat template",
            f"the chat template does not write a conversation turn by turn with the end-of-turn token {eos!r}; "
            "set data.template",
        )
    text, shown = whole[len(prompt) : end + len(eos)], rendered.shown(whole[len(prompt) : end])
    _check_complete([content], shown)
    trimmed = content.lstrip()
    return content[: len(content) - len(trimmed)] + text if shown.startswith(trimmed) else text


def _check_complete(contents: Sequence[str], shown: str) -> None:
    """All that a row says must be there, whatever the template did to its white space."""
    there = "".join(shown.split())
    for content in contents:
        if "".join(content.split()) not in there:
            start = " ".join(content.split())[:40]
            raise UnusableRow(_LEFT_OUT, f"the chat template leaves out some of {start!r}; set data.template")


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
        reason = "refused by the chat template"
        raise UnusableRow(reason, f"the chat template refuses a conversation: {error.reason}") from None
    except EngineError as error:
        raise UnusableRow(_LEFT_OUT, str(error)) from None


def _ids(rendered: Rendered, text: str, tokenizer: "PreTrainedTokenizerFast") -> list[int]:
    plain = _vocabulary(tokenizer)[1]
    return rendered.token_ids(text, lambda piece: plain.encode(piece, add_special_tokens=False).ids)


@lru_cache(maxsize=4)
def _vocabulary(tokenizer: "PreTrainedTokenizerFast") -> "tuple[ControlTokens, Tokenizer]":
    """The control tokens, and a copy of the tokenizer that takes them for text and, as llama.cpp, normalizes none."""
    from tokenizers import Tokenizer

    added = [(id_, token) for id_, token in tokenizer.added_tokens_decoder.items() if token.special]
    controls = ControlTokens(
        ids={token.content: id_ for id_, token in added},
        strip_before=frozenset(token.content for _, token in added if token.lstrip),
        strip_after=frozenset(token.content for _, token in added if token.rstrip),
    )
    plain = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    plain.encode_special_tokens = True
    plain.normalizer = None
    return controls, plain


def _tokens_in(template: str) -> list[str]:
    return sorted(set(re.findall(r"<\|\w+\|>", template)))
