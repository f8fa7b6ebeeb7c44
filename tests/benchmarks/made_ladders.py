"""A ladder of four files, and answers to order."""

from benchmarks.pick.arms import Arm
from benchmarks.pick.outcome import Outcome
from benchmarks.pick.rule import Budget, Graded
from benchmarks.statistics.pairs import PairComparison


def arm(quantization: str, *, tok_per_s: float, kl: float = 0.0, memory: int = 10**9) -> Arm:
    return Arm(
        quantization=quantization,
        size_bytes=10**8,
        load_s=0.1,
        prefill_tok_per_s=100.0,
        decode_tok_per_s=tok_per_s,
        decode_samples=(tok_per_s, tok_per_s * 1.01, tok_per_s * 0.99),
        peak_rss_bytes=memory,
        mean_kl=kl,
        error_kl=kl / 10,
        p99_kl=kl * 5,
        max_kl=kl * 9,
        top1=0.97,
        perplexity=8.0,
        tokens=2000,
    )


def graded(points: float, *, p_value: float = 0.5, told_apart: bool = False) -> Graded:
    shown = p_value < 0.05
    pair = PairComparison(
        a="file",
        b="reference",
        suite=None,
        kinds=(),
        condition="batched",
        n=60,
        left_out=0,
        share_a=0.5 + points / 100,
        share_b=0.5,
        difference=points / 100,
        low=points / 100 - (0.01 if shown else 0.2),
        high=points / 100 + (0.01 if shown else 0.2),
        only_a=2,
        only_b=4,
        p_value=p_value,
        clusters=60,
        independent=60,
    )
    return Graded(comparison=pair, told_apart=told_apart)


LADDER = [
    arm("f16", tok_per_s=10),
    arm("q8_0", tok_per_s=18, kl=0.001),
    arm("q4_0", tok_per_s=30, kl=0.04),
    arm("q2_k", tok_per_s=40, kl=0.6),
]


def outcome(budget: Budget | None = None, **points: Graded) -> Outcome:
    return Outcome(
        name="tuned",
        reference="f16",
        suite="core",
        threads=2,
        planned=tuple(arm.quantization for arm in LADDER),
        budget=budget or Budget(),
        arms=tuple(LADDER),
        graded=points,
        s_per_right={"q4_0": 3.21},
        path="/models/tuned.q4_0.gguf",
    )
