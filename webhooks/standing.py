"""How an endpoint stands: since when it fails, whether its breaker is open, and when it is given up.

The one who holds the endpoint writes it down where it changes, for the next holder and for people.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from webhooks import delivery, endpoint
from webhooks.breaker import State

SAME_SPELL = timedelta(hours=53)
"""Failures further apart do not belong together: twice a day at the most, jitter and ``Retry-After`` included, lie
between two attempts of one delivery."""

NOTICED = timedelta(minutes=10)
"""How exactly the time of the last failure is kept."""


@dataclass(frozen=True)
class Standing:
    """``pause``: seconds until the next probe. ``rest``: seconds that the receiver wants to be left alone, null for none."""

    endpoint_id: int
    state: State
    failures: int
    pause: float
    rest: float | None
    failing_since: datetime | None
    failed_at: datetime | None


SAVE = sa.text(
    """
    UPDATE webhook_endpoint SET breaker = :state, breaker_failures = :failures, failing_since = :failing_since,
        breaker_until = CASE WHEN :state <> 'closed' THEN clock_timestamp() + make_interval(secs => :pause) END
    WHERE id = :endpoint_id
    """
)

LEAVE_WORD = sa.text(
    """
    UPDATE webhook_line SET resume_at = clock_timestamp() + make_interval(secs => :rest), failed_at = :failed_at
    WHERE endpoint_id = :endpoint_id
    """
)


def save(tx: sa.Connection, standings: Sequence[Standing], days: float, closed: Sequence[int] = ()) -> None:
    """Store how endpoints stand, disable those that failed for ``days``, and hurry those whose breaker has closed."""
    for each in sorted(standings, key=lambda each: each.endpoint_id):
        values = vars(each)
        tx.execute(
            SAVE,
            {name: values[name] for name in ("endpoint_id", "state", "failures", "pause", "failing_since")},
        )
        tx.execute(LEAVE_WORD, {name: values[name] for name in ("endpoint_id", "rest", "failed_at")})
        if given_up(each, days):
            reason = (
                f"Every delivery failed since {each.failing_since:%Y-%m-%d %H:%M} UTC, for {days:g} days."
            )
            endpoint.disable(tx, each.endpoint_id, reason)
    for number in closed:
        delivery.hurry(tx, number)


def failed(since: datetime | None, last: datetime | None, now: datetime) -> datetime:
    """Since when it fails, with one more failure now. A failure long after the last begins a new spell."""
    return now if since is None or last is None or now - last > SAME_SPELL else since


def given_up(standing: Standing, days: float) -> bool:
    """Whether it has failed for so long without any success."""
    since, last = standing.failing_since, standing.failed_at
    return since is not None and last is not None and last - since >= timedelta(days=days)
