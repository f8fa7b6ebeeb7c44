"""Models' replies as people read them: Markdown that Streamlit shows and that does nothing else.

A line becomes a line, blocks are opened and closed here, and only what this module knows is left as markup. Blocks of
code stand apart, since `st.code` shows them byte for byte.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

from app.replies.containers import unquoted, within_fence
from app.replies.lines import (
    OPENS_FORMULA,
    closed_line,
    guarded_line,
    inert_line,
    is_harmless_latex,
    opened_formula,
)
from app.replies.parts import LONG_ENOUGH, Part, merged
from app.replies.tables import cells, delimiter, fitted, is_delimiter, row

MOST_CHARACTERS, MOST_LINES, MOST_MARKS, MOST_FORMULAS, MOST_PARTS = 50_000, 3_000, 8_000, 800, 60
"""Replies beyond these are shown as plain text, since a browser would draw them too slowly."""
MOST_COLUMNS, MOST_ROWS, MOST_FORMULA_LINES = 30, 300, 60
DEEPEST_LIST, INDENTED_CODE = 6, 4

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
_SURROGATE = re.compile("[\ud800-\udfff]")
_FENCE = re.compile(
    r"(?P<indent>[ \t]*)(?P<quotes>(?:>[ \t]?)*)(?P<item>(?:[-*+]|\d{1,9}[.)])[ \t]+)?"
    r"(?:(?P<ticks>`{3,})(?P<info>[^`]*)|(?P<tildes>~{3,})(?P<other>.*))$"
)
_ITEM = re.compile(r"(?P<mark>[-*+]|\d{1,9}[.)])(?:\s+(?P<text>.*))?$")
_HEADING = re.compile(r"#{1,6}(?:\s+(?P<text>\S.*)?)?$")
_CLOSING = re.compile(r"(?:^|(?<=\s))#+$")
_RULE = re.compile(r"([-*_])[ \t]*(?:\1[ \t]*){2,}$")
_UNDECIDED = re.compile(r"\s*(?:[-*+>#`~|$\\=_!\[]+|\d{1,9}[.)])\s*$|\s*(?:`{3,}|~{3,})[^`\r\n]*$")
_LATEX = {"latex", "tex", "math", "katex"}
_TASK = {"[ ] ": "☐ ", "[x] ": "☑ ", "[X] ": "☑ "}


@lru_cache(maxsize=64)
def parts(text: str, *, finished: bool = True) -> tuple[Part, ...]:
    """A reply as parts to show below each other.

    Args:
        finished: A reply that is still being written may end within a block or a word of markup; that is closed, or
            held back until it is decided.
    """
    if not text.isascii():
        text = _SURROGATE.sub("\ufffd", text)
    if _is_too_rich(text):
        return (Part(kind="plain", text=text),)
    writer = _Writer(_LINE.findall(text), finished)
    found = merged(writer.written())
    return found if len(found) <= MOST_PARTS else (Part(kind="plain", text=text),)


def _is_too_rich(text: str) -> bool:
    return (
        len(text) > MOST_CHARACTERS
        or text.count("\n") + text.count("\r") > MOST_LINES
        or sum(map(text.count, "*_`~[|$\\>")) > MOST_MARKS
        or text.count("$") + text.count("\\(") + text.count("\\[") + text.count("\\begin") > MOST_FORMULAS
    )


@dataclass(kw_only=True)
class _Item:
    """An open item of a list: where its mark stands in the reply, and where its text begins in what is written."""

    indent: int
    column: int


class _Writer:
    """Goes through the lines once. `out` is the prose since the last part; `can_follow` says that its last line is
    text, which the next line continues."""

    def __init__(self, lines: list[str], finished: bool) -> None:
        self.lines = lines
        self.finished = finished
        self.place = 0
        self.parts: list[Part] = []
        self.out: list[str] = []
        self.size = 0
        self.items: list[_Item] = []
        self.quotes = 0
        self.can_follow = False
        self.after_blank = True

    def written(self) -> tuple[Part, ...]:
        if not self.finished and self.lines and _UNDECIDED.match(self.lines[-1]):
            self.lines = self.lines[:-1]
        while self.place < len(self.lines):
            self._block()
        self._end_prose()
        return tuple(self.parts)

    def _line(self, place: int) -> str:
        return self.lines[place].rstrip("\r\n").expandtabs(4) if place < len(self.lines) else ""

    def _block(self) -> None:
        raw = self.lines[self.place].rstrip("\r\n")
        fence = _FENCE.match(raw)
        if fence:
            self._fence(fence)
            return
        quotes, indent, content = unquoted(self._line(self.place))
        if quotes != self.quotes:
            self._gap()
            self.quotes, self.items = quotes, []
        if not content:
            self._blank()
        elif indent >= INDENTED_CODE and self.after_blank and not self.items and not quotes:
            self._indented_code()
        else:
            self._prose(indent, content)

    def _blank(self) -> None:
        self.place += 1
        self._gap()
        if self.size > LONG_ENOUGH and not self.items and not self.quotes:
            self._end_prose()

    def _prose(self, indent: int, content: str) -> None:
        if _RULE.match(content):
            self._alone("---")
        elif heading := _HEADING.match(content):
            words = _CLOSING.sub("", re.sub(r"\*\*|__", "", heading["text"] or "").rstrip()).rstrip()
            self._alone(f"**{inert_line(words)}**" if words else "")
        elif item := _ITEM.match(content):
            self._item(indent, item["mark"], item["text"] or "")
        elif not (self._table(indent, content) or self._formula(indent, content)):
            self._leave_items(indent)
            self._text(content)

    def _alone(self, text: str) -> None:
        """A line between two gaps, outside all lists."""
        self.place += 1
        self.items = []
        self._gap()
        self._emit(text)
        self._gap()

    def _item(self, indent: int, mark: str, text: str) -> None:
        if self.can_follow and not (self.items and text):
            self._gap()
        while self.items and indent <= self.items[-1].indent + 1:
            self.items.pop()
        del self.items[DEEPEST_LIST:]
        mark = f"{mark} " if mark[0].isdigit() else "- "
        column = self.items[-1].column if self.items else 0
        for task, box in _TASK.items():
            text = box + text.removeprefix(task) if text.startswith(task) else text
        self.can_follow = False
        self.items.append(_Item(indent=indent, column=column))
        self._text(text, mark)
        self.items[-1].column = column + len(mark)

    def _leave_items(self, indent: int) -> None:
        while self.after_blank and self.items and indent <= self.items[-1].indent:
            self.items.pop()

    def _text(self, content: str, mark: str = "") -> None:
        """A line of text. It stays a line of its own; a formula that begins at its end is left for the next."""
        self.place += 1
        for opening in OPENS_FORMULA:
            if opening != content.strip() and content.endswith(opening) and content.count(opening) % 2:
                content = content.removesuffix(opening).rstrip()
                self.place -= 1
                self.lines[self.place] = " " * (self.items[-1].indent + 2 if self.items else 0) + opening + "\n"
                break
        if not self.finished and self.place >= len(self.lines):
            content = closed_line(content)
        if self.can_follow and self.out:
            self.out[-1] += "\\"
        self._emit(mark + guarded_line(content))
        self.can_follow = bool(content)

    def _table(self, indent: int, content: str) -> bool:
        head, below = cells(content), unquoted(self._line(self.place + 1))[2]
        begins = not self.finished and self.place + 1 >= len(self.lines) and content.startswith("|") and len(head) > 1
        if "|" not in content or not (begins or is_delimiter(below, len(head))):
            return False
        end = self.place + 2
        while end < len(self.lines) and "|" in self.lines[end] and end - self.place < MOST_ROWS:
            end += 1
        if len(head) > MOST_COLUMNS or end - self.place >= MOST_ROWS:
            return False
        self._leave_items(indent)
        self._gap()
        self._emit(row(head))
        self._emit(delimiter(below, len(head)))
        for place in range(self.place + 2, end):
            self._emit(row(fitted(cells(unquoted(self._line(place))[2]), len(head))))
        self._gap()
        self.place = end
        return True

    def _formula(self, indent: int, content: str) -> bool:
        """A formula on lines of its own; as code while it is being written, and where it is not harmless."""
        closing, body = opened_formula(content)
        if not closing:
            return False
        place = self.place
        while closing not in body and place + 1 < len(self.lines) and place - self.place < MOST_FORMULA_LINES:
            place += 1
            body += "\n" + unquoted(self._line(place))[2]
        formula, found, rest = body.partition(closing)
        is_open = not found and not self.finished and place + 1 == len(self.lines)
        if not (found or is_open) or (place == self.place and rest.strip(" .,;:")):
            return False
        self._leave_items(indent)
        self.place = place + 1
        if closing.startswith("\\end"):
            formula += found
        if rest and not rest.strip(" .,;:"):
            formula, rest = formula.rstrip() + rest.strip(), ""
        if is_open:
            self._code(body.strip("\n"), "latex")
        else:
            self._show_formula(formula)
        if rest:
            self.place -= 1
            self.lines[self.place] = rest
        return True

    def _show_formula(self, text: str) -> None:
        lines = [line.strip() for line in text.split("\n") if line.strip()]
        if not lines or not is_harmless_latex(text):
            self._code(text.strip("\n"), "latex")
            return
        self._gap()
        for line in ("$$", *lines, "$$"):
            self._emit(line)
        self._gap()

    def _fence(self, fence: re.Match[str]) -> None:
        run, quotes = fence["ticks"] or fence["tildes"], fence["quotes"].count(">")
        closing = re.compile(rf"[ \t]*{re.escape(run[0])}{{{len(run)},}}[ \t]*$")
        indent = len(fence["indent"]) if not quotes else 0
        if fence["item"]:
            self._item(indent, fence["item"].strip(), "")
            self.place -= 1
            indent += len(fence["item"])
        self.place += 1
        body: list[str] = []
        while self.place < len(self.lines):
            line = within_fence(self.lines[self.place], indent, quotes)
            if line is None:
                break
            self.place += 1
            if closing.match(line.rstrip("\r\n")):
                break
            body.append(line)
        language = (fence["info"] or fence["other"] or "").strip().partition(" ")[0].lower()
        self._fenced("".join(body), language)

    def _fenced(self, text: str, language: str) -> None:
        inner = text.strip()
        for opening, closing in OPENS_FORMULA.items():
            if inner.startswith(opening) and inner.endswith(closing) and len(inner) > len(opening + closing):
                inner = inner[len(opening) : -len(closing)]
        if language in _LATEX and (self.finished or self.place < len(self.lines)) and is_harmless_latex(inner):
            self._show_formula(inner)
        else:
            self._code(re.sub(r"(?:\r\n|\r|\n)\Z", "", text), language)

    def _indented_code(self) -> None:
        body: list[str] = []
        while self.place < len(self.lines):
            line = self.lines[self.place].expandtabs(4)
            if line.strip() and len(line) - len(line.lstrip()) < INDENTED_CODE:
                break
            body.append(line[INDENTED_CODE:] if line.strip() else "\n")
            self.place += 1
        self._code("".join(body).rstrip(), "")

    def _code(self, text: str, language: str) -> None:
        self._end_prose()
        for item in self.items:
            item.column = 0
        named = re.fullmatch(r"[\w+#.-]{1,20}", language, re.ASCII)
        self.parts.append(Part(kind="code", text=text, language=language if named else ""))

    def _emit(self, text: str) -> None:
        column = self.items[-1].column if self.items else 0
        self.out.append(f"{'> ' * self.quotes}{' ' * column}{text}")
        self.size += len(self.out[-1])
        self.can_follow = self.after_blank = False

    def _gap(self) -> None:
        if self.out and self.out[-1].strip(" >"):
            self.out.append(("> " * self.quotes).rstrip())
        self.can_follow, self.after_blank = False, True

    def _end_prose(self) -> None:
        if text := "\n".join(self.out).strip("\n"):
            self.parts.append(Part(kind="prose", text=text))
        self.out, self.size, self.can_follow, self.after_blank = [], 0, False, True
