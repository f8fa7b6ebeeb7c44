import dataclasses
import json
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet
from pytest import MonkeyPatch

from tests.training.tiny_models import write_tiny
from training.config import CONFIGS_DIR, Base, Config, RowSource, TrainingError, load_config
from training.fit.layer_search import search
from training.replay import main
from training.rows.examples import load_tokenizer
from training.rows.replay import around_user_turn, comes_to, loops, numbers_of, prompts_of, refuses, write_parts
from training.rows.sources import read_source

REPLAY = RowSource(kind="replay", self_prompts=4, max_new_tokens=8, temperature=0.0)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny(tmp_path_factory.mktemp("base"))


def test_chatmls_own_system_message_stands_before_a_users_turn(tmp_path: Path) -> None:
    before, after = around_user_turn(load_tokenizer(write_tiny(tmp_path / "base", "qwen2"), "base"))
    assert before == "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n"
    assert after == "<|im_end|>\n<|im_start|>assistant\n"


@pytest.fixture
def config(tiny: Path) -> Config:
    changes = [f"base.name={tiny}", "training.max_length=96", "data.sources.replay.kind=replay"]
    return load_config(CONFIGS_DIR / "tiny.toml", [*changes, "data.sources.replay.self_prompts=4"])


def test_a_users_turn_stands_between_its_header_and_the_answers(tiny: Path) -> None:
    before, after = around_user_turn(load_tokenizer(tiny, "base"))
    assert before.endswith("<|start_header_id|>user<|end_header_id|>\n\n")
    assert after == "<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n"


def test_what_did_not_end_is_dropped_and_a_part_is_written_once(config: Config, tmp_path: Path) -> None:
    first = write_parts("replay", REPLAY, config, runs=tmp_path)
    assert [path.read_text() for path in first] == [""]  # random weights never stop
    first[0].write_text('{"question": "Why?", "answer": "So."}\n')
    ((_, row),) = read_source("replay", REPLAY, config, runs=tmp_path).placed
    assert row == {"question": "Why?", "answer": "So."}


@pytest.mark.slow
def test_parts_are_shared_out_and_cover_every_prompt(config: Config, tmp_path: Path, monkeypatch: MonkeyPatch) -> None:
    monkeypatch.setattr("training.rows.replay.PROMPTS_PER_PART", 3)
    source = dataclasses.replace(REPLAY, self_prompts=7)
    shares = [
        [path.name for path in write_parts("replay", source, config, runs=tmp_path, index=k, of=2)] for k in (0, 1)
    ]
    assert shares == [["part-0000.jsonl", "part-0002.jsonl"], ["part-0001.jsonl"]]


def test_a_share_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["CONFIG", "--part", "2/2"])
    assert "write K/N" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "expected"),
    [("one two three four five six " * 4, True), ("one two three four five six " * 3, False), ("short", False)],
)
def test_a_run_of_words_that_keeps_coming_back_is_a_loop(text: str, expected: bool) -> None:
    assert loops(text) is expected


def test_an_answer_that_begins_with_an_apology_is_a_refusal() -> None:
    assert refuses("I'm sorry, but I can't help.") and not refuses("Paris. I'm sorry to say.")


def test_prompts_are_read_from_any_common_column(tmp_path: Path) -> None:
    path = tmp_path / "prompts.jsonl"
    path.write_text('{"instruction": " Name a city. "}\n\n{"question": "Why?", "answer": "So."}\n')
    table = tmp_path / "prompts.parquet"
    parquet.write_table(pa.table({"question": ["Who?"], "answer": ["I."]}), table)
    source = dataclasses.replace(REPLAY, prompts=(str(path), str(table)))
    assert list(prompts_of("replay", source)) == ["Name a city.", "Why?", "Who?"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "no such file"),
        ("{", "line 1: not JSON"),
        ("[1]", "line 1: expected an object"),
        ('{"a": 1}', "columns: a"),
    ],
)
def test_a_prompts_file_that_cannot_be_used_is_one_line(tmp_path: Path, content: str | None, reason: str) -> None:
    path = tmp_path / "prompts.jsonl"
    if content is not None:
        path.write_text(content)
    with pytest.raises(TrainingError, match=reason):
        list(prompts_of("replay", dataclasses.replace(REPLAY, prompts=(str(path),))))


def test_layers_are_removed_one_at_a_time_the_least_harmful_first(tiny: Path) -> None:
    steps = search(Base(source="path", name=str(tiny)), [("What is 1 + 1?", "2"), ("What is 2 + 3?", "5")], drop=1)
    assert steps[0]["layer"] is None
    assert steps[1]["perplexity"] == min(steps[1]["candidates"].values())
    assert steps[1]["candidates"][steps[1]["layer"]] == steps[1]["perplexity"]
    with pytest.raises(TrainingError, match="the base has 2 layers"):
        search(Base(source="path", name=str(tiny)), [("a", "b")], drop=2)
    assert json.dumps(steps)


def test_of_each_file_so_many_prompts_are_asked_as_the_limit_says(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("a.jsonl", "b.jsonl")]
    for file in files:
        file.write_text("".join(json.dumps({"prompt": f"{file.stem}{number}?"}) + "\n" for number in range(3)))
    source = dataclasses.replace(REPLAY, prompts=tuple(map(str, files)), limit=2)
    assert list(prompts_of("replay", source)) == ["a0?", "a1?", "b0?", "b1?"]


def test_a_line_below_every_prompt_is_asked_and_trained_on(tmp_path: Path) -> None:
    file = tmp_path / "sums.jsonl"
    file.write_text(json.dumps({"question": "How many? ", "answer": "#### 2"}) + "\n")
    source = dataclasses.replace(REPLAY, prompts=(str(file),), instruction="Show the steps.", right_only=True)
    assert list(prompts_of("replay", source)) == ["How many?\nShow the steps."]
    assert numbers_of("replay", source) == {"How many?\nShow the steps.": 2.0}


def test_own_work_is_kept_where_it_comes_to_the_rows_number(tmp_path: Path) -> None:
    file = tmp_path / "sums.jsonl"
    file.write_text(json.dumps({"question": "How many?", "answer": "600 twice is 1200.\n#### 1,200"}) + "\n")
    source = dataclasses.replace(REPLAY, prompts=(str(file),), right_only=True)
    numbers = numbers_of("replay", source)
    assert numbers == {"How many?": 1200.0}
    assert comes_to("So it is 600 + 600 = 1200.", numbers["How many?"])
    assert not comes_to("So it is 600 + 600 = 1300.", numbers["How many?"])
    assert comes_to("Anything at all.", None)
    file.write_text(json.dumps({"question": "Why?", "answer": "Because."}) + "\n")
    with pytest.raises(TrainingError, match=r"right_only: .*sums.jsonl, line 1: no number after '####'"):
        numbers_of("replay", source)
