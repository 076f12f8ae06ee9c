"""Deliveries and their attempts. Event, delivery and attempt are three rows: the event is the feed's.

Each endpoint has one lane per aggregate, in the order of the feed. Only the first undelivered of a lane is ever due;
its followers wait, without costing a look, until it is delivered. So what cannot be delivered holds back its own
product or order and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from hub.db import Base, Id, Json
from hub.direct import wire

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


BODIES_LOCK = 5_999_999_999_998
"""The advisory lock that an erasure holds alone, and who stores a body shares."""


class Delivery(Base):
    """One event on its way to one endpoint.

    ``sequence``: the feed's record, null for a test. ``message``: the ``webhook-id``, the same in every attempt.
    ``body``: the bytes, null until the first attempt. ``due_at``: when to try; null when delivered, parked, or behind
    an earlier one of its lane. ``attempts``: how often it was tried; ``failures``: how many of them the schedule
    counts, which leaves out the probes of an open breaker. ``parked_at``: when the schedule ended without success; it
    then waits for somebody to resend it.
    ``purpose``: ``change`` tells of a record of the feed; ``state`` says what an object is now; ``test`` and
    ``verification`` are about the endpoint itself. Only a change has a sequence. ``skipped``: why it was settled
    at ``delivered_at`` without being sent, null where it was sent. ``erased_at``: when its body was erased with the
    person that it told of; it is not sent again.
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
            "ix_webhook_delivery_due",
            *("endpoint_id", "due_at", "sequence"),
            postgresql_where=sa.text("due_at IS NOT NULL"),
        ),
        sa.Index(
            "ix_webhook_delivery_lane",
            *("endpoint_id", "aggregate", "aggregate_id", "sequence"),
            postgresql_where=sa.text("delivered_at IS NULL"),
        ),
        sa.Index(
            "ix_webhook_delivery_verification",
            "endpoint_id",
            postgresql_where=sa.text("purpose = 'verification' AND due_at IS NOT NULL"),
        ),
        sa.Index(
            "ix_webhook_delivery_parked",
            *("endpoint_id", "parked_at"),
            postgresql_where=sa.text("parked_at IS NOT NULL"),
        ),
        sa.Index("ix_webhook_delivery_aggregate", "aggregate", "aggregate_id"),
        sa.Index(
            "ix_webhook_delivery_skipped", "skipped", "id", postgresql_where=sa.text("skipped IS NOT NULL")
        ),
        sa.Index(
            "ix_webhook_delivery_delivered_at",
            "delivered_at",
            postgresql_using="brin",
            postgresql_with={"autosummarize": "on"},
        ),
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
    failures: Mapped[int] = mapped_column(server_default="0")
    due_at: Mapped[datetime | None] = mapped_column(sa.DateTime(timezone=True))
    delivered_at: Mapped[datetime | None] = mapped_column(sa.DateTime(timezone=True))
    parked_at: Mapped[datetime | None] = mapped_column(sa.DateTime(timezone=True))
    skipped: Mapped[str | None]
    erased_at: Mapped[datetime | None] = mapped_column(sa.DateTime(timezone=True))
    created_at: Mapped[datetime] = mapped_column(sa.DateTime(timezone=True), server_default=sa.func.now())


class Attempt(Base):
    """One try. ``endpoint_id``: whose delivery's, null for old ones. ``status``: null without an answer. ``error``: why it was no success. ``response``: its first part.

    ``request``: its address and headers, what is secret masked; null where nothing was sent.
    """

    __tablename__ = "webhook_attempt"
    __table_args__ = (
        sa.CheckConstraint(f"outcome IN {OUTCOMES!r}", name="outcome"),
        sa.Index("ix_webhook_attempt_started_at", "started_at", postgresql_using="brin"),
        sa.Index(
            "ix_webhook_attempt_endpoint",
            *("endpoint_id", "started_at"),
            postgresql_include=["outcome"],
            postgresql_where=sa.text("endpoint_id IS NOT NULL"),
        ),
    )

    id: Mapped[Id]
    delivery_id: Mapped[int] = mapped_column(
        sa.ForeignKey("webhook_delivery.id", ondelete="CASCADE"), index=True
    )
    endpoint_id: Mapped[int | None]
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
    """A delivery that this process may send. ``body`` is null before the first attempt.

    ``seen``: tells whether the row was changed since. ``erased``: the last erasure of a person before it was taken.
    """

    id: int
    endpoint_id: int
    sequence: int | None
    purpose: str
    message: str
    type: str
    aggregate: str
    aggregate_id: int
    occurred_at: datetime
    body: bytes | None
    attempts: int
    failures: int
    seen: str
    erased: int


