"""The contract between a language model and everything that uses one: requests in, events out.

Chat, measurement and the parity gate all speak it. An engine is one method that makes progress (`step`) and others that
ask for something. Three ship: `llama_cpp`; `openai`, which asks a server; and `scripted`, a deterministic fake. Prefill
reads the prompt, decode writes one token a step; they are timed apart, and neither figure ever contains the other.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from benchmarks.engine.ends import Ends
from benchmarks.engine.limits import LIMITS, MOST_ALTERNATIVES, check_number, check_stops
from benchmarks.engine.logprobs import TokenLogprob
from data.errors import TradeoffError
from data.message import Message

FinishReason = Literal["stop", "length", "loop", "deadline", "cancelled", "error"]
TemplateSwitch = bool | int | float | str

DEFAULT_CONTEXT_TOKENS = 4096


class EngineError(TradeoffError):
    """A request or a model that cannot be served; the message is one line and says what to do."""


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How a reply is written: how the next token is drawn, and what the chat template is told.

    Temperature 0 takes the most likely token.

    Attributes:
        temperature: 0 to 2.
        top_p: Keeps the smallest set of tokens whose probability reaches this, in (0, 1].
        top_k: Keeps the k most likely tokens; 0 keeps all.
        min_p: Drops tokens less likely than this share of the likeliest, in [0, 1).
        repeat_penalty: Divides the logits of the last 64 tokens; 1 changes nothing.
        max_tokens: Upper bound of the reply, in tokens.
        stop: The reply ends before the first of these strings; at most 16 of at most 200 characters.
        seed: Of the sampler's random numbers.
        ignore_eos: Never end on an end-of-generation token; for fixed-shape timing.
        end_loops: End a reply that repeats itself word for word; see `benchmarks.engine.reply_text.in_a_loop`.
        deadline_s: End the reply so many seconds after its submission; None gives it all the time there is.
        json_schema: The reply follows this schema, as `data.json_schema.checked` gives it; empty lets it write freely.
        template_switches: Settings of the chat template, such as ("enable_thinking", False); those that it does not
            know (`ModelInfo.template_switches`) change nothing.
    """

    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    repeat_penalty: float = 1.0
    max_tokens: int = 512
    stop: tuple[str, ...] = ()
    seed: int = 3407
    ignore_eos: bool = False
    end_loops: bool = False
    deadline_s: float | None = None
    json_schema: str = ""
    template_switches: tuple[tuple[str, TemplateSwitch], ...] = ()

    def __post_init__(self) -> None:
        for name in LIMITS:
            if (value := getattr(self, name)) is not None:
                check_number(name, value)
        check_stops(self.stop)


@dataclass(frozen=True, kw_only=True)
class Request:
    """One reply to write.

    Attributes:
        messages: The conversation so far; rendered with the model's own chat template.
        prompt_tokens: Token ids to use instead of messages, for fixed-shape timing and scoring.
        cold: Read the whole prompt again, even where an earlier one shares its beginning.
        logprobs: Tell each token's log-probability, and so many of the likeliest in its place; None tells nothing.
    """

    messages: tuple[Message, ...] = ()
    sampling: Sampling = field(default_factory=Sampling)
    prompt_tokens: tuple[int, ...] = ()
    cold: bool = False
    logprobs: int | None = None

    def __post_init__(self) -> None:
        if self.logprobs is not None and not 0 <= self.logprobs <= MOST_ALTERNATIVES:
            raise ValueError(f"logprobs is {self.logprobs}; it must lie between 0 and {MOST_ALTERNATIVES}")


@dataclass(frozen=True, kw_only=True)
class Timings:
    """Native timings of one request; None where an engine cannot know.

    Attributes:
        prompt_tokens: Length of the rendered prompt; None where a server does not tell.
        prefill_tokens: How many of them were computed; the rest came from the KV cache.
        prefill_s: Own compute seconds of the prefill.
        decode_tokens: Tokens after the first, which the prefill's logits already gave.
        decode_s: Seconds of the steps this request took part in; other models' steps are not in it.
        ttft_s: Wall seconds from submission to the first token, waiting included.
        total_s: Wall seconds from submission to the end.
        itl_p50_s, itl_p95_s: Quantiles of the own seconds per decode step.
        gap_p50_s, gap_p95_s: Of the wall seconds from token to token, as who reads along sees them.
        max_batch: Most sequences that shared a decode step with this one, itself included.
    """

    prompt_tokens: int | None
    prefill_tokens: int | None = None
    prefill_s: float | None = None
    decode_tokens: int | None = None
    decode_s: float | None = None
    ttft_s: float | None = None
    total_s: float | None = None
    itl_p50_s: float | None = None
    itl_p95_s: float | None = None
    gap_p50_s: float | None = None
    gap_p95_s: float | None = None
    max_batch: int | None = None

    @property
    def prefill_tok_per_s(self) -> float | None:
        return _rate(self.prefill_tokens, self.prefill_s)

    @property
    def decode_tok_per_s(self) -> float | None:
        return _rate(self.decode_tokens, self.decode_s)


