"""One line of a model's reply: emphasis, code and formulas stay, everything else becomes text.

Streamlit also looks for emoji, icons and addresses in text that Markdown has read already, so escaping is not enough
for those: addresses stand as code, and a word joiner parts what would be a short code.
"""

import re
from functools import lru_cache

_ENTITIES = {ord(each): f"&#{ord(each)};" for each in "\\`*_{}[]<>#|~$!&:^@"}
WORD_JOINER = "\u2060"

MOST_MARKS, LONGEST_LINE, DEEPEST = 200, 5_000, 4
"""Lines beyond these are shown without emphasis, formulas and code: to find their pairs would take too long."""
LONGEST_FORMULA = 2_000

OPENS_FORMULA = {"$$": "$$", "\\[": "\\]"}
_ENVIRONMENT = re.compile(r"\\begin\{((?:equation|align|gather|alignat|cases|[pbvBV]?matrix|array)\*?)\}")
_MARKS = re.compile(r"[*_~`$\[\\]")
_TOKEN = re.compile(
    r"(?<!`)(?P<ticks>`+)(?!`)(?P<code>.{1,1000}?)(?<!`)(?P=ticks)(?!`)"
    r"|\$\$(?P<dollars>[^$]{1,2000}?)\$\$|\\\((?P<round>.{1,2000}?)\\\)|\\\[(?P<square>.{1,2000}?)\\\]"
    r"|(?<![\w$])\$(?P<dollar>[^\s$](?:[^$]{0,500}?[^\s$\\])?)\$(?![\w$])"
    r"|\\(?P<escaped>[!-/:-@\[-`{-~])"
    r"|(?P<picture>!?)\[(?P<label>[^\[\]]{0,500})\]\(\s*<?(?P<address>[^()\s<>]{1,2000}(?:\([^()\s<>]{0,200}\))?)>?"
    r"(?P<title>\s+(?:\"[^\"]{0,300}\"|'[^']{0,300}'))?\s*\)"
    r"|(?P<strong>\*\*\*?|~~)(?![\s*~])(?P<loud>.{1,2000}?)(?<![\s\\*~])(?P=strong)(?![*~])"
    r"|(?<![\w*_])(?P<mark>\*|_{1,3})(?![\s*_])(?P<soft>.{1,2000}?)(?<![\s\\*_])(?P=mark)(?![\w*_])"
)
_ADDRESS = re.compile(r"(?:https?|ftp)://[^\s<>`]+|www\.[^\s<>`]*|[\w.+-]{1,64}@[\w-]+(?:\.[\w-]+)+", re.IGNORECASE)
_AFTER_AN_ADDRESS = ".,;:!?'\")]}*_~"
_SHORTCODE = re.compile(r":(?=[\w+-]+:)")
_REORDERING = re.compile("[\u202a-\u202e\u2066-\u2069]")
_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff]")
_REFUSED_LATEX = re.compile(
    r"\\(?:href|url|includegraphics|html\w*|[egx]?def|let|futurelet|(?:re|provide)?newcommand|renewcommand|global|long|rule"
    r"|m?kern|raisebox|[rl]lap|math[rl]lap|smash|begingroup|csname|expandafter|noexpand|char|document\w*|usepackage|section"
    r"|subsection|item|label|ref|cite)(?![A-Za-z])|\d{3,}(?:\.\d*)?\s*(?:em|ex|pt|cm|mm|in|px|mu|bp|pc|dd|cc|sp)\b"
    r"|(?<!\\)\\[()\[\]]|(?<!\\)#|`|[_^]\s*$|\{document\}|\{itemize\}|\{enumerate\}|\{tabular\}|\{{30}"
)
_WOULD_BE_A_BLOCK = re.compile(r"(?:[-+](?=\s|$)|[-=]+\s*$|\d{1,9}(?=[.)](?:\s|$)))")
_SENTENCE = re.compile(r"(?:^|\s)[A-Za-z]{2,}[,.]?\s+[A-Za-z]{2,}")


def inert_line(text: str, *, cell: bool = False) -> str:
    """A line of a model's reply: emphasis, code and formulas stay; links, images, directives and HTML become text.

    Args:
        cell: The line is a cell of a table, whose bars are taken for its borders.
    """
    isolated = bool(_RIGHT_TO_LEFT.search(text))
    shown = _inline(_REORDERING.sub(lambda it: f"U+{ord(it[0]):04X}", text), cell, 0)
    return f"\u2068{shown}\u2069" if isolated else shown


@lru_cache(maxsize=4096)
def _inline(text: str, cell: bool, depth: int) -> str:
    if depth > DEEPEST or len(text) > LONGEST_LINE or len(_MARKS.findall(text)) > MOST_MARKS:
        return _plain(text, cell)
    pieces: list[str] = []
    waiting, position = "", 0
    for token in _TOKEN.finditer(text):
        waiting += text[position : token.start()]
        position = token.end()
        if token["escaped"]:
            waiting += token["escaped"]
        else:
            pieces += [_plain(waiting, cell), _active(token, cell, depth)]
            waiting = ""
    return _joined([*pieces, _plain(waiting + text[position:], cell)])


