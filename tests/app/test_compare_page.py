import html
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app import runtime
from app.chat.suite_prompts import examples
from app.space.first_view import NAME, PURPOSE
from benchmarks.engine.contract import Sampling
from data.paths import ROOT
from data.settings import OPERATOR_TOKEN as TOKEN
from tests.openai_server import KEY, OpenAIServer

Script = Callable[..., None]
ENTRY = ROOT / "app" / "streamlit_app.py"


def open_app() -> AppTest:
    app = AppTest.from_file(ENTRY, default_timeout=30).run()
    assert not app.exception
    return app


def wait_for(app: AppTest, condition: Callable[[AppTest], bool]) -> AppTest:
    for _ in range(200):
        if condition(app):
            return app
        app.run()
        assert not app.exception
    raise AssertionError([text.value for text in app.text])


def captions(app: AppTest) -> str:
    return "\n".join(caption.value for caption in app.caption)


def replies(app: AppTest) -> list[str]:
    """What Markdown is given of the replies; the rest of it are the models' names."""
    return [each.value for each in app.markdown if not each.value.startswith(":small[")]


def outcomes(app: AppTest) -> list[str]:
    return [each.proto.body for each in app.get("html")]


def idle(app: AppTest) -> bool:
    return app.button(key="stop_all").disabled


def test_a_first_visitor_reads_what_this_is_and_what_the_two_models_are_and_has_three_prompts_to_begin_with(
    scripted_app: Script,
) -> None:
    app = open_app()
    assert app.title[0].value == NAME and PURPOSE in [each.value for each in app.markdown]
    assert sum("none, stored as NONE." in each.value for each in app.markdown) == 2
    assert [box.value for box in app.selectbox] == ["alpha", "beta"]
    assert app.radio(key="example").options == [each.prompt.text for each, _ in examples()] and len(examples()) == 3


def test_one_click_asks_both_models_and_shows_their_statistics(scripted_app: Script) -> None:
    scripted_app("alpha", reply="13, 21, 34", decode_tok_per_s=40, prefill_tok_per_s=80)
    scripted_app("beta", reply="I do not know")
    app = open_app()
    asked = examples()[1][0].prompt.text
    app.radio(key="example").set_value(asked).run()
    app.button(key="start").click().run()
    wait_for(app, idle)
    assert [text.value for text in app.text] == [asked]
    assert not app.title
    assert replies(app) == ["13, 21, 34", "I do not know"]
    assert "40.0 tok/s" in captions(app)
    assert "3 tokens" in captions(app)
    assert "finished" in captions(app)


def test_a_chat_goes_on_and_clear_empties_it(scripted_app: Script) -> None:
    scripted_app("alpha", replies={"second": "again alpha", "first": "alpha"})
    scripted_app("beta", replies={"second": "again beta", "first": "beta"})
    app = open_app()
    for prompt in ("first", "second"):
        app.chat_input(key="prompt").set_value(prompt).run()
        wait_for(app, idle)
    assert [text.value for text in app.text] == ["first", "second"]
    assert replies(app) == ["alpha", "beta", "again alpha", "again beta"]
    app.button(key="clear").click().run()
    assert not app.text


def test_stop_keeps_what_was_written(scripted_app: Script) -> None:
    scripted_app("alpha", pace_s=0.01)
    scripted_app("beta", pace_s=0.01)
    app = open_app()
    app.chat_input(key="prompt").set_value("go").run()
    wait_for(app, lambda app: len(replies(app)) == 2)
    app.button(key="stop_all").click().run()
    wait_for(app, idle)
    assert captions(app).count("stopped") == 2
    assert all(replies(app))


def test_an_empty_prompt_and_a_model_that_fails_are_one_line_each(scripted_app: Script) -> None:
    scripted_app("alpha", reply="fine")
    scripted_app("beta", reply="never", die_after_tokens=0)
    app = open_app()
    app.chat_input(key="prompt").set_value("   ").run()
    assert [error.value for error in app.error] == ["the prompt is empty; write something first"]
    app.chat_input(key="prompt").set_value("hello").run()
    wait_for(app, idle)
    assert any("SIGKILL" in error.value for error in app.error)
    assert not app.exception


