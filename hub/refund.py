"""Refunds: what was paid back of an order. The money itself is moved elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, ClassVar

import sqlalchemy as sa
from sqlalchemy.orm import Mapped

from hub import order_quantity
from hub.db import Base, Id, belongs, written
from hub.provenance import Sourced
from hub.registry import Event, Kept, KeptModel

if TYPE_CHECKING:
    from hub.draft import Draft


class Refund(KeptModel, Sourced, Base):
    """An amount that was paid back, in the order's currency; its number tells it from the order's others.

    ``reference`` is what the payment's handler calls it. All refunds together are at most what was captured; where no
    payments are known, at most the order's total.
    """

    __tablename__ = "refund"
    __kept__: ClassVar[Kept] = Kept(
        "order",
        scope="orders",
        root="order_id",
        collection="refunds",
        match=("number",),
        whole=False,
        personal=frozenset({"note"}),
        owner="shop",
        events=(Event("CASE WHEN op = 'I' THEN 'refund.created' END", says="Money was paid back."),),
    )
    __table_args__ = (
        sa.UniqueConstraint("order_id", "number"),
        sa.UniqueConstraint("id", "order_id"),
        sa.CheckConstraint("amount > 0", name="amount"),
    )

    id: Mapped[Id]
    order_id: Mapped[int] = belongs("order.id")
    number: Mapped[str] = written(kind="key")
    amount: Mapped[Decimal] = written(sa.Numeric, required=True, kind="amount")
    reason: Mapped[str] = written(server_default="other", kind="return_reason")
    reference: Mapped[str | None] = written(kind="line")
    note: Mapped[str | None] = written(kind="text")
    refunded_at: Mapped[datetime | None] = written(sa.DateTime(timezone=True), kind="moment")

    @classmethod
    def complete(cls, tx: sa.Connection, drafts: Sequence[Draft]) -> None:
        """A new one that names no number or moment gets the next number, and is of now."""
        order_quantity.number(tx, drafts, "C")
        for draft in drafts:
            if draft.current is None and draft.values.get("refunded_at") is None:
                draft.values["refunded_at"] = datetime.now(UTC)


class RefundLine(KeptModel, Sourced, Base):
    """What of a refund is for one line of the order. ``line`` is the line's position; what is left is for the whole."""

    __tablename__ = "refund_line"
    __kept__: ClassVar[Kept] = Kept(
        "order",
        scope="orders",
        root="order_id",
        parent="refund_id",
        collection="lines",
        match=("line",),
        owner="shop",
    )
    __table_args__ = (
        sa.UniqueConstraint("refund_id", "line"),
        sa.CheckConstraint("amount > 0", name="amount"),
        sa.ForeignKeyConstraint(
            ["refund_id", "order_id"], ["refund.id", "refund.order_id"], ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["order_id", "line"], ["order_line.order_id", "order_line.position"]),
        sa.Index(None, "order_id", "line"),
    )

    id: Mapped[Id]
    order_id: Mapped[int]
    refund_id: Mapped[int]
    line: Mapped[int] = written(required=True, kind="count")
    amount: Mapped[Decimal] = written(sa.Numeric, required=True, kind="amount")

    @classmethod
    def complete(cls, tx: sa.Connection, drafts: Sequence[Draft]) -> None:
        """Refuse lines that the order does not have."""
        order_quantity.check(tx, drafts, None)
