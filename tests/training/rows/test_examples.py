import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import TradeoffError
from tests.training.templates import NO_SYSTEM, THINKING
from tests.training.tiny_models import TEMPLATE
from training.config import RowSource, TrainingError
from training.rows.conversations import Messages, UnusableRow, conversation_of
from training.rows.examples import IGNORED, Example, load_tokenizer, make_examples, prompt_ids

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

SYSTEM = {"role": "system", "content": "Be brief."}
CHAT: Messages = [
    {"role": "user", "content": "My name is Zoë."},
    {"role": "assistant", "content": "Hello, Zoë!"},
    {"role": "user", "content": "What is 1 + 1?"},
    {"role": "assistant", "content": "The answer is\n\n2."},
]


def make_example(messages: Messages, tokenizer: "PreTrainedTokenizerFast") -> Example:
    """That of a conversation which the template writes turn by turn."""
    (example,) = make_examples(messages, tokenizer)
    return example


def trained_on(messages: Messages, tokenizer: "PreTrainedTokenizerFast") -> list[str]:
    """The runs of tokens with a label, decoded."""
    return trained_runs(make_example(messages, tokenizer), tokenizer)


def trained_runs(example: Example, tokenizer: "PreTrainedTokenizerFast") -> list[str]:
    assert len(example.input_ids) == len(example.labels)
    runs: list[list[int]] = [[]]
    for token, label in zip(example.input_ids, example.labels):
        assert label in (IGNORED, token)
        runs[-1].append(token) if label == token else runs.append([])
    return [tokenizer.decode(run) for run in runs if run]


def without_template(directory: Path, tokenizer: "PreTrainedTokenizerFast") -> Path:
    tokenizer.save_pretrained(directory)
    (directory / "chat_template.jinja").unlink()
    return directory


def test_labels_are_the_answers_and_their_end_of_turn_and_nothing_else(tokenizer: "PreTrainedTokenizerFast") -> None:
    answers = ["Hello, Zoë!<|eot_id|>", "The answer is\n\n2.<|eot_id|>"]
    assert trained_on(CHAT, tokenizer) == answers
    assert trained_on([SYSTEM, *CHAT], tokenizer) == answers


def test_input_ids_are_the_templates_text_with_one_beginning(tokenizer: "PreTrainedTokenizerFast") -> None:
    example = make_example([SYSTEM, *CHAT], tokenizer)
    assert tokenizer.decode(example.input_ids) == tokenizer.apply_chat_template([SYSTEM, *CHAT], tokenize=False)
    assert example.input_ids.count(tokenizer.bos_token_id) == 1


def test_a_prompt_is_read_in_use_exactly_as_in_training(tokenizer: "PreTrainedTokenizerFast") -> None:
    example = make_example(CHAT, tokenizer)
    for end in (1, 3):
        ids = prompt_ids(CHAT[:end], tokenizer)
        assert example.input_ids[: len(ids)] == ids
        assert example.labels[len(ids)] == example.input_ids[len(ids)]


def test_control_tokens_in_a_row_are_text(tokenizer: "PreTrainedTokenizerFast") -> None:
    """A row may explain them; in use, the same text is typed, and read as text."""
    chat = [
        {"role": "system", "content": "<|start_header_id|>system"},
        {"role": "user", "content": "What is <|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\nIt ends."},
        {"role": "assistant", "content": "<|eot_id|> ends a turn: <|eot_id|>"},
    ]
    example, special = make_example(chat, tokenizer), set(tokenizer.all_special_ids)
    plain = make_example([{**turn, "content": "x"} for turn in chat], tokenizer)
    assert [id_ for id_ in example.input_ids if id_ in special] == [id_ for id_ in plain.input_ids if id_ in special]
    assert "".join(trained_on(chat, tokenizer)) == "<|eot_id|> ends a turn: <|eot_id|><|eot_id|>"
    assert tokenizer.decode(example.input_ids) == tokenizer.apply_chat_template(chat, tokenize=False)
    assert example.input_ids[: len(prompt_ids(chat[:2], tokenizer))] == prompt_ids(chat[:2], tokenizer)


