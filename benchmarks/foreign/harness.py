"""lm-evaluation-harness's `samples_TASK_DATE.jsonl`, as `--log_samples` writes them, with the results file beside it.

A line a question and filter. The model's name and the number of questions stand in `results_DATE.json` alone.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.foreign.log import Answer, Log, LogError, choose, count, share
from data.records import decoded, parse_json, read_json, shown

_NAME = re.compile(r"samples_(.+)_(\d{4}-\d\d-\d\d)T(\d\d)-(\d\d)-(\d\d)(\.\d+)?\.jsonl")
_OTHER_NUMBERS = ("doc_id",)


def is_samples(path: Path) -> bool:
    """Whether a file's name is one of those."""
    return path.name.startswith("samples_") and path.suffix == ".jsonl"


def read_samples(path: Path, *, metric: str | None, wanted_filter: str | None) -> Log:
    """One task of one model.

    Raises:
        LogError: Another schema, cut off, or without such a metric or filter.
    """
    lines = _lines(path)
    task, made_at = _named(path)
    results = _results(path)
    filters = list(dict.fromkeys(str(line.get("filter", "none")) for line in lines))
    if wanted_filter is not None and wanted_filter not in filters:
        raise LogError(f"{path}: no filter {wanted_filter!r}; it has {', '.join(filters)}")
    kept = [line for line in lines if str(line.get("filter", "none")) == (wanted_filter or filters[0])]
    asked = _asked(results, task)
    if asked is not None and len(kept) != asked:
        raise LogError(f"{path}: half written: {len(kept)} of {asked} questions; run lm-eval again")
    chosen = choose(metric, _metrics(kept[0]), str(path))
    return Log(
        model=str(results.get("model_name") or path.parent.name),
        task=task,
        metric=chosen,
        tool=f"lm-eval {results.get('lm_eval_version', '')}".strip(),
        made_at=made_at,
        answers=tuple(_answer(line, chosen, f"{path}, question {shown(line['doc_id'])}") for line in kept),
    )


def _lines(path: Path) -> list[dict[str, Any]]:
    try:
        text = decoded(path.read_bytes(), str(path), LogError)
    except OSError as error:
        raise LogError(f"{path}: cannot be read ({error.strerror})") from None
    if not text.strip():
        raise LogError(f"{path}: empty; was it half written?")
    if not text.endswith("\n"):
        raise LogError(f"{path}: half written: its last line has no end; run lm-eval again")
    found = []
    for number, line in enumerate(text.removesuffix("\n").split("\n"), start=1):  # not splitlines(): U+2028
        value = parse_json(line, f"{path}, line {number}", LogError)
        if missing := [key for key in ("doc_id", "filtered_resps", "arguments") if key not in value]:
            raise LogError(f"{path}, line {number}: no {missing[0]}: not as lm-eval writes samples; see --log_samples")
        found.append(value)
    return found


def _named(path: Path) -> tuple[str, str]:
    """The task and the time, from the file's name."""
    match = _NAME.fullmatch(path.name)
    if not match:
        raise LogError(f"{path}: not named samples_TASK_DATE.jsonl, as lm-eval does; give it back its name")
    task, day, *clock = match.groups()[:5]
    return task, f"{day}T{':'.join(clock)}+00:00"


def _results(path: Path) -> Mapping[str, Any]:
    """The results file of the same date; empty where it is not there."""
    beside = path.with_name(f"results_{path.stem.rpartition('_')[2]}.json")
    return read_json(beside, LogError) if beside.is_file() else {}


def _asked(results: Mapping[str, Any], task: str) -> int | None:
    """So many questions were to be asked; None where the results do not tell."""
    found: Any = results
    for key in ("n-samples", task, "effective"):
        found = found.get(key) if isinstance(found, dict) else None
    return count(found)


def _metrics(line: Mapping[str, Any]) -> list[str]:
    """Names of a line's scores; earlier versions have no list of them."""
    listed = line.get("metrics")
    if isinstance(listed, list) and all(isinstance(name, str) for name in listed):
        return [name for name in listed if name in line]
    return [key for key, value in line.items() if isinstance(value, int | float) and key not in _OTHER_NUMBERS]


def _answer(line: Mapping[str, Any], metric: str, where: str) -> Answer:
    doc_hash, prompt_hash = (str(line.get(key) or "") for key in ("doc_hash", "prompt_hash"))
    return Answer(
        id=f"{line['doc_id']}-{doc_hash[:8]}" if doc_hash else str(line["doc_id"]),
        repetition=0,
        grade=share(line.get(metric), metric, where),
        text=_text(line["filtered_resps"], line["arguments"]),
        prompt_sha256=prompt_hash or None,
    )


def _text(responses: object, arguments: object) -> str | None:
    """What was written, or the choice that was likeliest."""
    if not isinstance(responses, list) or not responses:
        return None
    if isinstance(responses[0], str):
        return responses[0]
    try:
        scores = [float(each[0]) for each in responses]
        chosen = list(arguments.values())[scores.index(max(scores))]  # type: ignore[attr-defined]
        return str(chosen["arg_1"]).strip()
    except (TypeError, ValueError, OverflowError, KeyError, IndexError, AttributeError):
        return None
