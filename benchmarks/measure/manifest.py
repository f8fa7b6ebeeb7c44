"""What `run.json` says: everything that one needs to know to believe, or to repeat, a run."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.config import Config
from benchmarks.graders import VERSION
from benchmarks.measure.machine_state import describe_machine
from benchmarks.runs.on_disk import find_runs
from benchmarks.runs.read import SCHEMA_VERSION, RunError, read_manifest, read_run
from data.llama_library import LLAMA_CPP_PYTHON_VERSION, VARIANTS, UnsupportedCPU, library_dir
from data.manifest import git_commit, git_says
from data.suites.prompts import Suite, questions_sha256

UNKNOWN_SHA256 = "unknown:"
"""Begins what stands for the sha256 of a file that could not be had."""

POLICIES = {
    "chat_template": (
        "Each model's own template is left as it is: where a prompt has no system turn, SmolLM2's adds its own "
        "persona. A row's prompt_sha256 is of the rendered prompt."
    ),
    "decode_tok_per_s": "Decode time only, without the first token; answers of under 8 decoded tokens give no rate.",
    "prefill_tok_per_s": "Computed prompt tokens only; every timed-cold sample is cache-cold, or its row is an error.",
    "batched": "Prompts are read before replies go on, and a beginning that another prompt shares is read once.",
    "accuracy": (
        "Ungradable answers and failed samples are counted apart. Truncated answers are graded as they stand, and "
        "shares say what they would be if all of them were right, or wrong. A reply that repeats itself is ended and "
        "counted apart: a span exactly 8 times in a row over at least 240 characters, or 4 times over at least 600."
    ),
}


def now() -> str:
    """UTC, ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def new_manifest(run_id: str, config: Config, suites: Sequence[Suite]) -> dict[str, Any]:
    """The manifest of a run that begins now; models are added as they are loaded."""
    return {
        "schema_version": SCHEMA_VERSION,
        "run_id": run_id,
        "created_at": now(),
        "resumed_at": [],
        "finished_at": None,
        "config": config_facts(config),
        "suites": {
            suite.name: {
                "sha256": suite.sha256,
                "questions_sha256": questions_sha256(suite.prompts),
                "prompts": len(suite.prompts),
            }
            for suite in suites
        },
        "models": {},
        "policies": POLICIES,
        "graders_version": VERSION,
        "llama_cpp": engine_facts(config.engine),
        "machine": describe_machine(),
        "git": _git(),
    }


def config_facts(config: Config) -> dict[str, Any]:
    """The configuration as JSON reads it back."""
    return _listed(dataclasses.asdict(config))


def _listed(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: list(value) if isinstance(value, tuple) else value for key, value in values.items()}


def differences(old: Mapping[str, Any], new: Mapping[str, Any], suites: Sequence[Suite]) -> list[str]:
    """What forbids going on with an old run under a new manifest, one short text each.

    More prompts are allowed: a higher limit, and lines added at the end of a suite's file.
    """
    before_it = {**_added_keys(), **old.get("config", {})}
    found = [
        f"{key}: {before_it.get(key)!r} in the run, {value!r} now"
        for key, value in new["config"].items()
        if before_it.get(key) != value and key not in _HOW and not (key == "limit" and _more(before_it["limit"], value))
    ]
    beginnings = {suite.name: suite.beginnings for suite in suites}
    for part in ("suites", "models"):
        for name, facts in new[part].items():
            before = old.get(part, {}).get(name, {}).get("sha256")
            grown = part == "suites" and before in beginnings[name]
            known = before is not None and not before.startswith(UNKNOWN_SHA256)
            if known and before != facts["sha256"] and not grown:
                found.append(f"{part[:-1]} {name}: sha256 {before[:12]} in the run, {facts['sha256'][:12]} now")
    found += [
        f"{name}: {before!r} in the run, {now_!r} now"
        for name, before, now_ in (
            ("CPU", *(each.get("machine", {}).get("cpu") for each in (old, new))),
            ("llama.cpp", *((each.get("llama_cpp") or {}).get("variant") for each in (old, new))),
        )
        if before != now_
    ]
    return found


_HOW = ("jobs",)
"""Keys that change how long a run takes, not what it measures."""


def run_to_go_on_with(out: Path, config: Config, suites: Sequence[Suite], say: Callable[[str], None]) -> Path:
    """The newest unfinished run of the configuration, or else the newest that has grown since or lacks answers.

    Raises:
        RunError: There is none.
    """
    lacking = None
    for directory in reversed(find_runs([out])):
        try:
            manifest = read_manifest(directory)
            if manifest.get("config", {}).get("name") != config.name:
                continue
            if manifest.get("finished_at") is None:
                return directory
            if lacking is None and (
                _has_grown(manifest, config, suites) or any(row.error for row in read_run(directory).rows)
            ):
                lacking = directory
        except RunError as error:  # somebody else's broken run is no reason not to resume this one
            say(f"passed over: {error}")
    if lacking:
        say(f"{lacking}: lacks samples, and goes on")
        return lacking
    raise RunError(f"no run of {config.name!r} under {out} lacks samples; start one without --resume")


def _has_grown(old: Mapping[str, Any], config: Config, suites: Sequence[Suite]) -> bool:
    """Whether a run's limit or one of its suites is larger now."""
    before = {name: facts.get("sha256") for name, facts in old.get("suites", {}).items()}
    grown = any(before.get(each.name) in each.beginnings and before[each.name] != each.sha256 for each in suites)
    return grown or _more(old.get("config", {}).get("limit", 0), config.limit)


def _more(before: int, now: int) -> bool:
    """Of two limits, where 0 is none."""
    return bool(before) and (now == 0 or now > before)


def _added_keys() -> dict[str, Any]:
    """Defaults: an older run that lacks a key was made as they say."""
    fields = dataclasses.fields(Config)
    defaults = {field.name: field.default for field in fields if field.default is not dataclasses.MISSING}
    return _listed(defaults | {"end_loops": False})  # before there was the rule


def engine_facts(engine: str) -> dict[str, Any] | None:
    """Which build of llama.cpp runs here; None of another engine."""
    if engine != "llama_cpp":
        return None
    try:
        variant = library_dir().name
    except UnsupportedCPU as error:
        return {"error": str(error)}
    flags = VARIANTS[variant][0] if variant in VARIANTS else None
    return {"llama_cpp_python": LLAMA_CPP_PYTHON_VERSION, "variant": variant, "build_flags": flags}


def _git() -> dict[str, Any]:
    commit = git_commit()
    return {"commit": commit, "dirty": bool(git_says("status", "--porcelain")) if commit else None}
