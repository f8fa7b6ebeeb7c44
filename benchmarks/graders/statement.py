"""Where an answer is stated: in a box, after "the answer is", in a correction; and where it has ended."""

import re
from collections import deque

_STATED = re.compile(
    r"\b(?:answers?|ans(?=\W)|final (?:result|value|total|number)|correct (?:option|choice|letter|one))\b"
    r"(?:\s+(?:to|of|for)\b[^.:=\n]{1,60}?)?"
    r"(?:\s+(?:is|was|are|would be|should be|must be|will be|equals)(?=\W)|\s*[:=])+"
    r"|\b(?:the|my|final|our) answer,\s+(?=[^\s,]{1,14},)"
    r"|答案\s*(?:应该|應該)?(?:就)?(?:是|为|為|:|：)|答え\s*(?:は|:|：)|정답\s*(?:은|는|:|：)|####"
    r"|\b(?:antwort|r[ée]ponse|respuesta|risposta|resposta|ответ)\b(?:\s+(?:ist|est|es|è|é|lautet)\b|\s*:)+",
    re.IGNORECASE,
)
_BOX = re.compile(r"\\(?:boxed|fbox)\s*\{")
_CORRECTION = re.compile(
    r"(?:^|[.,;:!?…(\n–—-])\s*(?:oh|hmm|but|no|or)?,?\s*"
    r"(?P<by>wait\b|actually,|no(?=\s*[,:;.!–—-])|correction\b|scratch that|sorry\b|oops\b|i mean\b|rather\b|"
    r"make that\b)",
    re.IGNORECASE | re.MULTILINE,
)
_STATING = "ans final correct 答 정답 #### antwort ponse respuesta risposta resposta ответ".split()
_CORRECTING = "wait actually, correction scratch sorry oops mean rather".split()
_CORRECTING += ["make that", "no,", "no:", "no;", "no.", "no!", "no ", "no–", "no—"]
_EXPLAINING = "because explanation reason note check verif why proof source refer date just confi here hope".split()
_EXPLAINING += ["let me", "example"]
_AFTERWARDS = re.compile(
    r"^[ \t>#*_-]*(?:explanation|reasoning|reason|notes?|check|verification|why|proof|sources?|references?|"
    r"date|updated|justification|confidence)\b[^\n]{0,20}?[:.]"
    r"|(?<=[.!?,;]\s)(?:check|checking|verification|explanation|proof|notes?|reason)\s*:"
    r"|(?:^|(?<=[.!?]\s))(?:this is because|that is because|because|here(?:'s| is) (?:why|how)|let me explain|"
    r"note that|for example|i hope)\b"
    r"|(?:^|(?<=[.!?]\s))(?:(?:now,? )?(?:let's|let us|let me|we can|you can|to) )?"
    r"(?:double[- ])?(?:check|verify|confirm)"
    r"(?:\s*:| (?:this|by|that|(?:the|our|my|your) (?:answer|solution|result|work))\b)"
    r"(?!.{0,800}\b(?:but|however|wrong|incorrect|mistake|not|doesn't|therefore|thus|hence|so)\b)",
    re.IGNORECASE | re.MULTILINE | re.DOTALL,
)


def _last_of(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    last = deque(pattern.finditer(text), maxlen=1)
    return last[0] if last else None


def boxed(text: str) -> str | None:
    r"""What the last `\boxed{…}` holds; to the line's end where it was cut off."""
    if "boxed" not in text and "fbox" not in text:
        return None
    if (box := _last_of(_BOX, text)) is None:
        return None
    depth = 1
    for brace in re.compile(r"(?<!\\)[{}]").finditer(text, box.end()):
        depth += 1 if brace[0] == "{" else -1
        if depth == 0:
            return text[box.end() : brace.start()]
    return text[box.end() :].partition("\n")[0]


def stated(text: str) -> tuple[str, str] | None:
    """What stands before the last "the answer is" and what follows; None where nothing states the answer so."""
    mark = _last_of(_STATED, text) if _has_any(_STATING, text) else None
    return None if mark is None else (text[: mark.start()], text[mark.end() :])


def corrections(text: str, *, no: bool = True) -> list[str]:
    """What follows each "wait, no:", the last first.

    Args:
        no: Whether "no" alone is one; not where it may be the answer.
    """
    if not _has_any(_CORRECTING, text):
        return []
    marks = [mark for mark in _CORRECTION.finditer(text) if no or mark["by"].lower() != "no"]
    return [text[mark.end() :] for mark in reversed(marks)]


def without_afterthoughts(text: str) -> list[str]:
    """The text up to each "Explanation:" or "This is because", the shortest first."""
    if not _has_any(_EXPLAINING, text):
        return []
    return [text[: mark.start()] for mark in _AFTERWARDS.finditer(text) if mark.start()]


def _has_any(words: list[str], text: str) -> bool:
    """Whether one of the words is there at all: most texts have none, and finding that out is cheap."""
    lowered = text.lower()
    for word in words:  # noqa: SIM110 (takes half of any()'s time, and every answer comes by)
        if word in lowered:
            return True
    return False


def unwrapped(text: str) -> str:
    r"""Text within `\text{…}` and the like, without the command."""
    return re.sub(r"\\(?:text|mathrm|mathbf|textbf|textit|mbox)\s*\{([^{}]*)\}", r"\1", text).strip(" $")
