"""What llama.cpp itself computes, through its own C interface, without our engine."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt

RUN = """
import ctypes, json, sys
from data.llama_library import use_library
use_library()
from llama_cpp import llama_cpp as llama
model_path, adapter_path = sys.argv[1:]
model = llama.llama_model_load_from_file(model_path.encode(), llama.llama_model_default_params())
parameters = llama.llama_context_default_params()
parameters.n_ctx = 64
context = llama.llama_init_from_model(model, parameters)
if adapter_path:
    adapter = llama.llama_adapter_lora_init(model, adapter_path.encode())
    adapters = (llama.llama_adapter_lora_p_ctypes * 1)(adapter)
    assert llama.llama_set_adapters_lora(context, adapters, 1, (ctypes.c_float * 1)(1.0)) == 0
tokens = (llama.llama_token * 8)(*range(20, 28))
assert llama.llama_decode(context, llama.llama_batch_get_one(tokens, 8)) == 0
print(json.dumps(llama.llama_get_logits(context)[:256]))
"""


def logits(model: Path, adapter: Path | None = None) -> npt.NDArray[np.float64]:
    """The first 256 logits after eight tokens, with an adapter beside the model or without, in a process of its own."""
    command = [sys.executable, "-c", RUN, str(model), str(adapter or "")]
    return np.array(json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout))
