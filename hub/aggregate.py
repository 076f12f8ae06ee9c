"""Aggregates: what changes as one. A product with its variants and prices, an order with its lines.

Each has a version, which goes up by one in every transaction that changes anything of it. The row outlives the
aggregate: an id that is made again goes on counting.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from hub.db import Base
from hub.outbox import Pending


class Aggregate(Base):
    """The version of one aggregate, and who changed it last. ``deleted_at`` is null while it exists."""

    __tablename__ = "aggregate"

    type: Mapped[str] = mapped_column(primary_key=True)
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    version: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(sa.DateTime(timezone=True))
    updated_at: Mapped[datetime] = mapped_column(sa.DateTime(timezone=True))
    actor: Mapped[str]
    source: Mapped[str]
    deleted_at: Mapped[datetime | None] = mapped_column(sa.DateTime(timezone=True))


def lock(tx: sa.Connection, type_: str, ids: Iterable[int]) -> dict[int, int]:
    """Lock aggregates until the transaction ends; gives the version of each that exists or once existed.

    Versions are bumped at commit: without this lock two writers may both see the version that they expect. The rows
    are locked in the order of their ids, so that two callers do not wait for each other. Lock before changing.
    """
    statement = (
        sa.select(Aggregate.id, Aggregate.version)
        .where(Aggregate.type == type_, Aggregate.id == sa.any_(sa.literal(sorted(set(ids)), _BIGINTS)))
        .order_by(Aggregate.id)
        .with_for_update()
    )
    return {row.id: row.version for row in tx.execute(statement)}


def flush(tx: sa.Connection) -> None:
    """Fold this transaction's changes now instead of at commit, so that the new versions can be read.

    It locks what the transaction changed: make it the transaction's last act.
    """
    tx.execute(sa.text("SET CONSTRAINTS hub_flush IMMEDIATE"))
    tx.execute(sa.text("SET CONSTRAINTS hub_flush DEFERRED"))


def versions(tx: sa.Connection) -> dict[tuple[str, int], int]:
    """The new version of every aggregate that this transaction changed, by type and id. Flushes first."""
    flush(tx)
    own = sa.func.hub_token(type_=sa.Uuid)
    statement = sa.select(Pending.aggregate, Pending.aggregate_id, Pending.version).where(
        Pending.token == own
    )
    return {(row.aggregate, row.aggregate_id): row.version for row in tx.execute(statement)}


_BIGINTS = sa.ARRAY(sa.BigInteger)
