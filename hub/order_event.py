"""The timeline of orders: one row for each thing that happened to one, written by the database."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from hub.db import Base, Id

KINDS = ("status", "payment", "fulfilment", "delivery", "return", "refund", "edit", "note")


class OrderEvent(Base):
    """What happened to an order, when, and who wrote it.

    ``kind`` says what it is about, ``code`` what became of it: a status, a payment's state, a parcel's status.
    ``subject`` is the number or reference of what it is about; null for the order itself. Nothing in it is personal.
    It follows from the order's own rows, so it is no part of the order, and its changes are not in the feed.
    """

    __tablename__ = "order_event"
    __table_args__ = (
        sa.CheckConstraint(f"kind IN {KINDS!r}", name="kind"),
        sa.Index("ix_order_event_order", "order_id", "id"),
    )

    id: Mapped[Id]
    order_id: Mapped[int] = mapped_column(sa.ForeignKey("order.id", ondelete="CASCADE"))
    kind: Mapped[str]
    code: Mapped[str]
    subject: Mapped[str | None]
    actor: Mapped[str] = mapped_column(server_default=sa.text("hub_actor()"))
    source: Mapped[str] = mapped_column(server_default=sa.text("hub_source()"))
    at: Mapped[datetime] = mapped_column(
        sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()")
    )
