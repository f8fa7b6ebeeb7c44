"""Published fine-tunes are found on the loopback Hub, pinned, and only from their own repository."""

import pytest

from data.errors import ModelError
from data.hub.address import HubSource
from data.models.card import CardSection, card_json
from data.models.fetch import fetch, pin_state
from data.models.published import namespace, published
from tests.gguf_bytes import model_bytes
from tests.hub import COMMIT, Hub, Repo, sha256

CONTENT = model_bytes(50_000)


def entries(repo: str, *, kind: str = "hf", pinned: bool = True) -> bytes:
    source = f'kind = "hf"\nrepo = "{repo}"\nfile = "m.gguf"' if kind == "hf" else 'kind = "file"\npath = "/etc/passwd"'
    pin = f'sha256 = "{sha256(CONTENT)}"\n' if pinned else ""
    return (
        '[[model]]\nid = "mine-r8"\nlabel = "Mine r8"\nbase = "Base"\nsize = "1M"\nquantization = "q4_k_m"\n'
        f'licence = "MIT"\nrank = 8\n{pin}\n[model.source]\n{source}\n'
    ).encode()


@pytest.fixture
def mine(hub: Hub) -> Repo:
    hub.repos["alice/mine"] = Repo(
        files={"models.toml": entries("alice/mine"), "m.gguf": CONTENT}, tags=("tradeoff", "gguf")
    )
    hub.repos["alice/other"] = Repo(files={"x.gguf": CONTENT})
    hub.repos["bob/theirs"] = Repo(files={"models.toml": entries("bob/theirs")}, tags=("tradeoff",))
    return hub.repos["alice/mine"]


def test_a_published_model_is_offered_pinned_and_can_be_fetched(mine: Repo, hub: Hub) -> None:
    (entry,) = published("alice", {}).entries
    assert (entry.id, entry.rank) == ("mine-r8", 8)
    assert entry.source == HubSource(repo="alice/mine", file="m.gguf", revision=COMMIT)
    assert pin_state(entry, {}) == "pinned" and f"{hub.url}/alice/mine" in (entry.note or "")
    assert fetch(entry, {entry.id: entry}).read_bytes() == CONTENT
    assert published("alice", {entry.id: entry}).entries == ()


def test_a_private_one_is_offered_to_a_token_that_may_read_it(mine: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    mine.access = "private"
    assert published("alice", {}).entries == ()
    monkeypatch.setenv("HF_TOKEN", mine.token)
    assert [entry.id for entry in published("alice", {}).entries] == ["mine-r8"]


def test_a_gated_one_says_how_to_get_access(mine: Repo) -> None:
    mine.access = "gated"
    found = published("alice", {})
    assert found.entries == () and "alice/mine is gated" in found.problems[0]


MIRRORED = entries("alice/mine").replace(b"[model.source]", b"file_size_bytes = 5\n[[model.sources]]") + (
    b'[[model.sources]]\nkind = "pypi"\npackage = "evil"\nversion = "1"\nmember = "m"\n'
)


@pytest.mark.parametrize(
    "content",
    [entries("alice/mine", kind="file"), entries("bob/theirs"), entries("alice/mine", pinned=False), MIRRORED],
)
def test_a_repository_offers_nothing_but_its_own_pinned_files(mine: Repo, content: bytes) -> None:
    mine.files["models.toml"] = content
    found = published("alice", {})
    assert found.entries == () and "not a pinned file of it" in found.problems[0]


def test_a_repository_without_entries_or_with_broken_ones_is_named(mine: Repo) -> None:
    mine.files["models.toml"] = b"[[model"
    assert "alice/mine: " in published("alice", {}).problems[0]
    del mine.files["models.toml"]
    assert "alice/mine has no file 'models.toml'" in published("alice", {}).problems[0]


CARD = card_json(
    [
        CardSection(
            title="Parity",
            text="Each file against *the* model.",
            head=("check", "file", "value", "limit", ""),
            rows=(
                ("mean KL", "m.gguf", "0.0123", "at most 0.15", "passed"),
                ("a|b", "<img src=x onerror=alert(1)>", "[click](http://evil)", "", "reported"),
            ),
        ),
        CardSection(title="Benchmark", text="Run `r` on a CPU.", verbatim="MODEL    TOK/S\nmine-r8  12.3"),
    ]
).encode()


def test_the_card_of_a_published_model_comes_as_text_and_tables(mine: Repo) -> None:
    mine.files["card.json"] = CARD
    parity, benchmark = published("alice", {}).cards["alice/mine"]
    assert (parity.title, parity.rows[0][2], parity.rows[1][:2]) == (
        "Parity",
        "0.0123",
        ("a|b", "<img src=x onerror=alert(1)>"),
    )
    assert parity.text == "Each file against *the* model."
    assert benchmark.verbatim.splitlines() == ["MODEL    TOK/S", "mine-r8  12.3"]


WIDE = card_json([CardSection(title="x", head=("h",) * 90, rows=(("c" * 300,) * 90,) * 5)]).encode()


@pytest.mark.parametrize(
    "card",
    [
        None,
        bytes(10**6),
        b"\xff\xfe## Parity",
        b'{"schema_version": 1}',
        b"[" * 50_000,
        b'{"schema_version": 1, "sections": [7]}',
        WIDE[:5_000],
        WIDE,
    ],
)
def test_without_a_card_that_can_be_read_the_model_is_offered_all_the_same(mine: Repo, card: bytes | None) -> None:
    if card is not None:
        mine.files["card.json"] = card
    found = published("alice", {})
    assert [entry.id for entry in found.entries] == ["mine-r8"] and found.problems == ()
    cells = [cell for card in found.cards.values() for each in card for row in each.rows for cell in row]
    assert all(len(row) <= 12 for card in found.cards.values() for each in card for row in each.rows)
    assert all(len(cell) <= 200 for cell in cells)


def test_entries_that_do_not_end_are_not_read_to_their_end(mine: Repo, hub: Hub) -> None:
    mine.files["models.toml"] = b"#" * 10**7
    hub.hold_after = 10**6  # the rest never comes
    assert "alice/mine/models.toml is larger than 200,000 bytes; not read" in published("alice", {}).problems


def test_entries_that_come_too_slowly_are_given_up(mine: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("data.hub.download.TEXT_LIMIT_S", -1.0)
    assert "alice/mine/models.toml takes longer than" in published("alice", {}).problems[0]


def test_no_network_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with pytest.raises(ModelError, match=r"cannot be looked up at http://127\.0\.0\.1:9"):
        published("alice", {})


def test_a_namespace_that_cannot_be_one_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRADEOFF_HUB_NAMESPACE", "a/b")
    with pytest.raises(ModelError, match="name of a user or an organisation"):
        namespace()
