"""Deliveries and their attempts. Event, delivery and attempt are three rows: the event is the feed's.

Each endpoint has one lane per aggregate, in the order of the feed. Only the first undelivered of a lane is ever due;
its followers wait, without costing a look, until it is delivered. So what cannot be delivered holds back its own
product or order and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from hub.db import Base, Id, Json

Outcome = Literal["delivered", "refused", "failed", "blocked"]
"""2xx; another status; no answer at all; not sent, because the guard or the payload document forbade it."""

OUTCOMES: tuple[Outcome, ...] = ("delivered", "refused", "failed", "blocked")

PURPOSES = ("change", "state", "test", "verification")

SKIPPED = ("filtered", "superseded")
"""Not what the endpoint's filter asks for; or made needless by a later delivery that says what the object is now."""

MESSAGE = sa.text("('msg_'::text || replace((gen_random_uuid())::text, '-'::text, ''::text))")
"""As PostgreSQL prints it: what is random cannot be compared by its value."""

LANE_LOCK = 5_000_000_000_000
"""Added to an endpoint's id, the advisory lock under which its lanes get longer or move on."""


class Delivery(Base):
    """One event on its way to one endpoint.

    ``sequence``: the feed's record, null for a test. ``message``: the ``webhook-id``, the same in every attempt.
    ``body``: the bytes, null until the first attempt. ``due_at``: when to try, or, while somebody tries, when their
    lease ends; null when delivered, parked, or behind an earlier one of its lane. ``leased_by``: who tries now.
    ``parked_at``: when the schedule ended without success; it then waits for somebody to resend it.
    ``purpose``: ``change`` tells of a record of the feed; ``state`` says what an object is now; ``test`` and
    ``verification`` are about the endpoint itself. Only a change has a sequence. ``skipped``: why it was settled
    at ``delivered_at`` without being sent, null where it was sent.
    """

    __tablename__ = "webhook_delivery"
    __table_args__ = (
        sa.UniqueConstraint("endpoint_id", "sequence"),
        sa.CheckConstraint(
            "delivered_at IS NULL OR (due_at IS NULL AND parked_at IS NULL)", name="delivered"
        ),
        sa.CheckConstraint(f"purpose IN {PURPOSES!r}", name="purpose"),
        sa.CheckConstraint(
            f"skipped IS NULL OR (skipped IN {SKIPPED!r} AND delivered_at IS NOT NULL)", name="skipped"
        ),
        sa.Index(
            "ix_webhook_delivery_due", "endpoint_id", "due_at", postgresql_where=sa.text("due_at IS NOT NULL")
        ),
        sa.Index(
            "ix_webhook_delivery_leased", "endpoint_id", postgresql_where=sa.text("leased_by IS NOT NULL")
        ),
        sa.Index(
            "ix_webhook_delivery_lane",
            *("endpoint_id", "aggregate", "aggregate_id", "sequence"),
            postgresql_where=sa.text("delivered_at IS NULL"),
        ),
        sa.Index("ix_webhook_delivery_aggregate", "aggregate", "aggregate_id"),
        sa.Index("ix_webhook_delivery_delivered", "delivered_at"),
    )

    id: Mapped[Id]
    endpoint_id: Mapped[int] = mapped_column(sa.ForeignKey("webhook_endpoint.id", ondelete="CASCADE"))
    sequence: Mapped[int | None]
    purpose: Mapped[str] = mapped_column(server_default="change")
    message: Mapped[str] = mapped_column(server_default=MESSAGE, unique=True)
    type: Mapped[str]
    aggregate: Mapped[str]
    aggregate_id: Mapped[int]
    occurred_at: Mapped[datetime] = mapped_column(sa.DateTime(timezone=True))
    body: Mapped[bytes | None] = mapped_column(sa.LargeBinary)
    attempts: Mapped[int] = mapped_column(server_default="0")
    due_at: Mapped[datetime | None] = mapped_column(sa.DateTime(timezone=True))
    leased_by: Mapped[UUID | None]
    delivered_at: Mapped[datetime | None] = mapped_column(sa.DateTime(timezone=True))
    parked_at: Mapped[datetime | None] = mapped_column(sa.DateTime(timezone=True))
    skipped: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(sa.DateTime(timezone=True), server_default=sa.func.now())


class Attempt(Base):
    """One try. ``status``: null without an answer. ``error``: why it was no success. ``response``: its first part.

    ``request``: its address and headers, what is secret masked; null where nothing was sent.
    """

    __tablename__ = "webhook_attempt"
    __table_args__ = (sa.CheckConstraint(f"outcome IN {OUTCOMES!r}", name="outcome"),)

    id: Mapped[Id]
    delivery_id: Mapped[int] = mapped_column(
        sa.ForeignKey("webhook_delivery.id", ondelete="CASCADE"), index=True
    )
    number: Mapped[int]
    started_at: Mapped[datetime] = mapped_column(sa.DateTime(timezone=True))
    milliseconds: Mapped[int]
    outcome: Mapped[str]
    status: Mapped[int | None]
    error: Mapped[str | None]
    response: Mapped[str | None]
    request: Mapped[Json | None] = mapped_column(JSONB(none_as_null=True))


