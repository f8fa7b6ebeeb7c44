"""llama.cpp's library, what its log says, and models' weights: each file in memory once."""

import ctypes
import os
import re
from pathlib import Path
from typing import ClassVar

from benchmarks.engine.contract import EngineError
from data.llama_library import use_library

use_library()

from llama_cpp import llama_cpp as c  # noqa: E402 (the library must be chosen before the import)

__all__ = ["Weights", "c", "forget_errors", "why"]

_errors: list[str] = []
_SAYS_ONLY_THAT = re.compile(r"failed to (load model|initialize the context)\W*$")
_WHERE = re.compile(r"^(\w+_\w+: |error loading model( vocabulary)?: )+")


def _remember_error(level: int, text: bytes, _: object) -> None:
    if level == 4 and (line := text.decode(errors="replace").strip()):  # GGML_LOG_LEVEL_ERROR
        _errors.append(line)
        del _errors[:-20]


_log_callback = c.llama_log_callback(_remember_error)  # kept alive here: C holds a bare pointer
c.llama_log_set(_log_callback, ctypes.c_void_p())
c.llama_backend_init()


def forget_errors() -> None:
    """What is logged from here on is of what comes next."""
    _errors.clear()


def why() -> str:
    """The last line of llama.cpp's log that gives a reason: after it come others which only say that it failed."""
    reasons = [line for line in _errors if not _SAYS_ONLY_THAT.search(line)]
    return _WHERE.sub("", (reasons or _errors or ["no reason given"])[-1])


class Weights:
    """A file's weights, in memory once, however many contexts with adapters of their own use them."""

    _loaded: ClassVar[dict[tuple[int, ...], "Weights"]] = {}

    def __init__(self, path: Path, key: tuple[int, ...]) -> None:
        self._key, self._users = key, 0
        self.model = c.llama_model_load_from_file(os.fsencode(path), c.llama_model_default_params())
        if not self.model:
            raise EngineError(f"{path.name}: llama.cpp cannot load this file: {why()}")

    @classmethod
    def of(cls, path: Path) -> "Weights":
        """Those of the file as it is now, with one user more.

        Raises:
            EngineError: llama.cpp cannot load it.
        """
        stat = path.stat()
        key = (stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns)
        weights = cls._loaded.get(key) or cls(path, key)
        cls._loaded[key] = weights
        weights._users += 1
        return weights

    def release(self) -> None:
        """One user less; the last one frees them."""
        self._users -= 1
        if self._users == 0:
            del self._loaded[self._key]
            c.llama_model_free(self.model)
