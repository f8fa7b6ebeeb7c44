"""What people call a model today: a run's manifest keeps the name that it had when it was measured."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from benchmarks.runs.read import AGAIN, Run
from data.models.entries import Registry


def renamed(runs: Iterable[Run], registry: Registry) -> tuple[Run, ...]:
    """The runs with the registry's labels, found by the file's sha256, or by the id of an entry without one."""
    by_digest = {entry.sha256: entry.label for entry in registry.values() if entry.sha256}
    by_id = {entry.id: entry.label for entry in registry.values() if not entry.sha256}
    return tuple(_renamed(run, by_digest, by_id) for run in runs)


def _renamed(run: Run, by_digest: Mapping[str, str], by_id: Mapping[str, str]) -> Run:
    models: dict[str, Any] = {}
    for model, facts in run.models.items():
        label = by_digest.get(facts.get("sha256") or "") or by_id.get(model.removesuffix(AGAIN))
        again = " again" if model.endswith(AGAIN) else ""
        models[model] = {**facts, "label": label + again} if label else facts
    return replace(run, manifest={**run.manifest, "models": models})
