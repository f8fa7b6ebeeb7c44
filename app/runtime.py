"""What all pages of this process share: models, comparisons, votes, links; and who is looking."""

import os
import threading
import uuid
from collections.abc import Iterable, Sequence

import streamlit as st
from streamlit.runtime import exists, get_instance
from streamlit.runtime.scriptrunner import get_script_run_ctx

from app.arena.vote_backup import VoteBackup, is_configured
from app.arena.vote_store import VoteStore
from app.chat.conversation import Chat
from app.chat.generation import GenerationService
from app.chat.inert import inert_markdown
from app.chat.list_runs import ListRuns
from app.chat.once import once
from app.chat.shares import Shares
from app.chat.visitors import Chats, OpenTabs, address_of, is_operator
from app.library.downloads import Downloads
from app.library.first_pair import FirstPair
from app.library.offered import Catalogue
from app.results.estimates import Estimates
from app.results.headline import Headline
from app.results.jobs import BenchmarkJobs
from app.results.picks import PickJobs
from benchmarks.charts.frame import colour_of
from benchmarks.charts.picture import picture
from benchmarks.charts.picture import words as picture_words
from benchmarks.engine.worker import Worker, beside_others
from data.allowance import Allowance, Rate
from data.errors import ModelError, TradeoffError
from data.models.added import save_added
from data.models.entries import ModelEntry, RegistryError
from data.models.fetch import fetch, local_path
from data.models.registry import load_registry, project_registry
from data.paths import results_directories, state_dir
from data.settings import ENGINE, MODELS, VOTES_REPO

ALLOWED = {
    "comparisons": Rate(per_s=0.5, burst=20),
    "votes": Rate(per_s=0.1, burst=10),
    "links": Rate(per_s=30 / 3600, burst=10),
    "lists": Rate(per_s=1 / 60, burst=5),
}
"""Of each person; a list counts as one, however long."""
INK = {"light": "#0e1622", "dark": "#e8edf4"}


def registry() -> dict[str, ModelEntry]:
    """The models on offer; added ones come last, and published ones of a namespace join while the app runs."""
    return _read_registry()[0]


def registry_problem() -> str | None:
    """Why the models that a person has added are left out; None where they are not."""
    return _read_registry()[1]


@once
def _read_registry() -> tuple[dict[str, ModelEntry], str | None]:
    shipped = project_registry()
    try:
        return load_registry(), None
    except RegistryError as error:
        return shipped, str(error)


def change_registry(added: ModelEntry | None = None, removed: str | None = None) -> None:
    """Add a model, or take an added one out, for every page and from now on.

    Raises:
        ModelError: It cannot be kept on disk, or what is there cannot be read.
    """
    if problem := registry_problem():
        raise ModelError(f"{problem}; mend the file or move it away, and start the app again")
    models = registry()
    shipped = project_registry()
    others = {*shipped, *catalogue().offered, removed}
    kept = {model_id: entry for model_id, entry in models.items() if model_id not in others}
    if added is not None:
        kept[added.id] = added
    save_added(kept.values())
    if added is not None:
        models[added.id] = added
    if removed is not None and removed not in shipped:
        models.pop(removed, None)


def is_added(model_id: str) -> bool:
    """Whether a person has put the model on the list: it is theirs to rename and to take off."""
    return model_id in registry() and model_id not in project_registry() and model_id not in catalogue().offered


def engine_name() -> str:
    return ENGINE.read() or "llama_cpp"


@once
def service() -> GenerationService:
    """Shared by every visitor. The default pair is loaded ahead of the first prompt where it is here."""
    generation = GenerationService(
        registry(),
        fetch=fetch,
        start_worker=lambda: Worker(beside_others()),
        engine=engine_name(),
        is_open=open_tabs().has,
    )
    threading.Thread(target=_import_charts, name="imports", daemon=True).start()
    vote_backup()  # takes back its votes before anybody votes or looks
    here = [model_id for model_id in default_pair() if local_path(registry()[model_id], registry())]
    generation.warm(here)
    return generation


@once
def open_tabs() -> OpenTabs:
    return OpenTabs(lambda session: exists() and get_instance().is_active_session(session))


def headline() -> Headline:
    """What was measured of the default pair, worked out in the background."""
    pair, known = default_pair(), _headlines()
    if pair not in known:
        known[pair] = Headline(pair, registry())
        known[pair].start()
    return known[pair]


@once
def _headlines() -> dict[tuple[str, str], Headline]:
    return {}


def _import_charts() -> None:
    """The Results page's libraries take seconds to import: done while the first visitor reads the Compare page."""
    import altair  # noqa: F401
    import pandas  # noqa: F401


