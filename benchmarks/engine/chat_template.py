"""Render a conversation with the chat template that a GGUF or a checkpoint carries.

A template is code from an untrusted file: it runs in Jinja's immutable sandbox, nothing of it is worked out while it is
compiled, its numbers and repetitions are bounded, and what it raises becomes one line. Who renders others' templates
bounds time and memory as well: `data.bounds.within_bounds`.
It is given what transformers gives it, so that a prompt is the one that the model was trained with.
"""

import datetime
import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import takewhile
from typing import Any, cast

from jinja2 import Environment, TemplateError, meta, nodes
from jinja2.compiler import CodeGenerator, Frame
from jinja2.ext import Extension, loopcontrols
from jinja2.nodes import Filter, Name, Node, Scope, Test
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from benchmarks.engine.contract import EngineError, TemplateSwitch
from benchmarks.engine.typed_text import ControlTokens, Rendered, render_typed
from data.message import Message

# Llama-3's template prints today's date: pinned, or the same prompt changes from day to day.
PINNED_DATE = datetime.datetime(2024, 7, 26)

MAX_TEMPLATE_CHARACTERS = 1_000_000
MAX_BITS = 4_096
MAX_REPEATED = 1_000_000
_GIVEN = {"messages": (), "tools": None, "documents": None, "add_generation_prompt": True}


class _GenerationTag(Extension):
    """`{% generation %}…{% endgeneration %}` marks a trainer's loss mask; rendering passes it through."""

    tags = {"generation"}  # noqa: RUF012 (Jinja's own interface)

    def parse(self, parser: Parser) -> Node | list[Node]:
        line = next(parser.stream).lineno
        return Scope(parser.parse_statements(("name:endgeneration",), drop_needle=True), lineno=line)


class _NothingWorkedOut(CodeGenerator):
    """Jinja works constants out while it compiles: `{{ 9**(9**9) }}` takes minutes, which nothing can interrupt."""

    def _output_child_to_const(self, node: nodes.Expr, frame: Frame, finalize: Any) -> str:
        if not isinstance(node, nodes.TemplateData):
            raise nodes.Impossible
        return super()._output_child_to_const(node, frame, finalize)

    def visit_EvalContextModifier(self, node: nodes.EvalContextModifier, frame: Frame) -> None:
        raise TemplateError("it switches escaping on or off, which a chat template has no use for")

    visit_ScopedEvalContextModifier = visit_EvalContextModifier


class _Names(_NothingWorkedOut, meta.TrackingCodeGenerator):
    """Notes the names that a template looks up."""


def _undeclared(tree: nodes.Template) -> set[str]:
    """Names that a template does not set itself."""
    names = _Names(cast(Environment, tree.environment))
    names.visit(tree)
    return names.undeclared_identifiers


class _Sandbox(ImmutableSandboxedEnvironment):
    """As transformers sets it up."""

    code_generator_class = _NothingWorkedOut
    intercepted_binops = frozenset(ImmutableSandboxedEnvironment.default_binop_table)

    def __init__(self, extensions: Sequence[type[Extension]]) -> None:
        super().__init__(trim_blocks=True, lstrip_blocks=True, extensions=extensions, optimized=False)

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        if operator == "**" and isinstance(left, int) and isinstance(right, int):
            _check(left.bit_length() * abs(right), MAX_BITS, "bits in a number")
        elif operator == "*" and isinstance(left, int) and isinstance(right, int):
            _check(left.bit_length() + right.bit_length(), MAX_BITS, "bits in a number")
        elif operator == "*":
            for one, times in ((left, right), (right, left)):
                if isinstance(one, str | list | tuple) and isinstance(times, int):
                    _check(len(one) * times, MAX_REPEATED, "repeated values")
        return super().call_binop(context, operator, left, right)


def _check(count: int, most: int, what: str) -> None:
    if count > most:
        raise TemplateError(f"it asks for {count:,} {what}; the most is {most:,}")


class TemplateRefusal(EngineError):
    """The template raised; `reason` is what it said."""

    def __init__(self, error: BaseException) -> None:
        self.reason = _one_line(error)
        super().__init__(f"the model's chat template failed on this conversation: {self.reason}")


