"""Many sequences written at once, each in a slot of its own: a sequence that ends gives its slot to the next.

transformers' own batched `generate` waits for the longest of a batch and copies the whole cache at every token; its
continuous batching needs FlashAttention. For a small model this is an order of magnitude faster (docs/log.md).
Prompts are read token by token through the same step, so there is one shape of work only.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """Tokens that are given, and then tokens that the model writes, up to its end-of-turn token.

    Attributes:
        max_tokens: A sequence whose turn gets longer is given up.
        temperature: 0 takes the likeliest token.
    """

    given: tuple[int, ...]
    max_tokens: int
    temperature: float


Script = tuple[Stretch, ...]

_MIN_P = 0.05
"""Tokens less likely than this share of the likeliest are never drawn."""


class Decoder:
    """A model with one key-value cache of `length` tokens for each slot."""

    def __init__(self, model: Any, *, slots: int, length: int) -> None:
        import torch

        self.model, self.slots, self.length = model, slots, length
        config = model.config
        self.kv_heads, self.head_dim = config.num_key_value_heads, model.model.layers[0].self_attn.head_dim
        shape = (config.num_hidden_layers, slots, self.kv_heads, length, self.head_dim)
        self.keys = torch.zeros(shape, dtype=model.dtype, device=model.device)
        self.values = torch.zeros_like(self.keys)
        self._slot = torch.arange(slots, device=model.device)

    def step(self, tokens: Any, positions: Any, reach: int) -> Any:
        """Logits after one more token in every slot, shape (slots, vocabulary), float32.

        Args:
            tokens, positions: Shape (slots,), on the model's device; each position below `reach`.
        """
        import torch
        from transformers.models.llama.modeling_llama import apply_rotary_pos_emb

        inner = self.model.model
        hidden = inner.embed_tokens(tokens)
        cos, sin = inner.rotary_emb(hidden[:, None], positions[:, None])
        unseen = torch.arange(reach, device=hidden.device) > positions[:, None, None, None]
        for keys, values, layer in zip(self.keys, self.values, inner.layers, strict=True):
            attention, normed = layer.self_attn, layer.input_layernorm(hidden)
            query, key = (self._heads(attention, name, normed) for name in ("q", "k"))
            query, key = apply_rotary_pos_emb(query, key, cos, sin)
            keys[self._slot, :, positions] = key[:, :, 0]
            values[self._slot, :, positions] = attention.v_proj(normed).view(self.slots, -1, self.head_dim)
            query = query.view(self.slots, self.kv_heads, -1, self.head_dim)  # the heads that share keys side by side
            scores = query @ keys[:, :, :reach].transpose(-1, -2) * self.head_dim**-0.5
            weights = scores.float().masked_fill(unseen, -torch.inf).softmax(-1).to(hidden.dtype)
            mixed = (weights @ values[:, :, :reach]).reshape(self.slots, -1)
            hidden = hidden + attention.o_proj(mixed)
            hidden = hidden + layer.mlp(layer.post_attention_layernorm(hidden))
        return self.model.lm_head(inner.norm(hidden)).float()

    def _heads(self, attention: Any, name: str, normed: Any) -> Any:
        """Queries or keys, shape (slots, heads, 1, head_dim), normalized head by head where the architecture does."""
        projected = getattr(attention, f"{name}_proj")(normed).view(self.slots, -1, 1, self.head_dim)
        norm = getattr(attention, f"{name}_norm", None)
        return norm(projected) if norm else projected


def write_sequences(
    decoder: Decoder,
    scripts: Iterator[Script],
    *,
    end_of_turn: int,
    hopeless: Callable[[list[int]], bool] = lambda ids: False,
    hopeless_after: int = 8,
) -> Iterator[tuple[Script, list[list[int]]]]:
    """Carry out each script; yields it with the turns that the model wrote, end-of-turn left out, as they end.

    A sequence that is given up has an empty list of turns, so that every script yields once.

    Args:
        hopeless: Asked once of a script's last turn, after `hopeless_after` tokens; true gives the sequence up.
    """
    import torch

    slots = [_Slot(decoder.length) for _ in range(decoder.slots)]
    for slot in slots:
        slot.take(next(scripts, None))
    while any(slot.script for slot in slots):
        tokens, positions = [slot.token for slot in slots], [slot.position for slot in slots]
        reach = min(decoder.length, (max(positions) // 64 + 1) * 64)
        on_device = {"dtype": torch.long, "device": decoder.model.device}
        with torch.inference_mode():
            logits = decoder.step(torch.tensor(tokens, **on_device), torch.tensor(positions, **on_device), reach)
            drawn = _draw(logits, [slot.temperature for slot in slots]).tolist()
        for slot, token in zip(slots, drawn, strict=True):
            if slot.script is None:
                continue
            outcome = slot.advance(token, end_of_turn)
            if outcome is None and slot.last_turn and len(slot.writing) == hopeless_after and hopeless(slot.writing):
                outcome = []
            if outcome is not None:
                yield slot.script, outcome
                slot.take(next(scripts, None))


class _Slot:
    """Where one sequence is: the token to feed next, at which position, and what is given after it."""

    def __init__(self, length: int) -> None:
        self.length = length
        self.take(None)

    def take(self, script: Script | None) -> None:
        self.script, self.turn = script, 0
        self.token = self.position = 0
        self.written: list[list[int]] = []
        self.writing: list[int] = []
        self.given: list[int] = []
        self.temperature = 0.0
        if script:
            self._begin(script[0])
            self.token = self.given.pop()

    @property
    def last_turn(self) -> bool:
        return self.script is not None and self.turn == len(self.script) - 1

    def advance(self, drawn: int, end_of_turn: int) -> list[list[int]] | None:
        """Take the model's next token, or the given one; the outcome if that ends the sequence."""
        assert self.script is not None
        self.position += 1
        if self.position >= self.length:
            return []
        if self.given:
            self.token = self.given.pop()
            return None
        self.token = drawn
        if drawn != end_of_turn:
            self.writing.append(drawn)
            return [] if len(self.writing) > self.script[self.turn].max_tokens else None
        self.written.append(self.writing)
        self.turn += 1
        if self.turn == len(self.script) or not self.writing:
            return self.written if self.writing else []
        self._begin(self.script[self.turn])
        return None

    def _begin(self, turn: Stretch) -> None:
        self.given, self.writing, self.temperature = list(reversed(turn.given)), [], turn.temperature


def _draw(logits: Any, temperatures: Sequence[float]) -> Any:
    """One token of each row: the likeliest at temperature 0, else by its probability (an exponential race)."""
    import torch

    heat = torch.tensor(temperatures, device=logits.device)[:, None]
    greedy = logits.argmax(-1)
    probabilities = (logits / heat.clamp_min(1e-6)).softmax(-1)
    probabilities[probabilities < _MIN_P * probabilities.amax(-1, keepdim=True)] = 0
    race = torch.empty_like(probabilities).exponential_()
    return torch.where(heat[:, 0] > 0, (probabilities / race).argmax(-1), greedy)
