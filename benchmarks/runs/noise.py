"""When a sample is called noisy: something else took a part of its time."""

NOISY_STEAL_SHARE = 0.02
"""A sample during which more than this share of the CPU time went to other machines is called noisy."""


NOISY_WAIT_SHARE = 0.05
"""A sample whose threads waited longer than this share of their time for a CPU, which others used, is called noisy."""


def is_noisy(*, steal_share: float | None, throttled: int | None, cpu_wait_share: float | None) -> bool:
    """Whether something else than the model took a part of a sample's time."""
    return (steal_share or 0) > NOISY_STEAL_SHARE or (throttled or 0) > 0 or (cpu_wait_share or 0) > NOISY_WAIT_SHARE
