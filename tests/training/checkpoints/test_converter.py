"""Our writer against llama.cpp's own converter, whose source set-up keeps (docs/decisions/0001-own-gguf-writer.md)."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from data.gguf.header import read_header
from data.llama_library import source_dir
from tests.data.gguf_models import tensors
from tests.training.tiny_models import TINY_ARCHITECTURES, write_tiny
from training.checkpoints.write_gguf import write_gguf

# The converter knows a tokenizer by a hash of how it reads one text, and refuses any other, such as the tiny ones here.
CONVERT = """
import sys
source, rule, checkpoint, out = sys.argv[1:]
sys.path[:0] = [source + "/gguf-py", source]
from conversion.base import TextModel
TextModel.get_vocab_base_pre = lambda self, tokenizer: rule
import convert_hf_to_gguf
sys.argv[1:] = [checkpoint, "--outtype", "f16", "--outfile", out, "--model-name", "tiny"]
convert_hf_to_gguf.main()
"""
# What it takes from the directory's name and from the weights, ours from the configuration.
OTHERS = ("general.size_label", "general.finetune", "general.basename", "general.sampling.")


@pytest.mark.slow
@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("architecture", TINY_ARCHITECTURES)
def test_llama_cpps_converter_writes_the_same_tensors_and_says_the_same_of_them(
    tmp_path: Path, architecture: str, tied: bool
) -> None:
    if not source_dir().exists():
        pytest.skip("llama.cpp's source was not kept")
    base, ours, theirs = (
        write_tiny(tmp_path / "base", architecture, tied=tied),
        tmp_path / "o.gguf",
        tmp_path / "t.gguf",
    )
    write_gguf(base, ours, name="tiny", tokenizer=base)
    rule = str(read_header(ours).metadata["tokenizer.ggml.pre"])
    done = subprocess.run(
        [sys.executable, "-c", CONVERT, str(source_dir()), rule, str(base), str(theirs)],
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found, expected = tensors(ours), tensors(theirs)
    assert set(found) == set(expected)
    for name, tensor in expected.items():
        assert found[name].tensor_type == tensor.tensor_type, name
        assert found[name].data.tobytes() == tensor.data.tobytes(), name
    ours_says, theirs_says = read_header(ours).metadata, read_header(theirs).metadata
    for key, value in theirs_says.items():
        if not key.startswith(OTHERS):
            assert ours_says[key] == (pytest.approx(value) if isinstance(value, float) else value), key