class ChatTemplate:
    """A compiled template.

    Args:
        special: Texts of special tokens by transformers' names (`bos_token`); one that the model lacks is left out.

    Attributes:
        switches: What the template can be told besides the messages, such as `enable_thinking`.

    Raises:
        EngineError: The template does not parse, or is too long to be one.
    """

    def __init__(self, source: str, *, special: Mapping[str, str]) -> None:
        if len(source) > MAX_TEMPLATE_CHARACTERS:
            raise EngineError(
                f"the model's chat template has {len(source):,} characters, more than {MAX_TEMPLATE_CHARACTERS:,}; "
                "export the model with a template of its own"
            )
        self.source, self._special = source, dict(special)
        self._environment = _Sandbox(extensions=[_GenerationTag, loopcontrols])
        self._environment.filters["tojson"] = _tojson
        self._environment.globals["raise_exception"] = _raise_exception
        self._environment.globals["strftime_now"] = PINNED_DATE.strftime
        try:
            self._tree = self._environment.parse(source)
            self.switches = self._switches()
            self._template = self._environment.from_string(self._tree)
        except Exception as error:  # Jinja makes Python of it, which may be none either
            raise EngineError(f"the model's chat template does not parse: {_one_line(error)}") from None

    def _switches(self) -> tuple[str, ...]:
        tree, given = self._tree, {*_GIVEN, *self._special, *self._environment.globals}
        expected = {
            node.node.name
            for node in tree.find_all((Test, Filter))
            if isinstance(node.node, Name) and node.name in ("defined", "undefined", "default", "d")
        }
        names = list(tree.find_all(Name))
        own = {name.name for name in names if name.ctx == "store"} - expected
        own |= {name.name for name in names if name.ctx == "param"}
        asked = _undeclared(tree) - given - own
        return tuple(sorted(name for name in asked if not name.endswith("_token")))

    def render(
        self, messages: Sequence[Message], *, answer: bool = True, switches: Mapping[str, TemplateSwitch] | None = None
    ) -> str:
        """Text of a conversation, as transformers renders it.

        Args:
            answer: Up to where the assistant's reply begins; else to the end of the last message.
            switches: Those that the template does not know are not given to it.

        Raises:
            EngineError: The template refused the messages, failed, or does not open the reply.
        """
        rendered = self._render(self._turns(messages), answer=answer, switches=switches)
        if answer and not self._opens_answers:
            raise EngineError(
                "the model's chat template opens no turn for the answer, so that the model would write the next role's "
                "name; use a model whose template heeds add_generation_prompt"
            )
        return rendered

    def render_typed(
        self, messages: Sequence[Message], controls: ControlTokens, switches: Mapping[str, TemplateSwitch] | None = None
    ) -> Rendered:
        """The prompt for a reply, in which what was typed is told apart from the template's own tokens.

        Raises:
            EngineError: As `render`, or a message is not in the prompt.
        """

        def render(turns: Sequence[Message]) -> list[str]:
            return [self.render(turns, switches=switches)]

        return render_typed(messages, controls, render, template=self.source)

    def _turns(self, messages: Sequence[Message]) -> list[dict[str, Any]]:
        return [
            {"role": each.role, "content": _parts(each.content) if self._wants_parts else each.content}
            for each in messages
        ]

    def _render(
        self, turns: Sequence[Mapping[str, Any]], *, answer: bool, switches: Mapping[str, TemplateSwitch] | None = None
    ) -> str:
        chosen = {name: value for name, value in (switches or {}).items() if name in self.switches}
        given = {**self._special, **_GIVEN, **chosen, "messages": turns, "add_generation_prompt": answer}
        try:
            return self._template.render(given)
        except MemoryError:
            raise
        except Exception as error:
            raise TemplateRefusal(error) from None

    @cached_property
    def _wants_parts(self) -> bool:
        """Whether the template finds a message's text only in a list of parts, as those of vision models do."""
        return not self._probe(_PROBE, answer=True) and bool(self._probe(_parts(_PROBE), answer=True))

    @cached_property
    def _opens_answers(self) -> bool:
        """Whether a prompt ends where a reply begins; a template that cannot be tried is believed."""
        content: Any = _parts(_PROBE) if self._wants_parts else _PROBE
        opened, closed = self._probe(content, answer=True), self._probe(content, answer=False)
        answered = self._probe(
            content, {"role": "assistant", "content": _parts(_REPLY) if self._wants_parts else _REPLY}
        )
        if opened != closed or _REPLY not in answered:
            return True  # it heeds `add_generation_prompt`, or cannot be tried
        opened = opened.rstrip()
        shared = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(opened, answered, strict=False)))
        lacking = answered[shared : answered.index(_REPLY)].strip()
        return not lacking or (shared < len(opened) and not _ROLE.search(lacking))

    def _probe(self, content: Any, *more: Mapping[str, Any], answer: bool = False) -> str:
        """A rendering of a first user's message, empty where it fails or lacks the message."""
        try:
            text = self._render([{"role": "user", "content": content}, *more], answer=answer)
        except EngineError:
            return ""
        return text if _PROBE in text else ""


def read_switches(lines: Sequence[str]) -> tuple[tuple[str, TemplateSwitch], ...]:
    """Settings of a template, written NAME=VALUE; a value that is not TOML's true, false or a number is a text.

    Raises:
        ValueError: A line that is not written so.
    """
    return tuple(_switch(line) for line in lines if line.strip())


def _switch(line: str) -> tuple[str, TemplateSwitch]:
    name, equals, value = (part.strip() for part in line.partition("="))
    if not (equals and name.isidentifier()):
        raise ValueError(f"{line.strip()!r} sets nothing; write NAME=VALUE, such as enable_thinking=false")
    try:
        read = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return name, value
    return name, read if isinstance(read, TemplateSwitch) else value


_PROBE, _REPLY = "48151623", "42108976"
"""Digits: filters that trim, escape or change the case leave them alone."""
_ROLE = re.compile("assistant|model|bot", re.IGNORECASE)


def _parts(text: str) -> list[dict[str, str]]:
    return [{"type": "text", "text": text}]


def _tojson(value: Any, ensure_ascii: bool = False, indent: int | None = None, **options: Any) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, **options)


def _raise_exception(message: str) -> None:
    raise TemplateError(message)


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{text[:200] or type(error).__name__}"
