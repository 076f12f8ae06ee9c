"""How well an endpoint is served: how far behind it is, what came of its attempts, and what its breaker says."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
import strawberry

from schema.context import Context
from schema.scalar import Long


@strawberry.enum(
    description="Whether deliveries flow. OPEN: too many attempts failed, and nothing is sent until the next probe."
    " HALF_OPEN: a probe is under way."
)
class WebhookBreaker(StrEnum):
    """Whether deliveries flow."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@strawberry.type(description="How well an endpoint is served, at this moment.")
class WebhookHealth:
    """How well an endpoint is served."""

    lag_events: Long = strawberry.field(
        description="Changes that it does not have yet: those of the feed that were not looked at for it, and its"
        " undelivered deliveries."
    )
    lag_seconds: float = strawberry.field(
        description="Age in seconds of the oldest change that it does not have yet; 0 when it has all."
    )
    oldest_undelivered: datetime | None = strawberry.field(
        description="When the oldest change happened that it does not have yet; null when it has all."
    )
    attempts_last_hour: int = strawberry.field(description="Attempts that began within the last hour.")
    success_rate_last_hour: float | None = strawberry.field(
        description="The part of them that was taken, 0 to 1; null without an attempt."
    )
    breaker: WebhookBreaker = strawberry.field(description="Whether deliveries flow.")
    next_probe_at: datetime | None = strawberry.field(
        description="When an open breaker lets one delivery through; null while it is closed."
    )
    failing_since: datetime | None = strawberry.field(
        description="The first failure since the last success; null without one."
    )
    untold: str | None = strawberry.field(
        description="Why it cannot be told of what happened, whatever its receiver does; null where it can."
    )


FIGURES = sa.text(
    """
    SELECT e.id, e.breaker, e.breaker_until, e.failing_since, waiting.count + head.sequence - c.sequence AS lag_events,
        least(waiting.oldest, (SELECT f.occurred_at FROM feed f WHERE f.sequence = c.sequence + 1)) AS oldest,
        now() AS now, tried.count AS attempts, tried.delivered, line.untold
    FROM webhook_endpoint e
    JOIN cursor c ON c.name = 'webhook:' || e.id
    CROSS JOIN head
    LEFT JOIN webhook_line line ON line.endpoint_id = e.id
    CROSS JOIN LATERAL (SELECT count(*), min(d.occurred_at) AS oldest FROM webhook_delivery d
        WHERE d.endpoint_id = e.id AND d.delivered_at IS NULL AND d.purpose IN ('change', 'state')) waiting
    CROSS JOIN LATERAL (SELECT count(*), count(*) FILTER (WHERE a.outcome = 'delivered') AS delivered
        FROM webhook_attempt a WHERE a.started_at > now() - interval '1 hour' AND a.endpoint_id = e.id) tried
    WHERE e.id = ANY (CAST(:ids AS bigint[]))
    """
)


async def load(context: Context, ids: list[int]) -> list[WebhookHealth]:
    """The figures of endpoints, in one statement."""
    rows = {row["id"]: row for row in await context.database.rows(FIGURES, {"ids": ids})}
    return [_shown(rows[each]) for each in ids]


def _shown(row: Any) -> WebhookHealth:
    attempts, oldest = row["attempts"], row["oldest"]
    return WebhookHealth(
        lag_events=Long(row["lag_events"]),
        lag_seconds=0.0 if oldest is None else round((row["now"] - oldest).total_seconds(), 3),
        oldest_undelivered=oldest,
        attempts_last_hour=attempts,
        success_rate_last_hour=row["delivered"] / attempts if attempts else None,
        breaker=WebhookBreaker(row["breaker"]),
        next_probe_at=row["breaker_until"] if row["breaker"] != WebhookBreaker.CLOSED else None,
        failing_since=row["failing_since"],
        untold=row["untold"],
    )
