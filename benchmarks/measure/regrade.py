"""Grade a run's stored answers anew: no model is asked, and nothing but grades and their reasons changes."""

import contextlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.graders import VERSION, Grade, grade
from benchmarks.measure.manifest import now
from benchmarks.runs.read import SAMPLES_NAME, Run, RunError, read_run
from benchmarks.runs.write import RunWriter, write_manifest
from data.errors import SuiteError
from data.files import write_atomically
from data.suites.prompts import Prompt, Suite, load_suite, questions_sha256

Load = Callable[[str], Suite]


@dataclass(frozen=True, kw_only=True)
class Change:
    """One answer whose grade is another now."""

    suite: str
    prompt_id: str
    model: str
    answer: str
    before: Grade
    after: Grade


@dataclass(frozen=True, kw_only=True)
class Regraded:
    """What a run's regrading found.

    Attributes:
        graded: Answers that were graded again.
        changes: Those whose grade is another.
        reasons: Those whose grade is the same and whose reason reads differently.
        left: Suites whose answers kept their grades, each with the reason.
    """

    run_id: str
    graded: int
    changes: tuple[Change, ...]
    reasons: int
    left: Mapping[str, str]


def regrade(directory: Path, *, load: Load = load_suite, write: bool = True) -> Regraded:
    """Grade the answers of a run with the graders of today, and note their version in `run.json`.

    Lines whose grade and reason stay are kept byte for byte. Both files are replaced in one step each; a run that the
    graders' version of today has graded already is only written to where a line changes.

    Args:
        load: Finds a suite by its name. One that is not as it was when the run was made keeps its grades.
        write: Else only say what would change.

    Raises:
        RunError: No run there, another process is writing to it, or the disk is full.
    """
    run = read_run(directory)
    prompts, left = _prompts(run, load)
    path = directory / SAMPLES_NAME
    if not path.exists():
        return Regraded(run_id=run.id, graded=0, changes=(), reasons=0, left=left)
    with RunWriter(directory) if write else contextlib.nullcontext():  # nobody else writes meanwhile
        found = [_line(line + b"\n", prompts) for line in path.read_bytes().split(b"\n")[:-1]]
        changed = [each for each in found if each.changed]
        if write:
            if changed:
                _replace(path, b"".join(each.line for each in found))
            _note(run, left, any_changed=bool(changed))
    changes = tuple(each.change for each in changed if each.change)
    return Regraded(
        run_id=run.id,
        graded=sum(each.graded for each in found),
        changes=changes,
        reasons=len(changed) - len(changes),
        left=left,
    )


@dataclass(frozen=True, kw_only=True)
class _Line:
    line: bytes
    graded: bool = False
    changed: bool = False
    change: Change | None = None


def _prompts(run: Run, load: Load) -> tuple[dict[tuple[str, str], Prompt], dict[str, str]]:
    """Prompts of the suites that are as they were, and why others are left out."""
    prompts: dict[tuple[str, str], Prompt] = {}
    left: dict[str, str] = {}
    for name, facts in run.manifest.get("suites", {}).items():
        try:
            suite = load(name)
        except SuiteError as error:
            left[name] = str(error)
            continue
        if facts.get("sha256") not in (suite.sha256, *suite.beginnings) and not _asks_the_same(suite, facts):
            left[name] = "the suite is not as it was when the run was made"
            continue
        prompts |= {(name, prompt.id): prompt for prompt in suite.prompts}
    return prompts, left


_QUESTIONS = {
    "bc566e847a21c13b4ea4353c99b69fffccb6debfd35f0a880b6e398c9328df14": (
        "cf973ec61595f972d0dd1d615875de86654e0a1b702c5838137a6eca3e4b186b"
    ),
    "e969f64629e7dd8a315edd987a816e1e83a6ab7164f67af81cee5c041229eab0": (
        "14354625b6b220df090b6ad0a3b416734bef93179bbf9aa7e5e5ee9addc66863"
    ),
    "243d76dda17cf46c833898f8cdb2ef8437d19fa90c73cb6ffdf378b3ae0d54e1": (
        "1359cca0f30f7abdb8ac4cbd2ea9d4eb78a7397a30d7643b37957a0aeb523d48"
    ),
    "7342d6201c7fcdb60f264822110c9c30e1906c585bf1f3e6f40af359b447a1a4": (
        "f521b36c150bc8d791598610196b5135d799fd2a77fad26d48e68a5a53d6dcb2"
    ),
}
"""Of suites before their limits were raised: sha256 of the file, and of its questions."""


def _asks_the_same(suite: Suite, facts: Mapping[str, Any]) -> bool:
    """Whether a suite as a run has it differs in limits and examples alone, or has grown since."""
    recorded = facts.get("questions_sha256") or _QUESTIONS.get(str(facts.get("sha256")))
    return recorded == questions_sha256(suite.prompts[: facts.get("prompts", 0)])


def _line(line: bytes, prompts: Mapping[tuple[str, str], Prompt]) -> _Line:
    if not line.strip():
        return _Line(line=line)
    row: dict[str, Any] = json.loads(line)
    prompt = prompts.get((row["suite"], row["prompt_id"]))
    if prompt is None or row.get("answer") is None or row.get("error") is not None:
        return _Line(line=line)
    before = Grade(value=row.get("grade"), reason=row.get("grade_reason") or "")
    after = grade(prompt, row["answer"])
    if before == after:
        return _Line(line=line, graded=True)
    change = Change(
        suite=row["suite"],
        prompt_id=row["prompt_id"],
        model=row["model"],
        answer=row["answer"],
        before=before,
        after=after,
    )
    return _Line(
        line=_rewritten(line, row, after),
        graded=True,
        changed=True,
        change=change if before.value != after.value else None,
    )


def _rewritten(line: bytes, row: dict[str, Any], after: Grade) -> bytes:
    """The line with its two values replaced where they stand, and every other byte as it was."""
    old, new = _pair(row.get("grade"), row.get("grade_reason")), _pair(after.value, after.reason)
    if line.count(old) == 1:
        return line.replace(old, new)
    return _json(row | {"grade": after.value, "grade_reason": after.reason}) + b"\n"


def _pair(value: float | None, reason: str | None) -> bytes:
    """As the writer of rows puts them, one after the other."""
    return b'"grade": ' + _json(value) + b', "grade_reason": ' + _json(reason)


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")


def _note(run: Run, left: Mapping[str, str], *, any_changed: bool) -> None:
    if run.manifest.get("graders_version") == VERSION and not any_changed:
        return
    noted = dict(run.manifest) | {"graders_version": VERSION, "regraded_at": now()}
    write_manifest(run.directory, noted | ({"not_regraded": dict(left)} if left else {}))


def _replace(path: Path, content: bytes) -> None:
    try:
        write_atomically(path, content)
    except OSError as error:
        raise RunError(f"{path}: cannot be written ({error.strerror}); make room, then regrade again") from None


def report_lines(found: Regraded) -> list[str]:
    """A line for the run, one for each suite left out, and one for each grade that is another."""
    lines = [
        f"{found.run_id}: {found.graded} answers graded, {len(found.changes)} grades changed, "
        f"{found.reasons} reasons reworded"
    ]
    lines += [f"  {suite}: kept as it is ({reason})" for suite, reason in found.left.items()]
    lines += [
        f"  {each.suite}/{each.prompt_id} {each.model}: {_shown(each.before.value)} → {_shown(each.after.value)}; "
        f"{each.before.reason} → {each.after.reason}"
        for each in found.changes
    ]
    return lines


def _shown(value: float | None) -> str:
    return "ungraded" if value is None else f"{value:g}"
