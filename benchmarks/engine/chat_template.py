"""Render a conversation with the chat template that a GGUF carries.

A template is code from an untrusted file: it runs in Jinja's immutable sandbox, and what it raises becomes one line.
"""

import datetime
import json
from collections.abc import Sequence
from typing import Any

from jinja2 import TemplateError
from jinja2.ext import Extension, loopcontrols
from jinja2.nodes import Node
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from benchmarks.engine.contract import EngineError, Message

# Llama-3's template prints today's date: pinned, or the same prompt changes from day to day.
PINNED_DATE = datetime.datetime(2024, 7, 26)


class _GenerationTag(Extension):
    """`{% generation %}…{% endgeneration %}` marks a trainer's loss mask; rendering passes it through."""

    tags = {"generation"}  # noqa: RUF012 (Jinja's own interface)

    def parse(self, parser: Parser) -> Node | list[Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


class ChatTemplate:
    """A compiled template; `render` turns messages into the text that the tokenizer reads.

    Raises:
        EngineError: The template does not parse.
    """

    def __init__(self, source: str, *, bos: str, eos: str) -> None:
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=[_GenerationTag, loopcontrols]
        )
        environment.filters["tojson"] = _tojson
        environment.globals["raise_exception"] = _raise_exception
        environment.globals["strftime_now"] = PINNED_DATE.strftime
        self._special = {"bos_token": bos, "eos_token": eos}
        try:
            self._template = environment.from_string(source)
        except TemplateError as error:
            raise EngineError(f"the model's chat template does not parse: {_one_line(error)}") from None

    def render(self, messages: Sequence[Message]) -> str:
        """Text of the conversation up to where the assistant's reply begins.

        Raises:
            EngineError: The template refused the messages or failed.
        """
        turns = [{"role": message.role, "content": message.content} for message in messages]
        try:
            return self._template.render(messages=turns, add_generation_prompt=True, **self._special)
        except Exception as error:
            raise EngineError(f"the model's chat template failed on this conversation: {_one_line(error)}") from None


def _tojson(value: Any, ensure_ascii: bool = False, indent: int | None = None, **options: Any) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, **options)


def _raise_exception(message: str) -> None:
    raise TemplateError(message)


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return f"{text[:200] or type(error).__name__}"
