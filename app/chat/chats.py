"""Conversations that are open somewhere, so that a reloaded tab finds its own again. No Streamlit in this module.

They live in memory alone. Who holds a conversation's id, which stands in its tab's address, can open it; nobody else.
"""

import threading
import time
from collections.abc import Callable

from app.chat.conversation import Chat

FORGET_S = 3600.0
MAX_CHATS = 500


class Chats:
    """Open conversations by their id; the ones not looked at for an hour are forgotten."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._chats: dict[str, tuple[Chat, float]] = {}

    def keep(self, chat: Chat) -> None:
        """Remember a conversation, and that it was looked at now."""
        now = self._clock()
        with self._lock:
            self._chats[chat.id] = (chat, now)
            self._forget(now)

    def get(self, chat_id: str) -> Chat | None:
        with self._lock:
            found = self._chats.get(chat_id)
        return found[0] if found else None

    def _forget(self, now: float) -> None:
        oldest_first = sorted(self._chats.items(), key=lambda item: item[1][1])
        for place, (chat_id, (_, seen)) in enumerate(oldest_first):
            if now - seen > FORGET_S or len(oldest_first) - place > MAX_CHATS:
                del self._chats[chat_id]