def test_markup_in_prompts_and_replies_stays_text(scripted_app: Script) -> None:
    hostile = "<script>alert(1)</script> $x$ ![i](http://example.org/x.png)"
    scripted_app("alpha", reply=hostile)
    scripted_app("beta", reply="fine")
    app = open_app()
    app.chat_input(key="prompt").set_value(hostile).run()
    wait_for(app, idle)
    assert [text.value for text in app.text] == [hostile]
    assert replies(app)[0] == (
        "&#60;script&#62;alert(1)&#60;/script&#62; $$x$$ Image&#58; i (`http://example.org/x.png`)"
    )
    app.toggle(key="plain_text").set_value(True).run()
    assert [text.value for text in app.text] == [hostile, hostile, "fine"]
    assert replies(app) == []


def test_thinking_is_folded_with_its_tokens_and_the_statistics_tell_it_from_the_answer(scripted_app: Script) -> None:
    scripted_app("alpha", reply="<think> one two </think> The answer", decode_tok_per_s=10, prefill_tok_per_s=10)
    scripted_app("beta", reply="fine")
    app = open_app()
    app.chat_input(key="prompt").set_value("hello").run()
    wait_for(app, idle)
    assert replies(app) == ["The answer", "fine"]
    (folded,) = [each for each in app.expander if "Thought" in each.label]
    assert folded.label == "Thought · 4 tokens · 7 characters · 0.4 s"
    assert not any("one two" in text.value for text in app.text)
    assert "6 tokens (2 answer, 4 thinking)" in captions(app)


