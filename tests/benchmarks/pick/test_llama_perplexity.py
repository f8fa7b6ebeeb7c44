"""Our figures against llama-perplexity's, of the same build, over the very token ids that it read."""

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from benchmarks.engine.machine import usable_threads
from benchmarks.pick.arms import lockstep, open_for_windows
from data.gguf.quantize import quantize_in_child
from data.gguf.split import read_model
from data.llama_library import builds_dir, choose_variant, cpu_flags
from data.paths import ROOT
from data.progress import never_cancelled

CHUNKS = 2
_TOOL = builds_dir() / choose_variant(cpu_flags()) / "llama-perplexity"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not _TOOL.is_file(), reason="no llama-perplexity; build it with: make llama-bench"),
]


@pytest.fixture(scope="module")
def coarse(embedded_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("coarse") / "coarse.gguf"
    quantize_in_child(embedded_model, path, "q2_k", cancelled=never_cancelled)
    return path


def llama_perplexity(model: Path, base: Path, *options: str, context: int, bos: bool) -> str:
    """What it prints; `base` is its file of the reference's logits."""
    settings = ("-c", context, "-b", context, "--chunks", CHUNKS, "-t", usable_threads(), "-ngl", 0)
    override = ("--override-kv", f"tokenizer.ggml.add_bos_token=bool:{str(bos).lower()}")
    command = [_TOOL, "-m", model, "--kl-divergence-base", base, *settings, *override, *options]
    result = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, env=os.environ | {"GOMP_SPINCOUNT": "1000"}
    )
    assert result.returncode == 0, result.stderr[-2000:]
    return result.stdout + result.stderr


def read_ids(base: Path, bos_id: int | None) -> Iterator[list[int]]:
    """The chunks that it read: after eight letters context, vocabulary and number of chunks, then the ids."""
    with base.open("rb") as file:
        assert file.read(8) == b"_logits_"
        context, _, chunks = np.fromfile(file, dtype=np.int32, count=3)
        for ids in np.fromfile(file, dtype=np.int32, count=context * chunks).reshape(chunks, context).tolist():
            yield [ids[0] if bos_id is None else bos_id, *ids[1:]]


def figure(printed: str, name: str) -> float:
    match = re.search(rf"^{re.escape(name)}\s*:\s+([\d.]+)", printed, re.MULTILINE)
    assert match, f"no {name!r} in {printed[-2000:]}"
    return float(match[1])


@pytest.mark.parametrize(("context", "bos"), [(512, False), (128, True)])
def test_kl_same_token_and_perplexity_are_those_of_llama_perplexity(
    embedded_model: Path, coarse: Path, tmp_path: Path, context: int, bos: bool
) -> None:
    base = tmp_path / "base"
    text = ("-f", str(ROOT / "README.md"))
    llama_perplexity(embedded_model, base, *text, context=context, bos=bos)
    printed = llama_perplexity(coarse, base, "--kl-divergence", context=context, bos=bos)
    bos_id = read_model(embedded_model).metadata["tokenizer.ggml.bos_token_id"] if bos else None
    windows = list(read_ids(base, bos_id))
    with (
        closing(open_for_windows(embedded_model, usable_threads())) as reference,
        closing(open_for_windows(coarse, usable_threads())) as file,
    ):
        far, perplexity = lockstep(reference, file, windows, first=context // 2)
        itself, own_perplexity = lockstep(reference, reference, windows, first=context // 2)
    assert far.tokens == CHUNKS * (context - 1 - context // 2)
    assert far.mean_kl > 0.05
    assert far.mean_kl == pytest.approx(figure(printed, "Mean    KLD"), rel=0.01, abs=1e-4)
    assert far.p99_kl == pytest.approx(figure(printed, "99.0%   KLD"), rel=0.01, abs=1e-4)
    assert far.max_kl == pytest.approx(figure(printed, "Maximum KLD"), rel=0.01, abs=1e-4)
    assert 100 * far.top1 == pytest.approx(figure(printed, "Same top p"), abs=1)
    assert perplexity == pytest.approx(figure(printed, "Mean PPL(Q)"), rel=1e-4)
    assert own_perplexity == pytest.approx(figure(printed, "Mean PPL(base)"), rel=0.01)
    assert itself.max_kl < 1e-6
