"""What lives once for all visitors: made at its first use, kept as long as the process, whatever a browser sends.

Streamlit's own cache will not do for that: any browser may ask for it to be emptied, and then models would be loaded a
second time beside the first.
"""

import functools
import threading
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")
_made: dict[Callable[[], Any], Any] = {}


def once(make: Callable[[], T]) -> Callable[[], T]:
    """A function that makes its value at the first call, and gives the same one from then on.

    Callers wait for each other only where they want the same value; what raises is tried again at the next call.
    """
    lock = threading.RLock()

    @functools.wraps(make)
    def get() -> T:
        if make not in _made:
            with lock:
                if make not in _made:
                    _made[make] = make()
        return _made[make]  # type: ignore[no-any-return]

    return get


def forget_all() -> None:
    """Start anew, as a new process would: for tests. Who has made something that runs closes it first."""
    _made.clear()
