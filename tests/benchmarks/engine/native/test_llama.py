"""What only the llama.cpp engine has: slots, BOS, memory, aborts inside C."""

import threading
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from benchmarks.engine.ask import ask_all
from benchmarks.engine.contract import EngineError, Event, Finished, LoadOptions, Request, Sampling
from benchmarks.engine.ends import Ends
from benchmarks.engine.native.slots import Slot, choose_slot, shareable
from data.message import Message
from data.suites.prompts import balanced, load_suite

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def engine(embedded_model: Path):  # type: ignore[no-untyped-def]
    from benchmarks.engine.native.engine import LlamaEngine

    engine = LlamaEngine(embedded_model, LoadOptions(sequences=3, context_tokens=2048))
    yield engine
    engine.close()


def drain(engine) -> list[Finished]:  # type: ignore[no-untyped-def]
    events: list[Event] = []
    while engine.busy:
        events += engine.step(0.1)
    return [event for event in events if isinstance(event, Finished)]


def ask(text: str, **sampling: object) -> Request:
    return Request(
        messages=(Message(role="user", content=text),),
        sampling=Sampling(**{"max_tokens": 16, **sampling}),  # type: ignore[arg-type]
        cold=True,
    )


def empty_model(engine):  # type: ignore[no-untyped-def]
    """The binding below an idle engine, with nothing cached in sequence 0."""
    model = engine._model
    model.forget(0, 0)
    engine._slots[0].keep(0)
    return model


@pytest.mark.timing
def test_a_prefill_is_aborted_in_its_midst_and_the_others_write_on_unharmed(engine) -> None:  # type: ignore[no-untyped-def]
    engine.submit(ask("Name three colours.", max_tokens=24, ignore_eos=True))
    alone = drain(engine)[0].text
    engine.submit(ask("Name three colours.", max_tokens=24, ignore_eos=True))
    engine.step(0)
    long_prompt = Request(prompt_tokens=tuple(range(100, 2000)), sampling=Sampling(max_tokens=5), cold=True)
    victim = engine.submit(long_prompt)
    threading.Timer(0.3, engine.cancel, (victim,)).start()
    started = time.perf_counter()
    ends = {end.id: end for end in drain(engine)}
    assert ends[victim].reason == "cancelled"
    assert ends[victim].timings.prefill_tokens < 1900
    assert time.perf_counter() - started < 30
    assert next(end.text for end in ends.values() if end.id != victim) == alone
    engine.submit(ask("Name three colours.", max_tokens=24, ignore_eos=True))
    assert drain(engine)[0].text == alone


@pytest.mark.timing
def test_an_abort_reaches_a_running_decode_from_another_thread(engine) -> None:  # type: ignore[no-untyped-def]
    model = empty_model(engine)
    tokens = list(range(100, 612))
    threading.Timer(0.1, model.request_abort).start()
    started = time.perf_counter()
    whole = model.decode(tokens, range(512), [0] * 512, [False] * 512)
    assert not whole
    assert time.perf_counter() - started < 1.0
    model.forget(0, 0)
    assert model.decode(tokens[:8], range(8), [0] * 8, [True] * 8)
    model.forget(0, 0)


def test_batched_scores_match_a_decode_token_by_token(engine) -> None:  # type: ignore[no-untyped-def]
    tokens = [1, 4093, 198, 504, 3575, 282, 4649, 314, 7042]
    scores = engine.score(tokens)
    model = empty_model(engine)
    expected = []
    for position, (token, following) in enumerate(pairwise(tokens)):
        model.decode([token], [position], [0], [True])
        logits = model.logits(0).astype(np.float64)
        expected.append(logits[following] - logits.max() - np.log(np.exp(logits - logits.max()).sum()))
    model.forget(0, 0)
    np.testing.assert_allclose(scores, expected, atol=0.15)


def test_the_template_of_the_file_is_applied_without_a_second_bos(engine) -> None:  # type: ignore[no-untyped-def]
    rendered, tokens = engine._prompts.read(ask("Hello"))
    assert rendered.startswith("<|im_start|>system\n")
    assert rendered.endswith("<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n")
    assert tokens[:2] != [tokens[0]] * 2