def default_pair() -> tuple[str, str]:
    """Model ids of the pair that who begins now sees, the small one first."""
    return first_pair().now


@once
def first_pair() -> FirstPair:
    wanted = engine_name() != "scripted" and MODELS.read() != "tiny"
    return FirstPair(registry(), downloads(), wanted=wanted)


@once
def chats() -> Chats:
    return Chats()


@once
def downloads() -> Downloads:
    return Downloads(registry(), fetch)


@once
def benchmark_jobs() -> BenchmarkJobs:
    return BenchmarkJobs(state_dir() / "benchmarks", results_directories()[-1], engine_name())


@once
def pick_jobs() -> PickJobs:
    return PickJobs(state_dir() / "benchmarks", results_directories())


@once
def estimates() -> Estimates:
    return Estimates(engine_name())


@once
def catalogue() -> Catalogue:
    """What is published under the namespace that is set, looked up in the background."""
    made = Catalogue(registry())
    made.start()
    return made


@once
def list_runs() -> ListRuns:
    return ListRuns(service())


@once
def shares() -> Shares:
    return Shares(state_dir() / "shared")


@once
def votes() -> VoteStore:
    return VoteStore(state_dir() / "votes.sqlite")


@once
def vote_backup() -> VoteBackup | None:
    """Where a dataset repository and a token are set: the votes' copy on the Hub."""
    if not is_configured(os.environ):
        return None
    backup = VoteBackup(votes(), VOTES_REPO.read() or "", os.environ["HF_TOKEN"])
    backup.start()
    return backup


def visitor() -> str:
    """A random id of this browser tab's session, or of the conversation that it has opened again."""
    return str(st.session_state.setdefault("visitor", uuid.uuid4().hex))


def person() -> str:
    """Who is behind the visitor, as far as that can be told: an address, or this tab alone."""
    headers = st.context.headers
    forwarded = [value for name, value in headers.to_dict().items() if name.lower() == "x-forwarded-for"]
    return address_of(os.environ, st.context.ip_address, forwarded) or visitor()


@once
def allowances() -> dict[str, Allowance]:
    return {what: Allowance(rate) for what, rate in ALLOWED.items()}


def count(what: str) -> None:
    """One more of what a person may only have so much of.

    Raises:
        TradeoffError: It would be too many.
    """
    allowance, who = allowances()[what], person()
    if not allowance.take(who):
        raise TradeoffError(f"that is many {what} in a short time; go on in {max(1.0, allowance.wait_s(who)):.0f} s")


def keep_alive() -> None:
    """What this visitor started goes on while the tab is open, on whatever page; a closed tab ends it in seconds."""
    if context := get_script_run_ctx():
        open_tabs().note(context.session_id, visitor())
    service().touch(visitor())


def chat() -> Chat:
    """This tab's conversation; a reloaded tab gets its own again by the id in its address."""
    state = st.session_state
    if "chat" not in state:
        found = chats().get(st.query_params.get("chat", ""))
        state.chat = found or Chat(visitor=visitor())
        state.visitor = state.chat.visitor
        keep_alive()
    return state.chat  # type: ignore[no-any-return]


def operator() -> bool:
    """Whether the person at this page may change the machine."""
    address = st.get_option("server.address")
    return is_operator(
        os.environ,
        str(address) if address else None,
        st.session_state.get("operator_token"),
        client=st.context.ip_address,
        headers=st.context.headers.to_dict(),
    )


def label(model_id: str) -> str:
    """A model's name, also of one that is not in the registry any more."""
    entry = registry().get(model_id)
    return entry.label if entry else model_id


def labels() -> dict[str, str]:
    return {model_id: entry.label for model_id, entry in registry().items()}


def colours(model_ids: Iterable[str]) -> dict[str, str]:
    """Each model's colour, the same on every page."""
    return colour_of(model_ids, order=list(registry()))


def ink() -> str:
    """Colour of letters in pictures, for the theme that this visitor sees."""
    return INK[st.context.theme.type or "light"]


def first_picture(pair: Sequence[str], ink: str) -> tuple[str, str] | None:
    """Speed against quality as an SVG, this pair drawn large, and in words; None before it is known or without runs.

    Args:
        ink: Colour of the letters.
    """
    spots = headline().look().spots
    if not spots:
        return None
    drawn = picture(spots, pair, colours([spot.model for spot in spots]), ink=ink)
    return drawn, picture_words(spots, pair)


def named(model_id: str) -> str:
    """A model's coloured dot and name as safe HTML."""
    colour = colours([model_id])[model_id]
    return f"<span style='color:{colour}' aria-hidden='true'>●</span> {inert_markdown(label(model_id))}"
