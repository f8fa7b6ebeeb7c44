"""Every environment variable of Tradeoff's own, with its meaning: the one list, which CONTRIBUTING shows.

Variables of others (HF_TOKEN, HF_ENDPOINT, CPU_CORES, GOMP_SPINCOUNT, LLAMA_CPP_LIB_PATH) are read where they are used.

Standard library only: the build script and the Dockerfile import it before anything is installed.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Variable:
    """One setting; `default` says in words what holds where it is not set."""

    name: str
    meaning: str
    default: str

    def read(self, environment: Mapping[str, str] | None = None) -> str | None:
        """Its value without white space around it; None where it is not set, or empty."""
        return (os.environ if environment is None else environment).get(self.name, "").strip() or None


CACHE = Variable(
    name="TRADEOFF_CACHE",
    meaning="directory of libraries and model files, which are large or slow to make",
    default="~/.cache/tradeoff",
)
CACHE_QUOTA_GB = Variable(
    name="TRADEOFF_CACHE_QUOTA_GB",
    meaning="gigabytes that fetched models may take; the least recently used go first",
    default="no limit",
)
MEMORY_GB = Variable(
    name="TRADEOFF_MEMORY_GB",
    meaning="gigabytes that the app's loaded models may take together; idle ones make room, and a load waits for it",
    default="80% of what is available at the start",
)
CONTEXT_TOKENS = Variable(
    name="TRADEOFF_CONTEXT_TOKENS",
    meaning="tokens that each of the app's conversations holds, 256 or more; a model's memory grows with them",
    default="4096",
)
STATE = Variable(
    name="TRADEOFF_STATE",
    meaning="directory of what people made: votes, shared comparisons, added models, benchmarks started on the page",
    default="~/.local/share/tradeoff",
)
REGISTRY = Variable(
    name="TRADEOFF_REGISTRY",
    meaning="the project's registry of models, for every command and the app; what a person has added comes on top",
    default="data/models.toml",
)
RESULTS = Variable(
    name="TRADEOFF_RESULTS",
    meaning="directories of runs, separated by colons; new ones go to the last",
    default="benchmarks/results and results",
)
ENGINE = Variable(
    name="TRADEOFF_ENGINE",
    meaning="what the app generates with: llama_cpp, or scripted (a deterministic stand-in, for trying the pages)",
    default="llama_cpp",
)
LLAMA_VARIANT = Variable(
    name="TRADEOFF_LLAMA_VARIANT",
    meaning="which build of llama.cpp runs: avx2, avx512 or amx",
    default="the best that the CPU's flags allow",
)
MODELS = Variable(
    name="TRADEOFF_MODELS",
    meaning='"tiny" keeps the app to the embedded models; else it fetches a pair of real ones while it serves',
    default="real ones, 1.6 GB",
)
OPERATOR_TOKEN = Variable(
    name="TRADEOFF_OPERATOR_TOKEN",
    meaning="16 characters or more; who gives it on the Models page is the operator of a public app",
    default="nobody on a Space or behind --host",
)
PROXIES = Variable(
    name="TRADEOFF_PROXIES",
    meaning="how many proxies of yours stand before the app; visitors are told apart by what these say of addresses",
    default="0; on a Space addresses count for nothing",
)
HUB_NAMESPACE = Variable(
    name="TRADEOFF_HUB_NAMESPACE",
    meaning="a user or an organisation on the Hub, whose published fine-tunes the Models page offers",
    default="none",
)
VOTES_REPO = Variable(
    name="TRADEOFF_VOTES_REPO",
    meaning="a data set on the Hub that keeps the Arena's votes where the disk does not (with HF_TOKEN)",
    default="votes stay on the disk",
)
VARIABLES = (
    *(CACHE, CACHE_QUOTA_GB, MEMORY_GB, CONTEXT_TOKENS, STATE, REGISTRY, RESULTS),
    *(ENGINE, LLAMA_VARIANT, MODELS, OPERATOR_TOKEN, PROXIES, HUB_NAMESPACE, VOTES_REPO),
)
