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
        256,
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
        ("prompt,grader,answer\nHi, there,exact,yes\n", "line 2: more cells than columns"),
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


def test_a_persons_jsonl_needs_no_example_answers(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    grader = '{"name": "exact", "answers": ["yes"]}'
    path.write_text(f'{{"id": "a", "kind": "k", "prompt": "Hi", "max_tokens": 9, "grader": {grader}}}\n')
    assert load_suite(path).prompts[0].wrong is None
