"""The way to the Hub: proxies and certificates, as the environment has them, checked before the client is made.

The client (httpx) reads these variables when it is made, and what it cannot use ends in errors of many kinds, none of
which names the variable.
"""

import importlib.util
import ipaddress
import os
import re
import ssl
from pathlib import Path

from data.hub.address import HubError, check_token, host

_SCHEMES = ("http", "https", "socks5", "socks5h")


def check_access() -> None:
    """Refuse settings with which no request can be sent; to be called before the Hub's client is made.

    Raises:
        HubError: A variable for proxies or certificates, or the token, cannot be used; the message has its name, its
            value without passwords, and what to do.
    """
    for scheme in ("http", "https", "all"):
        _check_proxy(*_variable(f"{scheme}_proxy"))
    _check_exceptions(*_variable("no_proxy"))
    _check_certificates()
    check_token()


def way_out(error: Exception) -> str:
    """What to look at where the Hub could not be reached: the variables that took part in the attempt."""
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        name = next((name for name in ("SSL_CERT_FILE", "SSL_CERT_DIR") if os.environ.get(name)), None)
        if name:
            return f"{name} is {os.environ[name]}; it must hold the certificate of your network's authority"
        return "set SSL_CERT_FILE to the certificates of your network's authority, a PEM file"
    proxies = [_variable(f"{scheme}_proxy") for scheme in (host().partition(":")[0], "all")]
    name, value = next(((name, value) for name, value in proxies if value), ("", ""))
    return (
        f"check the network, HF_ENDPOINT and {name}, which is {_shown(value)}"
        if name
        else "check the network and HF_ENDPOINT"
    )


def socks_proxy() -> str | None:
    """The variable that names a SOCKS proxy, with its value; None where none does."""
    named = (_variable(f"{scheme}_proxy") for scheme in ("https", "http", "all"))
    return next((f"{name} is {_shown(value)!r}" for name, value in named if value.lower().startswith("socks")), None)


def _variable(lower: str) -> tuple[str, str]:
    """A variable's name as it is set, and its value; in small letters it goes before capitals, as everywhere."""
    names = [lower, *(name for name in os.environ if name.lower() == lower)]
    return next(((name, value) for name in names if (value := os.environ.get(name, ""))), (lower.upper(), ""))


def _check_proxy(name: str, value: str) -> None:
    if not value:
        return
    import httpx

    wrong = f"{name} is {_shown(value)!r}"
    way = "write http://HOST:PORT, or unset it"
    try:
        url = httpx.URL(value if "://" in value else f"http://{value}")
    except httpx.InvalidURL:  # its text may hold a part of the password
        raise HubError(f"{wrong}, which is no address; {way}") from None
    if url.scheme not in _SCHEMES:
        raise HubError(f"{wrong}; a proxy's scheme is one of {', '.join(_SCHEMES)}: {way}")
    if not url.host or not 0 < (url.port or 1) < 2**16:
        raise HubError(f"{wrong}, which names no host and port; {way}")
    if url.scheme.startswith("socks") and importlib.util.find_spec("socksio") is None:
        raise HubError(
            f"{wrong}; for a SOCKS proxy the package socksio is missing: `pip install socksio`, or set HTTPS_PROXY to "
            f"an HTTP proxy and unset {name}"
        )


def _check_exceptions(name: str, value: str) -> None:
    """`NO_PROXY`, each host of it; commas alone part them for the Hub's client, where curl takes spaces too."""
    hosts = [each.strip() for each in value.split(",")]
    if "*" in hosts:
        return
    import httpx

    for each in filter(None, hosts):
        if re.search(r"[\s;]", each) and any(_variable(f"{scheme}_proxy")[1] for scheme in ("http", "https", "all")):
            raise HubError(f"{name} has {each!r}, which names no host: write commas between hosts")
        try:
            if not _is_address(each):
                httpx.URL(each if "://" in each else f"all://*{each}")
        except httpx.InvalidURL:
            plain = re.sub(r"^\[([^\]]*)\].*|/\d+$", r"\1", each)
            instead = f"write {plain}" if _is_address(plain) and "/" not in each else "write each address or host alone"
            raise HubError(
                f"{name} has {each!r}, which the Hub's client cannot read; {instead}, or take it out"
            ) from None


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _check_certificates() -> None:
    file, directory = (os.environ.get(name, "") for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"))
    if file:
        try:
            ssl.create_default_context(cafile=file)
        except (OSError, ValueError) as error:  # a file without certificates is an SSLError, which is an OSError
            reason = "no PEM file of them" if isinstance(error, ssl.SSLError) else getattr(error, "strerror", error)
            raise HubError(
                f"SSL_CERT_FILE is {file!r}, which holds no certificates ({reason}); set it to a PEM file, or unset it"
            ) from None
    elif directory and not Path(directory).is_dir():
        raise HubError(
            f"SSL_CERT_DIR is {directory!r}, which is no directory; set it to one of certificates, or unset it"
        )


def _shown(value: str) -> str:
    """The value without user name and password."""
    return re.sub(r"(?i)^((?:\w+://)?).*@", r"\1***@", value)