def test_rows_without_control_tokens_are_read_as_transformers_reads_them(tokenizer: "PreTrainedTokenizerFast") -> None:
    special = [token.content for token in tokenizer.added_tokens_decoder.values()]
    spaces = st.text(" \n\t", max_size=3)
    text = st.builds(lambda a, b, c: a + b + c, spaces, st.text(min_size=1, max_size=20), spaces).filter(
        lambda text: text.strip() != "" and not any(token in text for token in special)
    )

    @settings(max_examples=50, deadline=None, derandomize=True)
    @given(text, text.map(str.lstrip), text)  # an answer keeps its indentation, which this template takes away
    def holds(question: str, answer: str, more: str) -> None:
        chat = [SYSTEM, {"role": "user", "content": question}, {"role": "assistant", "content": answer}]
        asked = [*chat, {"role": "user", "content": more}]
        expected = tokenizer.apply_chat_template(asked, add_generation_prompt=True, return_dict=False)
        assert prompt_ids(asked, tokenizer) == expected
        assert make_example(chat, tokenizer).input_ids == tokenizer.apply_chat_template(chat, return_dict=False)

    holds()


def test_a_template_that_leaves_out_a_turn_cannot_be_trained_with(
    tokenizer: "PreTrainedTokenizerFast", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        tokenizer, "chat_template", TEMPLATE.replace("in turns %}", "in turns if turn['role'] != 'user' %}")
    )
    with pytest.raises(TradeoffError, match="leaves out what the"):
        make_example([SYSTEM, *CHAT], tokenizer)


@pytest.mark.parametrize(
    ("template", "message"),
    [
        (TEMPLATE.replace("+ turn['content'] | trim + '<|eot_id|>'", "+ turn['content'] | trim"), "set data.template"),
        (TEMPLATE.replace("{{- bos_token }}", "{{- add_generation_prompt }}"), "set data.template"),
        (THINKING.replace("not loop.last and ", ""), "leaves out some of '<think>So.</think>Yes.'; set data.template"),
        ("{{ raise_exception('no system message') }}", "the chat template refuses a conversation: no system message"),
    ],
    ids=["without end of turn", "rewrites the prompt", "leaves out thinking", "refuses"],
)
def test_a_template_that_cannot_be_trained_with_is_refused(
    tokenizer: "PreTrainedTokenizerFast", monkeypatch: pytest.MonkeyPatch, template: str, message: str
) -> None:
    monkeypatch.setattr(tokenizer, "chat_template", template)
    with pytest.raises(UnusableRow, match=message):
        make_examples([*CHAT, CHAT[0], {"role": "assistant", "content": "<think>So.</think>Yes."}], tokenizer)


def test_each_answer_is_trained_on_after_what_the_template_writes_before_it_in_use(
    tokenizer: "PreTrainedTokenizerFast", monkeypatch: pytest.MonkeyPatch
) -> None:
    """Thinking of earlier turns is trained on where it was thought, and not there in later turns."""
    monkeypatch.setattr(tokenizer, "chat_template", THINKING)
    thoughts = [{**turn, "content": f"<think>Hm.</think>\n\n{turn['content']}"} for turn in CHAT]
    chat = [CHAT[0], thoughts[1], CHAT[2], CHAT[3], CHAT[0], thoughts[1]]
    first, second = make_examples(chat, tokenizer)
    assert trained_runs(first, tokenizer) == ["<think>Hm.</think>\n\nHello, Zoë!<|eot_id|>"]
    assert trained_runs(second, tokenizer) == [
        "The answer is\n\n2.<|eot_id|>",
        "<think>Hm.</think>\n\nHello, Zoë!<|eot_id|>",
    ]
    for example, ends in ((first, (1,)), (second, (3, 5))):
        for end in ends:
            ids = prompt_ids(chat[:end], tokenizer)
            assert example.input_ids[: len(ids)] == ids
            assert example.labels[len(ids)] == example.input_ids[len(ids)]


def test_the_indentation_of_an_answer_is_trained_on_also_where_the_template_takes_it_away(
    tokenizer: "PreTrainedTokenizerFast",
) -> None:
    indented = {"role": "assistant", "content": "    return 0"}
    assert trained_on([CHAT[0], indented], tokenizer) == ["    return 0<|eot_id|>"]
    first, second = make_examples([CHAT[0], indented, *CHAT[2:]], tokenizer)
    assert trained_runs(first, tokenizer) == ["    return 0<|eot_id|>"]
    ids = prompt_ids([CHAT[0], indented, CHAT[2]], tokenizer)
    assert second.input_ids[: len(ids)] == ids


