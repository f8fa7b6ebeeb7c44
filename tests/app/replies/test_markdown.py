import html
import re
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.replies.markdown import MOST_CHARACTERS, MOST_PARTS, parts
from tests.app.replies.hostile import FENCE, HALF_OPEN, HOSTILE

KEPT = re.compile(r"(?<!`)(`+)(?!`).+?(?<!`)\1(?!`)|\$\$[^$]+\$\$")
"""Code and formulas: whichever comes first."""
FENCED = re.compile(r"^(`{3,})\w*\n.*?^\1$", re.MULTILINE | re.DOTALL)
DELIMITER_ROW = re.compile(r"^[ >]*\|(?: :?-+:? \|)+$", re.MULTILINE)
FOUND_IN_TEXT = re.compile(r":[A-Za-z0-9_+-]+:|https?://[-.\w]|www\.|[\w.+-]+@[\w-]+\.\w", re.IGNORECASE)


def markdown(text: str, *, finished: bool = True) -> str:
    """All of a reply that is given to Markdown."""
    return "\n\n".join(part.text for part in parts(text, finished=finished) if part.kind == "prose")


def assert_inert(shown: str) -> None:
    """Beside code and formulas, no sign of a link, a tag or a directive, nor what is looked for in text afterwards."""
    shown = FENCED.sub("", shown)
    text = DELIMITER_ROW.sub("", KEPT.sub("\0", shown))
    signs = re.sub(r"&#\d+;", "", text)
    assert set(signs) & set("[]<!:@&^{}$`") == set(), shown
    assert not any(FOUND_IN_TEXT.search(html.unescape(piece)) for piece in text.split("\0")), shown
    assert not re.search("[\u202a-\u202e\u2066\u2067]", shown)
    for formula in (kept[0] for kept in KEPT.finditer(shown) if not kept[1]):
        assert not re.search(r"\\(href|url|include|html|def|newcommand|rule|kern|raisebox)|\d{3}em", formula)


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_reply_is_text_at_once_and_on_the_way(text: str) -> None:
    parts.cache_clear()
    started = time.perf_counter()
    found = parts(text)
    assert time.perf_counter() - started < 0.2
    assert len(found) <= MOST_PARTS
    assert_inert(markdown(text))
    for end in range(0, min(len(text), 400), 3):
        assert_inert(markdown(text[:end], finished=False))
    assert not {part.language for part in found} - {"", "latex", "mermaid"}


@pytest.mark.parametrize("text", HALF_OPEN)
@pytest.mark.parametrize("before", ["", "Some **words** first.\n\n"])
def test_what_is_half_open_is_closed_or_held_back_while_it_is_written(before: str, text: str) -> None:
    for whole in (before + text, f"{before}So {text}" if "\n" not in text else text):
        shown = markdown(whole, finished=False)
        assert_inert(shown)
        assert shown.count(FENCE) % 2 == shown.count("**") % 2 == shown.count("$$") % 2 == 0


WORDS = st.text(st.sampled_from("ab1 \n*_`~$[]()<>#|!:\\@.-+=&{}é שٱ\u202e\t"), max_size=120)


@given(WORDS, st.booleans())
@example(":_:_", False)
@example(":_a_:", True)
@settings(max_examples=400, deadline=None)
def test_any_text_is_inert(text: str, finished: bool) -> None:
    assert_inert(markdown(text, finished=finished))


@given(st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=200), WORDS)
@settings(max_examples=200, deadline=None)
def test_code_is_kept_byte_for_byte(code: str, before: str) -> None:
    fence = "`" * (3 + max((len(run) for run in re.findall("`+", code)), default=0))
    whole = f"words\n\n{fence}python\n{code}\n{fence}\n\nafter"
    assert [part.text for part in parts(whole) if part.kind == "code"] == [code]
    assert parts(whole)[-1].text == "after"


