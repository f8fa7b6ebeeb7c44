"""Who looks at the pages: operator or visitor, which tabs are open, which conversations they hold.

The operator may add and remove models, read paths of the machine and start benchmarks. `TRADEOFF_OPERATOR_TOKEN` sets
a token that makes an operator of whoever gives it. Without one, the person at a server that listens on this machine
alone is the operator, and everybody else a visitor: who comes through a proxy, whose browser shows another address or
another site's page (which may have led it here), and on a Hugging Face Space everybody.

Conversations live in memory alone. Who holds a conversation's id, which stands in its tab's address, can open it, and
nobody else.
"""

import hmac
import ipaddress
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import SplitResult, urlsplit

from cachetools import TTLCache

from app.chat.conversation import Chat
from data.settings import OPERATOR_TOKEN, PROXIES

LEAST_TOKEN_CHARACTERS = 16


def is_operator(
    environment: Mapping[str, str],
    address: str | None,
    given_token: str | None,
    *,
    client: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> bool:
    """Whether this person may change the machine.

    Args:
        address: That the server listens on; None for all.
        given_token: What the person has typed, if anything.
        client: The address that the request came from; None for this machine.
        headers: The request's; None or empty where there was none, which no browser can bring about.
    """
    if token := usable_token(environment):
        return given_token is not None and hmac.compare_digest(given_token.encode(), token.encode())
    if "SPACE_ID" in environment or OPERATOR_TOKEN.read(environment):
        return False
    here = is_loopback(address) and (client is None or is_loopback(client))
    return here and (not headers or _is_asked_here({name.lower(): value for name, value in headers.items()}))


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


def _is_asked_here(headers: Mapping[str, str]) -> bool:
    """Whether a browser on this machine asks for this machine, from a page of this server.

    A name that leads to 127.0.0.1 is another site's, whose page may read the answers; a page of another port of this
    machine is another program's.
    """
    asked = _site(f"//{headers.get('host', '')}")
    origin = _site(headers["origin"]) if "origin" in headers else asked
    if asked is None or origin is None or any(map(_is_a_proxys, headers)):
        return False
    return (asked.port or 80) == (origin.port or (443 if origin.scheme == "https" else 80))


def _site(url: str) -> SplitResult | None:
    """The address in a Host or Origin, where it is this machine's own."""
    try:
        site = urlsplit(url)
        return site if is_loopback(site.hostname) and "@" not in site.netloc and site.port != 0 else None
    except ValueError:
        return None


def _is_a_proxys(name: str) -> bool:
    return name.startswith("x-forwarded-") or name in ("forwarded", "via", "x-real-ip")


def address_of(environment: Mapping[str, str], client: str | None, forwarded: Sequence[str]) -> str | None:
    """Where a request comes from, as far as that tells people apart; of IPv6, the network that one house has.

    None on this machine itself, and on a Space whose proxies nobody has counted: there an address is many people's.

    Args:
        client: The connection's other end.
        forwarded: Values of `X-Forwarded-For`. Anybody may write there, so that only what our own proxies have added,
            which are the last `TRADEOFF_PROXIES` entries, counts.
    """
    said = PROXIES.read(environment)
    proxies = int(said) if said and not problem_with_proxies(environment) else 0
    entries = [part.strip() for value in forwarded for part in value.split(",") if part.strip()]
    if proxies and len(entries) >= proxies:
        return _network(entries[-proxies]) or _network(client)
    return None if "SPACE_ID" in environment and not proxies else _network(client)


def problem_with_proxies(environment: Mapping[str, str]) -> str | None:
    said = PROXIES.read(environment)
    if said is None or (said.isascii() and said.isdecimal() and len(said) < 3):
        return None
    return f"{PROXIES.name} is {said!r}; set how many proxies of yours stand before the app, such as 1"


def _network(address: str | None) -> str | None:
    try:
        found = ipaddress.ip_address((address or "").strip("[]"))
    except ValueError:
        return None
    found = getattr(found, "ipv4_mapped", None) or found
    if found.is_loopback:
        return None
    return str(found) if found.version == 4 else str(ipaddress.ip_network((found, 64), strict=False))


MAX_TABS = 2_000


class OpenTabs:
    """Sessions of the server by the visitor that they show.

    Args:
        is_connected: Whether a session's browser tab is connected now.
    """

    def __init__(self, is_connected: Callable[[str], bool]) -> None:
        self._is_connected = is_connected
        self._lock = threading.Lock()
        self._visitors: dict[str, str] = {}

    def note(self, session_id: str, visitor: str) -> None:
        with self._lock:
            self._visitors[session_id] = visitor
            if len(self._visitors) > MAX_TABS:
                self._visitors = {each: who for each, who in self._visitors.items() if self._is_connected(each)}

    def has(self, visitor: str) -> bool:
        """Whether a tab of this visitor is open."""
        with self._lock:
            return any(who == visitor and self._is_connected(each) for each, who in self._visitors.items())


FORGET_S = 3600.0
MAX_CHATS = 500


class Chats:
    """Open conversations by their id; the ones not looked at for an hour are forgotten, and the oldest of too many."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._lock = threading.Lock()
        self._chats: TTLCache[str, Chat] = TTLCache(MAX_CHATS, FORGET_S, timer=clock)

    def keep(self, chat: Chat) -> None:
        """Remember a conversation, and that it was looked at now."""
        with self._lock:
            self._chats[chat.id] = chat

    def get(self, chat_id: str) -> Chat | None:
        with self._lock:
            return self._chats.get(chat_id)
