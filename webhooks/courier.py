"""One endpoint in the process that holds it: what is ready for it, what is under way, and whether more may go."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime

from webhooks import verification
from webhooks.breaker import Breaker
from webhooks.delivery import Claimed
from webhooks.lot import Way
from webhooks.pace import AHEAD, Pace
from webhooks.post import Answer
from webhooks.standing import NOTICED, Standing, failed


@dataclass(eq=False)
class Courier:
    """Times are a monotonic clock's.

    ``taken``: deliveries of which no note is stored yet, ``ready`` those among them that wait for their turn, and
    ``flying`` how many requests are under way. ``failing_since``, ``failed_at``: as they are stored. ``saved``: when
    the state was last stored; what was read before that is out of date. ``saving``: how often it is being stored at this
    moment; what is read meanwhile may be older.
    """

    endpoint_id: int
    pace: Pace
    breaker: Breaker = field(default_factory=Breaker)
    way: Way | None = None
    taken: set[int] = field(default_factory=set)
    ready: deque[Claimed] = field(default_factory=deque)
    flying: int = 0
    leaving: bool = False
    unsaved: bool = False
    saved: float = 0.0
    saving: int = 0
    failing_since: datetime | None = None
    failed_at: datetime | None = None

    def adopt(self, way: Way, read: float, now: float) -> None:
        """Take over how the endpoint stands, as it was read at ``read``."""
        self.way = way
        row = way.row
        self.pace.set(row["rate"], row["in_flight"])
        if self.unsaved or self.saving or read < self.saved:
            return
        self.failing_since, self.failed_at = row["failing_since"], row["failed_at"]
        self.pace.resume = now + (row["resume_wait"] or 0.0)
        if row["breaker"] == "closed" or self.breaker.state == "closed":
            self.breaker.adopt(row["breaker"], row["breaker_failures"], row["breaker_wait"] or 0.0, now)

    def room(self, now: float, at_once: int) -> int:
        """How many more deliveries are worth taking, ``at_once`` being this process's share for an endpoint."""
        if self.leaving or now < self.pace.resume or self.breaker.wait(now) > 0:
            return 0
        if self.breaker.state != "closed":
            return 0 if self.taken else 1
        return max(0, min(self.pace.ahead, AHEAD * at_once) - len(self.taken))

    def wait(self, now: float, at_once: int) -> float:
        """Seconds until the next request may go; zero for now, infinite until an answer."""
        if self.leaving or self.flying >= at_once:
            return math.inf
        return max(self.breaker.wait(now), self.pace.wait(now, self.flying))

    def answered(self, answer: Answer, now: float) -> None:
        """Take in what came of a request."""
        put_off = self.pace.answered(answer, now)
        changed = self.breaker.answered(well=answer.outcome == "delivered", now=now)
        self.unsaved = self.unsaved or put_off or changed

    def judge(self, *, well: bool, now: datetime) -> None:
        """Take in whether anything of the latest got through: since when it fails, by the database's calendar."""
        if well:
            changed, self.failing_since = self.failing_since is not None, None
        else:
            since = failed(self.failing_since, self.failed_at, now)
            late = self.failed_at is None or now - self.failed_at > NOTICED
            changed = since != self.failing_since or late
            self.failing_since, self.failed_at = since, now if changed else self.failed_at
        self.unsaved = self.unsaved or changed

    def standing(self, now: float) -> Standing:
        """How it stands, for storing."""
        rest = self.pace.resume - now
        return Standing(
            endpoint_id=self.endpoint_id,
            state=self.breaker.state,
            failures=self.breaker.failures,
            pause=self.breaker.pause(now),
            rest=rest if rest > 0 else None,
            failing_since=self.failing_since,
            failed_at=self.failed_at,
        )

    def withhold(self) -> None:
        """Let nothing but the challenge go to an address that has not echoed it: it may have changed meanwhile."""
        if self.way is not None and self.way.row["verify"] and self.way.row["verified_at"] is None:
            self.drop(but=verification.PURPOSE)

    def drop(self, but: str | None = None) -> None:
        """Forget what waits for its turn, ``but`` for one purpose: it is still due, and taken again when there is room."""
        kept = deque(each for each in self.ready if each.purpose == but)
        self.taken.difference_update({each.id for each in self.ready} - {each.id for each in kept})
        self.ready = kept
