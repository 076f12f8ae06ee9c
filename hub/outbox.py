"""Where a transaction's changes wait: first in pieces until it commits, then as records until they are sequenced.

Triggers (``hub.capture``) fill these tables, the flush at commit (``hub.flush``) turns pieces into records, and the
sequencer moves the records into the feed.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from hub.db import Base, Id

QUEUE = {"autovacuum_vacuum_scale_factor": "0.0", "autovacuum_vacuum_threshold": "2000"}
"""Rows stay for moments: without an eager vacuum their remains would slow every look."""

fragment = sa.Table(
    "frag",
    Base.metadata,
    sa.Column("token", sa.Uuid, nullable=False, index=True),
    sa.Column("statement", sa.BigInteger, nullable=False),
    sa.Column("aggregate", sa.Text, nullable=False),
    sa.Column("aggregate_id", sa.BigInteger, nullable=False),
    sa.Column("table", sa.Text, nullable=False),
    sa.Column("key", JSONB, nullable=False),
    sa.Column("before", JSONB(none_as_null=True)),
    sa.Column("after", JSONB(none_as_null=True)),
    sa.Column("context", JSONB(none_as_null=True)),
    prefixes=["UNLOGGED"],
    postgresql_with=QUEUE,
    comment="One row per changed row and statement of transactions that have not committed yet",
)

statement_number = sa.Sequence("frag_statement", metadata=Base.metadata)


class TransactionOpen(Base):
    """A transaction with changes that are not folded yet. Its constraint trigger fires the flush at commit."""

    __tablename__ = "tx_open"
    __table_args__ = ({"prefixes": ["UNLOGGED"], "postgresql_with": QUEUE},)

    token: Mapped[UUID] = mapped_column(primary_key=True)


class Pending(Base):
    """One aggregate's change by one transaction, committed but without a sequence number yet."""

    __tablename__ = "pending"
    __table_args__ = (
        sa.UniqueConstraint("token", "aggregate", "aggregate_id"),
        {"postgresql_with": QUEUE},
    )

    id: Mapped[Id]
    token: Mapped[UUID]
    type: Mapped[str]
    aggregate: Mapped[str]
    aggregate_id: Mapped[int]
    version: Mapped[int]
    kind: Mapped[str]
    events: Mapped[list[str]] = mapped_column(ARRAY(sa.Text))
    changes: Mapped[list[Any]] = mapped_column(JSONB)
    actor: Mapped[str]
    source: Mapped[str]
    reason: Mapped[str | None]
    occurred_at: Mapped[datetime] = mapped_column(sa.DateTime(timezone=True))
