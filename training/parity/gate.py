"""The parity gate: is every exported file the model that was trained?

The reference is base and adapter merged by peft in float32; the files run in Tradeoff's own engine, from GGUF. They
must read the same tokens, end turns on the same token, and predict the same next tokens. A base that is a GGUF is
judged with the adapter applied as it runs, too. `training.publish` refuses without its parity.json.
"""

import tempfile
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.engine.ask import ask_all
from benchmarks.engine.contract import Engine, EngineError, LoadOptions, Request, Sampling
from benchmarks.engine.worker_engine import WorkerEngine
from benchmarks.statistics.divergence import divergence
from data.command import say
from data.files import sha256_of
from data.gguf.adapted import link_base, write_adapted
from data.gguf.header import GGUFError
from data.gguf.lora import read_adapter
from data.gguf.split import read_model
from data.manifest import Manifest, read_manifest, write_manifest
from data.message import Message
from training.checkpoints.adapter import gguf_adapter
from training.checkpoints.base_model import Checkpoint, resolve
from training.config import Config, TrainingError
from training.parity import checks as parity
from training.parity.checks import Check
from training.parity.reference import REPLY_TOKENS, Expected, Texts, expected_of
from training.rows.examples import prompt_ids
from training.rows.replay import loops
from training.run_directory import RunDirectory, prepared_data, read_record

if TYPE_CHECKING:
    import numpy.typing as npt

_F16_ROUNDING = 1e-3
# A quantized file may stop less often or loop more often than the reference by this share of the replies.
_REPLY_TOLERANCE = 0.25

CONVERSATIONS: tuple[tuple[dict[str, str], ...], ...] = (
    ({"role": "user", "content": "What is the capital of France?"},),
    ({"role": "system", "content": "Answer in one word."}, {"role": "user", "content": "Is 17 prime?"}),
    (
        {"role": "user", "content": "My name is Zoë."},
        {"role": "assistant", "content": "Hello, Zoë!"},
        {"role": "user", "content": "Say it backwards:\n\n\t“naïve” 1234567 🙂 don't"},
    ),
    ({"role": "user", "content": "def f(x):\n    return x ** 2  # <b>&amp;</b>"},),
    ({"role": "user", "content": "What do <|eot_id|> and <|im_end|>\n<|im_start|>assistant\nmean?"},),
)


def verify(run: RunDirectory, *, replies: int = 12) -> list[Check]:
    """Judge every exported file and write parity.json.

    Args:
        replies: Prompts answered by the reference and by each file; 0 leaves them out.

    Raises:
        TrainingError: Nothing was exported, or files changed since.
    """
    record = read_record(run)
    config = record.parsed
    if not run.manifest.is_file():
        raise TrainingError(f"{run.path}: nothing is exported; run python -m training.export {run.path}")
    files = read_manifest(run.manifest).files
    checks = _check_sums(run, files)
    data = prepared_data(record)
    base = resolve(config.base)
    checks += _check_adapter(run, config, base.path)
    say("computing the reference")
    expected = expected_of(run, base.path, data, replies)
    f16_perplexity = 0.0
    with tempfile.TemporaryDirectory(prefix="tradeoff-parity-") as scratch:
        for name, path in _models(run, files, config, base, Path(scratch)).items():
            say(f"checking {name}")
            found, perplexity = _check_model(name, path, expected, config, f16_perplexity)
            checks += found
            f16_perplexity = f16_perplexity or perplexity
    _write(run, config, record.base_sha256, files, checks)
    return checks


def _models(
    run: RunDirectory, files: Mapping[str, str], config: Config, base: Checkpoint, scratch: Path
) -> dict[str, Path]:
    """What is judged, by name: F16 first, as others are compared with it; last the adapter as it runs on its GGUF."""
    names = [name for name in files if name != run.gguf("adapter").name]
    models = {name: run.export / name for name in sorted(names, key=lambda name: ".f16." not in name)}
    if base.gguf and config.data.template == "base":
        adapted = scratch / f"{run.name}.adapted.gguf"
        write_adapted(run.gguf("adapter"), base.gguf, adapted, base_sha256=base.identity)
        link_base(scratch, base.gguf, base.identity)
        models[adapted.name] = adapted
    return models


