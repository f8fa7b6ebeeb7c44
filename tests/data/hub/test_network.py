"""Proxies and certificates that the Hub's client cannot use: one line with the variable, before it is made."""

import os
from collections.abc import Callable
from pathlib import Path

import certifi
import httpx
import pytest

from data.errors import ModelError
from data.hub.address import HubError, HubSource
from data.hub.network import check_access
from data.hub.repository import push_files
from data.models.fetch import fetch
from data.models.published import published
from tests.data.registries import entry
from tests.hub import Account, Hub

VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "ssl_cert_file", "ssl_cert_dir")
MODEL = entry(HubSource(repo="org/tiny-GGUF", file="tiny-q4.gguf"))


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is set, and no earlier client is used again."""
    from huggingface_hub import close_session

    for name in list(os.environ):
        if name.lower() in VARIABLES:
            monkeypatch.delenv(name)
    close_session()


def refusal(call: Callable[[], object] = check_access) -> str:
    with pytest.raises(ModelError) as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", ["HTTP_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"])
@pytest.mark.parametrize(
    ("value", "message"),
    [
        (
            "socks5://10.0.0.1:1080",
            "'socks5://10.0.0.1:1080'; for a SOCKS proxy the package socksio is missing: `pip in",
        ),
        ("socks5h://10.0.0.1", "package socksio is missing"),
        ("socks4://10.0.0.1:1080", "a proxy's scheme is one of http, https, socks5, socks5h"),
        ("ftp://proxy", "a proxy's scheme is one of"),
        ("http://proxy:port", "which is no address"),
        ("http://[::1", "which is no address"),
        ("http://", "which names no host and port"),
        ("http://proxy:99999", "which names no host and port"),
    ],
)
def test_a_proxy_that_cannot_be_used_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str
) -> None:
    monkeypatch.setenv(name, value)
    assert refusal().startswith(f"{name} is '")
    assert message in refusal() and ("write http://HOST:PORT" in refusal() or "socksio" in refusal())


@pytest.mark.parametrize("value", ["http://me:s3cret@proxy:port", "me:s3cret@proxy:port", "http://me:s3/cret@proxy:1"])
def test_a_proxys_password_is_never_shown(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("HTTPS_PROXY", value)
    assert "s3" not in refusal() and "cret" not in refusal() and "***@proxy" in refusal()


@pytest.mark.parametrize("value", ["localhost 127.0.0.1", "a.com;b.com", "a.com, b.com c.com"])
def test_exceptions_that_are_not_parted_by_commas_are_refused(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", value)
    check_access()  # nobody reads them where there is no proxy
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    assert refusal().endswith("which names no host: write commas between hosts")


@pytest.mark.parametrize(
    ("entry", "instead"),
    [
        ("[::1]", "write ::1"),
        ("[::1]:8080", "write ::1"),
        ("::1/128", "write each address"),
        ("fe80::/10", "write each address"),
        ("localhost:port", "write each address"),
    ],
)
def test_an_exception_that_the_client_cannot_read_is_named(
    monkeypatch: pytest.MonkeyPatch, entry: str, instead: str
) -> None:
    monkeypatch.setenv("NO_PROXY", f"localhost, {entry},.example.com")
    assert refusal().startswith(f"NO_PROXY has {entry!r}, which the Hub's client cannot read; {instead}")
    monkeypatch.setenv("NO_PROXY", f"{entry},*")
    check_access()


USUAL = {
    "NO_PROXY": "localhost,127.0.0.1,::1,::ffff:1.2.3.4,fe80::1%eth0,.example.com,*.example.com,a.com:8080,10.0.0.0/8",
    "no_proxy": "*",
    "HTTPS_PROXY": "http://me:pass@proxy:3128",
    "http_proxy": "proxy:3128",
    "ALL_PROXY": "http://[::1]:3128",
    "SSL_CERT_FILE": certifi.where(),
}


@pytest.mark.parametrize("name", USUAL)
def test_usual_values_pass_and_the_client_takes_them(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, USUAL[name])
    check_access()
    httpx.Client().close()


def test_small_letters_go_before_capitals_as_in_the_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks4://a")
    monkeypatch.setenv("all_proxy", "http://b:80")
    check_access()


def test_certificates_that_are_not_there_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "text.pem").write_text("hello")
    for path, reason in (
        (tmp_path / "none.pem", "No such file or directory"),
        (tmp_path, "Is a directory"),
        (tmp_path / "text.pem", "no PEM file of them"),
    ):
        monkeypatch.setenv("SSL_CERT_FILE", str(path))
        assert refusal() == (
            f"SSL_CERT_FILE is {str(path)!r}, which holds no certificates ({reason}); set it to a PEM file, or unset it"
        )
    monkeypatch.setenv("SSL_CERT_FILE", "")
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "none"))
    assert refusal().startswith(f"SSL_CERT_DIR is {str(tmp_path / 'none')!r}, which is no directory")


@pytest.mark.parametrize(
    ("name", "value"), [("ALL_PROXY", "socks5://p:1"), ("SSL_CERT_FILE", "/none.pem"), ("NO_PROXY", "[::1]")]
)
def test_whatever_asks_the_hub_says_it(hub: Hub, monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    hub.accounts["hf_alice"] = Account(name="alice")
    monkeypatch.setenv("HF_TOKEN", "hf_alice")
    monkeypatch.delenv("NO_PROXY")
    monkeypatch.setenv(name, value)
    for call in (
        lambda: fetch(MODEL, {"tiny": MODEL}),
        lambda: push_files("alice/runs", {"a": b"b"}, message="runs"),
        lambda: published("alice", {}),
    ):
        assert refusal(call).startswith(name) and value in refusal(call)
    assert hub.requests == []


def test_a_proxy_that_does_not_answer_is_named_where_the_hub_is_not_reached(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("HTTP_PROXY", "http://me:s3cret@127.0.0.1:9")
    message = refusal(lambda: fetch(MODEL, {"tiny": MODEL}))
    assert "check the network, HF_ENDPOINT and HTTP_PROXY, which is http://***@127.0.0.1:9" in message
    assert "s3cret" not in message


def test_a_certificate_that_is_not_trusted_says_which_variable_helps(monkeypatch: pytest.MonkeyPatch) -> None:
    from data.hub.network import way_out

    error = HubError("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed")
    assert way_out(error).startswith("set SSL_CERT_FILE to the certificates")
    monkeypatch.setenv("SSL_CERT_DIR", "/certs")
    assert way_out(error).startswith("SSL_CERT_DIR is /certs; it must hold")
