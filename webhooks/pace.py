"""How fast an endpoint is sent to: its rate, its requests at one time, and what its receiver says about both.

The rate is a bucket of tokens that fills evenly and holds a tenth of a second's worth, one at least. It begins empty,
so that a change of the holder never adds to the rate. A receiver that answers 429, 502, 503 or 504 is sent half as much
at one time, and gets back to the whole with its successes; with ``Retry-After`` it is left alone for so long.
"""

from __future__ import annotations

import math

from webhooks.post import Answer

BURST_SECONDS = 0.1
AHEAD = 8
"""Deliveries that are made ready or noted for each request at one time: their way takes longer than the request."""

LONGEST_REST = 3_600.0
"""The longest that a receiver can put off everything at once."""

FIRST_REST = 0.5
STRIKES = 2
"""Throttled answers in a row from which on it rests, though its receiver named no time."""


class Pace:
    """``now`` is a monotonic clock's in all that follows."""

    def __init__(self, now: float) -> None:
        self._rate: float | None = None
        self._tokens = 0.0
        self._filled = now
        self._most = 1
        self._window = math.inf
        self._strikes = 0
        self.resume = 0.0

    def set(self, rate: float | None, in_flight: int) -> None:
        """Requests per second, null for no limit, and requests at one time."""
        self._rate, self._most = rate, in_flight
        self._window = min(self._window, in_flight) if self._strikes else in_flight

    @property
    def at_once(self) -> int:
        """How many requests may be under way now."""
        return max(1, int(min(self._window, self._most)))

    @property
    def ahead(self) -> int:
        """How many deliveries are worth having ready."""
        most = AHEAD * self.at_once
        return most if self._rate is None else min(most, max(1, math.ceil(self._rate / 2)))

    def wait(self, now: float, flying: int) -> float:
        """Seconds until the next request may go; zero for now, infinite until an answer."""
        if flying >= self.at_once:
            return math.inf
        if now < self.resume:
            return self.resume - now
        if self._rate is None:
            return 0.0
        self._fill(now, self._rate)
        return 0.0 if self._tokens >= 1 else (1 - self._tokens) / self._rate

    def went(self) -> None:
        """One request is on its way."""
        if self._rate is not None:
            self._tokens -= 1

    def answered(self, answer: Answer, now: float) -> bool:
        """Take an answer in; gives whether it put everything off."""
        if answer.outcome == "delivered":
            self._strikes = 0
            self._window = min(self._window + 1 / max(self._window, 1), self._most)
        if not answer.throttles:
            return False
        self._strikes += 1
        self._window = max(1.0, self._window / 2)
        rest = answer.retry_after or 0.0
        if self._strikes >= STRIKES:
            rest = max(rest, FIRST_REST * 2 ** min(self._strikes - STRIKES, 7))
        self.resume = max(self.resume, now + min(rest, LONGEST_REST))
        return rest > 0

    def _fill(self, now: float, rate: float) -> None:
        self._tokens = min(self._tokens + (now - self._filled) * rate, max(1.0, rate * BURST_SECONDS))
        self._filled = now