def test_a_greeting_is_read_and_not_trained_on(tokenizer: "PreTrainedTokenizerFast") -> None:
    greeting = {"role": "assistant", "content": "Welcome!"}
    chat = [greeting, *CHAT[2:]]
    assert trained_on(chat, tokenizer) == ["The answer is\n\n2.<|eot_id|>"]
    assert "Welcome!" in tokenizer.decode(make_example(chat, tokenizer).input_ids)


WORDS = st.text(st.sampled_from("ab +-<>/|\n\t é字😀"), min_size=1, max_size=12)
PIECES = st.sampled_from(["<think>", "</think>", "<|eot_id|>", "<|start_header_id|>", "    ", "{{ x }}"])
CONTENT = st.lists(WORDS | PIECES, min_size=1, max_size=4).map("".join)


@pytest.mark.parametrize("template", [TEMPLATE, THINKING, NO_SYSTEM], ids=["llama", "thinking", "no system"])
def test_a_row_that_is_kept_is_there_with_all_its_text(
    template: str, tokenizer: "PreTrainedTokenizerFast", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokenizer, "chat_template", template)
    entries = st.fixed_dictionaries({"role": st.sampled_from(["system", "user", "assistant"]), "content": CONTENT})

    @settings(max_examples=60, deadline=None, derandomize=True)
    @given(st.lists(entries, max_size=1), st.lists(st.tuples(CONTENT, CONTENT), min_size=1, max_size=3))
    def holds(first: list[dict[str, str]], pairs: list[tuple[str, str]]) -> None:
        asked = [{"role": role, "content": text} for pair in pairs for role, text in zip(("user", "assistant"), pair)]
        try:
            messages = conversation_of({"messages": [*first, *asked]}, RowSource(kind="file")).messages
            examples = make_examples(messages, tokenizer)
        except UnusableRow:
            return
        read = ["".join(tokenizer.decode(example.input_ids).split()) for example in examples]
        learnt = ["".join(run.split()) for example in examples for run in trained_runs(example, tokenizer)]
        answers = [each["content"] for place, each in enumerate(messages) if each["role"] == "assistant" and place]
        assert len(learnt) == len(answers)
        assert all("".join(answer.split()) in run for answer, run in zip(answers, learnt))
        others = [each["content"] for place, each in enumerate(messages) if each["role"] != "assistant" or not place]
        assert all("".join(text.split()) in read[-1] for text in others)

    holds()


def test_a_base_without_template_gets_the_named_one(tokenizer: "PreTrainedTokenizerFast", tmp_path: Path) -> None:
    directory = without_template(tmp_path, tokenizer)
    with pytest.raises(TrainingError, match=r"no chat template; set data\.template to 'llama-3\.1'"):
        load_tokenizer(directory, "base")
    assert load_tokenizer(directory, "llama-3.1").chat_template == TEMPLATE


def test_a_template_whose_tokens_the_base_lacks_is_refused(
    tokenizer: "PreTrainedTokenizerFast", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenizer.save_pretrained(tmp_path / "base")
    shutil.copytree(tmp_path / "base", tmp_path / "other")
    for path in (tmp_path / "other").iterdir():
        path.write_text(path.read_text().replace("<|eot_id|>", "<|im_end|>"))
    with pytest.raises(TrainingError, match=r"data.template is 'llama-3.1', but the base has no token '<\|eot_id\|>'"):
        load_tokenizer(tmp_path / "other", "llama-3.1")


def test_padding_is_never_the_end_of_a_turn(tokenizer: "PreTrainedTokenizerFast", tmp_path: Path) -> None:
    assert tokenizer.pad_token == "<|finetune_right_pad_id|>"
    tokenizer.save_pretrained(tmp_path)
    config = tmp_path / "tokenizer_config.json"
    config.write_text(config.read_text().replace("<|finetune_right_pad_id|>", "<|eot_id|>"))
    assert load_tokenizer(tmp_path, "base").pad_token == "<|finetune_right_pad_id|>"


def test_a_tokenizer_that_llama_cpp_does_not_know_is_refused_before_training(
    tokenizer: "PreTrainedTokenizerFast", tmp_path: Path
) -> None:
    tokenizer.save_pretrained(tmp_path)
    path = tmp_path / "tokenizer.json"
    path.write_text(path.read_text().replace("{1,3}", "{1,2}"))
    with pytest.raises(TrainingError, match="splitting rule is not known; known: llama-bpe, smollm"):
        load_tokenizer(tmp_path, "base")
