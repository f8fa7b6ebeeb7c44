from collections.abc import Callable

from streamlit.testing.v1 import AppTest

from app import runtime
from app.arena.battle import Battle
from app.arena.vote_store import Vote
from app.chat.lanes import Lane
from data.paths import ROOT

ENTRY = ROOT / "app" / "streamlit_app.py"
Script = Callable[..., None]


def open_arena() -> AppTest:
    app = AppTest.from_file(ENTRY, default_timeout=30).run()
    app.switch_page("app_pages/arena.py").run()
    assert not app.exception
    return app


def with_a_battle(app: AppTest) -> Battle:
    """Two finished replies, played to their ends."""
    lanes = tuple(Lane(model_id=name, stage="done", text=f"from {name}", reason="stop") for name in ("alpha", "beta"))
    battle = Battle(prompt="hi", model_ids=("alpha", "beta"), comparison_id="c", lanes=lanes, play_started=0.0)
    app.session_state["battle"] = battle
    app.run()
    assert not app.exception
    return battle


def shown(app: AppTest) -> str:
    return " ".join(markdown.value for markdown in app.markdown)


def test_the_models_are_named_after_the_vote_only_and_it_is_stored(scripted_app: Script) -> None:
    app = open_arena()
    with_a_battle(app)
    assert "Alpha" not in shown(app)
    app.button(key="vote_b").click().run()
    assert "Alpha" in shown(app) and "Beta" in shown(app)
    [vote] = runtime.votes().all()
    assert (vote.model_a, vote.model_b, vote.outcome) == ("alpha", "beta", "b")


def test_a_second_vote_on_a_battle_is_refused_in_one_line(scripted_app: Script) -> None:
    app = open_arena()
    battle = with_a_battle(app)
    runtime.votes().add(Vote(battle_id=battle.id, model_a="alpha", model_b="beta", outcome="a"))
    app.button(key="vote_b").click().run()
    assert [error.value for error in app.error] == ["this battle has your vote already; start the next one"]
    assert [vote.outcome for vote in runtime.votes().all()] == ["a"]


def test_a_corrupt_votes_file_is_one_line_and_the_battle_goes_on(scripted_app: Script) -> None:
    app = open_arena()
    with_a_battle(app)
    path = runtime.votes().path
    path.parent.mkdir(parents=True)
    path.write_bytes(b"nothing like a database " * 200)
    app.button(key="vote_a").click().run()
    assert not app.exception
    assert "the vote is not stored" in app.error[0].value and "votes.sqlite" in app.error[0].value
    assert not app.button(key="vote_a").disabled
    path.unlink()
    app.button(key="vote_a").click().run()
    assert len(runtime.votes().all()) == 1
