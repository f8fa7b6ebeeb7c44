"""From a request to the token ids that the model reads: chat template, control tokens, one BOS."""

from collections.abc import Mapping
from typing import Any

from benchmarks.engine.chat_template import ChatTemplate
from benchmarks.engine.contract import EngineError, Request
from benchmarks.engine.native.binding import NativeModel
from data.bounds import within_bounds

_SPECIAL = {
    "bos_token": "bos",
    "eos_token": "eos",
    "unk_token": "unknown",
    "pad_token": "padding",
    "sep_token": "seperator",  # so spelt in the format
    "mask_token": "mask",
}
_SENTENCEPIECE = {"bos_token": 1, "eos_token": 2, "unk_token": 0}
"""What "llama" tokenizers have where the file does not say. Others get llama.cpp's token 11, an ordinary word."""


class PromptReader:
    """Reads the requests of one model.

    Args:
        metadata: Of the GGUF.

    Raises:
        EngineError: The chat template does not parse.
    """

    def __init__(self, model: NativeModel, metadata: Mapping[str, Any]) -> None:
        self._model = model
        special = special_ids(metadata, model.vocabulary_size)
        self._bos = special.get("bos_token", -1)
        self._controls = model.control_tokens
        texts = {name: model.token_text(token) for name, token in special.items()}
        with within_bounds("the model's chat template", EngineError):
            self.template = ChatTemplate(source, special=texts) if (source := model.chat_template) else None

    def read(self, request: Request) -> tuple[str, list[int]]:
        """The prompt as text, empty for a request of token ids, and its token ids.

        Raises:
            EngineError: An id outside the vocabulary, an empty prompt, no chat template, or one that fails.
        """
        if request.prompt_tokens:
            self.check_vocabulary(request.prompt_tokens)
            return "", list(request.prompt_tokens)
        if not any(message.content.strip() for message in request.messages if message.role == "user"):
            raise EngineError("the prompt is empty; write something first")
        if self.template is None:
            raise EngineError(f"{self._model.description}: the file has no chat template; export it with one")
        with within_bounds("the model's chat template", EngineError):
            rendered = self.template.render_typed(
                request.messages, self._controls, dict(request.sampling.template_switches)
            )
        (prompt,) = rendered.texts
        tokens = rendered.token_ids(prompt, self._model.tokenize)
        return rendered.shown(prompt), one_bos(tokens, bos=self._bos, wanted=self._model.adds_bos)

    def pair(self, beginning: str, end: str) -> tuple[list[int], int]:
        """Ids of plain text, without a template, and how many of them are the beginning's.

        White space between the two belongs to the end, whose first token usually has it.
        """
        head = beginning.rstrip()
        start = self._plain(head)
        whole = self._plain(beginning + end)
        return whole, min(len(start), len(whole))

    def _plain(self, text: str) -> list[int]:
        return one_bos(self._model.tokenize(text), bos=self._bos, wanted=self._model.adds_bos)

    def check_vocabulary(self, token_ids: tuple[int, ...] | list[int]) -> None:
        """Raises:
        EngineError: An id is outside the vocabulary.
        """
        size = self._model.vocabulary_size
        if bad := [token for token in token_ids if not 0 <= token < size]:
            raise EngineError(f"token id {bad[0]} is outside the vocabulary of {size:,}")


def special_ids(metadata: Mapping[str, Any], vocabulary_size: int) -> dict[str, int]:
    """Ids of the special tokens that a file has, by transformers' names."""
    defaults = _SENTENCEPIECE if metadata.get("tokenizer.ggml.model") == "llama" else {}
    found = {name: metadata.get(f"tokenizer.ggml.{key}_token_id", defaults.get(name)) for name, key in _SPECIAL.items()}
    return {name: id_ for name, id_ in found.items() if isinstance(id_, int) and 0 <= id_ < vocabulary_size}


def one_bos(tokens: list[int], *, bos: int, wanted: bool) -> list[int]:
    """Exactly one BOS in front where the model's metadata asks for one; otherwise the tokens as they are.

    Some exports strip the BOS from the chat template and others keep it, with the same metadata.
    """
    if not wanted or bos < 0:
        return tokens
    start = next((i for i, token in enumerate(tokens) if token != bos), len(tokens))
    return [bos, *tokens[start:]]
