"""The visible answer: what a model says after it has thought. Every grader reads this, and nothing else."""

import re
import unicodedata
from dataclasses import dataclass

_TAG = r"(?:think|thinking|thought|thoughts|reasoning|reflection|seed:think|\|begin_of_thought\||\|begin_of_thinking\|)"
_OPENING = (
    rf"<{_TAG}>|\[THINK\]|◁think▷|<unused94>(?:thought)?"
    r"|(?:<\|start\|>assistant)?<\|channel\|>\s*(?:analysis|commentary|thought)[^<\n]{0,80}(?:<\|message\|>|\n)"
    r"|<\|channel>\s*(?:thought|analysis)\b|\Aanalysis(?=.*assistantfinal)"
)
_CLOSING = (
    rf"</{_TAG}>|<\|end_of_(?:thought|thinking)\|>|\[/THINK\]|◁/think▷|<unused95>|<channel\|>|assistantfinal"
    r"|(?:<\|start\|>assistant)?<\|channel\|>\s*final[^<\n]{0,80}<\|message\|>"
)
_DROPPED = r"<\|(?:end|return|start)\|>(?:assistant)?|</?(?:final_)?answer>"
_MARK = re.compile(
    rf"(?P<opening>{_OPENING})|(?P<closing>{_CLOSING})|(?P<dropped>{_DROPPED})", re.IGNORECASE | re.DOTALL
)
_BARE_CLOSING = "assistantfinal"
"""What is left of a channel's marks where a tokenizer drops special tokens; a mark only after its opening one."""

_LONGEST_INDENT = 40
_SURROGATE = re.compile("[\ud800-\udfff]")
_MAY_HAVE_MARKS = re.compile(r"[<◁]|\[/?THINK|assistantfinal", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Visible:
    """An answer in two parts, both in Unicode's composed form (NFC).

    Attributes:
        answer: What a person is shown; what is graded.
        thinking: The traces before it or within it, without their marks; "" where there are none.
    """

    answer: str
    thinking: str = ""


def visible(text: str) -> Visible:
    """Part an answer from its thinking traces, by the marks that models use for them.

    A trace that is never closed, as in a truncated reply, goes to the end; one that the prompt opened has its closing
    mark alone, and goes from the start. An opening mark within a line counts only where a closing one follows.
    """
    composed = _composed(text)
    if not _MAY_HAVE_MARKS.search(composed):
        return Visible(answer=composed)
    return _parted(composed)


def _composed(text: str) -> str:
    """NFC; half a surrogate pair, which no encoder takes, becomes a question mark."""
    if text.isascii():
        return text
    return unicodedata.normalize("NFC", _SURROGATE.sub("?", text))


def _parted(text: str) -> Visible:
    marks = list(_MARK.finditer(text))
    if not marks:
        return Visible(answer=text)
    last_close = max((mark.end() for mark in marks if mark["closing"]), default=0)
    shown: list[str] = []
    hidden: list[str] = []
    position, thinking = 0, False
    for mark in marks:
        before = text[position : mark.start()]
        if mark["opening"]:
            if not (thinking or mark.end() <= last_close or _ends_on_a_new_line([*shown[-2:], before])):
                continue
            _keep(before, hidden if thinking else shown)
            thinking = True
        elif mark["closing"]:
            if not thinking and mark[0].lower() == _BARE_CLOSING:
                continue
            hidden.extend([before] if thinking else [*shown, before])
            shown, thinking = (shown, False) if thinking else ([], False)
        else:
            _keep(before, hidden if thinking else shown)
        position = mark.end()
    _keep(text[position:], hidden if thinking else shown)
    return Visible(answer="".join(shown).strip(), thinking="\n".join(map(str.strip, hidden)).strip())


def _keep(piece: str, pieces: list[str]) -> None:
    if piece:
        pieces.append(piece)


def _ends_on_a_new_line(pieces: list[str]) -> bool:
    """Whether nothing but spaces stands on the last line so far."""
    end = "".join(piece[-_LONGEST_INDENT:] for piece in pieces)
    return not end.rpartition("\n")[2].strip()
