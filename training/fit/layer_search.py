"""Remove layers of a base one at a time, always the one whose removal harms perplexity least."""

import math
from collections.abc import Callable, Sequence
from typing import Any

from data.progress import Counter
from training.checkpoints.base_model import resolve
from training.config import Base, TrainingError
from training.rows.examples import IGNORED, load_tokenizer, make_examples

_BATCH_TOKENS = 32_768


def search(base: Base, texts: Sequence[tuple[str, str]], drop: int) -> list[dict[str, Any]]:
    """The layers in the order of removal.

    Args:
        texts: Questions and answers; perplexity is of the answers.

    Returns:
        One entry a step: layer (number in the base), perplexity after it, and that of every candidate.

    Raises:
        TrainingError: As many layers as there are, or no texts.
    """
    import torch
    from transformers import AutoModelForCausalLM

    checkpoint = resolve(base)
    tokenizer = load_tokenizer(checkpoint.path, "base")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model: Any = AutoModelForCausalLM.from_pretrained(checkpoint.path, dtype=torch.float32).to(device).eval()
    model.config.use_cache = False
    layers = list(model.model.layers)
    if not 0 < drop < len(layers):
        raise TrainingError(f"--drop is {drop}; the base has {len(layers)} layers, of which at least one must stay")
    if not texts:
        raise TrainingError("no rows with question and answer in the text")
    pairs = ([{"role": "user", "content": asked}, {"role": "assistant", "content": said}] for asked, said in texts)
    batches = _batches([make_examples(pair, tokenizer)[0] for pair in pairs], tokenizer.pad_token_id, device)

    def perplexity_of(kept: Sequence[int]) -> float:
        model.model.layers = torch.nn.ModuleList([layers[index] for index in kept])
        model.config.num_hidden_layers = len(kept)
        return _perplexity(model, batches)

    return _one_by_one(len(layers), drop, perplexity_of)


def _one_by_one(layers: int, drop: int, perplexity_of: Callable[[Sequence[int]], float]) -> list[dict[str, Any]]:
    """At each step the layer goes without which the rest does best."""
    left = list(range(layers))
    steps: list[dict[str, Any]] = [{"layer": None, "perplexity": perplexity_of(left)}]
    counter = Counter("removing layers", total=drop)
    for step in range(1, drop + 1):
        found = {layer: perplexity_of([index for index in left if index != layer]) for layer in left}
        best = min(found, key=lambda layer: found[layer])
        left.remove(best)
        steps.append({"layer": best, "perplexity": found[best], "candidates": found})
        counter.show(step, f"layer {best}, perplexity {found[best]:.1f}")
    return steps


def _batches(examples: Sequence[Any], pad: int, device: str) -> list[tuple[Any, Any]]:
    """Ids and labels of similar length, padded together."""
    import torch

    batches, rows = [], sorted(examples, key=lambda example: len(example.input_ids))
    while rows:
        size = max(1, _BATCH_TOKENS // len(rows[-1].input_ids))
        part, rows = rows[-size:], rows[:-size]
        width = max(len(example.input_ids) for example in part)
        ids = [example.input_ids + [pad] * (width - len(example.input_ids)) for example in part]
        labels = [example.labels + [IGNORED] * (width - len(example.labels)) for example in part]
        batches.append((torch.tensor(ids, device=device), torch.tensor(labels, device=device)))
    return batches


def _perplexity(model: Any, batches: Sequence[tuple[Any, Any]]) -> float:
    """Padding stands on the right, so no attention mask is needed."""
    import torch

    total, count = 0.0, 0
    with torch.no_grad(), torch.autocast(batches[0][0].device.type, dtype=torch.bfloat16):
        for ids, labels in batches:
            hidden = model.model(input_ids=ids, use_cache=False).last_hidden_state[:, :-1]
            wanted = labels[:, 1:]
            kept = wanted >= 0
            for rows, targets in zip(hidden[kept].split(8192), wanted[kept].split(8192)):
                loss = torch.nn.functional.cross_entropy(model.lm_head(rows).float(), targets, reduction="sum")
                total, count = total + float(loss), count + len(targets)
    return math.exp(total / count)