def _check_model(
    name: str, path: Path, expected: Expected, config: Config, f16_perplexity: float
) -> tuple[list[Check], float]:
    """The checks of one file, and its perplexity; that of F16 is 0 before F16 was judged."""
    checks = _check_metadata(path, expected)
    with closing(_open(path, expected.texts)) as engine:
        checks += _check_tokens(name, engine, expected.tokenizer)
        size, wanted = engine.info.vocabulary_size, expected.distributions[0].shape[1]
        if size != wanted:
            return [*checks, parity.equals("vocabulary", name, f"{size} tokens", f"{wanted} tokens")], 0.0
        perplexity = _perplexity(engine, expected.texts)
        is_f16 = name.endswith(".f16.gguf")
        checks += _check_divergence(name, engine, expected, config, is_f16=is_f16)
        checks += _check_perplexity(name, perplexity, f16_perplexity, config, is_f16=is_f16)
        if expected.texts.prompts:
            checks += _check_replies(name, engine, expected)
    return checks, perplexity if is_f16 else 0.0


def _check_sums(run: RunDirectory, files: Mapping[str, str]) -> list[Check]:
    checks = []
    for name, expected in files.items():
        path = run.export / name
        if not path.is_file():
            raise TrainingError(f"{path}: missing; run python -m training.export {run.path}")
        checks.append(parity.equals("sha256", name, sha256_of(path)[:12], expected[:12]))
    return checks


def _open(path: Path, texts: Texts) -> Engine:
    longest = max(len(ids) for ids in [*texts.compared, *(ids for ids, _ in texts.scored), *texts.prompts])
    try:
        return WorkerEngine(path.absolute(), LoadOptions(context_tokens=longest + REPLY_TOKENS + 64))
    except EngineError as error:
        raise TrainingError(f"{path.name} cannot be loaded: {error}") from None


def _check_adapter(run: RunDirectory, config: Config, checkpoint: Path) -> list[Check]:
    """The small GGUF holds what peft trained."""
    path = run.gguf("adapter")
    adapter, (trained, _) = read_adapter(path), gguf_adapter(run.adapter, checkpoint)
    checks = [
        parity.equals("rank", path.name, adapter.rank, config.lora.rank),
        parity.equals("alpha", path.name, adapter.alpha, config.lora.alpha),
        parity.equals("adapts the trained tensors", path.name, _shapes(adapter.tensors) == _shapes(trained), True),
    ]
    if all(check.passed for check in checks):
        change = max(
            _largest_change(one, other) for name in trained for one, other in zip(trained[name], adapter.tensors[name])
        )
        checks.append(parity.at_most("largest change of a weight", path.name, change, _F16_ROUNDING))
    return checks


def _shapes(tensors: Mapping[str, tuple[Any, Any]]) -> dict[str, tuple[Any, Any]]:
    return {name: (a.shape, b.shape) for name, (a, b) in tensors.items()}


def _largest_change(expected: "npt.NDArray[Any]", found: "npt.NDArray[Any]") -> float:
    """As a share of the largest value."""
    import numpy as np

    return float(np.abs(expected - found.astype(np.float32)).max() / max(float(np.abs(expected).max()), 1e-30))


def _check_metadata(path: Path, expected: Expected) -> list[Check]:
    try:
        header = read_model(path)
    except GGUFError as error:
        raise TrainingError(f"{path.name}: {error}; export again") from None
    metadata, name = header.metadata, path.name
    tokenizer, eos = expected.tokenizer, metadata.get("tokenizer.ggml.eos_token_id")
    scaled = any(tensor.name == "rope_freqs.weight" for tensor in header.tensors)
    return [
        parity.equals("end-of-turn token", name, eos, tokenizer.eos_token_id),
        parity.equals("tokenizer.ggml.pre", name, metadata.get("tokenizer.ggml.pre"), expected.pre),
        parity.equals("chat template is the trained one", name, header.chat_template == tokenizer.chat_template, True),
        parity.equals("rope_freqs.weight is there", name, scaled, expected.scaled),
    ]


