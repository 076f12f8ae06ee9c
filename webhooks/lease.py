"""Which process sends to which endpoint: one at a time, for as long as it says that it lives.

Everything that is promised per endpoint rests on it: the order of its lanes, its requests at one time, its rate, its
breaker. A process renews its word a few times per lease, and sends nothing once the lease is over by its own clock,
which began earlier than the database's. So an endpoint goes to another process only after the first has fallen silent.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from hub.db import Base
from webhooks.delivery import try_lanes

MARKET = 5_999_999_999_999
"""The advisory lock under which endpoints change hands, one process after the other."""


class Relay(Base):
    """A process that sends. ``until``: when it counts as dead, if it does not say before that it lives."""

    __tablename__ = "webhook_relay"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    until: Mapped[datetime] = mapped_column(sa.DateTime(timezone=True))


class Line(Base):
    """The way to an endpoint, and what one holder leaves to the next.

    ``holder``: the process that sends, null for none. ``resume_at``: when its receiver wants to be asked again, null
    for any time. ``failed_at``: about when it failed last, null for never. ``counted_from``: the sequence after which
    its deliveries are those that its settings ask for, as ``webhooks.verify`` counts them. ``untold``: why it cannot be
    told of what happened, null where it can.
    """

    __tablename__ = "webhook_line"

    endpoint_id: Mapped[int] = mapped_column(
        sa.ForeignKey("webhook_endpoint.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    holder: Mapped[UUID | None] = mapped_column(index=True)
    resume_at: Mapped[datetime | None] = mapped_column(sa.DateTime(timezone=True))
    failed_at: Mapped[datetime | None] = mapped_column(sa.DateTime(timezone=True))
    counted_from: Mapped[int | None]
    untold: Mapped[str | None]


@dataclass(frozen=True)
class Held:
    """The endpoints that a process sends to now, and those among them that it is to give back."""

    own: frozenset[int]
    leaving: frozenset[int]


LIVE = sa.text(
    """
    INSERT INTO webhook_relay (id, until) VALUES (:holder, clock_timestamp() + make_interval(secs => :lease))
    ON CONFLICT (id) DO UPDATE SET until = excluded.until
    """
)

GIVE_BACK = sa.text(
    "UPDATE webhook_line SET holder = NULL WHERE holder = :holder AND endpoint_id = ANY (CAST(:ids AS bigint[]))"
)

OWN = sa.text(
    """
    SELECT line.endpoint_id, e.disabled_at IS NOT NULL AS disabled
    FROM webhook_line line JOIN webhook_endpoint e ON e.id = line.endpoint_id
    WHERE line.holder = :holder ORDER BY line.endpoint_id
    """
)

SHARE = sa.text(
    """
    SELECT ceil((SELECT count(*) FROM webhook_endpoint WHERE disabled_at IS NULL)::numeric
        / greatest((SELECT count(*) FROM webhook_relay WHERE until > clock_timestamp()), 1))::bigint
    """
)

FREE = sa.text(
    """
    SELECT e.id FROM webhook_endpoint e
    LEFT JOIN webhook_line line ON line.endpoint_id = e.id
    LEFT JOIN webhook_relay relay ON relay.id = line.holder AND relay.until > clock_timestamp()
    WHERE e.disabled_at IS NULL AND relay.id IS NULL
    ORDER BY e.id LIMIT :room
    """
)

# One that is deleted at this moment is left alone.
TAKE = sa.text(
    """
    INSERT INTO webhook_line (endpoint_id, holder, counted_from)
    SELECT free.id, :holder, c.sequence FROM (
        SELECT id FROM webhook_endpoint WHERE id = ANY (CAST(:ids AS bigint[])) FOR KEY SHARE SKIP LOCKED) free
    LEFT JOIN cursor c ON c.name = 'webhook:' || free.id
    ON CONFLICT (endpoint_id) DO UPDATE SET holder = excluded.holder
    RETURNING endpoint_id
    """
)

# Long after its end, so that nobody who merely stumbles has to begin anew.
FORGET = sa.text("DELETE FROM webhook_relay WHERE until < clock_timestamp() - interval '1 hour'")


# The cursor is locked: whoever tells the endpoint of something still goes by the settings before.
COUNT = sa.text(
    """
    INSERT INTO webhook_line (endpoint_id, counted_from)
    SELECT :id, sequence FROM cursor WHERE name = 'webhook:' || CAST(:id AS bigint) FOR UPDATE
    ON CONFLICT (endpoint_id) DO UPDATE SET counted_from = excluded.counted_from
    """
)


def count_from_here(tx: sa.Connection, endpoint_id: int) -> None:
    """Note that an endpoint's settings ask for other deliveries from its cursor on."""
    tx.execute(COUNT, {"id": endpoint_id})


def hold(tx: sa.Connection, holder: UUID, seconds: float, done: Collection[int] = ()) -> Held:
    """Say that this process lives, give back what it is done with, and take its share of what nobody holds.

    The share is the endpoints divided by the living processes; what one has beyond it, it is to finish and give back.
    """
    tx.execute(sa.select(sa.func.pg_advisory_xact_lock(MARKET)))
    tx.execute(LIVE, {"holder": holder, "lease": seconds})
    if done:
        tx.execute(GIVE_BACK, {"holder": holder, "ids": list(done)})
    rows = tx.execute(OWN, {"holder": holder}).all()
    share = tx.execute(SHARE).scalar_one()
    enabled = [row.endpoint_id for row in rows if not row.disabled]
    taken = _take(tx, holder, share - len(enabled))
    own = frozenset(row.endpoint_id for row in rows)
    return Held(own | frozenset(taken), own.difference(enabled[:share]))


def _take(tx: sa.Connection, holder: UUID, room: int) -> list[int]:
    if room <= 0:
        return []
    free = list(tx.scalars(FREE, {"room": room}))
    if not free:
        return []
    # Its last holder may be noting what it did at this moment: it is left until the next time.
    taken = list(tx.scalars(TAKE, {"holder": holder, "ids": sorted(try_lanes(tx, free))}))
    tx.execute(FORGET)
    return taken


def leave(tx: sa.Connection, holder: UUID) -> None:
    """Give back everything: the others need not wait for the lease to end."""
    tx.execute(sa.update(Line).where(Line.holder == holder).values(holder=None))
    tx.execute(sa.delete(Relay).where(Relay.id == holder))
