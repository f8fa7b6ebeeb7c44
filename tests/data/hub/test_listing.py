import pytest

from data.errors import ModelError
from data.hub.listing import list_models
from tests.gguf_bytes import model_bytes
from tests.hub import Hub, Repo, sha256

SMALL, LARGE = model_bytes(4_000), model_bytes(40_000)


def refusal(repo: str) -> str:
    with pytest.raises(ModelError) as caught:
        list_models(repo)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_single_files_and_sets_are_listed_with_their_sizes_the_smallest_first(hub: Hub) -> None:
    parts = {f"big/big-{number:05}-of-00002.gguf": LARGE for number in (1, 2)}
    hub.repos["me/tiny-GGUF"] = Repo(files={**parts, "tiny-Q8_0.gguf": SMALL, "README.md": b"hello"})
    small, big = list_models("me/tiny-GGUF")
    assert (small.file, small.size_bytes, small.sha256) == ("tiny-Q8_0.gguf", len(SMALL), sha256(SMALL))
    assert (big.file, big.size_bytes) == ("big/big-00001-of-00002.gguf", 2 * len(LARGE))
    assert big.sha256 == sha256((sha256(LARGE) * 2).encode())


def test_a_set_with_parts_missing_names_them(hub: Hub) -> None:
    hub.repos["me/tiny"] = Repo(files={"big-00002-of-00003.gguf": LARGE})
    (found,) = list_models("me/tiny")
    assert found.missing == ("big-00001-of-00003.gguf", "big-00003-of-00003.gguf") and found.sha256 is None


def test_two_hundred_files_are_listed(hub: Hub) -> None:
    hub.repos["me/many"] = Repo(files={f"m{number:03}-Q4_0.gguf": SMALL for number in range(200)})
    assert len(list_models("me/many")) == 200


def test_a_repository_without_ggufs_says_what_it_holds(hub: Hub) -> None:
    hub.repos["me/text"] = Repo(files={"README.md": b"hello", "config.json": b"{}"})
    hub.repos["me/weights"] = Repo(files={"model.safetensors": b"x" * 100})
    assert refusal("me/text") == "me/text holds no GGUF among its 2 files; look for another repository"
    assert "holds no GGUF, but weights for training" in refusal("me/weights")


def test_what_is_gated_private_or_not_there_is_one_line_with_a_way_out(hub: Hub) -> None:
    hub.repos["me/gated"] = Repo(files={"a.gguf": SMALL}, access="gated")
    hub.repos["me/private"] = Repo(files={"a.gguf": SMALL}, access="private")
    assert "me/gated is gated" in refusal("me/gated") and "accept its terms" in refusal("me/gated")
    assert "no access to me/private" in refusal("me/private")
    assert "no access to me/nothing" in refusal("me/nothing")


def test_a_hub_that_cannot_be_reached_is_one_line(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert "cannot reach http://127.0.0.1:9" in refusal("me/tiny")
