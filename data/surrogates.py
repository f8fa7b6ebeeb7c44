"""Half characters: JSON can name one half of a surrogate pair alone (`\\ud83d`), which no UTF-8 text can hold."""

import re

_SURROGATE = re.compile("[\ud800-\udfff]")


def lone_surrogate(text: str) -> str | None:
    """The first lone surrogate as JSON writes it, such as `\\ud83d`; None where every character is whole."""
    found = _SURROGATE.search(text)
    return f"\\u{ord(found[0]):04x}" if found else None


def whole_characters(text: str) -> str:
    """The text with U+FFFD, the replacement character, for every lone surrogate."""
    return _SURROGATE.sub("\ufffd", text)
