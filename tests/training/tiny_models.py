"""A model of each architecture, small enough to train in a second: random weights, and a tokenizer with the special
tokens and the chat template of the real ones.

Their width is a multiple of 256, so that K-quants apply to them as they do to the real ones. Biases and norms are
random too: as they are initialized, zeros and ones, a file without them would be the same model.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.paths import ROOT
from training.checkpoints.tokenizer import SPLITTING

if TYPE_CHECKING:
    from transformers import PreTrainedModel

SPECIAL = (
    "<|begin_of_text|>",
    "<|end_of_text|>",
    "<|finetune_right_pad_id|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|eot_id|>",
)
TEMPLATE = (ROOT / "training/templates/llama-3.1.jinja").read_text()
CHATML_SPECIAL = ("<|endoftext|>", "<|im_end|>", "<|im_start|>")
CHATML = """\
{%- if messages[0]['role'] != 'system' %}
{{- '<|im_start|>system\\nYou are a helpful assistant.<|im_end|>\\n' }}
{%- endif %}
{%- for message in messages %}
{{- '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{% endif %}"""

_LLAMA3_ROPE = {
    "rope_type": "llama3",
    "rope_theta": 500_000.0,
    "factor": 32.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}
_PLAIN_ROPE = {"rope_type": "default", "rope_theta": 1_000_000.0}
TINY_ARCHITECTURES: Mapping[str, Mapping[str, Any]] = {
    "llama": {"head_dim": 64, "rope_parameters": _LLAMA3_ROPE, "bos_token_id": 0, "eos_token_id": 5},
    "qwen2": {"rope_parameters": _PLAIN_ROPE, "bos_token_id": 0, "eos_token_id": 2},
    # Heads that are wider than a share of the width, as in the real ones.
    "qwen3": {"head_dim": 128, "rope_parameters": _PLAIN_ROPE, "bos_token_id": 0, "eos_token_id": 2},
}


def write_tiny(directory: Path, architecture: str = "llama", *, seed: int = 0, tied: bool = True) -> Path:
    """A checkpoint directory as the Hub would have it."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    directory.mkdir(parents=True, exist_ok=True)
    tokens = write_tokenizer(directory, architecture)
    torch.manual_seed(seed)
    config = AutoConfig.for_model(
        architecture,
        hidden_size=256,
        intermediate_size=512,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        vocab_size=tokens + 8,  # a padded embedding, as real ones have
        max_position_embeddings=131_072,
        tie_word_embeddings=tied,
        initializer_range=0.08,
        **TINY_ARCHITECTURES[architecture],
    )
    model = AutoModelForCausalLM.from_config(config)
    if architecture != "llama":
        _disturb_vectors(model)
    model.save_pretrained(directory)
    return directory


def _disturb_vectors(model: "PreTrainedModel") -> None:
    import torch

    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter += 0.3 * torch.randn_like(parameter)


def write_tokenizer(directory: Path, architecture: str = "llama") -> int:
    """A byte-level BPE of a few merges; returns its size."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    special, rule = (SPECIAL, "llama-bpe") if architecture == "llama" else (CHATML_SPECIAL, "qwen2")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    texts = ["What is the sum of two numbers and the answer is that the number was in the", "0 1 2 3 4 5 6 7 8 9"]
    trainer = trainers.BpeTrainer(
        vocab_size=300, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator(texts * 20, trainer)
    content = json.loads(tokenizer.to_str())
    content["pre_tokenizer"], content["model"]["ignore_merges"] = SPLITTING[rule]
    vocabulary = {token: index + len(special) for token, index in content["model"]["vocab"].items()}
    content["model"]["vocab"] = {**{token: index for index, token in enumerate(special)}, **vocabulary}
    tokenizer = Tokenizer.from_str(json.dumps(content))
    tokenizer.add_special_tokens(list(special))
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=special[0],
        eos_token=special[-1],
        pad_token=special[2] if architecture == "llama" else special[0],
        clean_up_tokenization_spaces=False,
    )
    fast.chat_template = TEMPLATE if architecture == "llama" else CHATML
    fast.save_pretrained(directory)
    return len(fast)


def write_rows(path: Path, count: int = 40) -> Path:
    """Sums as questions with answers."""
    rows = [{"question": f"What is {i} + {i % 7}?", "answer": f"The answer is {i + i % 7}."} for i in range(count)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path
