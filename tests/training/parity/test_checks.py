import math

import numpy as np
import numpy.typing as npt
import pytest
from scipy import special, stats

from benchmarks.statistics.divergence import NEAR_TIE_NATS, Divergence, divergence
from training.parity.checks import (
    at_least,
    at_most,
    equals,
    perplexity,
    reported,
    table,
)

Matrix = npt.NDArray[np.float32]


def log_probabilities(*, seed: int, tokens: int = 20, vocabulary: int = 50) -> Matrix:
    logits = np.random.default_rng(seed).standard_normal((tokens, vocabulary)) * 3
    found: Matrix = special.log_softmax(logits, axis=1).astype(np.float32)
    return found


def test_divergence_is_scipys_kl_averaged_over_tokens() -> None:
    reference, file = log_probabilities(seed=1), log_probabilities(seed=2)
    expected = [stats.entropy(np.exp(p.astype(float)), np.exp(q.astype(float))) for p, q in zip(reference, file)]
    found = divergence([(reference[:7], file[:7]), (reference[7:], file[7:])])
    assert found.mean_kl == pytest.approx(np.mean(expected), rel=1e-5)
    assert found.max_kl == pytest.approx(np.max(expected), rel=1e-5)
    assert found.tokens == 20


def test_divergence_is_torchs_too() -> None:
    import torch

    reference, file = log_probabilities(seed=3), log_probabilities(seed=4)
    theirs = torch.nn.functional.kl_div(
        torch.from_numpy(file), torch.from_numpy(reference), log_target=True, reduction="batchmean"
    )
    assert divergence([(reference, file)]).mean_kl == pytest.approx(float(theirs), rel=1e-5)


def test_a_file_that_predicts_the_same_does_not_diverge() -> None:
    same = log_probabilities(seed=5)
    assert divergence([(same, same)]) == Divergence(mean_kl=0, p99_kl=0, max_kl=0, error_kl=0, top1=1, tokens=20)


def test_rounding_never_makes_a_divergence_negative() -> None:
    values = log_probabilities(seed=6)
    nudged = (values + np.float32(1e-6)).astype(np.float32)
    assert divergence([(values, nudged)]).mean_kl >= 0


@pytest.mark.parametrize(("gap", "same"), [(NEAR_TIE_NATS * 0.9, 1.0), (NEAR_TIE_NATS * 1.1, 0.0)])
def test_another_likeliest_token_is_the_same_within_a_near_tie_only(gap: float, same: float) -> None:
    reference = np.log(np.array([[0.5, 0.5 * math.exp(-gap), 0.1]])).astype(np.float32)
    file = reference[:, [1, 0, 2]]
    assert divergence([(reference, file)]).top1 == same


def test_what_cannot_be_compared_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"shapes \(20, 50\) and \(20, 49\) differ"):
        divergence([(log_probabilities(seed=1), log_probabilities(seed=1, vocabulary=49))])
    with pytest.raises(ValueError, match="nothing to compare"):
        divergence([])


def test_perplexity_is_the_exponent_of_torchs_cross_entropy() -> None:
    import torch

    values = log_probabilities(seed=7)
    targets = np.random.default_rng(8).integers(0, 50, 20)
    theirs = torch.nn.functional.nll_loss(torch.from_numpy(values), torch.from_numpy(targets))
    assert perplexity(values[np.arange(20), targets]) == pytest.approx(math.exp(float(theirs)), rel=1e-5)


def test_perplexity_of_even_odds_is_their_number() -> None:
    assert perplexity([math.log(1 / 8)] * 5) == pytest.approx(8)


def test_a_check_passes_at_its_limit_and_keeps_what_it_saw() -> None:
    assert at_most("KL", "a.gguf", 0.1, 0.1).passed
    assert not at_most("KL", "a.gguf", 0.1001, 0.1).passed
    assert at_least("top-1", "a.gguf", 0.9, 0.9).passed
    assert not at_least("top-1", "a.gguf", 0.89, 0.9).passed
    assert not at_most("KL", "a.gguf", math.nan, 0.1).passed
    assert not equals("token", "a.gguf", None, 5).passed
    assert reported("KL", "a.gguf", 99.0).passed
    assert at_most("KL", "a.gguf", 0.123456, 0.15).as_json() == {
        "name": "KL",
        "file": "a.gguf",
        "value": 0.1235,
        "limit": "at most 0.15",
        "passed": True,
    }


def test_the_table_marks_what_failed() -> None:
    lines = table([equals("rank", "adapter.gguf", 8, 8), at_most("mean KL", "f16.gguf", 0.5, 1e-4)]).splitlines()
    assert lines[0].split() == ["file", "check", "value", "limit"]
    assert not lines[1].endswith("FAILED")
    assert lines[2].endswith("FAILED")
    assert "at most 0.0001" in lines[2]
