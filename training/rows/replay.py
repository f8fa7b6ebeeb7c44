"""The base model's own answers, mixed into training so that it does not forget how to chat (self-distillation).

Prompts come from files, and from the base itself: given its template up to where a user's turn begins, an instruct
model writes a prompt, which it then answers (Magpie, arXiv:2406.08464). What is unfinished, loops, refuses or does not
meet a request's demands is dropped. Parts that were written before an interruption are not written again.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.graders.numbers import numeric
from data.command import quiet_loading
from data.message import Message
from data.progress import Counter
from training.checkpoints.base_model import resolve
from training.checkpoints.decoder import Decoder, Script, Stretch, write_sequences
from training.config import Base, Config, RowSource, TrainingError, to_dict
from training.rows.conversations import UnusableRow, form_of
from training.rows.demands import demand_rows, follows
from training.rows.examples import chat_template, load_tokenizer, prompt_ids
from training.rows.files import Placed, rows_in
from training.rows.from_hub import from_hub
from training.run_directory import RUNS, fingerprint

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

PROMPTS_PER_PART = 8_192
_GPU_SLOTS, _CPU_SLOTS = 2_048, 8
_LONGEST_QUESTION_TOKENS = 128
_MARK = "\ue000"


def replay_file(name: str, source: RowSource, config: Config, *, runs: Path) -> Path:
    """The file of a replay source, generated at the first time (minutes on a GPU, hours on a CPU).

    Raises:
        TrainingError: A prompt file is missing or empty.
    """
    if source.path:
        return Path(source.path)
    path = _directory(name, source, config, runs).with_suffix(".jsonl")
    if not path.exists():
        parts = write_parts(name, source, config, runs=runs)
        temporary = path.with_suffix(".partial")
        with temporary.open("w", encoding="utf-8") as file:
            for part in parts:
                file.write(part.read_text(encoding="utf-8"))
        temporary.replace(path)
    return path


def write_parts(
    name: str, source: RowSource, config: Config, *, runs: Path = RUNS, index: int = 0, of: int = 1
) -> list[Path]:
    """Write every `of`-th part from `index` on that is not there yet, each whole or not at all; returns their paths.

    Raises:
        TrainingError: A prompt file is missing or empty.
    """
    directory = _directory(name, source, config, runs)
    directory.mkdir(parents=True, exist_ok=True)
    demands = {row["prompt"]: row for row in demand_rows(count=source.demands, seed=config.data.seed, share="train")}
    numbers = numbers_of(name, source) if source.right_only else {}
    asked = [*(numbers or prompts_of(name, source)), *demands]
    total = len(asked) + source.self_prompts
    parts = range(index, -(-total // PROMPTS_PER_PART), of)
    paths = [directory / f"part-{part:04}.jsonl" for part in parts]
    if all(path.exists() for path in paths):
        return paths
    writer = _Writer(_base(source, config), source, config)
    counter = Counter("writing replay", total=min(len(paths) * PROMPTS_PER_PART, total))
    for done, (part, path) in enumerate(zip(parts, paths, strict=True)):
        if path.exists():
            continue
        begin = part * PROMPTS_PER_PART
        questions = asked[begin : begin + PROMPTS_PER_PART]
        own = min(PROMPTS_PER_PART, total - begin) - len(questions)
        temporary = path.with_suffix(".partial")
        with temporary.open("w", encoding="utf-8") as file:
            for count, pair in enumerate(writer.pairs(questions, own, seed=config.data.seed + part), start=1):
                counter.show(done * PROMPTS_PER_PART + count)
                if pair and follows(pair[1], demands.get(pair[0])) and comes_to(pair[1], numbers.get(pair[0])):
                    row = {"question": pair[0], "answer": pair[1]}
                    file.write(json.dumps(row, ensure_ascii=False) + "\n")
        temporary.replace(path)
    return paths


class _Writer:
    """The base model, loaded once, and what its template puts around a turn."""

    def __init__(self, base: Base, source: RowSource, config: Config) -> None:
        import torch
        from transformers import AutoModelForCausalLM

        checkpoint = resolve(base)
        quiet_loading()
        self.source = source
        self.tokenizer = load_tokenizer(checkpoint.path, config.data.template)
        gpu = torch.cuda.is_available()
        model = AutoModelForCausalLM.from_pretrained(checkpoint.path, dtype=torch.bfloat16 if gpu else torch.float32)
        length = config.training.max_length
        slots = _GPU_SLOTS if gpu else _CPU_SLOTS
        self.decoder: Decoder = Decoder(model.to("cuda" if gpu else "cpu").eval(), slots=slots, length=length)
        self._controls = {id_ for id_, token in self.tokenizer.added_tokens_decoder.items() if token.special}
        self.opening, self.closing = (tuple(self._ids(text)) for text in around_user_turn(self.tokenizer))

    def pairs(self, questions: Sequence[str], own: int, *, seed: int) -> Iterator[tuple[str, str] | None]:
        """A question and its answer, or None for what is of no use; given questions first, then `own` written ones."""
        from transformers import set_seed

        set_seed(seed)
        scripts: list[Script] = [
            (self._answer(tuple(prompt_ids([{"role": "user", "content": question}], self.tokenizer))),)
            for question in questions
        ]
        scripts += [(self._question(), self._answer(self.closing[1:]))] * own
        given = dict(zip(scripts, questions, strict=False))
        for script, turns in write_sequences(
            self.decoder,
            iter(scripts),
            end_of_turn=int(self.tokenizer.eos_token_id),
            hopeless=lambda ids: refuses(self._text(ids)),
        ):
            texts = [self._text(turn) for turn in turns]
            pair = (given.get(script, texts[0] if texts else ""), texts[-1] if texts else "")
            yield pair if all(pair) and not (loops(pair[0]) or loops(pair[1]) or refuses(pair[1])) else None

    def _question(self) -> Stretch:
        return Stretch(given=self.opening, max_tokens=_LONGEST_QUESTION_TOKENS, temperature=1.0)

    def _answer(self, given: tuple[int, ...]) -> Stretch:
        return Stretch(given=given, max_tokens=self.source.max_new_tokens, temperature=self.source.temperature)

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids

    def _text(self, ids: list[int]) -> str:
        """Empty where the model wrote a control token that does not end the turn."""
        return (
            ""
            if self._controls.intersection(ids)
            else str(self.tokenizer.decode(ids, skip_special_tokens=True)).strip()
        )


def _base(source: RowSource, config: Config) -> Base:
    return Base(source="registry", name=source.name) if source.name else config.base


def _directory(name: str, source: RowSource, config: Config, runs: Path) -> Path:
    """Of the parts; another base, prompts or sampling is another directory."""
    how = (
        source.self_prompts,
        *filter(None, [source.demands, source.right_only]),
        source.max_new_tokens,
        source.temperature,
        config.training.max_length,
    )
    prompts = list(prompts_of(name, source))
    key = fingerprint(to_dict(_base(source, config)), prompts, *how, config.data.template, config.data.seed)
    return runs / "data" / f"replay-{key}"


def around_user_turn(tokenizer: "PreTrainedTokenizerFast") -> tuple[str, str]:
    """The chat template's text before a first user's turn, and after it, up to where the answer begins."""
    text = chat_template(tokenizer).render([Message(role="user", content=_MARK)])
    before, _, after = text.partition(_MARK)
    return before, after


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


def prompts_of(name: str, source: RowSource) -> Iterator[str]:
    """The questions of a source's prompt files, in order; of each file at most its `limit`.

    Raises:
        TrainingError: A file is missing, or a line is not a row with a question.
    """
    return (question for _, question, _ in _questions(name, source))


def numbers_of(name: str, source: RowSource) -> dict[str, float]:
    """The same questions, each with the number that its row's answer gives after "####".

    Raises:
        TrainingError: As `prompts_of`, or a row has no such number.
    """
    found = {}
    for place, question, row in _questions(name, source):
        text = str(row.get("answer", "")).rpartition("####")[2].replace(",", "").strip()
        try:
            found[question] = float(text)
        except ValueError:
            raise TrainingError(
                f"data.sources.{name}.right_only: {place}: no number after '####' in its answer: {text[:40]!r}"
            ) from None
    return found


def comes_to(answer: str, number: float | None) -> bool:
    """Whether an answer's final number is this one; without one there is nothing to come to."""
    return number is None or numeric(answer, value=number).value == 1


def _questions(name: str, source: RowSource) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Place, question and row."""
    where = f"data.sources.{name}.prompts"
    for text in source.prompts:
        for place, row in islice(_rows(where, text), source.limit or None):
            try:
                if isinstance(row, UnusableRow):
                    raise row
                known = (key for key in ("prompt", "question", "instruction") if isinstance(row.get(key), str))
                column = next(known, None) or form_of(row, source)[0]
            except UnusableRow as error:
                raise TrainingError(f"{where}: {text}, {place}: {error}") from None
            yield f"{text}, {place}", f"{str(row[column]).strip()}\n{source.instruction}".strip(), row


def _rows(where: str, text: str) -> Iterator[Placed]:
    if text.startswith("hub:"):
        repo, _, subset = text.removeprefix("hub:").partition(":")
        return from_hub(where, RowSource(kind="hub", name=repo, subset=subset))[0]
    if not Path(text).is_file():
        raise TrainingError(f"{where}: {text!r}: no such file")
    return rows_in(where, Path(text))
