"""The merged model as torch computes it: what every exported file is measured against."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.command import quiet_loading
from training.checkpoints.tokenizer import splitting_name
from training.config import TrainingError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from training.run_directory import RunDirectory

# Whole distributions are kept in memory: 0.5 GB of float32.
_MAX_VALUES = 125_000_000
_MAX_EXAMPLE_TOKENS = 256
_PERPLEXITY_TOKENS = 8_000
REPLY_TOKENS = 96


@dataclass(frozen=True, kw_only=True)
class Texts:
    """Held-out examples.

    Attributes:
        compared: Token ids whose distributions are compared.
        scored: Token ids and labels for perplexity on the answers.
        prompts: Token ids up to an answer, to be replied to.
    """

    compared: list[list[int]]
    scored: list[tuple[list[int], list[int]]]
    prompts: list[list[int]]


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What a faithful file does.

    Attributes:
        distributions: Log-probabilities for each of the compared texts.
        replies: Greedy ones to the prompts, as token ids.
        pre: llama.cpp's name of the tokenizer's splitting rule.
        scaled: Whether rotary frequencies are scaled.
    """

    texts: Texts
    distributions: "list[npt.NDArray[Any]]"
    replies: list[list[int]]
    tokenizer: Any
    pre: str
    scaled: bool


class ReferenceModel:
    """Base and adapter merged by peft, in float32.

    Args:
        tokenizer: Directory of the tokenizer that was trained with.
    """

    def __init__(self, checkpoint: Path, adapter: Path, tokenizer: Path) -> None:
        import torch
        from peft import PeftModel
        from transformers import AutoModelForCausalLM, AutoTokenizer

        quiet_loading()
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        # Straight to the GPU: 3B in float32 is 12.9 GB, which Colab's GPU holds and its main memory does not.
        model = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32, device_map={"": self.device})
        self.model: Any = PeftModel.from_pretrained(model, adapter).merge_and_unload().eval()
        self.tokenizer = AutoTokenizer.from_pretrained(tokenizer)

    def distributions(self, ids: Sequence[int]) -> "npt.NDArray[np.float32]":
        """Log-probabilities after each token, shape (len(ids), vocabulary)."""
        import torch

        with torch.no_grad():
            logits = self.model(input_ids=torch.tensor([list(ids)], device=self.device)).logits[0]
            distributions: npt.NDArray[np.float32] = torch.log_softmax(logits.float(), dim=-1).cpu().numpy()
        return distributions

    def replies(self, prompts: Sequence[Sequence[int]], max_tokens: int) -> list[list[int]]:
        """Greedy replies to tokenized prompts, without the end-of-turn token; one that did not end is full length."""
        import torch

        eos, pad = self.tokenizer.eos_token_id, self.tokenizer.pad_token_id
        longest = max(map(len, prompts))
        ids = torch.tensor([[pad] * (longest - len(prompt)) + list(prompt) for prompt in prompts], device=self.device)
        mask = torch.tensor([[0] * (longest - len(p)) + [1] * len(p) for p in prompts], device=self.device)
        with torch.no_grad():
            out = self.model.generate(
                input_ids=ids,
                attention_mask=mask,
                do_sample=False,
                max_new_tokens=max_tokens,
                eos_token_id=eos,
                pad_token_id=pad,
            )
        return [row[: row.index(eos)] if eos in row else row for row in out[:, longest:].tolist()]


def expected_of(run: "RunDirectory", checkpoint: Path, data: Path, replies: int) -> Expected:
    """Compute on the run's validation rows.

    Raises:
        TrainingError: Out of GPU memory.
    """
    import torch

    try:
        reference = ReferenceModel(checkpoint, run.adapter, data / "tokenizer")
        texts = _texts(data / "validation.parquet", reference.tokenizer, replies)
        rope = getattr(reference.model.config, "rope_parameters", None) or {}
        return Expected(
            texts=texts,
            distributions=[reference.distributions(ids) for ids in texts.compared],
            replies=reference.replies(texts.prompts, REPLY_TOKENS) if texts.prompts else [],
            tokenizer=reference.tokenizer,
            pre=splitting_name(json.loads(reference.tokenizer.backend_tokenizer.to_str())),
            scaled=rope.get("rope_type", "default") != "default",
        )
    except torch.OutOfMemoryError:
        raise TrainingError(
            "out of GPU memory for the reference in float32; end what else uses the GPU, or set "
            "CUDA_VISIBLE_DEVICES= to nothing and it is computed on the CPU"
        ) from None


def _texts(validation: Path, tokenizer: Any, replies: int) -> Texts:
    from pyarrow import parquet

    rows = parquet.read_table(validation).to_pylist()
    budget = _MAX_VALUES // len(tokenizer)
    compared: list[list[int]] = []
    scored: list[tuple[list[int], list[int]]] = []
    prompts: list[list[int]] = []
    for row in rows:
        ids, labels = row["input_ids"], row["labels"]
        if sum(map(len, compared)) < budget:
            compared.append(ids[:_MAX_EXAMPLE_TOKENS])
        if sum(len(one) for one, _ in scored) < _PERPLEXITY_TOKENS:
            scored.append((ids[:2048], labels[:2048]))
        if len(prompts) < replies:
            prompts.append(ids[: next(index for index, label in enumerate(labels) if label >= 0)])
    return Texts(compared=compared, scored=scored, prompts=prompts)