@dataclass(frozen=True)
class Claimed:
    """A delivery that this process may send until its lease ends. ``body`` is null before the first attempt."""

    id: int
    endpoint_id: int
    sequence: int | None
    message: str
    type: str
    aggregate: str
    aggregate_id: int
    occurred_at: datetime
    body: bytes | None
    attempts: int


@dataclass(frozen=True)
class Tried:
    """What came of an attempt. ``wait``: seconds until the next one, null for none: it is parked then.

    ``gone``: the receiver wants nothing more of anything.
    """

    delivery: Claimed
    started_at: datetime
    milliseconds: int
    outcome: Outcome
    status: int | None = None
    error: str | None = None
    response: str | None = None
    wait: float | None = None
    gone: bool = False


# Each endpoint is looked at by itself and takes no more than its own share: one with a long queue delays no other.
CLAIM = sa.text(
    """
    UPDATE webhook_delivery d SET due_at = now() + make_interval(secs => :lease), leased_by = :holder
    FROM webhook_endpoint e CROSS JOIN LATERAL (
        SELECT id FROM webhook_delivery due
        WHERE due.endpoint_id = e.id AND due.due_at <= now()
        ORDER BY due.due_at, due.sequence
        LIMIT greatest(e.in_flight - (
            SELECT count(*) FROM webhook_delivery held
            WHERE held.endpoint_id = e.id AND held.leased_by IS NOT NULL AND held.due_at > now()), 0)
        FOR UPDATE SKIP LOCKED) chosen
    WHERE e.disabled_at IS NULL AND d.id = chosen.id
    RETURNING d.id, d.endpoint_id, d.sequence, d.message, d.type, d.aggregate, d.aggregate_id, d.occurred_at, d.body,
        d.attempts
    """
)

KEEP = sa.text(
    """
    UPDATE webhook_delivery d SET body = kept.body
    FROM unnest(CAST(:ids AS bigint[]), CAST(:bodies AS bytea[])) AS kept (id, body) WHERE d.id = kept.id
    """
)

# A delivery whose lease was lost belongs to somebody else by now, whose note counts.
NOTE = sa.text(
    """
    WITH tried AS (
        SELECT * FROM jsonb_to_recordset(:tried) AS t (id bigint, outcome text, wait double precision,
            started_at timestamptz, milliseconds bigint, status bigint, error text, response text)
    ), noted AS (
        UPDATE webhook_delivery d SET
            attempts = d.attempts + 1,
            leased_by = NULL,
            delivered_at = CASE WHEN t.outcome = 'delivered' THEN now() END,
            parked_at = CASE WHEN t.outcome <> 'delivered' AND t.wait IS NULL THEN now() END,
            due_at = CASE WHEN t.outcome <> 'delivered' THEN now() + make_interval(secs => t.wait) END
        FROM tried t WHERE d.id = t.id AND d.leased_by = :holder
        RETURNING d.id, d.attempts
    )
    INSERT INTO webhook_attempt (delivery_id, number, started_at, milliseconds, outcome, status, error, response)
    SELECT t.id, n.attempts, t.started_at, t.milliseconds, t.outcome, t.status, t.error, t.response
    FROM tried t JOIN noted n ON n.id = t.id
    """
)

# The first undelivered of each lane becomes due, unless it is parked. Runs under the lanes' lock.
MOVE_ON = sa.text(
    """
    UPDATE webhook_delivery d SET due_at = now()
    FROM (SELECT DISTINCT endpoint_id, aggregate, aggregate_id FROM webhook_delivery WHERE id = ANY (:ids)) lane
    CROSS JOIN LATERAL (
        SELECT id FROM webhook_delivery first
        WHERE first.endpoint_id = lane.endpoint_id AND first.aggregate = lane.aggregate
            AND first.aggregate_id = lane.aggregate_id AND first.delivered_at IS NULL
        ORDER BY first.sequence LIMIT 1) head
    WHERE d.id = head.id AND d.due_at IS NULL AND d.parked_at IS NULL
    """
)


def claim(tx: sa.Connection, holder: UUID, lease: float) -> list[Claimed]:
    """Take what is due, for ``lease`` seconds. Each endpoint has at most ``in_flight`` taken at a time."""
    rows = tx.execute(CLAIM, {"holder": holder, "lease": lease})
    return sorted((Claimed(**row) for row in rows.mappings()), key=lambda each: each.id)


def renew(tx: sa.Connection, holder: UUID, ids: Sequence[int], lease: float) -> None:
    """Hold on to what is still being tried."""
    own = sa.update(Delivery).where(Delivery.id.in_(ids), Delivery.leased_by == holder)
    tx.execute(own.values(due_at=sa.func.now() + sa.func.make_interval(0, 0, 0, 0, 0, 0, lease)))


