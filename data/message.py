"""One message of a conversation, as suites hold it and engines are given it."""

from dataclasses import dataclass
from typing import Literal

Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True, kw_only=True)
class Message:
    """Who says what."""

    role: Role
    content: str
