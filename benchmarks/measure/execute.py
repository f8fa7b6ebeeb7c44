"""Carry out a run: load the models, make the samples that are missing, write each to disk."""

import contextlib
import dataclasses
import threading
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from benchmarks.config import Config, ConfigError, original
from benchmarks.engine.machine import usable_threads
from benchmarks.graders import VERSION
from benchmarks.measure.batch import measure_batched
from benchmarks.measure.manifest import UNKNOWN_SHA256, differences, new_manifest, now
from benchmarks.measure.models import ModelUnderTest, with_engine
from benchmarks.measure.progress import RunProgress
from benchmarks.measure.sample import measure, request_for
from benchmarks.measure.schedule import Trial, schedule
from benchmarks.runs.read import AGAIN, DEPTH, FIXED_SHAPE, Key, Row, RunError, read_run, sample_key
from benchmarks.runs.write import RunWriter, write_manifest
from benchmarks.statistics.sequential import Contests
from data.suites.prompts import Suite


def execute(
    config: Config,
    suites: Sequence[Suite],
    models: Sequence[ModelUnderTest],
    *,
    out: Path,
    earlier: Path | None = None,
    progress_to: TextIO,
) -> Path:
    """Make a run and return its directory.

    A model that cannot load or dies leaves rows with an error; the others finish.

    Args:
        earlier: A run to go on with, unfinished, with more prompts by now, or with samples that failed; no answer in it
            is made again.

    Raises:
        ConfigError: Two models are one file, two suites have one name, or a kind is not in any suite.
        RunError: The disk is full, or the earlier run differs in what it measures.
    """
    _check_distinct(config, suites, models)
    config = dataclasses.replace(config, models=tuple(model.id for model in models))
    directory = earlier or _new_directory(out, config.name)
    by_id = {model.id: model for model in models}
    served = {model.id for model in models if model.served}
    manifest = new_manifest(directory.name, config, suites)
    manifest["models"] = {model.id: model.described() for model in models}
    with RunWriter(directory) as writer:
        done, failed = set[Key](), set[Key]()
        if earlier:
            manifest, done, failed = _continued(earlier, manifest, suites)
        asked = {_key(trial, by_id[trial.model]): trial for trial in schedule(config, suites, served)}
        _check_asked(directory, (done | failed) - asked.keys())
        write_manifest(directory, manifest)
        trials = [trial for key, trial in asked.items() if key not in done]
        progress = RunProgress(total=len(done) + len(trials), done=len(done), stream=progress_to)
        record = _Record(writer=writer, progress=progress, manifest=manifest)
        if config.end_when_decided:
            record.contests = _contests(config, asked.values(), read_run(directory).rows if earlier else ())
        try:
            _make_all(trials, by_id, config, record)
        finally:
            progress.end()
            for model in models:
                model.close()
            _note_models(manifest, models)
            with contextlib.suppress(RunError):  # a full disk has been reported by the writer
                write_manifest(directory, manifest)
        manifest["finished_at"] = now()
        write_manifest(directory, manifest)
    return directory


def _check_distinct(config: Config, suites: Sequence[Suite], models: Sequence[ModelUnderTest]) -> None:
    """Samples are told apart by the model's sha256 and the suite's name."""
    by_sha256: dict[str, str] = {}
    for model in models:
        other = by_sha256.setdefault(model.sha256, original(model.id))
        if other != original(model.id):
            raise ConfigError(
                f"models: {other!r} and {model.id!r} are the same file; leave one out, or write {other + AGAIN!r}"
            )
    names = [suite.name for suite in suites]
    if twice := [name for name in names if names.count(name) > 1]:
        raise ConfigError(f"suites: two are named {twice[0]!r}; rename a file")
    if reserved := [name for name in names if name in (FIXED_SHAPE, DEPTH)]:
        raise ConfigError(f"suites: {reserved[0]!r} is the name of timed shapes; rename the file")
    known = list(dict.fromkeys(kind for suite in suites for kind in suite.kinds))
    roomy = max((prompt for suite in suites for prompt in suite.prompts), key=lambda it: it.max_tokens, default=None)
    if roomy and min(roomy.max_tokens, config.max_tokens or roomy.max_tokens) >= config.context_tokens:
        raise ConfigError(
            f"context_tokens is {config.context_tokens}; prompt {roomy.id!r} may be answered in {roomy.max_tokens} "
            f"tokens, and its own must fit too: give at least {2 * roomy.max_tokens}"
        )
    if unknown := [kind for kind in config.kinds if kind not in known]:
        raise ConfigError(f"kinds: unknown kind {unknown[0]!r}; known: {', '.join(known)}")


