"""The counter check: what every endpoint should have been told is there, once, and nothing waits for ever.

Counted anew from the feed: the records that an endpoint's settings ask for, up to its cursor, are exactly its
deliveries. And whatever is undelivered is due, parked, or behind an earlier one of its lane.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from hub import feed, ids
from hub.db import Json
from webhooks import lane
from webhooks.endpoint import NOUN

NAMED = 10
"""Faults of a kind that are named one by one."""


@dataclass(frozen=True)
class Count:
    """One endpoint's count. ``first``, ``last``: the sequences it was made over. ``matching``: records that it asks for.

    ``deliveries``: those it has. ``missing``: sequences without a delivery, ``stuck``: ids of deliveries that nothing
    will ever make due; of both the first few. ``faults``: how many there are.
    """

    endpoint_id: int
    first: int
    last: int
    matching: int
    deliveries: int
    missing: list[int]
    stuck: list[int]
    faults: int

    @property
    def name(self) -> str:
        """The endpoint's id as the API shows it."""
        return ids.encode(NOUN, self.endpoint_id)

    def sentences(self) -> Iterator[str]:
        """The faults, each in a sentence."""
        for sequence in self.missing:
            yield f"Endpoint {self.name} has no delivery of sequence {sequence}, which it asks for: resend from there."
        for number in self.stuck:
            yield f"Endpoint {self.name} has delivery {number}, which waits for nothing and is not due: resend it."


WATCHED = sa.text(
    """
    SELECT e.id, e.scopes, e.channel_ids, e.channel_id, e.filter, c.sequence AS last,
        greatest(line.counted_from, :least) AS first
    FROM webhook_endpoint e
    JOIN cursor c ON c.name = 'webhook:' || e.id
    JOIN webhook_line line ON line.endpoint_id = e.id AND line.counted_from IS NOT NULL
    WHERE CAST(:among AS bigint[]) IS NULL OR e.id = ANY (CAST(:among AS bigint[]))
    ORDER BY e.id
    """
)

# What concerns a channel may have changed since, so that for endpoints with channels the nouns of no channel are counted.
# Delivered ones are forgotten after some days, like the records themselves.
COUNTED = """
    SELECT count(*) AS matching, count(d.id) AS deliveries,
        (array_agg(m.sequence ORDER BY m.sequence) FILTER (WHERE d.id IS NULL))[1\\:{named}] AS missing
    FROM (SELECT e.id AS endpoint_id, f.sequence {matching}
        AND f.sequenced_at > now() - make_interval(days => :days) + interval '1 hour'
        AND (hears.channels IS NULL OR f.aggregate <> 'stock' AND hub_concerns(f.aggregate, -1, '[]', ARRAY[-1]))) m
    LEFT JOIN webhook_delivery d ON d.endpoint_id = m.endpoint_id AND d.sequence = m.sequence
"""

# What says how an object is now has no sequence, and goes before what changed since.
STUCK = sa.text(
    f"""
    SELECT count(*) AS count, (array_agg(d.id ORDER BY d.id))[1\\:{NAMED}] AS ids
    FROM webhook_delivery d JOIN webhook_endpoint e ON e.id = d.endpoint_id
    WHERE d.endpoint_id = :id AND d.delivered_at IS NULL AND d.due_at IS NULL AND d.parked_at IS NULL
        AND (NOT e.ordered OR NOT EXISTS (
            SELECT FROM webhook_delivery earlier
            WHERE earlier.endpoint_id = d.endpoint_id AND earlier.aggregate = d.aggregate
                AND earlier.aggregate_id = d.aggregate_id AND earlier.delivered_at IS NULL
                AND (coalesce(earlier.sequence, 0) < d.sequence OR d.sequence IS NULL AND earlier.id < d.id)))
    """
)


def counts(
    tx: sa.Connection, days: int, after: int = 0, among: Sequence[int] | None = None
) -> Iterator[Count]:
    """Count anew, endpoint by endpoint, over the records after ``after``. ``days``: for which the feed is kept.

    ``tx`` sees one moment: begin it with REPEATABLE READ.
    """
    first, _ = feed.ends(tx)
    asked = {"least": max(after, first - 1), "among": None if among is None else list(among)}
    for row in [dict(each) for each in tx.execute(WATCHED, asked).mappings()]:
        yield _count(tx, row, days)


def _count(tx: sa.Connection, row: Json, days: int) -> Count:
    matching, values = lane.asked([row], row["first"], row["last"])
    told = tx.execute(sa.text(COUNTED.format(matching=matching, named=NAMED)), {**values, "days": days}).one()
    stuck = tx.execute(STUCK, {"id": row["id"]}).one()
    return Count(
        endpoint_id=row["id"],
        first=row["first"] + 1,
        last=row["last"],
        matching=told.matching,
        deliveries=told.deliveries,
        missing=told.missing or [],
        stuck=stuck.ids or [],
        faults=told.matching - told.deliveries + stuck.count,
    )
