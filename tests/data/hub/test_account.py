"""What can be said of an upload before anything is sent."""

import os

import pytest

from data.hub.account import check_repository_name, choose_transfer
from data.hub.address import HubError


@pytest.mark.parametrize("repo", ["tiny", "a/b/c", "/tiny", "alice/", "alice/a b", "alice/x--y", "alice/x.git"])
def test_a_bad_repository_name_is_refused(repo: str) -> None:
    with pytest.raises(HubError) as caught:
        check_repository_name(repo)
    assert str(caught.value).startswith(f"--repo is {repo!r}")
    assert "\n" not in str(caught.value)


def test_a_good_repository_name_passes() -> None:
    check_repository_name("alice/Llama-3.2-1b_r8")


@pytest.mark.parametrize(
    ("endpoint", "chosen", "expected"),
    [
        (None, None, None),
        ("https://huggingface.co", None, None),
        ("http://127.0.0.1:8000", None, "1"),
        ("https://hub.example.org/hf", None, "1"),
        ("https://hub.example.org/hf", "0", "0"),
    ],
)
def test_xet_is_off_where_the_hub_is_another(
    monkeypatch: pytest.MonkeyPatch, endpoint: str | None, chosen: str | None, expected: str | None
) -> None:
    for name, value in (("HF_ENDPOINT", endpoint), ("HF_HUB_DISABLE_XET", chosen)):
        monkeypatch.setenv(name, value or "")  # so that the end of the test restores it
        if value is None:
            monkeypatch.delenv(name)
    choose_transfer()
    assert os.environ.get("HF_HUB_DISABLE_XET") == expected