def _check_asked(directory: Path, left_over: set[Key]) -> None:
    """A suite that grew under a limit can put new prompts in the place of old ones."""
    if left_over:
        *_, suite, prompt, _, _, _ = min(left_over)
        raise RunError(
            f"{directory}: cannot be resumed, because {len(left_over)} of its samples, such as {suite}/{prompt}, "
            "are not asked any more; give a higher limit, or run without --resume"
        )


@dataclass(kw_only=True)
class _Record:
    """Where rows go. Several models' threads share it in "batched": one lock around all of it."""

    writer: RunWriter
    progress: RunProgress
    manifest: dict[str, Any]
    contests: Contests | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)
    stop: threading.Event = field(default_factory=threading.Event)

    def add(self, row: Row) -> None:
        with self.lock:
            if not self.stop.is_set():
                self.writer.write(row)
                self.progress.advance(row)
                if self.contests and row.condition == "batched" and not row.error:
                    self.contests.note(row)

    def needless(self, trial: Trial) -> bool:
        """Whether it is decided already what the trial would help to decide; counted, where it is."""
        with self.lock:
            if not self.contests or not self.contests.over(trial.suite, trial.model):
                return False
            left_out = self.manifest.setdefault("decided_early", {}).setdefault(trial.suite, {})
            left_out[trial.model] = left_out.get(trial.model, 0) + 1
            self.progress.leave_out()
            return True


def _contests(config: Config, trials: Iterable[Trial], rows: Iterable[Row]) -> Contests:
    """Of the models as they are told apart, with what an earlier session has answered."""
    order: dict[str, dict[str, None]] = {}
    for trial in trials:
        if trial.condition == "batched":
            order.setdefault(trial.suite, {})[trial.prompt_id] = None
    contests = Contests(config.models, {suite: list(prompts) for suite, prompts in order.items()})
    for row in rows:
        if row.condition == "batched" and not row.error:
            contests.note(row)
    return contests


def _make_all(trials: Sequence[Trial], models: Mapping[str, ModelUnderTest], config: Config, record: _Record) -> None:
    """Single answers first, each alone on the machine; the batches after them, when no other model is loaded."""
    _make([trial for trial in trials if trial.condition != "batched"], models, config, record)
    for model in models.values():
        model.close()
    _make_batched([trial for trial in trials if trial.condition == "batched"], models.values(), config, record)


def _make(trials: Sequence[Trial], models: Mapping[str, ModelUnderTest], config: Config, record: _Record) -> None:
    for model in models.values():
        first = next((trial for trial in trials if trial.model == model.id), None)
        if first is None:
            continue
        _load(model, config, record)
        for _ in range(config.warmups if model.engine and not model.served else 0):
            model.ask(request_for(first, config, model.engine.info.vocabulary_size if model.engine else 1))
    _note_models(record.manifest, models.values())
    write_manifest(record.writer.directory, record.manifest)
    for trial in trials:
        record.add(measure(trial, models[trial.model], config))


def _load(model: ModelUnderTest, config: Config, record: _Record) -> None:
    """Open the engine, and say where a setting of the chat template has no effect."""
    model.load()
    known = model.engine.info.template_switches if model.engine else tuple(name for name, _ in config.switches)
    if without := [name for name, _ in config.switches if name not in known]:
        with record.lock:
            has = ", ".join(known) or "none"
            record.progress.say(f"{model.id}: its chat template has no switch {', '.join(without)}; it has: {has}")