def _check_tokens(name: str, engine: Engine, tokenizer: Any) -> list[Check]:
    """The engine, from the GGUF alone, reads templated conversations as the tokenizer does."""
    wrong, doubled = [], 0
    for conversation in CONVERSATIONS:
        messages = tuple(Message(role=turn["role"], content=turn["content"]) for turn in conversation)  # type: ignore[arg-type]
        expected = prompt_ids(conversation, tokenizer)
        try:
            found = engine.tokenize(Request(messages=messages))
        except EngineError as error:
            return [Check(name="prompt tokens", file=name, value=str(error)[:60], limit="as trained", passed=False)]
        if found != expected:
            wrong.append(conversation[-1]["content"][:20])
        doubled += _leading(found, tokenizer.bos_token_id) != _leading(expected, tokenizer.bos_token_id)
        doubled += _leading(found, tokenizer.bos_token_id) > 1
    return [
        parity.equals("prompts read as other tokens", name, len(wrong), 0),
        parity.equals("prompts without exactly one BOS", name, doubled, 0),
    ]


def _leading(ids: Sequence[int], token: int | None) -> int:
    """How many times a token stands at the beginning."""
    count = 0
    while count < len(ids) and ids[count] == token:
        count += 1
    return count


def _check_divergence(name: str, engine: Engine, expected: Expected, config: Config, *, is_f16: bool) -> list[Check]:
    limits = config.export
    found = divergence(
        (one, engine.distributions(ids))
        for one, ids in zip(expected.distributions, expected.texts.compared, strict=True)
    )
    checks = [
        parity.at_most("mean KL, nats", name, found.mean_kl, limits.max_f16_kl if is_f16 else limits.max_quantized_kl),
        parity.reported("largest KL, nats", name, found.max_kl),
    ]
    if is_f16:
        return [*checks, parity.at_least("same next token", name, found.top1, limits.min_f16_top1)]
    return [*checks, parity.reported("same next token", name, found.top1)]


def _perplexity(engine: Engine, texts: Texts) -> float:
    """On the answers' tokens, which are what the model is for."""
    import numpy as np

    scores: list[npt.NDArray[np.float32]] = []
    for ids, labels in texts.scored:
        answers = np.array(labels[1:]) >= 0
        scores.append(engine.score(ids)[answers])
    return parity.perplexity(np.concatenate(scores))


def _check_perplexity(name: str, value: float, f16: float, config: Config, *, is_f16: bool) -> list[Check]:
    checks = [parity.reported("held-out perplexity", name, value)]
    if is_f16 or not f16:
        return checks
    limit = config.export.max_perplexity_increase
    return [*checks, parity.at_most("perplexity increase over F16", name, value / f16 - 1, limit)]


def _check_replies(name: str, engine: Engine, expected: Expected) -> list[Check]:
    """Stops and loops as often as the reference, within a tolerance: greedy texts part after a near tie."""
    texts, stopped = _replies(engine, expected.texts.prompts)
    reference = expected.replies
    reference_stops = sum(len(ids) < REPLY_TOKENS for ids in reference) / len(reference)
    reference_loops = sum(loops(expected.tokenizer.decode(ids)) for ids in reference) / len(reference)
    rate = sum(stopped) / len(stopped)
    looping = sum(map(loops, texts)) / len(texts)
    return [
        parity.at_least("replies that stop", name, rate, round(max(0.0, reference_stops - _REPLY_TOLERANCE), 3)),
        parity.at_most("replies that loop", name, looping, round(reference_loops + _REPLY_TOLERANCE, 3)),
    ]


def _replies(engine: Engine, prompts: Sequence[list[int]]) -> tuple[list[str], list[bool]]:
    requests = [Request(prompt_tokens=tuple(each), sampling=Sampling(max_tokens=REPLY_TOKENS)) for each in prompts]
    ends = ask_all(engine, requests, at_once=1)
    return [end.text for end in ends], [end.reason == "stop" for end in ends]


def _write(
    run: RunDirectory, config: Config, base_sha256: str, files: Mapping[str, str], checks: Sequence[Check]
) -> None:
    manifest = Manifest(
        kind="parity",
        base=config.base.name,
        base_sha256=base_sha256,
        files=files,
        created_by=f"python -m training.verify {run.path}",
        rank=config.lora.rank,
        alpha=config.lora.alpha,
        extra={"passed": all(check.passed for check in checks), "checks": [check.as_json() for check in checks]},
    )
    write_manifest(run.parity, manifest)
