"""Orders: what was bought, as it was and cost at that moment."""

from __future__ import annotations

from typing import ClassVar

import sqlalchemy as sa
from sqlalchemy.orm import Mapped

from datetime import datetime
from decimal import Decimal
from typing import Any

from hub.db import Base, Id, Json, belongs, written
from hub.provenance import Sourced
from hub.registry import Event, Kept, KeptModel

STATUSES = ("draft", "placed", "confirmed", "partly_fulfilled", "fulfilled", "cancelled", "closed")


class Order(KeptModel, Sourced, Base):
    """A sale. Amounts are in ``currency``; the database checks that they add up with the lines."""

    __tablename__ = "order"
    __kept__: ClassVar[Kept] = Kept(
        "order",
        scope="orders",
        key="number",
        personal=frozenset({"email", "billing_address", "shipping_address"}),
        owner="shop",
        events=(Event("CASE WHEN op <> 'D' THEN 'order.' || (n->>'status') END"),),
    )
    __table_args__ = (
        sa.CheckConstraint(f"status IN {STATUSES!r}", name="status"),
        sa.CheckConstraint("number <> ''", name="number"),
        sa.CheckConstraint(
            "total = subtotal + shipping_total + CASE WHEN tax_included THEN 0 ELSE tax_total END", name="total"
        ),
        sa.CheckConstraint(
            "scale(trim_scale(subtotal)) <= currency_digits(currency)"
            " AND scale(trim_scale(shipping_total)) <= currency_digits(currency)"
            " AND scale(trim_scale(tax_total)) <= currency_digits(currency)",
            name="decimals",
        ),
    )

    id: Mapped[Id]
    number: Mapped[str] = written(unique=True, kind="key")
    channel_id: Mapped[int] = written(
        sa.ForeignKey("channel.id"), refers="channel", name="channel", required=True, index=True
    )
    customer_id: Mapped[int | None] = written(
        sa.ForeignKey("customer.id"), refers="customer", name="customer", index=True
    )
    company_id: Mapped[int | None] = written(
        sa.ForeignKey("company.id"), refers="company", name="company", index=True
    )
    currency: Mapped[str] = written(required=True, kind="currency")
    status: Mapped[str] = written(server_default="draft", kind="order_status")
    placed_at: Mapped[datetime | None] = written(sa.DateTime(timezone=True), kind="moment", index=True)
    email: Mapped[str | None] = written(kind="email")
    billing_address: Mapped[Json | None] = written(kind="address_snapshot")
    shipping_address: Mapped[Json | None] = written(kind="address_snapshot")
    tax_included: Mapped[bool] = written(server_default="true")
    subtotal: Mapped[Decimal] = written(sa.Numeric, server_default="0", kind="amount")
    shipping_total: Mapped[Decimal] = written(sa.Numeric, server_default="0", kind="amount")
    tax_total: Mapped[Decimal] = written(sa.Numeric, server_default="0", kind="amount")
    total: Mapped[Decimal] = written(sa.Numeric, server_default="0", kind="amount")


class OrderLine(KeptModel, Sourced, Base):
    """One line of an order: what it was called and cost when it was placed.

    ``variant`` is null for something that the hub never had. ``total`` is quantity × unit price − discount.
    """

    __tablename__ = "order_line"
    __kept__: ClassVar[Kept] = Kept(
        "order", scope="orders", root="order_id", collection="lines", match=("position",), owner="shop"
    )
    __table_args__ = (
        sa.UniqueConstraint("order_id", "position"),
        sa.CheckConstraint("quantity > 0", name="quantity"),
        sa.CheckConstraint("total = quantity * unit_price - discount", name="total"),
    )

    id: Mapped[Id]
    order_id: Mapped[int] = belongs("order.id")
    position: Mapped[int] = written(server_default="0")
    variant_id: Mapped[int | None] = written(
        sa.ForeignKey("variant.id"), refers="variant", name="variant", index=True
    )
    sku: Mapped[str | None] = written(kind="line")
    name: Mapped[str] = written(required=True, kind="line")
    quantity: Mapped[int] = written(required=True, kind="count")
    unit_price: Mapped[Decimal] = written(sa.Numeric, required=True, kind="amount")
    discount: Mapped[Decimal] = written(sa.Numeric, server_default="0", kind="amount")
    tax_rate: Mapped[Decimal | None] = written(sa.Numeric, kind="amount")
    total: Mapped[Decimal] = written(sa.Numeric, required=True, kind="amount")

    @classmethod
    def prepare(cls, row: dict[str, Any]) -> None:
        """Fill the line's total in from its parts, unless it is given (the database checks it then)."""
        if "total" not in row and "quantity" in row and "unit_price" in row:
            row["total"] = row["quantity"] * row["unit_price"] - row.get("discount", Decimal(0))


class OrderSeries(Base):
    """The next order number of a channel."""

    __tablename__ = "order_series"

    channel_id: Mapped[int] = sa.orm.mapped_column(
        sa.ForeignKey("channel.id", ondelete="CASCADE"), primary_key=True
    )
    next_number: Mapped[int] = sa.orm.mapped_column(server_default="1001")
