"""Numbers' typography made plain: other scripts' digits and signs, LaTeX, emphasis, number words.

What comes out is for `numerals` alone: a text of the same statements in which every number is written in one alphabet.
"""

import re
import unicodedata

THIN = "\u202f"
"""Every thin, figure or no-break space: between digits it groups, elsewhere it is a space."""

WORD, WORD_END = "\ue010", "\ue011"
"""Around a number that was written in words: "\ue01042\ue011"."""

_SAME = {
    "-": "−‐‑‒–﹣－➖",
    THIN: "\u00a0\u2007\u2008\u2009\u200a\u202f\u205f",
    " ": "\u3000",
    "'": "’‘ʼ＇",
    "×": "✕✖⨯∙⋅·",
    "/": "⁄∕／",
    ",": "，٬",
    ".": "．٫",
    ". ": "。｡",
    ": ": "：",
    "(": "（",
    ")": "）",
    "%": "％٪﹪",
    "$": "＄﹩",
    "=": "＝",
    "+": "＋﹢",
    "~": "～",
    "": "\u200b\u200c\u200d\u200e\u200f\u2060\ufeff\ufe0e\ufe0f\u20e3",
}
_SMALL_DIGITS = re.compile("[⁰¹²³⁴-⁹⁺⁻¼-¾⅐-⅞]")
_SUPERSCRIPT = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻]+")
_MIXED = re.compile("(?<=\\d)(?=[¼-¾⅐-⅞])")
_TOUCHING = re.compile(
    "(?<=[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af])(?=-?[A-Za-z])"
)
"""Between a script without spaces and a Latin word."""

_CALCULATOR = re.compile(r"<<[^<>\n]*>>(?=\s*[-$]?[\d.])")
"""GSM8K's notes before a result: "6 * 7 = <<6*7=42>>42"."""

_RUN_OF_SPACES = re.compile(r"[^\S\n]{2,}")
_ASCII_DIGITS = "0123456789"
_HIDDEN_DIGITS = "\ue000\ue001\ue002\ue003\ue004\ue005\ue006\ue007\ue008\ue009"
_HIDE = str.maketrans(_ASCII_DIGITS, _HIDDEN_DIGITS)
_REVEAL = str.maketrans(_HIDDEN_DIGITS, _ASCII_DIGITS)
_SPELLED = re.compile(
    r"\b(?:zero|one|two|three|five|six|seven|eight|nine|ten|eleven|twelve|(?:thir|fif)teen|four|twenty|thirty|fort|"
    r"fift|hundred|thousand|[mb]illion)",
    re.IGNORECASE,
)
_COMMA_WITHIN = re.compile(r"\b(thousand|[mb]illion),(?=\s+(?:[a-z]+[\s-]+){1,4}(?:hundred|thousand)\b)", re.IGNORECASE)
_FOUND_WORD = re.compile(r"-?\d+(?:\.\d+)?")
_IN_DIGITS_TOO = re.compile(rf"{WORD}(-?[\d.]+){WORD_END}\s*\(\s*\1\s*\)")
_AND_A_HALF = re.compile(rf"{WORD}?\b(\d{{1,3}}){WORD_END}?\s+and\s+an?\s+half\s+{WORD}(10{{2,}}){WORD_END}")


class _Table(dict[int, str]):
    """Translations of single characters, worked out when first met."""

    def __missing__(self, code: int) -> str:
        self[code] = plain = _plain_character(chr(code))
        return plain


def _plain_character(character: str) -> str:
    if character.isascii():
        return character
    if (digit := unicodedata.decimal(character, None)) is not None:
        return str(digit)
    decomposed = unicodedata.decomposition(character)
    if decomposed.startswith("<fraction>"):
        return unicodedata.normalize("NFKC", character).replace("⁄", "/")
    return character


_TABLE = _Table({ord(each): plain for plain, all_of_them in _SAME.items() for each in all_of_them})


def plain(text: str) -> str:
    """The text with its numbers in ASCII and LaTeX's writing undone; commands that remain are mathematics."""
    if not text.isascii():
        text = _TOUCHING.sub(" ", _exponents_and_fractions(text).translate(_TABLE))
    if "\\" in text or "{" in text:
        text = _without_latex(text)
    if "<<" in text:
        text = _CALCULATOR.sub("", text)
    if "*" in text:
        text = _without_emphasis(text)
    if "   " in text or "\t\t" in text:
        text = _RUN_OF_SPACES.sub(" ", text)
    return _with_digits(text) if _SPELLED.search(text) else text


def _exponents_and_fractions(text: str) -> str:
    if not _SMALL_DIGITS.search(text):
        return text
    text = _SUPERSCRIPT.sub(lambda found: "^" + unicodedata.normalize("NFKC", found[0]), text)
    return _MIXED.sub(" ", text)


_LATEX = [
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"(?<=\d)(?:\\[,;:! ]|\{,\})(?=\d{3})", ","),
        (r"\\(?:left|right|displaystyle|[bB]igg?[lr]?)(?![A-Za-z])|\\[,;:!]", " "),
        (r"\\[()\[\]]|\\\\|\\\s", " "),
        (r"\\(?:text|mathrm|mathbf|textbf|textit|mathit|operatorname|mbox|underline|emph)\s*\{([^{}]*)\}", r" \1 "),
        (r"\\([%$&#_])", r"\1"),
        (r"\^\s*\{?\\circ\}?|\\degree", "°"),
        (r"\\(?:times|cdot|ast)(?![A-Za-z])", "×"),
        (r"\\(?:approx|simeq|sim)(?![A-Za-z])", "≈"),
        (r"\\div(?![A-Za-z])", "÷"),
        (r"\^\s*\{\s*([-+]?\d+)\s*\}", r"^\1"),
        (
            r"(-?)\s*\\[dtc]?frac\s*(?:\{\s*(-?[\d.,]+)\s*\}|(\d))\s*(?:\{\s*([\d.,]+)\s*\}|(\d))",
            r" \1\2\3/\4\5",
        ),
    )
]


def _without_latex(text: str) -> str:
    for pattern, replacement in _LATEX:
        text = pattern.sub(replacement, text)
    return text if "\\" in text else text.replace("{", " ").replace("}", " ")


def _without_emphasis(text: str) -> str:
    text = re.sub(r"(?<=\d)\*\*(?=\d)", "^", text)
    text = re.sub(r"(?<=[\d)])[ ]?\*[ ]?(?=[\d(])", " × ", text)
    return re.sub(r"(?<=[-+$€£])\*+(?=[\d.$€£])", "", text).replace("*", " ")


def _with_digits(text: str) -> str:
    """Number words as marked digits: "forty-two" is 42, between WORD and WORD_END."""
    from text_to_num import alpha2digit

    spelled = alpha2digit(_COMMA_WITHIN.sub(r"\1", text.translate(_HIDE)), "en", threshold=0)
    marked = _FOUND_WORD.sub(rf"{WORD}\g<0>{WORD_END}", spelled).translate(_REVEAL)
    return _IN_DIGITS_TOO.sub(r"\1", _AND_A_HALF.sub(_with_half, marked))


def _with_half(found: re.Match[str]) -> str:
    return f"{WORD}{(float(found[1]) + 0.5) * float(found[2]):.0f}{WORD_END}"
