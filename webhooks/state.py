"""A delivery that says what an object is now, in place of everything about it that did not get through.

For an object whose lane is parked: the receiver was mended by hand, or one old body is what it cannot take. What waited
is settled as superseded; the one delivery says the object's version and data of the moment in which it is rendered.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from hub import ids
from hub.aggregate import Aggregate
from hub.db import Json
from hub.errors import Conflict, Forbidden, NotFound
from hub.viewer import Viewer
from webhooks import endpoint, event
from webhooks.delivery import Claimed, Delivery, lock_lanes

PURPOSE = "state"

WAITING = """
    SELECT id FROM webhook_delivery WHERE endpoint_id = :endpoint AND aggregate = :aggregate
        AND aggregate_id = :number AND delivered_at IS NULL
"""

# Somebody may be sending it at this moment, and it would arrive after what is newer.
UNDER_WAY = sa.text(f"{WAITING} AND due_at <= now() LIMIT 1")

SUPERSEDE = sa.text(
    f"""
    UPDATE webhook_delivery SET delivered_at = now(), skipped = 'superseded', due_at = NULL, parked_at = NULL
    WHERE id IN ({WAITING})
    """
)

CONCERNS = sa.text("SELECT hub_concerns(:aggregate, :number, '[]', CAST(:channels AS bigint[]))")

RECORDS = sa.text(
    """
    SELECT d.id, a.version, a.source, a.updated_at, a.deleted_at IS NOT NULL AS deleted, f.sequence
    FROM webhook_delivery d
    JOIN aggregate a ON a.type = d.aggregate AND a.id = d.aggregate_id
    LEFT JOIN LATERAL (SELECT sequence FROM feed
        WHERE feed.aggregate = d.aggregate AND feed.aggregate_id = d.aggregate_id AND feed.version <= a.version
        ORDER BY sequence DESC LIMIT 1) f ON true
    WHERE d.id = ANY (CAST(:ids AS bigint[]))
    """
)


def send(tx: sa.Connection, who: Viewer, endpoint_id: int, aggregate: str, number: int) -> int:
    """Say to an endpoint what an object is now; its delivery's id.

    Raises ``hub.errors.NotFound`` for an object that never was, ``Forbidden`` for one that the endpoint may not see,
    and ``Conflict`` while a delivery about it is due or under way.
    """
    row = endpoint.reach(tx, who, endpoint_id, ("endpoint_id",))
    version = _version(tx, row, aggregate, number)
    lock_lanes(tx, [endpoint_id])
    lane = {"endpoint": endpoint_id, "aggregate": aggregate, "number": number}
    if row["disabled_at"] is None and tx.scalar(UNDER_WAY, lane) is not None:
        raise Conflict(
            "A delivery about this object is due, and may be on its way: wait until it is delivered or has failed.",
            ("entity_id",),
        )
    tx.execute(SUPERSEDE, lane)
    made = {
        "endpoint_id": endpoint_id,
        "purpose": PURPOSE,
        "type": event.of(aggregate, "deleted" if version.deleted_at else "updated"),
        "aggregate": aggregate,
        "aggregate_id": number,
        "occurred_at": version.updated_at,
        "due_at": sa.func.now(),
    }
    return tx.execute(sa.insert(Delivery).values(made).returning(Delivery.id)).scalar_one()


def _version(tx: sa.Connection, row: Json, aggregate: str, number: int) -> sa.Row[datetime, datetime | None]:
    if aggregate not in event.seen_by(endpoint.viewer(row)):
        raise Forbidden(
            f"The endpoint may not see {aggregate}: its token had no scope for it.", ("entity_id",)
        )
    channels = row["channel_ids"] if row["channel_id"] is None else [row["channel_id"]]
    about = {"aggregate": aggregate, "number": number, "channels": channels}
    if not tx.scalar(CONCERNS, about):
        raise Forbidden(
            "The object is no concern of the endpoint's channel: it was never on offer there.", ("entity_id",)
        )
    found = tx.execute(
        sa.select(Aggregate.updated_at, Aggregate.deleted_at).where(
            Aggregate.type == aggregate, Aggregate.id == number
        )
    ).one_or_none()
    if found is None:
        raise NotFound(f'"{ids.encode(aggregate, number)}" is no object of this hub.', ("entity_id",))
    return found


def records(tx: sa.Connection, claimed: Collection[Claimed]) -> dict[int, Json]:
    """What there is to tell of the objects of such deliveries, in the form of the feed's records, by delivery."""
    wanted = [each for each in claimed if each.purpose == PURPOSE and each.body is None]
    if not wanted:
        return {}
    rows = {row.id: row for row in tx.execute(RECORDS, {"ids": [each.id for each in wanted]})}
    return {each.id: _record(each, rows[each.id]) for each in wanted}


def _record(each: Claimed, row: sa.Row[Any]) -> Json:
    type_ = event.of(each.aggregate, "deleted" if row.deleted else "updated")
    return {
        "type": type_,
        "events": [type_],
        "kind": "DELETED" if row.deleted else "UPDATED",
        "occurred_at": row.updated_at,
        "sequence": row.sequence,
        "version": row.version,
        "changes": [],
        "source": row.source,
    }
