"""Orders: what was bought, as it was and cost at that moment."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, ClassVar

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from hub.channel import Channel
from hub.db import Base, Id, Json, written
from hub.provenance import Sourced
from hub.registry import Event, Kept, KeptModel

if TYPE_CHECKING:
    from hub.draft import Draft

FIRST_NUMBER = 1001
STATUSES = ("draft", "placed", "confirmed", "partly_fulfilled", "fulfilled", "cancelled", "closed")


class Order(KeptModel, Sourced, Base):
    """A sale. Amounts are in ``currency``; the database checks that they add up with the lines."""

    __tablename__ = "order"
    __deferred__: ClassVar[tuple[str, ...]] = (
        "order_sums",
        "order_line_sums",
        "order_discount_sums",
        "order_tax_sums",
    )
    __kept__: ClassVar[Kept] = Kept(
        "order",
        scope="orders",
        key="number",
        personal=frozenset({"email", "billing_address", "shipping_address"}),
        derived=("cart_id",),
        audience=("order", "id"),
        owner="shop",
        events=(
            Event(
                "CASE WHEN op <> 'D' THEN 'order.' || (n->>'status') END",
                says="An order came into this state.",
                endings=STATUSES,
            ),
        ),
    )
    __table_args__ = (
        sa.CheckConstraint(f"status IN {STATUSES!r}", name="status"),
        sa.CheckConstraint("number <> ''", name="number"),
        sa.CheckConstraint(
            "total = subtotal + shipping_total + CASE WHEN tax_included THEN 0 ELSE tax_total END",
            name="total",
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
    cart_id: Mapped[int | None] = mapped_column(sa.ForeignKey("cart.id", ondelete="SET NULL"), unique=True)
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

    @classmethod
    def complete(cls, tx: sa.Connection, drafts: Sequence[Draft]) -> None:
        """Fill in what follows: currency and number from the channel, the sums from the lines."""
        new = [draft for draft in drafts if draft.current is None and draft.values.get("channel_id")]
        _from_channel(tx, new)
        for draft in drafts:
            _add_up(draft)
            if draft.values.get("status", "draft") != "draft" and draft.get("placed_at") is None:
                draft.values["placed_at"] = datetime.now(UTC)


def _from_channel(tx: sa.Connection, drafts: Sequence[Draft]) -> None:
    wanted: dict[int, list[Draft]] = defaultdict(list)
    for draft in drafts:
        wanted[draft.values["channel_id"]].append(draft)
    channels = tx.execute(
        sa.select(Channel.id, Channel.currency, Channel.order_prefix)
        .where(Channel.id.in_(wanted))
        .order_by(Channel.id)
    )
    for number, currency, prefix in channels.all():
        for draft in wanted[number]:
            draft.values.setdefault("currency", currency)
        unnumbered = [draft for draft in wanted[number] if draft.values.get("number") is None]
        if unnumbered:
            first = _draw(tx, number, len(unnumbered))
            for place, draft in enumerate(unnumbered):
                draft.values["number"] = f"{prefix}{first + place}"


def _draw(tx: sa.Connection, channel_id: int, count: int) -> int:
    """The first of ``count`` numbers of a channel's series. Drawn under a row lock: none is left out or given twice."""
    statement = (
        insert(OrderSeries)
        .values(channel_id=channel_id, next_number=FIRST_NUMBER + count)
        .on_conflict_do_update(
            index_elements=["channel_id"], set_={"next_number": OrderSeries.next_number + count}
        )
        .returning(OrderSeries.next_number)
    )
    return int(tx.execute(statement).scalar_one()) - count


def _add_up(draft: Draft) -> None:
    _sum_up(draft, "taxes", "amount", "tax_total")
    _sum_up(draft, "lines", "total", "subtotal")
    sums = {"subtotal", "shipping_total", "tax_total", "tax_included"} & draft.values.keys()
    if "total" not in draft.values and sums:
        tax = (
            Decimal(0) if draft.get("tax_included") in (None, True) else draft.get("tax_total") or Decimal(0)
        )
        parts = (draft.get("subtotal"), draft.get("shipping_total"))
        draft.values["total"] = sum((part or Decimal(0) for part in parts), tax)


def _sum_up(draft: Draft, collection: str, column: str, total: str) -> None:
    """A total that the input does not state is the sum of the rows that it gives."""
    if collection in draft.parts and total not in draft.values:
        amounts = [row.get(column) for row in draft.parts[collection] if not row.remove]
        if None not in amounts:
            draft.values[total] = sum(amounts, Decimal(0))


class OrderSeries(Base):
    """The next order number of a channel."""

    __tablename__ = "order_series"

    channel_id: Mapped[int] = sa.orm.mapped_column(
        sa.ForeignKey("channel.id", ondelete="CASCADE"), primary_key=True
    )
    next_number: Mapped[int]
