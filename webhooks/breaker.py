"""The breaker of an endpoint: it stops sending to a receiver that fails, and asks it now and then whether it is back.

It opens when a share of the latest answers are failures. While it is open deliveries wait, and none uses up its
schedule. After a pause one delivery goes out as a probe (half-open): success closes it, and everything flows at once;
failure makes the next pause longer.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Literal

WINDOW_SECONDS = 60.0
MINIMUM = 10
"""Answers in the window below which nothing is concluded from them."""

SHARE = 0.5
"""The share of failures at which it opens."""

FIRST_PAUSE = 5.0
LONGEST_PAUSE = 300.0
"""Seconds until the first probe; each that fails doubles the pause, up to this."""

State = Literal["closed", "open", "half_open"]


class Breaker:
    """``now`` is a monotonic clock's in all that follows. ``failures``: probes that failed since it opened."""

    def __init__(self) -> None:
        self.state: State = "closed"
        self.failures = 0
        self._until = 0.0
        self._answers: deque[tuple[float, bool]] = deque()
        self._failed = 0

    def adopt(self, state: State, failures: int, wait: float, now: float) -> None:
        """Go on from what is stored. A probe that nobody waits for any more is made again."""
        if state == "closed" and self.state != "closed":
            self._begin_anew()
        self.state = "closed" if state == "closed" else "open"
        self.failures = failures
        self._until = now + max(wait, 0.0)

    def wait(self, now: float) -> float:
        """Seconds until something may be sent; zero for now, infinite until the probe's answer."""
        if self.state == "closed":
            return 0.0
        return math.inf if self.state == "half_open" else max(self._until - now, 0.0)

    def pause(self, now: float) -> float:
        """Seconds until the next probe, for storing."""
        return max(self._until - now, 0.0)

    def probe(self) -> None:
        """What is sent next is the probe."""
        self.state = "half_open"

    def answered(self, *, well: bool, now: float) -> bool:
        """Take an answer in; gives whether the state changed."""
        if self.state == "closed":
            return self._counted(well=well, now=now)
        if well:
            self._begin_anew()
            return True
        if self.state == "open":
            return False  # it was under way when the breaker opened
        self._open(now, self.failures + 1)
        return True

    def abandon(self, now: float) -> None:
        """The probe ended without an answer: another may be sent."""
        if self.state == "half_open":
            self.state, self._until = "open", now

    def _counted(self, *, well: bool, now: float) -> bool:
        self._answers.append((now, well))
        self._failed += not well
        while self._answers[0][0] < now - WINDOW_SECONDS:
            self._failed -= not self._answers.popleft()[1]
        known = len(self._answers)
        if well or known < MINIMUM or self._failed < SHARE * known:
            return False
        self._open(now, 0)
        return True

    def _open(self, now: float, failures: int) -> None:
        self.state, self.failures = "open", failures
        self._until = now + min(FIRST_PAUSE * 2 ** min(failures, 16), LONGEST_PAUSE)

    def _begin_anew(self) -> None:
        self.state, self.failures = "closed", 0
        self._answers.clear()
        self._failed = 0
