from pathlib import Path

import pytest

from data.errors import SuiteError
from data.suites.prompts import load_suite


def table(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "mine.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_table_of_prompts_is_a_suite_with_graders_as_configuration(tmp_path: Path) -> None:
    text = (
        "prompt,grader,answer,kind,max_tokens\n"
        "What is 17 + 26?,numeric,43,sums,16\n"
        '"Capital of France, in a word?",keywords,Paris | Lutetia,,\n'
        'Say it in JSON.,"{""name"": ""json_schema"", ""schema"": {""type"": ""object""}}",,,\n'
        '"Two\nlines?",exact,yes,,\n'
    )
    suite = load_suite(table(tmp_path, "\ufeff" + text))
    assert suite.name == "mine" and [prompt.id for prompt in suite.prompts] == ["line-1", "line-2", "line-3", "line-4"]
    first, second, third, fourth = suite.prompts
    assert (first.grader, first.kind, first.max_tokens) == ({"name": "numeric", "value": 43.0}, "sums", 16)
    assert (second.grader, second.kind, second.max_tokens) == (
        {"name": "keywords", "any_of": ["Paris", "Lutetia"]},
        "own",
        512,
    )
    assert third.grader["name"] == "json_schema" and fourth.text == "Two\nlines?"
    assert first.right is None


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("prompt,grade\nHi,exact\n", "unknown column 'grade'; known columns: prompt, grader, answer"),
        ("prompt,answer\nHi,yes\n", "missing column 'grader'"),
        ("", "missing column 'prompt'"),
        ("prompt,grader,answer\nHi,exactly,yes\n", "line 2: grader is 'exactly'; by name: numeric, exact"),
        ("prompt,grader,answer\nHi,numeric,many\n", "line 2: answer is 'many'; the numeric grader needs a number"),
        ("prompt,grader,answer\nHi,exact,\n", "line 2: answer is empty"),
        ("prompt,grader,answer\nHi,{,\n", "line 2: grader is not JSON"),
        ("prompt,grader,answer\nHi, there,exact,yes\n", "line 2: more cells than columns, 'yes'; put text that holds"),
        ("prompt,grader,answer,answer\nHi,exact,yes,no\n", "two columns are called 'answer'; give each a name of"),
        ("prompt,grader,answer,\nHi,exact,yes,no\n", "line 2: more cells than columns, 'no'"),
        ('prompt,grader,answer\n"a\nb",exact,yes\n"Hi"x,exact,yes\n', "line 4: not CSV ("),
        ("prompt:grader:answer\nHi:exact:yes\n", "unknown column 'prompt:grader:answer'; known columns: prompt"),
        ("prompt;grader;answer\nHi;numeric;1,000\n", "line 2: answer is '1,000': write 1000 or 1.000"),
        ("prompt,grader,answer\nHi,numeric,nan\n", "line 2: answer is 'nan'; the numeric grader needs a number"),
        ("prompt,grader,answer,max_tokens\nHi,exact,yes,few\n", "line 2: max_tokens is 'few'"),
        ("prompt,grader,answer,max_tokens\nHi,exact,yes,²\n", "line 2: max_tokens is '²'"),
        ("prompt,grader,answer,id\nHi,exact,yes,a\nHo,exact,no,a\n", "line 3: id 'a' is used before"),
        ("prompt,grader,answer\n,exact,yes\n", "line 2: needs either 'prompt' or 'messages'"),
        ("prompt,grader,answer\n", "no prompt in it"),
    ],
)
def test_a_mistake_in_a_table_is_one_line_that_names_its_place(tmp_path: Path, text: str, wanted: str) -> None:
    with pytest.raises(SuiteError) as caught:
        load_suite(table(tmp_path, text))
    assert wanted in str(caught.value) and "mine.csv" in str(caught.value) and "\n" not in str(caught.value)


EXPECTED = [("What is 17 + 26?", 43.0), ("    And 1 + 1?", 2.0)]
PLAIN = "prompt,grader,answer\nWhat is 17 + 26?,numeric,43\n    And 1 + 1?,numeric,2\n"


@pytest.mark.parametrize(
    "content",
    [
        PLAIN.encode(),
        PLAIN.replace("\n", "\r\n").encode("utf-8-sig"),
        PLAIN.replace("\n", "\r").encode(),
        PLAIN.replace(",", ";").encode(),
        b"\n\n" + PLAIN.replace(",", ";").encode(),
        b"sep=;\r\n" + PLAIN.replace(",", ";").encode(),
        b'"SEP=;"\r\n' + PLAIN.replace(",", ";").encode(),
        PLAIN.replace("numeric", "Numeric").encode(),
        PLAIN.replace(",", "\t").encode("utf-16"),
        PLAIN.replace("\n", ",,\n").encode(),
        PLAIN.replace("\n", "\n,,\n\n").encode() + b",,\n" * 3,
        PLAIN.replace("prompt,grader", ' Prompt ,"GRADER"').encode(),
        PLAIN.replace("numeric", " numeric ").encode(),
    ],
    ids=[
        *(
            "plain",
            "Windows",
            "old Mac",
            "semicolons",
            "a late start",
            "Excel's separator",
            "Excel's separator in quotes",
            "a large first letter",
            "Excel's Unicode",
            "empty columns",
        ),
        *("empty rows", "capitals", "spaces"),
    ],
)
@pytest.mark.parametrize("name", ["mine.csv", "MINE.CSV"])
def test_a_table_is_read_as_spreadsheets_write_it(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    suite = load_suite(tmp_path / name)
    assert [(prompt.text, prompt.grader["value"]) for prompt in suite.prompts] == EXPECTED
    assert [prompt.id for prompt in suite.prompts] == ["line-1", "line-2"]


def test_a_long_cell_is_read_whole(tmp_path: Path) -> None:
    long = "word " * 100_000 + "end"
    assert load_suite(table(tmp_path, f"prompt,grader,answer\n{long},exact,yes\n")).prompts[0].text == long


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("3,5", 3.5),
        ("-0,125", -0.125),
        ("\N{MINUS SIGN}7", -7),
        ("1.234,5", 1234.5),
        ("1,234.5", 1234.5),
        ("1,234,567", 1_234_567),
        ("1.234.567", 1_234_567),
        ("12\N{NO-BREAK SPACE}345,6", 12_345.6),
        ("1,2345", 1.2345),
        ("1.234", 1.234),
        ("4e3", 4000),
    ],
)
def test_a_number_may_have_either_decimal_mark(tmp_path: Path, cell: str, value: float) -> None:
    suite = load_suite(table(tmp_path, f"prompt;grader;answer\nHow much?;numeric;{cell}\n"))
    assert suite.prompts[0].grader["value"] == value


def test_half_a_character_in_a_graders_json_is_refused_with_its_line(tmp_path: Path) -> None:
    cell = '"{""name"": ""exact"", ""answers"": [""\\ud83d""]}"'
    with pytest.raises(SuiteError, match=r"line 2: grader holds half a character, \\ud83d"):
        load_suite(table(tmp_path, f"prompt,grader\nHi,{cell}\n"))


def test_a_persons_jsonl_needs_no_example_answers(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    grader = '{"name": "exact", "answers": ["yes"]}'
    path.write_text(f'{{"id": "a", "kind": "k", "prompt": "Hi", "max_tokens": 9, "grader": {grader}}}\n')
    assert load_suite(path).prompts[0].wrong is None