def _active(token: re.Match[str], cell: bool, depth: int) -> str:
    """What one piece of markup becomes."""
    if token["code"]:
        return code_span(token["code"], cell=cell)
    if token["address"]:
        title = _plain(token["title"] or "", cell)
        image = "Image&#58; " if token["picture"] else ""
        return f"{image}{_inline(token['label'], cell, depth + 1)} ({code_span(token['address'], cell=cell)}{title})"
    if mark := token["strong"] or token["mark"]:
        inner, (start, end) = token["loud"] or token["soft"], token.span()
        if ":" in (inner[0], inner[-1], token.string[start - 1 : start], token.string[end : end + 1]):
            mark = mark.replace("_", "*")  # :_words_: would be looked up as a short code
        return f"{mark}{_inline(inner, cell, depth + 1)}{mark}"
    formula = (token["dollars"] or token["round"] or token["square"] or token["dollar"]).strip()
    if (token["dollar"] and _is_money(formula)) or not formula:
        return _plain(token[0], cell)
    if not is_harmless_latex(formula):
        return code_span(token[0], cell=cell)
    return f"$${formula.replace('|', chr(92) + 'vert ') if cell else formula}$$"


def _is_money(formula: str) -> bool:
    """Between two single dollars: rather a sentence than mathematics."""
    return not re.search(r"[\\^_={}]", formula) and bool(_SENTENCE.search(formula))


def is_harmless_latex(text: str) -> bool:
    """No address, no definition, nothing that is drawn outside its place, and short enough to be drawn at once."""
    return (
        len(text) <= LONGEST_FORMULA
        and "$" not in text
        and _REFUSED_LATEX.search(text) is None
        and _REORDERING.search(text) is None
        and text.count("{") == text.count("}")
        and ("&" not in text.replace("\\&", "") or "\\begin" in text)
    )


def opened_formula(content: str) -> tuple[str, str]:
    """The mark that will end the formula with which a line begins, and what follows; ("", "") for another line."""
    for opening, closing in OPENS_FORMULA.items():
        if content.startswith(opening):
            return closing, content.removeprefix(opening)
    environment = _ENVIRONMENT.match(content)
    return (f"\\end{{{environment[1]}}}", content) if environment else ("", "")


def code_span(text: str, *, cell: bool = False) -> str:
    """Shown letter by letter; the text ends no earlier than it should."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    edge = " " if text[:1] in "` " or text[-1:] in "` " else ""
    text = text.replace(":material/", f":{WORD_JOINER}material/")
    fence = "`" * (longest + 1)
    return f"{fence}{edge}{text.replace('|', chr(92) + '|') if cell else text}{edge}{fence}"


def _plain(text: str, cell: bool) -> str:
    """Text without any markup; addresses stand as code, since Markdown would make links of them."""
    pieces: list[str] = []
    position = 0
    for found in _ADDRESS.finditer(text):
        address = found[0].rstrip(_AFTER_AN_ADDRESS) or found[0]
        pieces += [_escaped(text[position : found.start()]), code_span(address, cell=cell)]
        position = found.start() + len(address)
    return _joined([*pieces, _escaped(text[position:])])


def _joined(pieces: list[str]) -> str:
    """Two neighbours in code, or two formulas, keep their own signs."""
    text = ""
    for piece in pieces:
        text += f"{WORD_JOINER}{piece}" if text[-1:] in ("`", "$") and piece.startswith(text[-1:]) else piece
    return text


def _escaped(text: str) -> str:
    return _SHORTCODE.sub(f":{WORD_JOINER}", text).translate(_ENTITIES)


def closed_line(content: str) -> str:
    """The last line of a reply that is being written: what is open is closed, or left out until it is closed."""
    for opening, closing in (("$$", "$$"), ("\\(", "\\)"), ("\\[", "\\]")):
        head, found, tail = content.rpartition(opening)
        if found and closing not in tail and (opening != closing or content.count(opening) % 2):
            content = head
    content = content.removesuffix("\\")
    if content.count("`") % 2:
        return content[:-1] if content.endswith("`") else f"{content}`"
    if content.count("**") % 2:
        return content.removesuffix("**") if content.endswith("**") else f"{content.rstrip(' *')}**"
    return content


def guarded_line(content: str) -> str:
    """Text that does not begin a list or a heading, whatever its first signs are."""
    found = _WOULD_BE_A_BLOCK.match(content)
    if not found:
        return inert_line(content)
    digits = re.match(r"\d*", content)[0]  # type: ignore[index]
    rest = content[len(digits) :]
    return f"{digits}\\{rest[0]}{inert_line(rest[1:])}"
