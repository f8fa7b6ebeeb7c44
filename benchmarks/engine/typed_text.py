"""What people and models wrote stays text: control tokens typed in a message never become real ones.

A chat template joins its own control tokens and the messages into one string, where the two can no longer be told
apart. So the messages are rendered with stand-ins, private-use characters that occur nowhere else, and the rendered
text is cut at the control tokens that are still found: those are the template's. The stand-ins turn back into what was
typed before each piece is tokenized as plain text, so that a tokenizer sees the very text around every control token
that it would see otherwise, and merges across the seams of template and message stay as they are.

Nothing of llama.cpp or transformers is known here; the engine and the training data both use it.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain

from benchmarks.engine.contract import EngineError
from data.message import Message
from data.records import whole_characters

Render = Callable[[Sequence[Message]], Sequence[str]]
"""Renders a conversation; several texts where it is cut at several places, the longest last."""

_PRIVATE_USE = (range(0xF0000, 0xFFFFE), range(0x100000, 0x10FFFE), range(0xE000, 0xF900))


@dataclass(frozen=True, kw_only=True)
class ControlTokens:
    """The control tokens of a vocabulary: those that only a template may write.

    Tokens that a model's authors added as ordinary text, such as `<think>` in many, are none of them: every tokenizer
    finds those in plain text too.

    Attributes:
        ids: By the token's text.
        strip_before, strip_after: Tokens that swallow the white space before or after them.
    """

    ids: Mapping[str, int]
    strip_before: frozenset[str] = frozenset()
    strip_after: frozenset[str] = frozenset()

    @cached_property
    def _beginnings(self) -> re.Pattern[str]:
        return re.compile(f"[{re.escape(''.join({text[:1] for text in self.ids}))}]" if any(self.ids) else r"(?!)")

    @cached_property
    def _lengths(self) -> list[int]:
        return sorted({len(text) for text in self.ids if text}, reverse=True)

    def occurrences(self, text: str) -> Iterator[tuple[int, str]]:
        """Place and text of every control token, the longest where several begin."""
        end = 0
        while found := self._beginnings.search(text, end):
            start = found.start()
            token = next((part for size in self._lengths if (part := text[start : start + size]) in self.ids), "")
            end = start + max(1, len(token))
            if token:
                yield start, token

    def pieces(self, text: str) -> Iterator[str | int]:
        """The text in order: ids of control tokens, and what stands between them."""
        done = 0
        for start, token in self.occurrences(text):
            before = text[done:start]
            yield from filter(None, [before.rstrip() if token in self.strip_before else before])
            yield self.ids[token]
            done = start + len(token)
            if token in self.strip_after:
                done = len(text) - len(text[done:].lstrip())
        yield from filter(None, [text[done:]])

    def found_in(self, texts: Sequence[str]) -> list[list[str]]:
        """The control tokens of each text."""
        return [[token for _, token in self.occurrences(text)] for text in texts]

    def replaced(self, text: str, table: Mapping[int, int]) -> str:
        """The text with its control tokens translated."""
        parts, done = [], 0
        for start, token in self.occurrences(text):
            parts += [text[done:start], token.translate(table)]
            done = start + len(token)
        return "".join(parts) + text[done:]


class Rendered:
    """A rendered conversation in which what was typed is told apart from what the template wrote.

    Attributes:
        texts: As rendered, with stand-ins in place of some of what was typed: cut them, but do not show them.
    """

    def __init__(self, texts: Sequence[str], controls: ControlTokens, originals: Mapping[int, int]) -> None:
        self.texts = tuple(texts)
        self._controls, self._originals = controls, originals

    def shown(self, text: str) -> str:
        """A part of `texts` as it was typed and written."""
        return text.translate(self._originals)

    def token_ids(self, text: str, tokenize: Callable[[str], list[int]]) -> list[int]:
        """Tokens of a part of `texts`.

        Args:
            tokenize: Reads plain text, in which it recognizes no control token.
        """
        pieces = self._controls.pieces(text)
        return list(chain.from_iterable([p] if isinstance(p, int) else tokenize(self.shown(p)) for p in pieces))


def render_typed(messages: Sequence[Message], controls: ControlTokens, render: Render, *, template: str) -> Rendered:
    """Render a conversation so that its control tokens are the template's alone.

    It is rendered twice. With a stand-in for every typed character, whatever stands there of a control token is the
    template's, even where a message ends in half a token and the next text begins with the other half; but a template
    that looks into a message (for `</think>`, say) no longer finds what it looks for. With stand-ins for typed control
    tokens alone, it does. The second is taken unless its control tokens are others than the first's.

    Args:
        template: Its source, in which no stand-in may occur.

    Raises:
        EngineError: The template fails, or leaves out what a message says.
    """
    messages = [replace(message, content=whole_characters(message.content)) for message in messages]
    characters = set().union(*(message.content for message in messages))
    hidden = _stand_ins(characters, used=characters.union(template, *controls.ids))
    originals = {stand_in: character for character, stand_in in hidden.items()}
    strict = render([replace(message, content=message.content.translate(hidden)) for message in messages])
    if strict:
        _check_complete(strict[-1], messages, hidden)
    natural = render([replace(each, content=controls.replaced(each.content, hidden)) for each in messages])
    same = controls.found_in(natural) == controls.found_in(strict)
    return Rendered(natural if same else strict, controls, originals)


def _stand_ins(characters: set[str], *, used: set[str]) -> dict[int, int]:
    """A private-use character that is not used for each character but white space.

    White space keeps its place, or a template could not trim it; no control token is made of it alone. Should there
    be too few, rare scripts go without: control tokens are of common ones.
    """
    free = (code for code in chain(*_PRIVATE_USE) if chr(code) not in used)
    return dict(zip(sorted(ord(character) for character in characters if not character.isspace()), free))


def _check_complete(rendered: str, messages: Sequence[Message], hidden: Mapping[int, int]) -> None:
    """Every message must be there, whatever the template did to its white space."""
    stand_ins = set(map(chr, hidden.values()))

    def typed(text: str) -> str:
        return "".join(filter(stand_ins.__contains__, text))

    there, wanted = typed(rendered), [typed(message.content.translate(hidden)) for message in messages]
    for message, text in zip(messages, wanted, strict=True):
        if text and there.count(text) < wanted.count(text):
            raise EngineError(
                f"the model's chat template leaves out what the {message.role} says: "
                f"{' '.join(message.content.split())[:40]!r} is not in the prompt"
            )
