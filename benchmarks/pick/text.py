"""What the command says at its end: a table, one sentence, and how to serve the file."""

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.pick.arms import Arm
from benchmarks.pick.outcome import Outcome
from benchmarks.pick.rule import Graded
from benchmarks.statistics.stats import points_text, ratio_of_medians
from data.files import size_text
from data.models.entries import FileSource, ModelEntry
from data.models.registry import registry_toml
from data.tables import aligned

SEED = 3407
CONTEXT_TOKENS = 4096
_HEAD = ("file", "size", "load s", "prefill tok/s", "decode tok/s", "memory", "mean KL", "p99", "max", "same token")


def table(outcome: Outcome) -> str:
    """A line a file, in the order of sizes."""
    return aligned(rows(outcome))


def rows(outcome: Outcome) -> list[tuple[str, ...]]:
    """The table's cells, its head first."""
    found: list[tuple[str, ...]] = [(*_HEAD, "perplexity", "s per right answer", "graded difference")]
    for arm in sorted(outcome.arms, key=lambda arm: -arm.size_bytes):
        seconds = outcome.s_per_right.get(arm.quantization)
        per_right = f"{seconds:.1f}" if seconds is not None else "–"
        found.append((*_figures(arm), f"{arm.perplexity:.2f}", per_right, _graded_cell(arm, outcome)))
    return found


def _figures(arm: Arm) -> tuple[str, ...]:
    return (
        arm.quantization,
        size_text(arm.size_bytes),
        f"{arm.load_s:.2f}",
        f"{arm.prefill_tok_per_s:.0f}",
        f"{arm.decode_tok_per_s:.1f}",
        size_text(arm.peak_rss_bytes),
        f"{arm.mean_kl:.4f} ± {1.96 * arm.error_kl:.4f}",
        f"{arm.p99_kl:.3f}",
        f"{arm.max_kl:.2f}",
        f"{arm.top1:.1%}",
    )


def _graded_cell(arm: Arm, outcome: Outcome) -> str:
    if arm.quantization == outcome.reference:
        return "reference"
    found = outcome.graded.get(arm.quantization)
    if not found:
        return "not asked"
    early = ", ended early" if found.told_apart else ""
    if found.all_the_same:
        return f"none, of {found.comparison.n}"
    return f"{points_text(found.comparison.interval)} of {found.comparison.n}{early}"


def sentence(outcome: Outcome) -> str:
    """What to ship, with intervals, and why not what is faster."""
    choice = outcome.choice
    if choice.picked is None:
        misses = "; ".join(miss.text for miss in choice.misses[choice.nearest.quantization])
        return f"nothing keeps the budget; {choice.nearest.quantization} comes nearest: {misses}"
    said = [f"ship {choice.picked.quantization}: {_speed_and_distance(choice.picked, outcome)}"]
    if found := outcome.graded.get(choice.picked.quantization):
        said.append(_graded_text(found, outcome.suite))
    elif choice.picked.quantization != outcome.reference:
        said.append("its answers not graded yet")
    return "".join((", ".join(said), *_left_out(outcome)))


def _speed_and_distance(arm: Arm, outcome: Outcome) -> str:
    reference = outcome.reference_arm
    if arm is reference:
        return f"no smaller file that is faster keeps the budget ({arm.decode_tok_per_s:.1f} tok/s here)"
    rng, beside = np.random.default_rng(SEED), outcome.beside
    in_turns = beside is not None and beside.quantization == arm.quantization
    pair = (beside.file, beside.reference) if beside and in_turns else (arm.decode_samples, reference.decode_samples)
    ratio = ratio_of_medians(*pair, rng=rng)
    how = "timed in turns" if in_turns else "timed one after the other"
    return (
        f"{ratio.estimate:.2f}× [{ratio.low:.2f}, {ratio.high:.2f}] as fast as {outcome.reference} here, {how}, "
        f"{arm.size_bytes / reference.size_bytes:.0%} of its size, "
        f"mean KL {arm.mean_kl:.3g} ± {1.96 * arm.error_kl:.1g}"
    )


def _graded_text(found: Graded, suite: str) -> str:
    n, seen = found.comparison.n, found.comparison.detectable
    could = f"a loss of {100 * seen:.0f} points would be seen in 80% of cases" if seen else f"{n} prompts show no loss"
    if found.all_the_same:
        return f"graded alike on each of {n} prompts of {suite} ({could})"
    return f"graded difference {points_text(found.comparison.interval)} points on {n} prompts of {suite} ({could})"


def _left_out(outcome: Outcome) -> list[str]:
    """Files that are faster than the picked one, and what was wrong with each."""
    picked = outcome.choice.picked
    faster = [arm for arm in outcome.arms if picked and arm.decode_tok_per_s > picked.decode_tok_per_s]
    misses = outcome.choice.misses
    return [f"; {arm.quantization}, faster, {', '.join(m.text for m in misses[arm.quantization])}" for arm in faster]


def how_to_serve(outcome: Outcome) -> str:
    """The llama-server line, an Ollama Modelfile and the registry's entry."""
    arm, name, path, threads = outcome.choice.nearest, outcome.name, outcome.path, outcome.threads
    lines = (
        f"llama-server -m {path} -c {CONTEXT_TOKENS} -t {threads}",
        "",
        "# Modelfile; then: ollama create NAME -f Modelfile",
        f"FROM {path}",
        f"PARAMETER num_ctx {CONTEXT_TOKENS}",
        f"PARAMETER num_thread {threads}",
        "",
        "# for the registry of models",
        registry_toml([_entry(arm, name, path)]),
    )
    return "\n".join(lines)


def _entry(arm: Arm, name: str, path: str) -> ModelEntry:
    tidy = "".join(letter if letter.isalnum() or letter in "._-" else "-" for letter in name.lower()).strip("._-")
    return ModelEntry(
        id=f"{tidy or 'model'}-{arm.quantization}",
        label=f"{name} · {arm.quantization.upper()}",
        base=name,
        size="unknown",
        quantization=arm.quantization,
        licence="unknown",
        source=FileSource(path=Path(path)),
    )


def report(outcome: Outcome) -> str:
    """All of it."""
    return f"{table(outcome)}\n\n{sentence(outcome)}\n\n{how_to_serve(outcome)}"


def as_json(outcome: Outcome) -> dict[str, Any]:
    """The outcome for programs."""
    choice = outcome.choice
    return {
        "picked": choice.picked.quantization if choice.picked else None,
        "nearest": choice.nearest.quantization,
        "path": outcome.path,
        "sentence": sentence(outcome),
        "misses": {name: [miss.text for miss in found] for name, found in choice.misses.items()},
        "arms": [vars(arm) for arm in outcome.arms],
        "graded": {name: _graded_json(found) for name, found in outcome.graded.items()},
        "s_per_right": outcome.s_per_right,
    }


def _graded_json(found: Graded) -> dict[str, Any]:
    pair = found.comparison
    return {
        "difference": pair.difference,
        "low": pair.low,
        "high": pair.high,
        "n": pair.n,
        "p_value": pair.p_value,
        "detectable": pair.detectable,
        "told_apart_early": found.told_apart,
    }
