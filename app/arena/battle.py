"""A blind battle: which two models, on which sides, and how their finished replies are played.

On a CPU the pace of a reply gives the model away. So both are written to their ends unseen, and then shown at one pace.
"""

import random
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from app.arena.vote_store import Vote
from app.chat.lanes import Lane
from app.chat.suite_prompts import SuitePrompt, find, grade_reply
from benchmarks.graders.visible import visible
from benchmarks.statistics.votes import Outcome
from data.models.entries import DerivedSource, ModelEntry

CHARACTERS_PER_S = 90.0
"""Of the replay, for every reply: somewhat faster than people read."""

Stage = Literal["writing", "playing", "voting", "revealed"]


def _length_of_thinking(text: str) -> int:
    """Characters before the answer: nobody need wait until they are played."""
    said = visible(text)
    if not said.thinking:
        return 0
    return max(0, text.rfind(said.answer)) if said.answer else len(text)


@dataclass(kw_only=True)
class Battle:
    """One prompt to two unnamed models; `comparison_id` belongs to the generation service.

    Attributes:
        model_ids: Left and right.
        lanes: The finished replies, left and right.
        play_started: When the replay began, on the clock of whoever shows it; None before.
    """

    prompt: str
    model_ids: tuple[str, str]
    comparison_id: str
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    lanes: tuple[Lane, ...] = ()
    play_started: float | None = None
    vote: Outcome | None = None

    @property
    def suite_prompt(self) -> SuitePrompt | None:
        return find(self.prompt)

    @property
    def failed(self) -> bool:
        """A side has no reply: there is nothing to vote on."""
        return bool(self.lanes) and any(lane.reason in ("error", "cancelled") or not lane.text for lane in self.lanes)

    def stage(self, now: float) -> Stage:
        if self.vote is not None:
            return "revealed"
        if not self.lanes or self.play_started is None:
            return "writing"
        return "playing" if any(len(text) < len(lane.text) for text, lane in self._shown(now)) else "voting"

    def shown_texts(self, now: float) -> tuple[str, ...]:
        """As much of each reply as the replay has reached."""
        return tuple(text for text, _ in self._shown(now))

    def _shown(self, now: float) -> list[tuple[str, Lane]]:
        played_s = 0.0 if self.play_started is None else max(0.0, now - self.play_started)
        characters = int(played_s * CHARACTERS_PER_S)
        return [(lane.text[: _length_of_thinking(lane.text) + characters], lane) for lane in self.lanes]

    def as_vote(self, outcome: Outcome) -> Vote:
        """The vote as it is stored, with the grades where the prompt is a suite's."""
        found = self.suite_prompt
        grades = [grade_reply(self.prompt, lane.text) for lane in self.lanes] if found else [None, None]
        return Vote(
            battle_id=self.id,
            model_a=self.model_ids[0],
            model_b=self.model_ids[1],
            outcome=outcome,
            suite=found.suite if found else None,
            prompt_id=found.prompt.id if found else None,
            grade_a=grades[0].value if grades[0] else None,
            grade_b=grades[1].value if grades[1] else None,
        )


def can_battle(entry: ModelEntry) -> bool:
    """Not one whose layers were dropped and that no training has healed: it writes nonsense, or nothing to vote on."""
    source = entry.source
    return not (isinstance(source, DerivedSource) and source.drop_layers and source.adapter is None)


def draw_pair(model_ids: Sequence[str], rng: random.Random) -> tuple[str, str]:
    """Two different models in a random order.

    Raises:
        ValueError: Fewer than two to draw from.
    """
    if len(set(model_ids)) < 2:
        raise ValueError("a battle needs two different models; fetch one more on the Models page")
    left, right = rng.sample(sorted(set(model_ids)), 2)
    return left, right
