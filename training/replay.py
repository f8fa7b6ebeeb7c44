"""The base model's own answers, mixed into training so that it does not forget how to chat (self-distillation).

Prompts come from files, and from the base itself: given its template up to where a user's turn begins, an instruct
model writes a prompt, which it then answers (Magpie, arXiv:2406.08464). What is unfinished, loops, repeats or refuses
is dropped.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training.base_model import resolve
from training.config import Base, Config, Source, TrainingError, fingerprint, to_dict
from training.console import Counter
from training.conversations import form_of
from training.examples import load_tokenizer
from training.jsonl import json_rows
from training.overlap import normalized

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

_GPU_SEQUENCES_PER_GIB = 40
_CPU_SEQUENCES = 8
_MARK = "\ue000"


def replay_file(name: str, source: Source, config: Config, *, runs: Path = Path("runs")) -> Path:
    """The file of a replay source, generated at the first time (minutes on a GPU, hours on a CPU).

    Raises:
        TrainingError: A prompt file is missing or empty.
    """
    if source.path:
        return Path(source.path)
    base = Base(source="registry", name=source.name) if source.name else config.base
    prompts = list(prompts_of(name, source))
    key = fingerprint(to_dict(base), prompts, source.self_prompts, source.max_new_tokens, source.temperature)
    path = runs / "data" / f"replay-{key}.jsonl"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".partial")
        with temporary.open("w", encoding="utf-8") as file:
            for question, answer in generate_replay(base, source, prompts, template=config.data.template):
                file.write(json.dumps({"question": question, "answer": answer}, ensure_ascii=False) + "\n")
        temporary.replace(path)
    return path


def generate_replay(
    base: Base, source: Source, prompts: Sequence[str], *, template: str, seed: int = 3407
) -> Iterator[tuple[str, str]]:
    """Pairs of a prompt and the base's answer; prompts of the base's own follow the given ones."""
    import torch
    from transformers import AutoModelForCausalLM, set_seed

    checkpoint = resolve(base)
    tokenizer = load_tokenizer(checkpoint.path, template)
    gpu = torch.cuda.is_available()
    model = AutoModelForCausalLM.from_pretrained(checkpoint.path, dtype=torch.bfloat16 if gpu else torch.float32)
    model = model.to("cuda" if gpu else "cpu").eval()
    set_seed(seed)
    batch = _CPU_SEQUENCES
    if gpu:
        batch = int(torch.cuda.get_device_properties(0).total_memory / 2**30 * _GPU_SEQUENCES_PER_GIB)
    seen: set[str] = set()
    questions = [*prompts]
    if source.self_prompts:
        opening = user_opening(tokenizer)
        counter = Counter(stage="writing prompts", total=source.self_prompts)
        for start in range(0, source.self_prompts, batch):
            count = min(batch, source.self_prompts - start)
            questions += [text for text in _write(model, tokenizer, [opening] * count, 128, 1.0) if text]
            counter.show(start + count)
    counter = Counter(stage="answering prompts", total=len(questions))
    for start in range(0, len(questions), batch):
        asked = [question for question in questions[start : start + batch] if normalized(question) not in seen]
        asked = list({normalized(question): question for question in asked}.values())
        seen.update(normalized(question) for question in asked)
        texts = [_asking(tokenizer, question) for question in asked]
        answers = _write(model, tokenizer, texts, source.max_new_tokens, source.temperature) if texts else []
        for question, answer in zip(asked, answers, strict=True):
            if answer and not (loops(answer) or loops(question) or refuses(answer)):
                yield question, answer
        counter.show(start + len(questions[start : start + batch]))


def user_opening(tokenizer: "PreTrainedTokenizerFast") -> str:
    """The chat template's text up to where the user's first turn begins."""
    text = str(tokenizer.apply_chat_template([{"role": "user", "content": _MARK}], tokenize=False))
    return text[: text.index(_MARK)]


def loops(text: str, *, words: int = 6, times: int = 4) -> bool:
    """Whether a run of `words` words comes back `times` times or more."""
    parts = text.split()
    counts: dict[tuple[str, ...], int] = {}
    for start in range(len(parts) - words + 1):
        run = tuple(parts[start : start + words])
        counts[run] = counts.get(run, 0) + 1
    return max(counts.values(), default=0) >= times


def refuses(text: str) -> bool:
    """Whether an answer begins with an apology: the base gives one to a third of its own prompts."""
    return text.lower().startswith(("i'm sorry", "i am sorry", "sorry", "i apologize", "i can't", "i cannot"))


def _asking(tokenizer: "PreTrainedTokenizerFast", question: str) -> str:
    messages = [{"role": "user", "content": question}]
    return str(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))


def _write(
    model: Any, tokenizer: "PreTrainedTokenizerFast", texts: Sequence[str], max_new_tokens: int, temperature: float
) -> list[str | None]:
    """Continuations up to the end of the turn; None for those that did not end."""
    import torch

    batch = tokenizer(list(texts), add_special_tokens=False, padding=True, padding_side="left", return_tensors="pt")
    draw = {"do_sample": True, "temperature": temperature, "top_p": 0.95} if temperature else {"do_sample": False}
    with torch.no_grad():
        out = model.generate(
            **batch.to(model.device),
            **draw,
            max_new_tokens=max_new_tokens,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    new = out[:, batch["input_ids"].shape[1] :].tolist()
    ended = [ids[: ids.index(tokenizer.eos_token_id)] if tokenizer.eos_token_id in ids else None for ids in new]
    return [tokenizer.decode(ids, skip_special_tokens=True).strip() if ids else None for ids in ended]


def prompts_of(name: str, source: Source) -> Iterator[str]:
    """The questions of a source's prompt files, in order.

    Raises:
        TrainingError: A file is missing, or a line is not a row with a question.
    """
    where = f"data.sources.{name}.prompts"
    for text in source.prompts:
        if not Path(text).is_file():
            raise TrainingError(f"{where}: {text!r}: no such file")
        for row in json_rows(where, Path(text)):
            column = next((key for key in ("prompt", "question", "instruction") if isinstance(row.get(key), str)), None)
            if column is None:
                column = form_of(list(row), source, where)[0]
            yield str(row[column]).strip()
