"""What a paired comparison could have seen: the exact McNemar test's power, and the smallest difference it finds."""

import numpy as np

from benchmarks.statistics.stats import FloatArray

_SMALLEST_P = 1e-12


def mcnemar_power(pairs: int, discordant: float, difference: float, *, alpha: float = 0.05) -> float:
    """Probability that the exact, two-sided McNemar test finds a true difference.

    Args:
        pairs: Prompts that both models answered.
        discordant: Share of prompts that only one of the two gets right.
        difference: Share that the better one alone gets right less that of the other; at most `discordant`.

    Raises:
        ValueError: Fewer than 1 pair, or shares out of order.
    """
    from scipy.stats import binom

    if pairs < 1 or not 0 <= abs(difference) <= discordant <= 1:
        raise ValueError(
            f"{pairs} pairs, {discordant} discordant, difference {difference}: 0 <= |d| <= discordant <= 1"
        )
    if discordant == 0:
        return 0.0
    counts = np.arange(pairs + 1)
    weights: FloatArray = binom.pmf(counts, pairs, discordant)
    wins = (1 + abs(difference) / discordant) / 2
    # The largest k whose two-sided p-value, 2 P(X <= k), is at most alpha; -1 where there is none.
    lowest = binom.ppf(alpha / 2, counts, 0.5)
    lowest = np.where(2 * binom.cdf(lowest, counts, 0.5) <= alpha, lowest, lowest - 1)
    found = binom.cdf(lowest, counts, wins) + binom.sf(counts - lowest - 1, counts, wins)
    return float((weights * np.where(lowest >= 0, found, 0.0)).sum())


def detectable_difference(pairs: float, discordant: float, *, power: float = 0.8, alpha: float = 0.05) -> float | None:
    """The smallest true difference in share correct that would be found with this power; None where not even 1 would.

    Args:
        pairs: Prompts; fewer than there are where they share templates (the design effect divides them).
        discordant: Share of prompts that only one of the two gets right, as seen. A larger difference than that is
            possible only with more of them, so it counts as at least the difference itself.
    """
    from scipy.optimize import brentq

    count = max(1, int(pairs))

    def missing(difference: float) -> float:
        return mcnemar_power(count, max(discordant, difference), difference, alpha=alpha) - power

    if missing(1.0) < 0:
        return None
    return float(brentq(missing, _SMALLEST_P, 1.0, xtol=1e-4))
