"""Whether what is right within T was told rightly: prompts are asked again, one at a time, with a deadline of T."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from benchmarks.config import Config
from benchmarks.engine.ask import ask
from benchmarks.engine.contract import Engine
from benchmarks.graders import grade
from benchmarks.measure.sample import COLD, request_for
from benchmarks.measure.schedule import Trial
from data.suites.prompts import Prompt
from data.tables import markdown

_NEAR = 0.1


@dataclass(frozen=True, kw_only=True)
class Told:
    """A prompt with what was told of its answer: its seconds, and whether it is right and finished."""

    prompt: Prompt
    seconds: float
    right: bool


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The same prompt under a deadline: right and finished by then, as told and as it came out."""

    told: Told
    deadline_s: float
    measured: bool

    @property
    def predicted(self) -> bool:
        return self.told.right and self.told.seconds <= self.deadline_s

    @property
    def agrees(self) -> bool:
        return self.predicted == self.measured

    @property
    def near(self) -> bool:
        """Whether it was to be finished within a tenth of the deadline."""
        return abs(self.told.seconds - self.deadline_s) <= _NEAR * self.deadline_s


def ask_in_time(
    engine: Engine,
    prompts: Sequence[Told],
    deadlines_s: Sequence[float],
    config: Config,
    *,
    report: Callable[[str], None],
) -> list[Asked]:
    """Ask each prompt alone under each deadline, from a cold cache, and else as the run did.

    Raises:
        EngineError: The worker died.
    """
    found = []
    for deadline_s in deadlines_s:
        for place, told in enumerate(prompts, start=1):
            asked = request_for(trial_of(told.prompt, config), config, engine.info.vocabulary_size)
            request = replace(asked, sampling=replace(asked.sampling, deadline_s=deadline_s))
            end = ask(engine, request).finished
            right = end is not None and end.reason == "stop" and (grade(told.prompt, end.text).value or 0) >= 1
            found.append(Asked(told=told, deadline_s=deadline_s, measured=right))
            report(f"{deadline_s:g} s: {place}/{len(prompts)}")
    return found


def trial_of(prompt: Prompt, config: Config) -> Trial:
    """One answer, asked alone."""
    return Trial(
        model="",
        suite="",
        prompt=prompt,
        prompt_id=prompt.id,
        kind=prompt.kind,
        condition=COLD,
        repetition=0,
        seed=config.seed,
    )


def agreement_table(found: Sequence[Asked]) -> str:
    """Per deadline: shares as told and as measured, how many prompts agree, and of the others how many were near it."""
    rows = []
    for deadline_s in dict.fromkeys(each.deadline_s for each in found):
        mine = [each for each in found if each.deadline_s == deadline_s]
        others = [each for each in mine if not each.agrees]
        rows.append(
            [
                f"{deadline_s:g}",
                f"{sum(each.predicted for each in mine) / len(mine):.0%}",
                f"{sum(each.measured for each in mine) / len(mine):.0%}",
                f"{len(mine) - len(others)}/{len(mine)}",
                f"{sum(each.near for each in others)}/{len(others)}",
            ]
        )
    return markdown(["T, s", "right within T, told", "measured", "prompts that agree", "others near T"], rows)


def disagreement_lines(found: Sequence[Asked]) -> list[str]:
    """Each prompt on which the two differ."""
    return [
        f"{each.deadline_s:g} s, {each.told.prompt.id}: told {'right' if each.told.right else 'not right'} at "
        f"{each.told.seconds:.1f} s, measured {'right in time' if each.measured else 'not'}"
        for each in found
        if not each.agrees
    ]
