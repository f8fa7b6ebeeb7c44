"""The merged model as torch computes it: what every exported file is measured against."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training.console import quiet_loading

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


class Reference:
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
        model = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32).to(self.device)
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
