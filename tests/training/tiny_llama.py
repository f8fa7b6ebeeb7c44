"""A Llama small enough to train in a second: random weights, and a tokenizer with Llama 3's special tokens.

Its width is a multiple of 256, so that K-quants apply to it as they do to the real ones.
"""

import json
from pathlib import Path

from data.paths import ROOT
from training.checkpoints.tokenizer import SPLITTING

SPECIAL = (
    "<|begin_of_text|>",
    "<|end_of_text|>",
    "<|finetune_right_pad_id|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|eot_id|>",
)
TEMPLATE = (ROOT / "training/templates/llama-3.1.jinja").read_text()


def write_tiny_llama(directory: Path, *, seed: int = 0, tied: bool = True) -> Path:
    """A checkpoint directory as the Hub would have it."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    directory.mkdir(parents=True, exist_ok=True)
    tokenizer = write_tokenizer(directory)
    torch.manual_seed(seed)
    config = LlamaConfig(
        hidden_size=256,
        intermediate_size=512,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=64,
        vocab_size=tokenizer + 8,  # a padded embedding, as real ones have
        max_position_embeddings=131_072,
        rope_parameters={
            "rope_type": "llama3",
            "rope_theta": 500_000.0,
            "factor": 32.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 8192,
        },
        tie_word_embeddings=tied,
        initializer_range=0.08,
        bos_token_id=0,
        eos_token_id=5,
    )
    LlamaForCausalLM(config).save_pretrained(directory)
    return directory


def write_tokenizer(directory: Path) -> int:
    """A byte-level BPE of a few merges; returns its size."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    texts = ["What is the sum of two numbers and the answer is that the number was in the", "0 1 2 3 4 5 6 7 8 9"]
    trainer = trainers.BpeTrainer(
        vocab_size=300, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator(texts * 20, trainer)
    content = json.loads(tokenizer.to_str())
    content["pre_tokenizer"] = SPLITTING["llama-bpe"][0]
    content["model"]["ignore_merges"] = True
    vocabulary = {token: index + len(SPECIAL) for token, index in content["model"]["vocab"].items()}
    content["model"]["vocab"] = {**{token: index for index, token in enumerate(SPECIAL)}, **vocabulary}
    tokenizer = Tokenizer.from_str(json.dumps(content))
    tokenizer.add_special_tokens(list(SPECIAL))
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<|begin_of_text|>",
        eos_token="<|eot_id|>",
        pad_token="<|finetune_right_pad_id|>",
        clean_up_tokenization_spaces=False,
    )
    fast.chat_template = TEMPLATE
    fast.save_pretrained(directory)
    return len(fast)


def write_rows(path: Path, count: int = 40) -> Path:
    """Sums as questions with answers."""
    rows = [{"question": f"What is {i} + {i % 7}?", "answer": f"The answer is {i + i % 7}."} for i in range(count)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path
