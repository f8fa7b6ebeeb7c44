import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from benchmarks.graders import check_suite, grade
from data.errors import SuiteError
from data.suites.prompts import load_suite
from tests.hub import Hub, Repo

GSM8K = [
    {"question": "Natalia sold 48 clips, then half as many. How many?", "answer": "48/2 = 24.\n48+24 = 72\n#### 72"},
    {"question": "A house costs $80,000 and half again. How much?", "answer": "80,000*1.5\n#### 120,000"},
]
IFEVAL = [
    {
        "key": 1000,
        "prompt": "Write about rivers. Use no commas and at least 3 words.",
        "instruction_id_list": ["punctuation:no_comma", "length_constraints:number_words"],
        "kwargs": [{"num_words": None}, {"relation": "at least", "num_words": 3}],
    },
]


def jsonl(rows: Sequence[Any]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


@pytest.fixture
def dataset_hub(datasets_hub: Hub) -> Hub:
    """Both data sets on the loopback Hub, where both clients look."""

    front = "---\nconfigs:\n- config_name: main\n  data_files:\n  - split: test\n    path: main/test.jsonl\n---\n"
    datasets_hub.repos["datasets/openai/gsm8k"] = Repo(
        files={"README.md": front.encode(), "main/test.jsonl": jsonl(GSM8K)}
    )
    datasets_hub.repos["datasets/google/IFEval"] = Repo(files={"train.jsonl": jsonl(IFEVAL)})
    return datasets_hub


def test_gsm8k_comes_from_the_hub_with_numbers_to_grade_by(dataset_hub: Hub) -> None:
    suite = load_suite("gsm8k")
    check_suite(suite)
    assert [prompt.id for prompt in suite.prompts] == ["gsm8k-1", "gsm8k-2"]
    first, second = suite.prompts
    assert first.text.startswith("Natalia sold") and second.grader["value"] == 120_000
    for prompt in suite.prompts:
        assert grade(prompt, str(prompt.right)).value == 1 and grade(prompt, str(prompt.wrong)).value == 0
    assert load_suite("gsm8k").sha256 == suite.sha256


def test_ifeval_comes_from_the_hub_with_its_instructions_as_configuration(dataset_hub: Hub) -> None:
    suite = load_suite("ifeval")
    check_suite(suite)
    (prompt,) = suite.prompts
    assert (prompt.id, prompt.kind) == ("ifeval-1000", "punctuation")
    assert grade(prompt, "Rivers flow to the sea").value == 1
    assert grade(prompt, "Rivers, mostly, flow to the sea").reason == "does not follow punctuation:no_comma"


def test_without_the_library_or_the_hub_there_is_one_line(dataset_hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    del dataset_hub.repos["datasets/openai/gsm8k"]
    with pytest.raises(SuiteError, match=r"suite gsm8k: openai/gsm8k cannot be had from the Hub \(") as caught:
        load_suite("gsm8k")
    assert "\n" not in str(caught.value)
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(SuiteError, match="which is not installed here: pip install datasets=="):
        load_suite("ifeval")


def test_a_token_that_no_request_can_carry_is_not_shown(dataset_hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_hush\vhush")
    with pytest.raises(SuiteError, match="has a character that no token has") as caught:
        load_suite("gsm8k")
    assert "hush" not in str(caught.value) and dataset_hub.requests == []


def test_rows_that_are_not_as_they_were_are_one_line(dataset_hub: Hub) -> None:
    dataset_hub.repos["datasets/google/IFEval"].files["train.jsonl"] = jsonl([{"text": "something else"}])
    with pytest.raises(SuiteError, match="the rows of google/IFEval are not as expected"):
        load_suite("ifeval")


def test_rows_of_the_hub_may_lie_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "half.jsonl"
    path.write_text(json.dumps({"question": "How many?", "answer": "2 + 2 = 4\n#### 4"}) + "\n")
    suite = load_suite(f"gsm8k:{path}")
    (prompt,) = suite.prompts
    assert (suite.name, prompt.kind, prompt.max_tokens) == ("half", "gsm8k", 1024)
    assert prompt.grader == {"name": "numeric", "value": 4.0}


@pytest.mark.parametrize(
    "line",
    [
        '{"question": "How many?"}',
        "[1]",
        "{",
        '{"question": "Q", "answer": "many"}',
        '{"question": "Q", "answer": "#### nan"}',
    ],
)
def test_a_row_that_the_hub_does_not_have_is_named_by_its_line(tmp_path: Path, line: str) -> None:
    path = tmp_path / "half.jsonl"
    path.write_text(json.dumps({"question": "How many?", "answer": "#### 4"}) + f"\n{line}\n")
    with pytest.raises(SuiteError, match=r"half\.jsonl, line 2: not a row of gsm8k"):
        load_suite(f"gsm8k:{path}")
