"""The judge as a model in a worker of its own, and the questions that it needs from the run's suites."""

from pathlib import Path

from benchmarks.config import Config
from benchmarks.engine.contract import Request, Sampling
from benchmarks.measure.models import ModelUnderTest, find_models
from benchmarks.runs.read import Run, read_run
from benchmarks.statistics.preference import Ask, JudgeReport, judge_run
from data.command import say
from data.errors import TradeoffError
from data.message import Message
from data.suites.prompts import Prompt, load_suite

_CONTEXT_TOKENS = 4096
_REPLY_TOKENS = 24


class JudgeError(TradeoffError):
    """The judge cannot judge this; one line."""


def judge_by_model(
    directory: Path, a: str, b: str, *, judge: str, engine: str, suite: str | None = None, limit: int = 0
) -> JudgeReport:
    """Let one model judge two others' answers of a run.

    Args:
        suite: This suite alone; None takes all of the run's.
        limit: So many prompts; 0 takes all.

    Raises:
        JudgeError: The judge is one of the judged, cannot be loaded, or a suite has changed since the run.
        ConfigError, RunError, SuiteError, ModelError: As their readers.
    """
    run = read_run(directory)
    questions = _questions(run, suite)
    config = Config(name="judge", models=(judge,), suites=("-",), engine=engine, context_tokens=_CONTEXT_TOKENS)
    (model,) = find_models(config, say)
    _check_apart(model, run, (a, b))
    model.load()
    if model.engine is None:
        raise JudgeError(f"the judge {model.id} cannot be loaded: {model.error}")
    try:
        return judge_run(run, a, b, questions, _asking(model), judge=model.id, limit=limit)
    finally:
        model.close()


def _asking(model: ModelUnderTest) -> Ask:
    def ask(prompt: str) -> str | None:
        sampling = Sampling(temperature=0.0, max_tokens=_REPLY_TOKENS)
        reply = model.ask(Request(messages=(Message(role="user", content=prompt),), sampling=sampling, cold=True))
        return reply.finished.text if reply.finished and reply.error is None else None

    return ask


def _questions(run: Run, wanted: str | None) -> dict[tuple[str, str], str]:
    """Texts of the run's prompts, from suites that are still what they were."""
    found: dict[tuple[str, str], str] = {}
    for name in run.manifest.get("config", {}).get("suites", []):
        suite = load_suite(name)
        if wanted not in (None, suite.name):
            continue
        then = run.manifest.get("suites", {}).get(suite.name, {}).get("sha256")
        if then != suite.sha256:
            raise JudgeError(f"suite {suite.name} has changed since {run.id}; judge a run of the suite as it is now")
        found |= {(suite.name, prompt.id): _conversation(prompt) for prompt in suite.prompts}
    if not found:
        raise JudgeError(f"{run.id} has no suite {wanted!r}" if wanted else f"{run.id} has no suite")
    return found


def _conversation(prompt: Prompt) -> str:
    """All that the judged models were given: the question, with the turns and the system prompt before it."""
    if len(prompt.messages) == 1:
        return prompt.text
    return "\n\n".join(f"{turn.role.capitalize()}: {turn.content}" for turn in prompt.messages)


def _check_apart(judge: ModelUnderTest, run: Run, judged: tuple[str, str]) -> None:
    for model in judged:
        rows = run.by_model.get(model)
        if rows and (model == judge.id or rows[0].model_sha256 == judge.sha256):
            raise JudgeError(f"{judge.id} is one of the models judged; choose another judge")
