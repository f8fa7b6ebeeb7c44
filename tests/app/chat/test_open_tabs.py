import pytest

from app.chat.open_tabs import OpenTabs


def test_a_visitor_is_here_while_any_tab_of_theirs_is_connected() -> None:
    connected = {"s1", "s2"}
    tabs = OpenTabs(connected.__contains__)
    tabs.note("s1", "me")
    tabs.note("s2", "me")
    connected.remove("s1")
    assert tabs.has("me") and not tabs.has("somebody else")
    connected.remove("s2")
    assert not tabs.has("me")
    connected.add("s1")  # a connection that was lost for a moment
    assert tabs.has("me")


def test_a_reloaded_tab_shows_the_visitor_that_it_opened_again() -> None:
    tabs = OpenTabs(lambda session: True)
    tabs.note("s1", "new")
    tabs.note("s1", "me")
    assert tabs.has("me") and not tabs.has("new")


def test_tabs_that_are_gone_do_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.chat.open_tabs.MAX_TABS", 2)
    connected = {"s1", "s3"}
    tabs = OpenTabs(connected.__contains__)
    for session in ("s1", "s2", "s3"):
        tabs.note(session, session)
    connected.add("s2")
    assert tabs.has("s1") and tabs.has("s3") and not tabs.has("s2")