@given(st.lists(st.from_regex(r"[a-zA-Z]{1,8}", fullmatch=True), min_size=1, max_size=30), st.randoms())
@settings(max_examples=200, deadline=None)
def test_words_survive_whatever_stands_between_them(words: list[str], random: object) -> None:
    marks = [
        " ",
        "\n",
        "\n\n",
        " **",
        "** ",
        " `",
        "` ",
        "\n- ",
        "\n1. ",
        "\n> ",
        " | ",
        "\n\n# ",
        " $5 ",
        "](",
        " ![",
        "\n    ",
        "\n---\n",
    ]
    text = "".join(word + random.choice(marks) for word in words)  # type: ignore[attr-defined]
    shown = "\n".join(html.unescape(part.text) for part in parts(text))
    place = 0
    for word in words:
        place = shown.index(word, place) + len(word)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("It costs $5 to $10.", "It costs &#36;5 to &#36;10."),
        ("$5 and he paid me 5$ back", "&#36;5 and he paid me 5&#36; back"),
        ("US$5-US$10, $HOME/$USER", "US&#36;5-US&#36;10, &#36;HOME/&#36;USER"),
        ("$x^2$ or \\(y\\)", "$$x^2$$ or $$y$$"),
        ("2*3*4 and snake_case_name", "2&#42;3&#42;4 and snake&#95;case&#95;name"),
        ("**bold** *it* __b__ _i_ ~~no~~", "**bold** *it* __b__ _i_ ~~no~~"),
        ("[text](http://e.org/x)", "text (`http://e.org/x`)"),
        ("![alt](http://e.org/x)", "Image&#58; alt (`http://e.org/x`)"),
        ("# **Title** #", "**Title**"),
        ("one\ntwo", "one\\\ntwo"),
        ("- [x] a\n- [ ] b\n  - c", "- ☑ a\n- ☐ b\n  - c"),
        ("text\n1. a\n2. b", "text\n\n1. a\n2. b"),
        ("a|b\n-|-:\nc|d|e", "| a | b |\n| --- | ---: |\n| c | d e |"),
        ("$$x$$", "$$\nx\n$$"),
        ("$a & b$ or \\(x_\\) or $#1$", "`$a & b$` or `\\(x_\\)` or `$#1$`"),
        ("So \\[\nx\n\\]\nand", "So\n\n$$\nx\n$$\n\nand"),
        ("\\begin{align}\nx\n\\end{align}", "$$\n\\begin{align}\nx\n\\end{align}\n$$"),
        (f"{FENCE}latex\n\\frac{{1}}{{2}}\n{FENCE}", "$$\n\\frac{1}{2}\n$$"),
        ("> a\n> - b", "> a\n>\n> - b"),
        ("שלום!", "\u2068שלום&#33;\u2069"),
    ],
)
def test_markdown_stays_what_people_read(text: str, shown: str) -> None:
    assert markdown(text) == shown


def test_a_document_in_latex_is_code() -> None:
    (part,) = parts(f"{FENCE}latex\n\\documentclass{{article}}\n{FENCE}")
    assert (part.kind, part.language) == ("code", "latex")


def test_a_fence_within_a_list_loses_the_indentation_of_the_list_alone() -> None:
    prose, code, rest = parts(f"1. one\n   {FENCE}py\n   if x:\n       y\n   {FENCE}\n2. two")
    assert (prose.text, code.text, code.language, rest.text) == ("1. one", "if x:\n    y", "py", "2. two")


def test_a_longer_fence_holds_a_shorter_one() -> None:
    (part,) = parts(f"````md\n{FENCE}py\nx\n{FENCE}\n````")
    assert (part.text, part.language) == (f"{FENCE}py\nx\n{FENCE}", "md")


def test_a_formula_is_code_until_it_is_written() -> None:
    (part,) = parts("$$\n\\frac{1", finished=False)
    assert (part.kind, part.text) == ("code", "\\frac{1")


def test_a_long_reply_grows_at_its_end_alone() -> None:
    text = "\n\n".join(f"Paragraph {place} with **some** words." for place in range(300))
    before, after = (parts(text[:end], finished=False) for end in (9_000, 11_000))
    assert len(before) > 3
    assert after[: len(before) - 1] == before[:-1]


def test_above_the_limit_a_reply_is_plain() -> None:
    text = "**a** " * (MOST_CHARACTERS // 6 + 1)
    assert [(part.kind, part.text) for part in parts(text)] == [("plain", text)]


def test_8000_tokens_of_usual_markdown_are_formatted() -> None:
    text = (
        "## Part\nText with **bold**, `code` and $x^2$. "
        + "More words follow. " * 4
        + "\n\n- one\n- two\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n"
    )
    text *= 200
    assert len(text) > 30_000
    assert {part.kind for part in parts(text)} == {"prose"}


def test_many_blocks_of_code_are_few_parts_and_whole() -> None:
    text = "".join(f"{place}\n\n{FENCE}py\nx = {place}  # <b>\n{FENCE}\n\n" for place in range(300))
    found = parts(text)
    assert {part.kind for part in found} == {"prose"} and len(found) < 10
    shown = "\n\n".join(part.text for part in found)
    assert [f"{FENCE}py\nx = {place}  # <b>\n{FENCE}" in shown for place in range(300)] == [True] * 300


@pytest.mark.parametrize(
    "text", ["# a" + " " * 40_000 + "x", "# " + "# " * 20_000, "#" * 40_000, "# " + "#" * 40_000 + "x"]
)
def test_a_long_heading_holds_nobody_up(text: str) -> None:
    start = time.perf_counter()
    parts(text)
    assert time.perf_counter() - start < 0.2


def test_no_line_is_lost_where_two_formulas_begin_at_its_end() -> None:
    shown = html.unescape("".join(part.text for part in parts("before\na \\[ $$\nafter")))
    assert "before" in shown and "after" in shown and "$$" in shown