@dataclass(frozen=True)
class Tried:
    """What came of an attempt. ``wait``: seconds until the next one, null for none: it is parked then.

    ``counted``: whether the schedule counts it. ``gone``: the receiver wants nothing more of anything.
    ``request``: what was sent, its secrets masked.
    """

    delivery: Claimed
    started_at: datetime
    milliseconds: int
    outcome: Outcome
    status: int | None = None
    error: str | None = None
    response: str | None = None
    request: Json | None = None
    wait: float | None = None
    counted: bool = True
    gone: bool = False


# The first undelivered of each lane becomes due, unless it is parked; what says how the object is now comes before
# what changed since. Runs under the lanes' lock.
MOVE_ON = sa.text(
    """
    UPDATE webhook_delivery d SET due_at = now()
    FROM (SELECT DISTINCT endpoint_id, aggregate, aggregate_id FROM webhook_delivery
        WHERE id = ANY (CAST(:ids AS bigint[]))) lane
    CROSS JOIN LATERAL (
        (SELECT id FROM webhook_delivery state
        WHERE state.endpoint_id = lane.endpoint_id AND state.aggregate = lane.aggregate
            AND state.aggregate_id = lane.aggregate_id AND state.delivered_at IS NULL AND state.sequence IS NULL
        LIMIT 1)
        UNION ALL
        (SELECT id FROM webhook_delivery first
        WHERE first.endpoint_id = lane.endpoint_id AND first.aggregate = lane.aggregate
            AND first.aggregate_id = lane.aggregate_id AND first.delivered_at IS NULL
        ORDER BY first.sequence LIMIT 1)
        LIMIT 1) head
    WHERE d.id = head.id AND d.due_at IS NULL AND d.parked_at IS NULL
    RETURNING d.body IS NOT NULL
    """
)


RESUME = sa.text("UPDATE webhook_line SET resume_at = NULL WHERE endpoint_id = :endpoint_id")


def hurry(tx: sa.Connection, endpoint_id: int) -> None:
    """Try at once what an endpoint waits for: its receiver is said to be back."""
    waiting = sa.update(Delivery).where(Delivery.endpoint_id == endpoint_id, Delivery.due_at > sa.func.now())
    tx.execute(waiting.values(due_at=sa.func.now()))
    tx.execute(RESUME, {"endpoint_id": endpoint_id})


def line_up(tx: sa.Connection, endpoint_id: int, *, ordered: bool) -> None:
    """Give what waits the order that the endpoint asks for now: one after the other per object, or all at once."""
    lock_lanes(tx, [endpoint_id])
    tx.execute(LINE_UP if ordered else LET_GO, {"endpoint": endpoint_id})


LET_GO = sa.text(
    """
    UPDATE webhook_delivery SET due_at = now()
    WHERE endpoint_id = :endpoint AND delivered_at IS NULL AND due_at IS NULL AND parked_at IS NULL
    """
)

LINE_UP = sa.text(
    """
    UPDATE webhook_delivery d SET due_at = NULL
    WHERE d.endpoint_id = :endpoint AND d.due_at IS NOT NULL AND EXISTS (
        SELECT FROM webhook_delivery earlier
        WHERE earlier.endpoint_id = d.endpoint_id AND earlier.aggregate = d.aggregate
            AND earlier.aggregate_id = d.aggregate_id AND earlier.delivered_at IS NULL
            AND coalesce(earlier.sequence, 0) < coalesce(d.sequence, 0))
    """
)


def lock_lanes(tx: sa.Connection, endpoint_ids: Iterable[int]) -> None:
    """Keep lanes from getting longer while they move on.

    Without it a follower that is being added does not see that the one before it has just been delivered, and would
    wait for ever. All take the locks in one order, so that nobody waits in a ring.
    """
    tx.execute(LOCK_LANES, {"ids": wire(sorted(endpoint_ids)), "lock": LANE_LOCK})


