"""Orders: what was bought, as it was and cost at that moment."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, ClassVar

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import distinct_on, insert
from sqlalchemy.orm import Mapped

from hub.channel import Channel, ChannelLocale
from hub.db import Base, Id, Json, belongs, written
from hub.locale import Locale
from hub.product import Product, Variant
from hub.provenance import Sourced
from hub.registry import Event, Kept, KeptModel

if TYPE_CHECKING:
    from hub.draft import Draft

FIRST_NUMBER = 1001
STATUSES = ("draft", "placed", "confirmed", "partly_fulfilled", "fulfilled", "cancelled", "closed")


class Order(KeptModel, Sourced, Base):
    """A sale. Amounts are in ``currency``; the database checks that they add up with the lines."""

    __tablename__ = "order"
    __deferred__: ClassVar[tuple[str, ...]] = ("order_sums", "order_line_sums")
    __kept__: ClassVar[Kept] = Kept(
        "order",
        scope="orders",
        key="number",
        personal=frozenset({"email", "billing_address", "shipping_address"}),
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
    if "lines" in draft.parts and "subtotal" not in draft.values:
        totals = [line.get("total") for line in draft.parts["lines"] if not line.remove]
        if None not in totals:
            draft.values["subtotal"] = sum(totals, Decimal(0))
    sums = {"subtotal", "shipping_total", "tax_total", "tax_included"} & draft.values.keys()
    if "total" not in draft.values and sums:
        tax = (
            Decimal(0) if draft.get("tax_included") in (None, True) else draft.get("tax_total") or Decimal(0)
        )
        parts = (draft.get("subtotal"), draft.get("shipping_total"))
        draft.values["total"] = sum((part or Decimal(0) for part in parts), tax)


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
    def complete(cls, tx: sa.Connection, drafts: Sequence[Draft]) -> None:
        """Fill in what follows: the line's total from its parts, name and SKU from the variant as it is now."""
        _name_lines(
            tx, [draft for draft in drafts if draft.current is None and draft.values.get("variant_id")]
        )
        for draft in drafts:
            parts = [draft.get("quantity"), draft.get("unit_price")]
            if "total" not in draft.values and None not in parts:
                draft.values["total"] = parts[0] * parts[1] - (draft.get("discount") or Decimal(0))


def _name_lines(tx: sa.Connection, drafts: Sequence[Draft]) -> None:
    """A line that names no text or SKU takes them from its variant, in the first locale of the order's channel."""
    unnamed = [draft for draft in drafts if not {"name", "sku"} <= draft.values.keys()]
    if not unnamed:
        return
    numbers = sa.cast([draft.values["variant_id"] for draft in unnamed], sa.ARRAY(sa.BigInteger))
    variants = tx.execute(
        sa.select(Variant.id, Variant.sku, Product.name)
        .join(Product, Product.id == Variant.product_id)
        .where(Variant.id == sa.any_(numbers))
    )
    known = {number: (sku, name) for number, sku, name in variants}
    first = _first_locales(tx, [draft.root.get("channel_id") for draft in unnamed])
    for draft in unnamed:
        sku, name = known[draft.values["variant_id"]]
        locale = first.get(draft.root.get("channel_id"), "")
        draft.values.setdefault("sku", sku)
        draft.values.setdefault("name", name.get(locale) or next(iter(name.values()), sku))


def _first_locales(tx: sa.Connection, channels: Sequence[int | None]) -> dict[int, str]:
    statement = (
        sa.select(ChannelLocale.channel_id, Locale.code)
        .ext(distinct_on(ChannelLocale.channel_id))
        .join(Locale, Locale.id == ChannelLocale.locale_id)
        .where(ChannelLocale.channel_id.in_(set(channels) - {None}))
        .order_by(ChannelLocale.channel_id, ChannelLocale.position)
    )
    return dict(tx.execute(statement).all())


class OrderSeries(Base):
    """The next order number of a channel."""

    __tablename__ = "order_series"

    channel_id: Mapped[int] = sa.orm.mapped_column(
        sa.ForeignKey("channel.id", ondelete="CASCADE"), primary_key=True
    )
    next_number: Mapped[int]
