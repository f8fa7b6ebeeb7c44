"""Models that a server has, in the registry: what an entry may say, and that no key is ever in it."""

from pathlib import Path

import pytest

from benchmarks.pick.source import reference_of
from data.errors import ModelError
from data.models.entries import OpenAISource, RegistryError
from data.models.fetch import fetch, local_path, locate, remove
from data.models.published import published
from data.models.registry import parse_registry, registry_toml
from data.models.served import is_address, read_address
from tests.hub import Hub, Repo
from tests.openai_server import KEY

SOURCE = 'kind = "openai"\nurl = "https://llm.example/v1"\nmodel = "big-70b"\n'
PRICED = SOURCE + 'key = "BIG_KEY"\nusd_per_million_in = 1\nusd_per_million_out = 2.5\n'


def toml(source: str = PRICED, more: str = "") -> str:
    return f'[[model]]\nid = "big"\nlabel = "Big"\n{more}\n[model.source]\n{source}'


def registry(source: str = PRICED, more: str = "") -> dict[str, object]:
    return dict(parse_registry(toml(source, more), Path("models.toml")))


def test_an_entry_needs_an_address_and_a_name_and_no_more() -> None:
    (entry,) = parse_registry(toml(SOURCE), Path("models.toml")).values()
    assert entry.is_served
    assert (entry.base, entry.quantization, entry.licence) == ("big-70b", "unknown", "unknown")
    (priced,) = parse_registry(toml(), Path("models.toml")).values()
    assert isinstance(priced.source, OpenAISource)
    assert (priced.source.key, priced.source.usd_per_million_in) == ("BIG_KEY", 1)
    assert parse_registry(registry_toml([priced]), Path("x.toml")) == {"big": priced}


@pytest.mark.parametrize(
    ("source", "error"),
    [
        (SOURCE.replace("https://", "ftp://"), "url is 'ftp://llm.example/v1'; it must begin with http"),
        (SOURCE.replace("llm.example/v1", f"me:{KEY}@llm.example"), "url holds a user, a password or a query"),
        (SOURCE.replace("/v1", f"/v1?key={KEY}"), "url holds a user, a password or a query"),
        (SOURCE.replace("llm.example", "[llm"), "url is no address"),
        (f'{SOURCE}key = "{KEY}"\n', "key must be the name of an environment variable"),
        (SOURCE + "usd_per_million_in = 1.0\n", "give both, or neither"),
        (PRICED.replace("2.5", "-1"), "usd_per_million_out is -1; it must be"),
        (PRICED.replace("2.5", "1e9"), "must be above 0 and at most 100000"),
        (SOURCE.replace('model = "big-70b"\n', ""), "'model' is missing"),
        (SOURCE + 'sha256 = "x"\n', "unknown key 'sha256'"),
    ],
)
def test_a_wrong_entry_is_one_line_that_never_shows_a_key(source: str, error: str) -> None:
    with pytest.raises(RegistryError) as caught:
        registry(source)
    assert error in str(caught.value)
    assert KEY not in str(caught.value)


def test_what_nobody_here_can_know_of_it_is_refused() -> None:
    with pytest.raises(RegistryError, match="file_size_bytes cannot be known"):
        registry(more="file_size_bytes = 5")
    derived = '\n[[model]]\nid = "q4"\nlabel = "Q4"\nbase = "b"\nsize = "?"\nquantization = "q4_0"\nlicence = "MIT"\n'
    derived += 'source = { kind = "derived", base = "big", quantization = "q4_0" }\n'
    with pytest.raises(RegistryError, match="'big' is served elsewhere; nothing can be derived of it"):
        parse_registry(toml() + derived, Path("models.toml"))


def test_a_small_file_stands_for_it_and_holds_no_key(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BIG_KEY", KEY)
    known = parse_registry(toml(), Path("models.toml"))
    path = fetch(known["big"], known)
    assert is_address(path)
    assert path == local_path(known["big"], known)
    assert read_address(path) == OpenAISource(url="https://llm.example/v1", model="big-70b", key="BIG_KEY")
    assert KEY not in path.read_text()


def test_what_needs_a_file_says_so(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "models.toml").write_text(toml())
    monkeypatch.setenv("TRADEOFF_REGISTRY", str(tmp_path / "models.toml"))
    with pytest.raises(ModelError, match="big is served elsewhere; this needs a model's own file"):
        locate("big")
    with pytest.raises(ModelError, match="this needs a model's own file"):
        reference_of("big", tmp_path, from_quantized=True)
    with pytest.raises(ModelError, match="take it out of the registry"):
        remove(parse_registry(toml(), Path("models.toml"))["big"])


def test_nobody_can_publish_an_entry_that_sends_prompts_elsewhere(hub: Hub) -> None:
    hub.repos["alice/mine"] = Repo(files={"models.toml": toml().encode()}, tags=("tradeoff", "gguf"))
    assert published("alice", {}).entries == ()
