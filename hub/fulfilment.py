"""Fulfilments: what of an order was sent, from where, and how far it has come."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, ClassVar

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from hub import order_quantity, order_stock
from hub.db import Base, Id, belongs, written
from hub.provenance import Sourced
from hub.registry import Event, Kept, KeptModel

if TYPE_CHECKING:
    from hub.draft import Draft

STATUSES = ("shipped", "delivered", "lost")


class Fulfilment(KeptModel, Sourced, Base):
    """A parcel or handing over of pieces of an order; its number tells it from the order's others.

    With a ``location`` its pieces leave the stock there; without one it is only noted (history, a supplier that sends).
    """

    __tablename__ = "fulfilment"
    __kept__: ClassVar[Kept] = Kept(
        "order",
        scope="orders",
        root="order_id",
        collection="fulfilments",
        match=("number",),
        whole=False,
        owner="erp",
        events=(
            Event("CASE WHEN op = 'I' THEN 'fulfilment.created' END", says="Pieces of an order were sent."),
            Event(
                "CASE WHEN n->>'status' = 'delivered' THEN 'fulfilment.delivered' END",
                says="Pieces of an order arrived.",
            ),
        ),
    )
    __table_args__ = (
        sa.UniqueConstraint("order_id", "number"),
        sa.UniqueConstraint("id", "order_id"),
        sa.CheckConstraint(f"status IN {STATUSES!r}", name="status"),
    )

    id: Mapped[Id]
    order_id: Mapped[int] = belongs("order.id")
    number: Mapped[str] = written(kind="key")
    location_id: Mapped[int | None] = written(
        sa.ForeignKey("location.id"), refers="location", name="location", index=True
    )
    status: Mapped[str] = written(server_default="shipped", kind="fulfilment_status")
    carrier: Mapped[str | None] = written(kind="line")
    tracking_number: Mapped[str | None] = written(kind="line")
    tracking_url: Mapped[str | None] = written(kind="address")
    shipped_at: Mapped[datetime | None] = written(sa.DateTime(timezone=True), kind="moment")

    @classmethod
    def complete(cls, tx: sa.Connection, drafts: Sequence[Draft]) -> None:
        """A new one that names no number or moment gets the next number, and is sent now."""
        order_quantity.number(tx, drafts, "F")
        for draft in drafts:
            if draft.current is None and draft.values.get("shipped_at") is None:
                draft.values["shipped_at"] = datetime.now(UTC)
            order_quantity.require_lines(draft, "fulfilment")


class FulfilmentLine(KeptModel, Sourced, Base):
    """How many pieces of one line of the order were sent. ``line`` is the line's position."""

    __tablename__ = "fulfilment_line"
    __kept__: ClassVar[Kept] = Kept(
        "order",
        scope="orders",
        root="order_id",
        parent="fulfilment_id",
        collection="lines",
        match=("line",),
        owner="erp",
    )
    __table_args__ = (
        sa.UniqueConstraint("fulfilment_id", "line"),
        sa.CheckConstraint("quantity > 0", name="quantity"),
        sa.ForeignKeyConstraint(
            ["fulfilment_id", "order_id"], ["fulfilment.id", "fulfilment.order_id"], ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["order_id", "line"], ["order_line.order_id", "order_line.position"]),
        sa.Index(None, "order_id", "line"),
    )

    id: Mapped[Id]
    order_id: Mapped[int]
    fulfilment_id: Mapped[int]
    line: Mapped[int] = written(required=True, kind="count")
    quantity: Mapped[int] = written(required=True, kind="count")

    @classmethod
    def complete(cls, tx: sa.Connection, drafts: Sequence[Draft]) -> None:
        """Refuse lines that the order does not have, and more pieces than are left to send."""
        order_quantity.check(tx, drafts, order_quantity.SENDING)

    @classmethod
    def settle(cls, tx: sa.Connection, drafts: Sequence[Draft]) -> None:
        """What was sent from a location is no longer there."""
        order_stock.sent(tx, drafts)


class FulfilmentEvent(KeptModel, Sourced, Base):
    """What a carrier told of a fulfilment: accepted, in transit, delivered."""

    __tablename__ = "fulfilment_event"
    __kept__: ClassVar[Kept] = Kept(
        "order",
        scope="orders",
        root="order_id",
        parent="fulfilment_id",
        collection="events",
        match=("at", "code"),
        whole=False,
        owner="erp",
    )
    __table_args__ = (
        sa.UniqueConstraint("fulfilment_id", "at", "code"),
        sa.ForeignKeyConstraint(
            ["fulfilment_id", "order_id"], ["fulfilment.id", "fulfilment.order_id"], ondelete="CASCADE"
        ),
    )

    id: Mapped[Id]
    order_id: Mapped[int] = mapped_column(index=True)
    fulfilment_id: Mapped[int]
    at: Mapped[datetime] = written(sa.DateTime(timezone=True), required=True, kind="moment")
    code: Mapped[str] = written(required=True, kind="code")
    text: Mapped[str | None] = written(kind="line")
    site: Mapped[str | None] = written(kind="line")