def lock_bodies(*, alone: bool) -> sa.Select[tuple[None]]:
    """The statement that waits until no person is being erased; ``alone``: until nobody stores a body either.

    What comes after it in the transaction sees every erasure that was, in the order of their ids.
    """
    lock = sa.func.pg_advisory_xact_lock if alone else sa.func.pg_advisory_xact_lock_shared
    return sa.select(lock(BODIES_LOCK))


def commit_lazily(tx: sa.Connection) -> None:
    """Let this transaction's commit not wait for the disk: if PostgreSQL falls right after it, all of it is undone."""
    tx.execute(LAZILY)


LAZILY = sa.text("SET LOCAL synchronous_commit = off")


def try_lanes(tx: sa.Connection, endpoint_ids: Iterable[int]) -> set[int]:
    """Lock what nobody else has locked; gives which. Nobody waits, so that one long lane delays no other."""
    return set(tx.scalars(TRY_LANES, {"ids": wire(sorted(endpoint_ids)), "lock": LANE_LOCK}))


LOCK_LANES = sa.text("SELECT pg_advisory_xact_lock(:lock + each) FROM unnest(CAST(:ids AS bigint[])) AS each")
TRY_LANES = sa.text(
    "SELECT each FROM unnest(CAST(:ids AS bigint[])) AS each WHERE pg_try_advisory_xact_lock(:lock + each)"
)

# What is resent takes its old place in its lane, and what stands behind it waits again.
RESEND = sa.text(
    """
    UPDATE webhook_delivery SET delivered_at = NULL, parked_at = NULL, skipped = NULL, failures = 0,
        due_at = CASE WHEN (SELECT ordered FROM webhook_endpoint e WHERE e.id = endpoint_id) THEN NULL ELSE now() END
    WHERE id = ANY (:ids)
    RETURNING id
    """
)

REORDER = sa.text(
    """
    UPDATE webhook_delivery d SET due_at = NULL
    FROM webhook_delivery resent JOIN webhook_endpoint e ON e.id = resent.endpoint_id
    WHERE resent.id = ANY (:ids) AND e.ordered AND d.endpoint_id = resent.endpoint_id
        AND d.aggregate = resent.aggregate AND d.aggregate_id = resent.aggregate_id
        AND coalesce(d.sequence, 0) > coalesce(resent.sequence, 0) AND d.due_at IS NOT NULL
    """
)


def resend(tx: sa.Connection, chosen: sa.ColumnElement[bool], limit: int) -> list[int]:
    """Send deliveries again under their ids, at most ``limit``, through their lanes; gives which.

    One that is being tried at this moment keeps what comes of it.
    """
    rows = tx.execute(
        sa.select(Delivery.id, Delivery.endpoint_id).where(chosen).order_by(Delivery.id).limit(limit)
    ).all()
    lock_lanes(tx, {row.endpoint_id for row in rows})
    reopened = list(tx.scalars(RESEND, {"ids": [row.id for row in rows]}))
    tx.execute(REORDER, {"ids": reopened})
    tx.execute(MOVE_ON, {"ids": wire(reopened)})
    return reopened


def test(tx: sa.Connection, endpoint_id: int, type_: str, body: bytes | None) -> int:
    """Send an event that is not in the feed, so that somebody sees whether their receiver works; its delivery's id.

    ``body``: what to send, null for one that only says that it is a test.
    """
    row = {
        "endpoint_id": endpoint_id,
        "purpose": "test",
        "type": type_,
        "body": body,
        "aggregate": "webhook_endpoint",
        "aggregate_id": endpoint_id,
        "occurred_at": sa.func.now(),
        "due_at": sa.func.now(),
    }
    return tx.execute(sa.insert(Delivery).values(row).returning(Delivery.id)).scalar_one()


# By the time of arrival, so that what is parked for ever is not walked over each time.
PURGE = sa.text(
    """
    DELETE FROM webhook_delivery WHERE id = ANY (ARRAY(
        SELECT id FROM webhook_delivery WHERE delivered_at < now() - make_interval(days => :days) LIMIT :limit))
    """
)


def purge(tx: sa.Connection, days: int, limit: int = 5_000) -> int:
    """Forget deliveries that arrived more than ``days`` ago, at most ``limit`` of them; how many they were.

    What has not arrived stays, however old it is.
    """
    return tx.execute(PURGE, {"days": days, "limit": limit}).rowcount