def test_a_broken_registry_is_one_line(scripted_app: Script, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    scripted_app("alpha")
    app = AppTest.from_file(ENTRY, default_timeout=30)
    registry = Path(os.environ["TRADEOFF_REGISTRY"])
    good = registry.read_text()
    registry.write_text(good.replace("label", "lable"))
    app.run()
    assert not app.exception
    assert len(app.error) == 1 and "lable" in app.error[0].value
    registry.write_text(good)


def ask(app: AppTest, prompt: str) -> AppTest:
    app.chat_input(key="prompt").set_value(prompt).run()
    return wait_for(app, idle)


@pytest.mark.slow
def test_a_third_and_fourth_model_answer_too(scripted_app: Script) -> None:
    scripted_app("alpha", reply="from alpha")
    scripted_app("beta", reply="from beta")
    app = open_app()
    app.button(key="add_lane").click().run()
    app.button(key="add_lane").click().run()
    assert app.button(key="add_lane").disabled
    ask(app, "hello")
    assert replies(app) == ["from alpha", "from beta"] * 2
    app.button(key="remove_lane").click().run()
    assert len(app.selectbox) == 3


def test_regenerate_and_another_seed_replace_the_last_replies(scripted_app: Script) -> None:
    scripted_app("alpha", reply="a")
    scripted_app("beta", reply="b")
    app = ask(open_app(), "hello")
    chat = app.session_state["chat"]
    for key, seed in (("again", 3407), ("reseed", 3408), ("reseed", 3409)):
        app.button(key=key).click().run()
        wait_for(app, idle)
        assert len(chat.turns) == 1 and {lane.seed for lane in chat.turns[0].lanes} == {seed}


@pytest.mark.slow
def test_a_link_belongs_to_the_replies_that_were_shared(scripted_app: Script) -> None:
    scripted_app("alpha", reply="a")
    scripted_app("beta", reply="b")
    app = ask(open_app(), "first")
    app.session_state["share"] = True
    app.run()
    app.button(key="make_link").click().run()
    [receipt] = app.session_state["chat"].receipts.values()
    assert receipt.id in app.code[0].value
    app.button(key="clear").click().run()
    ask(app, "second")
    app.session_state["share"] = True
    app.run()
    assert not app.code and app.button(key="make_link")


@pytest.mark.slow
def test_an_edited_prompt_replaces_what_came_after_it(scripted_app: Script) -> None:
    scripted_app("alpha", reply="a")
    scripted_app("beta", reply="b")
    app = ask(ask(open_app(), "first"), "second")
    app.button(key="begin_edit_0").click().run()
    app.text_area(key="edit_0").set_value("  ").run()
    app.button(key="resend").click().run()
    assert [turn.prompt for turn in app.session_state["chat"].turns] == ["first", "second"]
    app.button(key="begin_edit_0").click().run()
    app.text_area(key="edit_0").set_value("better").run()
    app.button(key="resend").click().run()
    wait_for(app, idle)
    assert [turn.prompt for turn in app.session_state["chat"].turns] == ["better"]


@pytest.mark.slow
def test_sampling_can_differ_from_lane_to_lane(scripted_app: Script) -> None:
    scripted_app("alpha", reply="a")
    scripted_app("beta", reply="b")
    app = open_app()
    app.toggle(key="shared_sampling").set_value(False).run()
    app.slider(key="temperature_1").set_value(0.0).run()
    app.number_input(key="seed_0").set_value(7).run()
    ask(app, "hello")
    [turn] = app.session_state["chat"].turns
    assert [(each.temperature, each.seed) for each in turn.sampling] == [(0.6, 7), (0.0, 3407)]


@pytest.mark.slow
def test_a_chat_templates_settings_are_offered_where_a_model_knows_them(
    scripted_app: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted_app("alpha", reply="a")
    scripted_app("beta", reply="b")
    assert "template_switches" not in [area.key for area in open_app().text_area]
    monkeypatch.setattr("app.views.settings.template_switches", lambda entry, registry: ("enable_thinking",))
    app = open_app()
    app.text_area(key="template_switches").set_value("thinking=false").run()
    ask(app, "hello")
    assert "no setting 'thinking'; known: enable_thinking" in html.unescape(app.error[0].value)
    app.text_area(key="template_switches").set_value("enable_thinking=false").run()
    ask(app, "hello")
    [turn] = app.session_state["chat"].turns
    assert [each.template_switches for each in turn.sampling] == [(("enable_thinking", False),)] * 2


def test_a_reply_to_a_suites_prompt_is_graded_on_request(scripted_app: Script) -> None:
    prompt = "What is 17 + 26? Answer with the number only."
    scripted_app("alpha", reply="43")
    scripted_app("beta", reply="44")
    app = ask(open_app(), prompt)
    for button in [button for button in app.button if button.label == "Grade"]:
        app.button(key=button.key).click().run()
    badges = " ".join(markdown.value for markdown in app.markdown)
    assert "Right" in badges and "Wrong" in badges
    assert "graded: A right, B wrong." in outcomes(app)[0]
    ask(app, "another question")
    assert "graded" not in outcomes(app)[1]
    assert len([button for button in app.button if button.label == "Grade"]) == 0


@pytest.mark.slow
def test_a_list_gives_a_table_with_every_reply(scripted_app: Script) -> None:
    scripted_app("alpha", reply="a")
    scripted_app("beta", reply="b")
    app = open_app()
    chat = app.session_state["chat"]
    run = runtime.list_runs().start(
        chat.visitor, ["one", "two"], ["alpha", "beta"], system="", sampling=[Sampling()] * 2
    )
    wait_for(app, lambda app: run.finished.is_set())
    app.run()
    assert list(app.dataframe[0].value["Alpha"]) == ["a", "a"]


def test_the_operators_form_refuses_a_run_without_models(scripted_app: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TOKEN.name, "the-token-of-this-test")
    app = open_app()
    app.switch_page("app_pages/benchmark.py").run()
    assert "started by the operator" in app.info[0].value
    app.session_state["operator_token"] = "the-token-of-this-test"
    app.session_state["bench_models"] = []
    app.run()
    app.button(key="bench_start").click().run()
    assert not app.exception
    assert "models is empty" in app.error[0].value


def test_a_stored_turn_without_replies_is_shown_without(scripted_app: Script) -> None:
    scripted_app("alpha")
    app = open_app()
    receipt = runtime.shares().store({"turns": [{"prompt": "hello", "replies": []}]})
    app.query_params["id"] = receipt.id
    app.switch_page("app_pages/shared.py").run()
    assert not app.exception
    assert "No replies were stored." in captions(app)


def test_a_served_model_answers_beside_a_local_one_and_its_seconds_are_labelled(
    scripted_app: Script, tmp_path: Path, openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAR_KEY", KEY)
    scripted_app("alpha", reply="13, 21, 34", decode_tok_per_s=40, prefill_tok_per_s=80)
    openai_server.reply = "42 it is"
    source = f'{{ kind = "openai", url = "{openai_server.url}/v1", model = "tiny", key = "FAR_KEY" }}'
    with (tmp_path / "models.toml").open("a") as registry:
        registry.write(f'\n[[model]]\nid = "far"\nlabel = "Far"\nsource = {source}\n')
    app = open_app()
    app.selectbox(key="model_1").set_value("far").run()
    app.radio(key="example").set_value(examples()[1][0].prompt.text).run()
    app.button(key="start").click().run()
    wait_for(app, idle)
    assert replies(app) == ["13, 21, 34", "42 it is"]
    assert "as served" in captions(app)
    assert any("B as served, so that seconds are not compared" in each for each in outcomes(app))
    assert KEY not in captions(app) + "".join(outcomes(app))
