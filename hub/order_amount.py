"""What an order's amounts are made of: discounts, taxes per rate, and the payments that are known of it."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, ClassVar

import sqlalchemy as sa
from sqlalchemy.orm import Mapped

from hub.db import Base, Id, belongs, written
from hub.errors import NotFound
from hub.provenance import Sourced
from hub.registry import Event, Kept, KeptModel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hub.draft import Draft

PAYMENT_STATES = ("authorized", "captured", "failed", "voided")


class OrderDiscount(KeptModel, Sourced, Base):
    """Something taken off an order: a voucher, a promotion.

    ``amount`` is in the order's currency. ``line``: the position of the line that it is for; null for all of them, in
    proportion to what they cost. Where an order names discounts, they add up to what was taken off its lines.
    """

    __tablename__ = "order_discount"
    __kept__: ClassVar[Kept] = Kept(
        "order", scope="orders", root="order_id", collection="discounts", match=("position",), owner="shop"
    )
    __table_args__ = (sa.UniqueConstraint("order_id", "position"),)

    id: Mapped[Id]
    order_id: Mapped[int] = belongs("order.id")
    position: Mapped[int] = written(server_default="0")
    code: Mapped[str | None] = written(kind="line")
    name: Mapped[str | None] = written(kind="line")
    line: Mapped[int | None] = written()
    amount: Mapped[Decimal] = written(sa.Numeric, required=True, kind="amount")

    @classmethod
    def complete(cls, _: sa.Connection, drafts: Sequence[Draft]) -> None:
        """Refuse a discount for a line that the input does not hold."""
        for draft in drafts:
            named, lines = draft.get("line"), draft.root.parts.get("lines")
            if named is None or lines is None:
                continue
            if named not in {line.get("position") or 0 for line in lines if not line.remove}:
                said = f"The discount is for line {named}, which the order does not have"
                draft.refuse(NotFound(f"{said}: name the position of one that it has."), "line")


class OrderTax(KeptModel, Sourced, Base):
    """The tax of one rate in an order.

    ``rate`` is a fraction, 0.19 for 19 %; ``base`` what the tax is on, without it. Where an order names taxes, they add
    up to its tax total.
    """

    __tablename__ = "order_tax"
    __kept__: ClassVar[Kept] = Kept(
        "order", scope="orders", root="order_id", collection="taxes", match=("position",), owner="shop"
    )
    __table_args__ = (sa.UniqueConstraint("order_id", "position"),)

    id: Mapped[Id]
    order_id: Mapped[int] = belongs("order.id")
    position: Mapped[int] = written(server_default="0")
    name: Mapped[str | None] = written(kind="line")
    rate: Mapped[Decimal] = written(sa.Numeric, required=True, kind="amount")
    base: Mapped[Decimal | None] = written(sa.Numeric, kind="amount")
    amount: Mapped[Decimal] = written(sa.Numeric, required=True, kind="amount")


class OrderPayment(KeptModel, Sourced, Base):
    """A payment of an order, known by its reference at whoever handles it. The hub moves no money.

    ``amount`` is in the order's currency. ``captured_at`` is null until the money was taken.
    """

    __tablename__ = "order_payment"
    __kept__: ClassVar[Kept] = Kept(
        "order",
        scope="orders",
        root="order_id",
        collection="payments",
        match=("reference",),
        whole=False,
        owner="shop",
        events=(
            Event(
                "CASE WHEN op <> 'D' THEN 'payment.' || (n->>'state') END",
                says="A payment of an order came into this state.",
                endings=PAYMENT_STATES,
            ),
        ),
    )
    __table_args__ = (
        sa.UniqueConstraint("order_id", "reference"),
        sa.CheckConstraint(f"state IN {PAYMENT_STATES!r}", name="state"),
        sa.CheckConstraint("amount >= 0", name="amount"),
    )

    id: Mapped[Id]
    order_id: Mapped[int] = belongs("order.id")
    reference: Mapped[str] = written(required=True, kind="key")
    method: Mapped[str | None] = written(kind="line")
    amount: Mapped[Decimal] = written(sa.Numeric, required=True, kind="amount")
    state: Mapped[str] = written(server_default="authorized", kind="payment_state")
    captured_at: Mapped[datetime | None] = written(sa.DateTime(timezone=True), kind="moment")
