"""Operator or visitor: whose machine is it? No Streamlit in this module.

The operator may add and remove models, read paths of the machine and start benchmarks. `TRADEOFF_OPERATOR_TOKEN` sets a
token that makes an operator of whoever gives it. Without one, the person at a server that listens on this machine alone
is the operator, and everybody else a visitor: who comes through a proxy, and on a Hugging Face Space everybody.
"""

import hmac
import ipaddress
from collections.abc import Iterable, Mapping

from data.settings import OPERATOR_TOKEN

LEAST_TOKEN_CHARACTERS = 16


def is_operator(
    environment: Mapping[str, str],
    address: str | None,
    given_token: str | None,
    *,
    client: str | None = None,
    headers: Iterable[str] = (),
) -> bool:
    """Whether this person may change the machine.

    Args:
        address: That the server listens on; None for all.
        given_token: What the person has typed, if anything.
        client: The address that the request came from; None for this machine.
        headers: Names of the request's headers, by which a proxy shows.
    """
    if token := usable_token(environment):
        return given_token is not None and hmac.compare_digest(given_token.encode(), token.encode())
    if "SPACE_ID" in environment or OPERATOR_TOKEN.read(environment):
        return False
    return is_loopback(address) and (client is None or is_loopback(client)) and not any(map(_is_a_proxys, headers))


def usable_token(environment: Mapping[str, str]) -> str | None:
    """The operator's token; one that could be guessed counts as none, and then nobody is the operator."""
    token = OPERATOR_TOKEN.read(environment) or ""
    return token if len(token) >= LEAST_TOKEN_CHARACTERS else None


def problem_with_token(environment: Mapping[str, str]) -> str | None:
    """Why the token that is set is not used, in one line."""
    token = OPERATOR_TOKEN.read(environment)
    if not token or len(token) >= LEAST_TOKEN_CHARACTERS:
        return None
    return f"{OPERATOR_TOKEN.name} has {len(token)} characters; set one of at least {LEAST_TOKEN_CHARACTERS}"


def is_loopback(address: str | None) -> bool:
    if address == "localhost":
        return True
    try:
        return ipaddress.ip_address(address or "").is_loopback
    except ValueError:
        return False


def _is_a_proxys(header: str) -> bool:
    name = header.lower()
    return name.startswith("x-forwarded-") or name in ("forwarded", "via", "x-real-ip")
