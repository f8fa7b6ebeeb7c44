"""Our writer against llama.cpp's own converter, whose source set-up keeps (docs/decisions/0001-own-gguf-writer.md)."""

import itertools
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from data.gguf.header import read_header
from data.llama_library import source_dir
from tests.data.gguf_models import tensors
from tests.training.tiny_models import TINY_ARCHITECTURES, write_tiny
from training.checkpoints.write_gguf import write_gguf

SOURCE = source_dir()
# The converter knows a tokenizer by a hash of how it reads one text, and refuses any other, such as the tiny ones here.
CONVERT = """
import sys
source, *asked = sys.argv[1:]
sys.path[:0] = [source + "/gguf-py", source]
from conversion.base import TextModel
TextModel.get_vocab_base_pre = lambda self, tokenizer: rule  # of the one that is being converted
def none(self): raise FileNotFoundError
TextModel._set_vocab_sentencepiece = none  # its library is not installed
import convert_hf_to_gguf
while asked:
    rule, checkpoint, out, *asked = asked
    sys.argv[1:] = [checkpoint, "--outtype", "f16", "--outfile", out, "--model-name", "tiny"]
    convert_hf_to_gguf.main()
"""
# What it takes from the directory's name and from the weights, ours from the configuration.
OTHERS = ("general.size_label", "general.finetune", "general.basename", "general.sampling.")


CASES = tuple(itertools.product(TINY_ARCHITECTURES, (True, False)))


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder a case, with our file and theirs: one process converts all, since its imports take longest."""
    if not SOURCE.exists():
        pytest.skip("llama.cpp's source was not kept")
    root, asked = tmp_path_factory.mktemp("converted"), list[str]()
    for architecture, tied in CASES:
        folder = root / f"{architecture}-{tied}"
        base = write_tiny(folder / "base", architecture, tied=tied)
        write_gguf(base, folder / "ours.gguf", name="tiny", tokenizer=base)
        rule = str(read_header(folder / "ours.gguf").metadata["tokenizer.ggml.pre"])
        asked += [rule, str(base), str(folder / "theirs.gguf")]
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-c", CONVERT, str(SOURCE), *asked]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return root


@pytest.mark.slow
@pytest.mark.parametrize(("architecture", "tied"), CASES)
def test_llama_cpps_converter_writes_the_same_tensors_and_says_the_same_of_them(
    converted: Path, architecture: str, tied: bool
) -> None:
    ours, theirs = (converted / f"{architecture}-{tied}" / f"{whose}.gguf" for whose in ("ours", "theirs"))
    found, expected = tensors(ours), tensors(theirs)
    assert set(found) == set(expected)
    for name, tensor in expected.items():
        assert found[name].tensor_type == tensor.tensor_type, name
        if name == "rope_freqs.weight":  # theirs are computed in float32
            np.testing.assert_allclose(found[name].data, tensor.data, rtol=1e-6)
        else:
            assert found[name].data.tobytes() == tensor.data.tobytes(), name
    ours_says, theirs_says = read_header(ours).metadata, read_header(theirs).metadata
    for key, value in theirs_says.items():
        if not key.startswith(OTHERS):
            assert ours_says[key] == (pytest.approx(value) if isinstance(value, float) else value), key
