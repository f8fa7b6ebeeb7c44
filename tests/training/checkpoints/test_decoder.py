from collections.abc import Iterator
from typing import Any

import pytest

from tests.training.tiny_models import TINY_ARCHITECTURES, write_tiny
from training.checkpoints.decoder import Decoder, Stretch, write_sequences

END = 5


@pytest.fixture(scope="module", params=tuple(TINY_ARCHITECTURES))
def model(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Any:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(write_tiny(tmp_path_factory.mktemp("base"), request.param)).eval()


def greedy(model: Any, prompt: list[int], count: int) -> list[int]:
    import torch

    ids = torch.tensor([prompt])
    out = model.generate(
        ids, attention_mask=torch.ones_like(ids), max_new_tokens=count, do_sample=False, eos_token_id=-1
    )
    return [int(token) for token in out[0, len(prompt) :]]


def ending_on(token: int, turns: list[Stretch], model: Any, slots: int) -> Iterator[tuple[Any, list[list[int]]]]:
    decoder = Decoder(model, slots=slots, length=96)
    return write_sequences(decoder, iter([(turn,) for turn in turns]), end_of_turn=token)


@pytest.mark.parametrize("slots", [1, 2, 5])
def test_greedy_sequences_are_those_of_transformers_whatever_shares_the_batch(model: Any, slots: int) -> None:
    turns = [Stretch(given=tuple(range(10, 12 + n)), max_tokens=64, temperature=0.0) for n in range(4)]
    expected = {turn.given: greedy(model, list(turn.given), 12) for turn in turns}
    for turn in turns:
        end = next(token for token in expected[turn.given][4:] if token not in expected[turn.given][:4])
        cut = expected[turn.given].index(end)
        written = {script[0].given: out for script, out in ending_on(end, turns, model, slots)}
        assert written[turn.given] == [expected[turn.given][:cut]]


def test_every_script_yields_once_though_it_never_ends(model: Any) -> None:
    turns = [Stretch(given=(10, n), max_tokens=3, temperature=1.0) for n in range(20, 27)]
    outcomes = list(ending_on(-1, turns, model, 3))
    assert sorted(script[0].given for script, _ in outcomes) == sorted(turn.given for turn in turns)
    assert all(out == [] for _, out in outcomes)


def test_a_second_turn_reads_what_the_first_wrote(model: Any) -> None:
    first = Stretch(given=(10, 11, 12), max_tokens=64, temperature=0.0)
    end = greedy(model, [10, 11, 12], 9)[8]
    question = greedy(model, [10, 11, 12], 9)
    question = question[: question.index(end)]
    second = Stretch(given=(30, 31), max_tokens=4, temperature=0.0)
    decoder = Decoder(model, slots=2, length=96)
    answer = greedy(model, [10, 11, 12, *question, end, 30, 31], 5)
    seen: list[list[int]] = []
    script = iter([(first, second)])
    list(
        write_sequences(
            decoder, script, end_of_turn=end, hopeless=lambda ids: not seen.append(ids[:]), hopeless_after=3
        )
    )
    assert seen == [answer[:3]] or end in answer[:3]


def test_a_sequence_that_would_outgrow_its_slot_is_given_up(model: Any) -> None:
    decoder = Decoder(model, slots=1, length=8)
    turn = Stretch(given=(10,) * 6, max_tokens=64, temperature=0.0)
    assert list(write_sequences(decoder, iter([(turn,)]), end_of_turn=-1)) == [((turn,), [])]


def test_unlikely_tokens_are_never_drawn() -> None:
    import torch

    from training.checkpoints.decoder import _draw

    torch.manual_seed(0)
    logits = torch.tensor([[0.0, 5.0, 4.9, -3.0]]).repeat(500, 1)
    drawn = _draw(logits, [1.0] * 500)
    assert set(drawn.tolist()) == {1, 2}
    assert _draw(logits[:1], [0.0]).tolist() == [1]
