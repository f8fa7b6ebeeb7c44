"""How much of something each of many may have in a time: a bucket a head, that fills at a rate."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

MOST_REMEMBERED = 10_000


@dataclass(frozen=True, kw_only=True)
class Rate:
    """So much at once, and so much a second from then on."""

    per_s: float
    burst: float


class Allowance:
    """One thing that everybody has a share of. Whose bucket is full again is forgotten, and of too many the oldest."""

    def __init__(self, rate: Rate, clock: Callable[[], float] = time.monotonic, most: int = MOST_REMEMBERED) -> None:
        self.rate = rate
        self._clock, self._most = clock, most
        self._lock = threading.Lock()
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()  # who -> what was left, and when

    def take(self, who: str, amount: float = 1.0) -> bool:
        """Whether it is theirs; where it is not, nothing is taken."""
        with self._lock:
            now, left = self._clock(), self._now(who)
            if allowed := amount <= left:
                self._left[who] = (left - amount, now)
                self._left.move_to_end(who)
                self._forget()
            return allowed

    def fine(self, who: str, amount: float) -> None:
        """Take it away, whether it is there or not: what is lacking has to come in first."""
        with self._lock:
            self._left[who] = (max(-self.rate.burst, self._now(who) - amount), self._clock())
            self._left.move_to_end(who)

    def wait_s(self, who: str, amount: float = 1.0) -> float:
        """Seconds until so much is theirs."""
        with self._lock:
            return max(0.0, (amount - self._now(who)) / self.rate.per_s)

    def __len__(self) -> int:
        return len(self._left)

    def _now(self, who: str) -> float:
        left, at = self._left.get(who, (self.rate.burst, self._clock()))
        return min(self.rate.burst, left + (self._clock() - at) * self.rate.per_s)

    def _forget(self) -> None:
        while self._left:
            oldest = next(iter(self._left))
            if len(self._left) <= self._most and self._now(oldest) < self.rate.burst:
                return
            del self._left[oldest]