def hurry(tx: sa.Connection, endpoint_id: int) -> None:
    """Try at once what an endpoint waits for: its receiver is said to be back."""
    waiting = sa.update(Delivery).where(
        Delivery.endpoint_id == endpoint_id, Delivery.due_at > sa.func.now(), Delivery.leased_by.is_(None)
    )
    tx.execute(waiting.values(due_at=sa.func.now()))


def release(tx: sa.Connection, holder: UUID) -> None:
    """Give back what this process took and did not try."""
    held = sa.update(Delivery).where(Delivery.leased_by == holder)
    tx.execute(held.values(due_at=sa.func.now(), leased_by=None))


def keep_bodies(tx: sa.Connection, bodies: dict[int, bytes]) -> None:
    """Store what was rendered, before it is sent: every later attempt sends the same bytes."""
    tx.execute(KEEP, {"ids": list(bodies), "bodies": list(bodies.values())})


def note(tx: sa.Connection, holder: UUID, tried: Sequence[Tried]) -> None:
    """Store what came of attempts, and let the lanes of the delivered ones move on."""
    lock_lanes(tx, {each.delivery.endpoint_id for each in tried}, shared=True)
    rows = sa.bindparam("tried", [_row(each) for each in tried], type_=JSONB)
    tx.execute(NOTE.bindparams(rows), {"holder": holder})
    done = [each.delivery.id for each in tried if each.outcome == "delivered"]
    tx.execute(MOVE_ON, {"ids": done})


def lock_lanes(tx: sa.Connection, endpoint_ids: Iterable[int], *, shared: bool = False) -> None:
    """Keep lanes from getting longer while they move on.

    Without it a follower that is being added does not see that the one before it has just been delivered, and would
    wait for ever. Those who only move lanes on share the lock.
    """
    lock = sa.func.pg_advisory_xact_lock_shared if shared else sa.func.pg_advisory_xact_lock
    for number in sorted(endpoint_ids):
        tx.execute(sa.select(lock(LANE_LOCK + number)))


# What is resent takes its old place in its lane, and what stands behind it waits again.
RESEND = sa.text(
    """
    WITH again AS (
        UPDATE webhook_delivery SET delivered_at = NULL, parked_at = NULL, attempts = 0, due_at = NULL
        WHERE id = ANY (:ids) AND leased_by IS NULL
        RETURNING id
    )
    SELECT id FROM again
    """
)

REORDER = sa.text(
    """
    UPDATE webhook_delivery d SET due_at = NULL
    FROM webhook_delivery resent
    WHERE resent.id = ANY (:ids) AND d.endpoint_id = resent.endpoint_id AND d.aggregate = resent.aggregate
        AND d.aggregate_id = resent.aggregate_id AND d.sequence > resent.sequence
        AND d.due_at IS NOT NULL AND d.leased_by IS NULL
    """
)


def resend(tx: sa.Connection, chosen: sa.ColumnElement[bool], limit: int) -> list[int]:
    """Send deliveries again under their ids, at most ``limit``, through their lanes; gives which.

    What is being tried at this moment is left to whoever tries.
    """
    rows = tx.execute(
        sa.select(Delivery.id, Delivery.endpoint_id).where(chosen).order_by(Delivery.id).limit(limit)
    ).all()
    lock_lanes(tx, {row.endpoint_id for row in rows})
    ids = [row.id for row in rows]
    reopened = list(tx.scalars(RESEND, {"ids": ids}))
    tx.execute(REORDER, {"ids": reopened})
    tx.execute(MOVE_ON, {"ids": reopened})
    return reopened


def test(tx: sa.Connection, endpoint_id: int, type_: str) -> int:
    """Send an event that is not in the feed, so that somebody sees whether their receiver works; its delivery's id."""
    row = {
        "endpoint_id": endpoint_id,
        "type": type_,
        "aggregate": "webhook_endpoint",
        "aggregate_id": endpoint_id,
        "occurred_at": sa.func.now(),
        "due_at": sa.func.now(),
    }
    return tx.execute(sa.insert(Delivery).values(row).returning(Delivery.id)).scalar_one()


def purge(tx: sa.Connection, days: int, limit: int = 5_000) -> int:
    """Forget deliveries that arrived more than ``days`` ago, at most ``limit`` of them; how many they were."""
    old = sa.select(Delivery.id).where(
        Delivery.delivered_at < sa.func.now() - sa.func.make_interval(0, 0, 0, days)
    )
    return tx.execute(sa.delete(Delivery).where(Delivery.id.in_(old.limit(limit)))).rowcount


def _row(tried: Tried) -> dict[str, Any]:
    return {
        "id": tried.delivery.id,
        "outcome": tried.outcome,
        "wait": tried.wait,
        "started_at": tried.started_at.isoformat(),
        "milliseconds": tried.milliseconds,
        "status": tried.status,
        "error": tried.error,
        "response": tried.response,
    }
