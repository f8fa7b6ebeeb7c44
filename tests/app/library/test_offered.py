import pytest

from app.library.offered import Catalogue
from data.models.entries import ModelEntry
from tests.data.models.test_published import entries
from tests.hub import Hub, Repo


def test_what_is_published_joins_the_registry(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.repos["alice/mine"] = Repo(files={"models.toml": entries("alice/mine")}, tags=("tradeoff",))
    monkeypatch.setenv("TRADEOFF_HUB_NAMESPACE", "alice")
    registry: dict[str, ModelEntry] = {}
    catalogue = Catalogue(registry)
    catalogue.look()
    assert list(registry) == ["mine-r8"] and catalogue.problem is None and catalogue.banner is None


def test_a_namespace_that_cannot_be_looked_up_is_a_problem_and_no_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRADEOFF_HUB_NAMESPACE", "not/one")
    catalogue = Catalogue({})
    catalogue.look()
    assert "TRADEOFF_HUB_NAMESPACE" in (catalogue.problem or "")


def test_offline_mode_has_a_banner_and_asks_nobody(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRADEOFF_HUB_NAMESPACE", "alice")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    catalogue = Catalogue({})
    catalogue.start()
    assert "Offline" in (catalogue.banner or "") and hub.requests == []
