"""What one person may have of what the pages offer."""

from collections.abc import Callable

import pytest

from app import runtime
from data.errors import TradeoffError


@pytest.mark.parametrize("what", sorted(runtime.ALLOWED))
def test_who_asks_for_too_much_is_told_when_to_go_on_and_others_are_not(
    what: str, scripted_app: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime, "person", lambda: "me")
    for _ in range(int(runtime.ALLOWED[what].burst)):
        runtime.count(what)
    with pytest.raises(TradeoffError, match=rf"that is many {what} in a short time; go on in \d+ s"):
        runtime.count(what)
    monkeypatch.setattr(runtime, "person", lambda: "somebody else")
    runtime.count(what)
