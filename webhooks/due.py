"""What is due at the endpoints that a process holds: taken, kept, and noted.

Nothing is written to take a delivery. That one process at a time holds an endpoint (``webhooks.lease``) is what keeps
two from sending the same, and every note asks once more whether it still does. What is written about a delivery names
its message beside its id: after a crash of PostgreSQL, which may forget the latest turn (``webhooks.turn``), the id can
come back as another delivery's, a message never does.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from hub.direct import wire
from webhooks.delivery import MOVE_ON, Claimed, Tried, lock_bodies, lock_lanes

# Each endpoint is looked at by itself, and no further than what it has room for: a long queue delays no other.
LOOK = sa.text(
    """
    SELECT line.id AS endpoint_id, d.id, d.sequence, d.purpose, d.message, d.type, d.aggregate, d.aggregate_id,
        d.occurred_at, d.body, d.attempts, d.failures, d.seen, erased.last AS erased
    FROM (SELECT coalesce(max(id), 0) AS last FROM erasure) erased
    CROSS JOIN unnest(CAST(:endpoints AS bigint[]), CAST(:rooms AS bigint[])) AS line (id, room)
    JOIN webhook_line held ON held.endpoint_id = line.id AND held.holder = :holder
    JOIN webhook_endpoint e ON e.id = line.id AND e.disabled_at IS NULL
    CROSS JOIN LATERAL (
        (SELECT due.*, due.xmin::text AS seen FROM webhook_delivery due
        WHERE (NOT e.verify OR e.verified_at IS NOT NULL)
            AND due.endpoint_id = line.id AND due.due_at <= now() AND due.id <> ALL (CAST(:taken AS bigint[]))
        ORDER BY due.due_at, due.sequence
        LIMIT line.room)
        UNION ALL
        (SELECT due.*, due.xmin::text AS seen FROM webhook_delivery due
        WHERE e.verify AND e.verified_at IS NULL AND due.purpose = 'verification'
            AND due.endpoint_id = line.id AND due.due_at <= now() AND due.id <> ALL (CAST(:taken AS bigint[]))
        LIMIT line.room)) d
    """
)

KEEP = sa.text(
    """
    UPDATE webhook_delivery d SET body = kept.body
    FROM (SELECT coalesce(max(id), 0) AS last FROM erasure) erased CROSS JOIN unnest(CAST(:ids AS bigint[]), CAST(:messages AS text[]), CAST(:bodies AS bytea[]),
        CAST(CAST(:seen AS text) AS text[]), CAST(:erased AS bigint[])) AS kept (id, message, body, seen, erased)
    WHERE d.id = kept.id AND d.message = kept.message AND d.xmin::text = kept.seen AND kept.erased = erased.last
    RETURNING d.id
    """
)

# An answer may repeat a body that was erased while it was under way.
# What another process holds by now is theirs to note. One that failed waits for those before it in its lane, which
# somebody may have sent again meanwhile.
NOTE = sa.text(
    """
    WITH tried AS (
        SELECT t.* FROM jsonb_to_recordset(:tried) AS t (id bigint, message text, endpoint_id bigint, outcome text,
            wait double precision, counted integer, started_at timestamptz, milliseconds bigint, status bigint,
            error text, response text, request jsonb)
        JOIN webhook_line held ON held.endpoint_id = t.endpoint_id AND held.holder = :holder
    ), noted AS (
        UPDATE webhook_delivery d SET
            attempts = d.attempts + 1,
            failures = d.failures + t.counted,
            delivered_at = CASE WHEN t.outcome = 'delivered' THEN now() END,
            parked_at = CASE WHEN t.outcome <> 'delivered' AND t.wait IS NULL THEN now() END,
            due_at = CASE WHEN t.outcome <> 'delivered' AND NOT EXISTS (
                SELECT FROM webhook_delivery earlier JOIN webhook_endpoint e ON e.id = earlier.endpoint_id
                WHERE earlier.endpoint_id = d.endpoint_id AND earlier.aggregate = d.aggregate
                    AND earlier.aggregate_id = d.aggregate_id AND earlier.sequence < d.sequence
                    AND earlier.delivered_at IS NULL AND e.ordered
            ) THEN now() + make_interval(secs => t.wait) END
        FROM tried t WHERE d.id = t.id AND d.message = t.message AND d.delivered_at IS NULL
        RETURNING d.id, d.attempts, d.body
    )
    INSERT INTO webhook_attempt
        (delivery_id, endpoint_id, number, started_at, milliseconds, outcome, status, error, response, request)
    SELECT t.id, t.endpoint_id, n.attempts, t.started_at, t.milliseconds, t.outcome, t.status, t.error,
        CASE WHEN n.body IS NOT NULL THEN t.response END, t.request
    FROM tried t JOIN noted n ON n.id = t.id
    """
)

SETTLE = sa.text(
    """
    UPDATE webhook_delivery SET delivered_at = now(), due_at = NULL, parked_at = NULL, skipped = :reason
    WHERE id = ANY (:ids) AND message = ANY (:messages) AND delivered_at IS NULL
    """
)


def look(tx: sa.Connection, holder: UUID, rooms: Mapping[int, int], taken: Collection[int]) -> list[Claimed]:
    """What is due, at most so much for each endpoint as it has room for, without what is taken already."""
    given = {
        "endpoints": wire(list(rooms)),
        "rooms": wire(list(rooms.values())),
        "taken": wire(list(taken)),
        "holder": holder,
    }
    return [Claimed(**row) for row in tx.execute(LOOK, given).mappings()]


def keep_bodies(tx: sa.Connection, rendered: Sequence[Claimed]) -> set[int]:
    """Store what was rendered, before it is sent: every later attempt sends the same bytes. Gives what was stored.

    A delivery that was changed since it was taken is left: what was made of it may hold what was erased meanwhile. So are
    all, whatever they are about, where somebody was erased since: any object may tell of a person.
    """
    tx.execute(lock_bodies(alone=False))
    given = {
        "ids": wire([each.id for each in rendered]),
        "messages": [each.message for each in rendered],
        "bodies": [each.body for each in rendered],
        "seen": wire([int(each.seen) for each in rendered]),
        "erased": wire([each.erased for each in rendered]),
    }
    return set(tx.scalars(KEEP, given))


def note(tx: sa.Connection, holder: UUID, tried: Sequence[Tried]) -> bool:
    """Store what came of attempts, and let the lanes of the delivered ones move on. The caller holds their lock.

    Gives whether something became due that has its body already, so that it may be sent without another commit.
    """
    rows = sa.bindparam("tried", [_row(each) for each in tried], type_=JSONB)
    tx.execute(NOTE.bindparams(rows), {"holder": holder})
    done = [each.delivery.id for each in tried if each.outcome == "delivered"]
    return bool(done) and any(tx.scalars(MOVE_ON, {"ids": wire(done)}))


def settle(tx: sa.Connection, skipped: Collection[Claimed], reason: str) -> None:
    """Be done with deliveries that are not to be sent, and let their lanes move on."""
    lock_lanes(tx, {each.endpoint_id for each in skipped})
    ids = [each.id for each in skipped]
    messages = [each.message for each in skipped]
    tx.execute(SETTLE, {"ids": ids, "messages": messages, "reason": reason})
    tx.execute(MOVE_ON, {"ids": wire(ids)})


def _row(tried: Tried) -> dict[str, Any]:
    return {
        "id": tried.delivery.id,
        "message": tried.delivery.message,
        "endpoint_id": tried.delivery.endpoint_id,
        "outcome": tried.outcome,
        "wait": tried.wait,
        "counted": int(tried.counted),
        "started_at": tried.started_at.isoformat(),
        "milliseconds": tried.milliseconds,
        "status": tried.status,
        "error": tried.error,
        "response": tried.response,
        "request": tried.request,
    }