@dataclass(frozen=True, kw_only=True)
class Started:
    """The prompt was rendered and admitted; prefill begins.

    Attributes:
        prompt_sha256: Of the rendered prompt's UTF-8 text, or of its token ids or messages where there is no text.
        as_served: Seconds that come are a server's and the way's to it, as seen from here: none of this machine's.
    """

    id: int
    prompt_tokens: int | None
    cached_tokens: int
    prompt_sha256: str
    as_served: bool = False


@dataclass(frozen=True, kw_only=True)
class Delta:
    """More of a reply; `completion_tokens` and `decode_s` are totals so far, for a live rate."""

    id: int
    text: str
    completion_tokens: int
    decode_s: float | None
    ttft_s: float | None
    logprobs: tuple[TokenLogprob, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Finished:
    """The end of a request, whatever the way it ended. `text` is the whole reply.

    Attributes:
        reason: stop (end of turn or stop string), length (max_tokens or the context), loop (`Sampling.end_loops`),
            deadline (`Sampling.deadline_s`), cancelled, error.
        error: One line for the user where the reason is "error".
        note: One line of what is missing beside a whole answer.
    """

    id: int
    reason: FinishReason
    text: str
    completion_tokens: int
    timings: Timings
    error: str | None = None
    note: str | None = None


Event = Started | Delta | Finished


@dataclass(frozen=True, kw_only=True)
class LoadOptions:
    """How a model is opened.

    Attributes:
        context_tokens: KV cache of each sequence, in tokens.
        sequences: How many requests can be decoded in one batch.
        threads: None takes what this process may use (affinity and container quota).
        prefill_chunk_tokens: Most tokens that one unit of prefill reads; smaller is smoother for others, and slower.
        bulk: For many prompts whose answers count and whose timings do not. Prompts are read before replies go on, so
            that most steps write as many replies as there are sequences; a prompt's beginning that another sequence
            has in its KV cache is copied, not computed again.
    """

    context_tokens: int = DEFAULT_CONTEXT_TOKENS
    sequences: int = 1
    threads: int | None = None
    prefill_chunk_tokens: int = 512
    bulk: bool = False


@dataclass(frozen=True, kw_only=True)
class ModelInfo:
    """What a loaded model says of itself; all of it goes into a run's manifest.

    Attributes:
        template_switches: What the chat template can be told besides the messages, such as "enable_thinking".
    """

    description: str
    context_tokens: int
    sequences: int
    threads: int
    load_s: float
    vocabulary_size: int
    template_sha256: str
    system_info: str
    architecture: str = ""
    parameters: int = 0
    template_switches: tuple[str, ...] = ()


class Engine(Protocol):
    """A loaded model. Not thread-safe: one thread calls everything."""

    @property
    def info(self) -> ModelInfo: ...

    @property
    def pid(self) -> int | None:
        """The process that it runs in, where that is its own; None within this one."""
        return None

    @property
    def death(self) -> str | None:
        """What ended its process, in one line; None while it lives."""
        return None

    @property
    def peak_rss_bytes(self) -> int | None:
        """Its process's highest resident memory so far; None within this one, which holds more than the model."""
        return None

    @property
    def elsewhere(self) -> bool:
        """Whether another machine does the work: it waits, and takes no turn of this one."""
        return False

    @property
    def files(self) -> tuple[Path, ...]:
        """What it reads from as it runs, besides the file that it was given."""
        return ()

    def submit(self, request: Request) -> int:
        """Admit a request and return its id. Nothing is computed yet.

        Raises:
            EngineError: Empty prompt, prompt longer than the context, or a template that fails.
        """
        ...

    def step(self, budget_s: float, *, contended: bool = False) -> list[Event]:
        """Make progress for about `budget_s` seconds (at least one unit of work) and return what happened.

        Returns at once with an empty list when there is nothing to do. `contended` says that another model
        waits for its turn: a unit of prefill is then kept within the budget too.
        """
        ...

    @property
    def busy(self) -> bool:
        """Whether any request is unfinished."""
        ...

    def cancel(self, request_id: int) -> None:
        """End a request at the next step; its text so far comes back in `Finished`. Unknown ids are ignored."""
        ...

    def score(self, token_ids: list[int]) -> npt.NDArray[np.float32]:
        """Natural-log probabilities of each token given those before it, shape (len(token_ids) - 1,).

        Raises:
            EngineError: Fewer than two tokens, more than the context holds, or an id outside the vocabulary.
        """
        ...

    def distributions(self, token_ids: list[int]) -> npt.NDArray[np.float32]:
        """Natural-log probabilities of the whole vocabulary after each token, shape (len(token_ids), vocabulary)."""
        ...

    def score_ends(self, question: Ends) -> list[float]:
        """Natural-log probability of each end after the beginning, summed over its tokens.

        Raises:
            EngineError: As `score`, or an end or the beginning is empty.
        """
        ...

    def tokenize(self, request: Request) -> list[int]:
        """Token ids that this request's prompt would be read as: rendered by the chat template, BOS included.

        Raises:
            EngineError: As `submit`.
        """
        ...

    def close(self) -> None:
        """Free the model. Idempotent."""
        ...


def _rate(tokens: int | None, seconds: float | None) -> float | None:
    return tokens / seconds if tokens and seconds else None