def _make_batched(trials: Sequence[Trial], models: Iterable[ModelUnderTest], config: Config, record: _Record) -> None:
    """`config.jobs` models at a time, no more: several sequences' KV caches are large."""
    with ThreadPoolExecutor(max_workers=config.jobs) as threads:
        jobs = [
            threads.submit(_make_one_batched, mine, model, config, record)
            for model in models
            if (mine := [trial for trial in trials if trial.model == model.id])
        ]
        try:
            for job in as_completed(jobs):
                job.result()
        except BaseException:  # Ctrl-C, or a full disk: the other models' threads end at their next step
            record.stop.set()
            threads.shutdown(wait=False, cancel_futures=True)
            raise


def _make_one_batched(trials: Sequence[Trial], model: ModelUnderTest, config: Config, record: _Record) -> None:
    threads = config.threads or max(1, usable_threads() // config.jobs)  # more than there are collapse: they spin
    model = with_engine(model, dataclasses.replace(config, threads=threads), sequences=config.batch_sequences)
    _load(model, config, record)
    try:
        for row in measure_batched(trials, model, config, stop=record.stop, needless=record.needless):
            record.add(row)
    finally:
        info = model.described()
        model.close()
        with record.lock:
            facts = record.manifest["models"][model.id]
            missing = (key for key in info if facts.get(key) is None and key != "peak_rss_bytes")
            facts |= {key: info[key] for key in missing}


def _new_directory(out: Path, name: str) -> Path:
    stamp = f"{name}-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    return next(path for path in (out / f"{stamp}{suffix}" for suffix in ("", *_SUFFIXES)) if not path.exists())


_SUFFIXES = tuple(f"-{number}" for number in range(2, 100))


def _continued(
    earlier: Path, manifest: dict[str, Any], suites: Sequence[Suite]
) -> tuple[dict[str, Any], set[Key], set[Key]]:
    """The earlier run's manifest, to be kept but for what has grown, and the keys that were made and that failed."""
    run = read_run(earlier)
    old = dict(run.manifest)
    if found := differences(old, manifest, suites):
        raise RunError(f"{earlier}: cannot be resumed, because it differs: {'; '.join(found)}; run without --resume")
    if old.get("graders_version") != VERSION:
        raise RunError(
            f"{earlier}: its answers were graded by other graders than today's; run "
            f"`python -m benchmarks.regrade {earlier}`, then resume"
        )
    old["resumed_at"] = [*old.get("resumed_at", []), now()]
    old["resumed_git"] = [*old.get("resumed_git", []), manifest["git"]]
    old |= {"suites": manifest["suites"], "finished_at": None}
    old["config"] = {**old.get("config", {}), "limit": manifest["config"]["limit"]}
    old.pop("decided_early", None)  # counted anew
    old["models"] = {id_: {**facts, "error": None} for id_, facts in old.get("models", {}).items()}  # tried again
    known = [row for row in run.rows if not row.model_sha256.startswith(UNKNOWN_SHA256)]
    failed = {row.key for row in known if row.error}
    return old, {row.key for row in known} - failed, failed


def _key(trial: Trial, model: ModelUnderTest) -> Key:
    return sample_key(
        trial.model,
        model.sha256,
        trial.suite,
        trial.prompt_id,
        trial.condition,
        trial.repetition,
        trial.seed,
    )


def _note_models(manifest: dict[str, Any], models: Iterable[ModelUnderTest]) -> None:
    """Bring the manifest's models up to date; what an earlier session knew and this one does not, stays."""
    for model in models:
        before, fresh = manifest["models"].get(model.id, {}), model.described()
        peaks = [facts["peak_rss_bytes"] for facts in (before, fresh) if facts.get("peak_rss_bytes") is not None]
        kept = {key: value for key, value in fresh.items() if value is not None}
        manifest["models"][model.id] = {**fresh, **before, **kept, "peak_rss_bytes": max(peaks, default=None)}
