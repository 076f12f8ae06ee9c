"""When to try again: the standard's schedule, over three days and a few hours."""

from __future__ import annotations

import random
from collections.abc import Sequence

DELAYS: tuple[float, ...] = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""Seconds after the first, second … failure; the tenth is the last."""

JITTER = 0.2
LONGEST = 86_400.0
"""The longest that a receiver can put a delivery off."""


def wait(failures: int, retry_after: float | None = None, delays: Sequence[float] = DELAYS) -> float | None:
    """Seconds until the next attempt after so many failures; null when the schedule is at its end.

    Jitter only adds, so that the whole never gets shorter than the schedule says.
    """
    if failures > len(delays):
        return None
    planned = delays[failures - 1] * random.uniform(1, 1 + JITTER)  # noqa: S311 - spreads load, hides nothing
    return max(planned, min(retry_after or 0.0, LONGEST))
