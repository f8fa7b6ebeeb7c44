"""Which visitors have a tab open. No Streamlit in this module.

The server's end of the connection says so, not the browser's timers: a hidden tab runs them about once a minute.
"""

import threading
from collections.abc import Callable

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
