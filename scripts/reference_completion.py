"""The yardstick of `benchmarks.answers_per_hour`: prompts one at a time through llama-cpp-python's own `Llama` class.

Started by it; not for people. Reads one JSON object a line from stdin, {"prompts": [[{"role", "content"}, ...], ...],
"max_tokens": 128}, and answers each with one on stdout, {"seconds", "prompt_tokens", "completion_tokens"}.
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from data.llama_library import use_library


def main() -> None:
    settings = json.loads(sys.argv[1])
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever the library prints is no answer
    use_library()
    from llama_cpp import Llama
    from llama_cpp import llama_cpp as c

    c.llama_vocab_is_eog = lambda vocabulary, token: False  # see _endless
    threads = settings["threads"]
    model = Llama(
        settings["path"],
        n_ctx=settings["context_tokens"],
        n_threads=threads,
        n_threads_batch=threads,
        verbose=False,
    )
    model.chat_handler = _endless(model)
    for line in sys.stdin:
        print(json.dumps(_complete(model, json.loads(line))), file=out, flush=True)


def _endless(model: Any) -> Any:
    """The model's own template, but no token ends a reply, so that each has the length asked for.

    A logit bias would do it too, but costs time that would count.
    """
    from llama_cpp.llama_chat_format import Jinja2ChatFormatter

    special = (model.token_eos(), model.token_bos())
    texts = [model._model.token_get_text(token) if token >= 0 else "" for token in special]
    template = model.metadata["tokenizer.chat_template"]
    return Jinja2ChatFormatter(template, eos_token=texts[0], bos_token=texts[1]).to_chat_handler()


def _complete(model: Any, wanted: dict[str, Any]) -> dict[str, float]:
    started = time.perf_counter()
    prompt_tokens = completion_tokens = 0
    for messages in wanted["prompts"]:
        reply = model.create_chat_completion(messages, max_tokens=wanted["max_tokens"], temperature=0.0, seed=0)
        prompt_tokens += reply["usage"]["prompt_tokens"]
        completion_tokens += reply["usage"]["completion_tokens"]
    seconds = time.perf_counter() - started
    return {"seconds": seconds, "prompt_tokens": prompt_tokens, "completion_tokens": completion_tokens}


if __name__ == "__main__":
    main()
