"""Runs made of a few characters: what their figures are can be worked out by hand."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.runs.read import FIXED_SHAPE, Row, Run

_GRADES: dict[str, float | None] = {"1": 1.0, "0": 0.0, "-": None}


def made_row(model: str, place: int, **changes: Any) -> Row:
    """An answer of 21 tokens, 84 characters, in 0.5 s: 100 tok/s decode and 500 prefill."""
    facts: dict[str, Any] = {
        "model": model,
        "model_sha256": f"sha-{model.removesuffix('@again')}",
        "suite": "core",
        "prompt_id": f"p{place}",
        "kind": "facts",
        "condition": "batched",
        "repetition": 0,
        "seed": 1,
        "started_at": "2026-01-01T00:00:00+00:00",
        "answer": f"{model} {place}",
        "prompt_tokens": 50,
        "prefill_tokens": 50,
        "prefill_s": 0.1,
        "decode_tokens": 20,
        "decode_s": 0.2,
        "completion_tokens": 21,
        "completion_characters": 84,
        "ttft_s": 0.1,
        "total_s": 0.5,
    }
    return Row(**{**facts, **changes})


def graded_rows(model: str, grades: str, templates: Sequence[str] = (), **changes: Any) -> list[Row]:
    """One row a character: 1 right, 0 wrong, - not graded."""
    return [
        made_row(
            model,
            place,
            **{"grade": _GRADES[letter], "template": templates[place] if templates else None, **changes},
        )
        for place, letter in enumerate(grades)
    ]


def timed_rows(model: str, rates: Sequence[float], **changes: Any) -> list[Row]:
    """One fixed-shape row a decode rate."""
    shape = {"suite": FIXED_SHAPE, "kind": FIXED_SHAPE, "prompt_id": "pp", "condition": "timed-cold", "answer": None}
    return [
        made_row(model, place, **{**shape, "repetition": place, "decode_s": 20 / rate, **changes})
        for place, rate in enumerate(rates)
    ]


def made_run(
    *groups: Sequence[Row],
    run_id: str = "r",
    cpu: str = "a CPU",
    day: int = 1,
    facts: Mapping[str, Any] | None = None,
    **manifest_facts: Any,
) -> Run:
    """A run of these rows; `facts` adds to what the manifest says of a model, the rest to the manifest."""
    rows = tuple(row for group in groups for row in group)
    models = {
        model: {"label": model.upper(), "sha256": f"sha-{model}", **(facts or {}).get(model, {})}
        for model in dict.fromkeys(row.model for row in rows)
    }
    manifest = {
        "schema_version": "1.1",
        "run_id": run_id,
        "created_at": f"2026-01-{day:02}T00:00:00+00:00",
        "finished_at": "later",
        "models": models,
        "machine": {"cpu": cpu, "usable_threads": 2},
        **manifest_facts,
    }
    return Run(directory=Path(run_id), manifest=manifest, rows=rows)