def test_exactly_one_bos_where_the_metadata_asks_for_one() -> None:
    from benchmarks.engine.native.prompt_tokens import one_bos

    assert one_bos([5, 6], bos=1, wanted=True) == [1, 5, 6]
    assert one_bos([1, 5, 6], bos=1, wanted=True) == [1, 5, 6]
    assert one_bos([1, 1, 5], bos=1, wanted=True) == [1, 5]
    assert one_bos([5, 6], bos=1, wanted=False) == [5, 6]
    assert one_bos([5, 6], bos=-1, wanted=True) == [5, 6]


def test_a_new_chat_does_not_take_the_cache_of_one_that_only_begins_alike() -> None:
    chat = Slot(index=0, tokens=[1, 2, 3, 4, 5, 6, 7, 8, 9, 10], used_at=5)
    empty = Slot(index=1)
    assert choose_slot([chat, empty], [1, 2, 3, 99, 98, 97], cold=False) == (empty, 0)
    assert choose_slot([chat, empty], [*chat.tokens, 11, 12], cold=False) == (chat, 10)
    assert choose_slot([chat, empty], chat.tokens, cold=False) == (chat, 9)
    assert choose_slot([chat, empty], [*chat.tokens, 11], cold=True) == (empty, 0)


def test_a_beginning_that_prompts_share_is_read_once_and_the_answers_are_the_same(embedded_model: Path) -> None:
    from benchmarks.engine.native.engine import LlamaEngine

    texts = ["What is the capital of France?", "Name three colours of the rainbow.", "What is 17 + 26?"]
    requests = [replace(ask(text, max_tokens=12), cold=False) for text in texts]
    ends = {}
    for share in (False, True):
        engine = LlamaEngine(embedded_model, LoadOptions(sequences=3, context_tokens=512, bulk=share))
        for request in requests:
            engine.submit(request)
        ends[share] = sorted(drain(engine), key=lambda end: end.id)
        engine.submit(replace(requests[0], cold=True))
        (cold,) = drain(engine)
        assert cold.timings.prefill_tokens == cold.timings.prompt_tokens
        engine.close()
    assert [end.text for end in ends[True]] == [end.text for end in ends[False]]
    first, *others = ends[True]
    assert first.timings.prefill_tokens == first.timings.prompt_tokens
    system_turn = 20
    assert all(end.timings.prefill_tokens < end.timings.prompt_tokens - system_turn for end in others)
    assert all(end.timings.prefill_tokens == end.timings.prompt_tokens for end in ends[False])


def test_many_prompts_at_once_are_answered_word_for_word_as_one_at_a_time(embedded_model: Path) -> None:
    from benchmarks.engine.native.engine import LlamaEngine

    short = balanced(load_suite("core").prompts, 12) + balanced(load_suite("hard").prompts, 4, ("steps",))
    long = balanced(load_suite("hard").prompts, 3, ("reading",))
    requests = [Request(messages=each.messages, sampling=Sampling(max_tokens=16)) for each in short]
    # After 512 tokens llama.cpp reads the cache in parts where one sequence decodes alone: their first words agree.
    requests += [Request(messages=each.messages, sampling=Sampling(max_tokens=1)) for each in long]
    alone = LlamaEngine(embedded_model, LoadOptions(context_tokens=2560))
    one_by_one = [ask_all(alone, [replace(request, cold=True)])[0] for request in requests]
    alone.close()
    together = LlamaEngine(embedded_model, LoadOptions(sequences=8, context_tokens=2560, bulk=True))
    at_once = ask_all(together, requests)
    together.close()
    assert [end.text for end in at_once] == [end.text for end in one_by_one]
    lengths = [end.timings.prompt_tokens for end in at_once]
    assert min(lengths) < 64 < 512 < max(lengths)
    assert sum(end.timings.prefill_tokens or 0 for end in at_once) < 0.9 * sum(lengths)


@pytest.mark.parametrize(
    ("known", "read_as", "prompt", "shared"),
    [
        (40, 40, 50, 40),  # few and few
        (40, 40, 41, 36),  # one token alone would be multiplied as a vector
        (40, 40, 40, 36),
        (43, 43, 60, 40),  # what is left over of fours
        (40, 40, 90, 0),  # few, where alone they are many
        (90, 90, 50, 0),
        (90, 90, 200, 88),
        (90, 90, 140, 76),  # the rest must be many, too
        (90, 1, 50, 0),  # written one by one
        (540, 512, 700, 512),  # the second part was few then, and is many now
        (600, 512, 1200, 600),
    ],
)
def test_a_beginning_is_shared_as_far_as_it_is_computed_alike(
    known: int, read_as: int, prompt: int, shared: int
) -> None:
    slot = Slot(index=0)
    for start in range(0, known, read_as):
        slot.add(list(range(start, min(known, start + read_as))))
    assert shareable(slot, list(range(prompt)), 512) == shared


