"""What can go wrong for a known reason: every such error is a `TradeoffError`, and commands show it as one line.

A subclass exists where somebody catches it by name, or where it tells a reader what kind of thing failed.
"""


class TradeoffError(Exception):
    """Something cannot be done; the message is one line: what, which value, what to do."""


class ModelError(TradeoffError):
    """A model cannot be had."""


class NoRoomError(ModelError):
    """The disk, or what the cache may hold, is too small for it; no other source changes that."""


class SuiteError(TradeoffError):
    """A prompt suite cannot be read."""