def test_a_copied_cache_gives_the_very_same_logits(engine) -> None:  # type: ignore[no-untyped-def]
    model = empty_model(engine)
    prompt, beginning = list(range(100, 160)), 24
    logits = []
    for copied in (False, True):
        model.forget(1, 0)
        if copied:
            model.decode(
                [*prompt[:beginning], 7, 8, 9], range(beginning + 3), [0] * (beginning + 3), [False] * (beginning + 3)
            )
            model.copy_cache(0, 1)
            model.forget(1, beginning)
        rest = prompt[beginning:] if copied else prompt
        positions = range(len(prompt) - len(rest), len(prompt))
        model.decode(rest, positions, [1] * len(rest), [False] * (len(rest) - 1) + [True])
        logits.append(model.logits(len(rest) - 1).copy())
    for sequence in (0, 1):
        model.forget(sequence, 0)
    np.testing.assert_array_equal(*logits)


def test_a_model_that_would_not_fit_is_refused_before_any_work(
    embedded_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from benchmarks.engine import machine
    from benchmarks.engine.native import engine as llama

    monkeypatch.setattr(machine, "available_memory_bytes", lambda: 150_000_000)
    with pytest.raises(EngineError, match=r"needs 0\.\d GB of memory .*, 0\.1 GB are available"):
        llama.LlamaEngine(embedded_model, LoadOptions())


def test_a_truncated_file_is_refused_with_both_sizes(embedded_model: Path, tmp_path: Path) -> None:
    from benchmarks.engine.native.engine import LlamaEngine

    short = tmp_path / "short.gguf"
    with embedded_model.open("rb") as whole:
        short.write_bytes(whole.read(50_000_000))
    with pytest.raises(EngineError, match=r"short\.gguf: .*truncated"):
        LlamaEngine(short, LoadOptions())


@pytest.mark.parametrize("beginning", ["Question: which is green?\nAnswer:", "Two and two make "])
def test_ends_have_the_log_probabilities_of_their_tokens_after_the_beginning(engine, beginning: str) -> None:  # type: ignore[no-untyped-def]
    ends = (" grass", " grass in the meadow", " the sky", " snow, or milk, or a sheet of paper", "4")
    found = engine.score_ends(Ends(beginning=beginning, ends=ends))
    for end, score in zip(ends, found, strict=True):
        ids, start = engine._prompts.pair(beginning, end)
        assert score == pytest.approx(float(engine.score(ids)[start - 1 :].sum()), abs=0.02)


def test_a_beginning_that_two_questions_share_is_read_once_and_replies_go_on_after_it(engine) -> None:  # type: ignore[no-untyped-def]
    long = "The river passes the mill and the bridge. " * 40
    engine.score_ends(Ends(beginning=long + "Is it wet?", ends=(" yes", " no")))
    known = list(engine._slots[0].tokens)
    decoded: list[int] = []
    original = engine._model.decode
    engine._model.decode = lambda tokens, *rest: (decoded.append(len(tokens)), original(tokens, *rest))[1]
    try:
        engine.score_ends(Ends(beginning=long + "Is it dry?", ends=(" yes", " no")))
    finally:
        del engine._model.decode
    assert sum(decoded) < 10 < len(known)
    engine.submit(ask("Name three colours."))
    first = drain(engine)[0].text
    engine.submit(ask("Name three colours."))
    assert drain(engine)[0].text == first


def test_ends_that_do_not_fit_into_one_batch_are_scored_in_several(engine) -> None:  # type: ignore[no-untyped-def]
    ends = tuple(f" {word} " + "and then the river goes on " * 60 for word in ("first", "second", "third"))
    found = engine.score_ends(Ends(beginning="So it begins:", ends=ends))
    for end, score in zip(ends, found, strict=True):
        ids, start = engine._prompts.pair("So it begins:", end)
        assert score == pytest.approx(float(engine.score(ids)[start - 1 :].sum()), rel=0.02)  # kernels round by batch
