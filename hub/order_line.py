"""Lines of orders: what was bought, what it was called and cost when the order was placed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Mapped, mapped_column

from hub import money, price
from hub.channel import Channel, ChannelLocale
from hub.db import Base, Id, belongs, written
from hub.errors import Invalid, Required
from hub.locale import Locale
from hub.product import Product, Variant
from hub.provenance import Sourced
from hub.registry import Kept, KeptModel

if TYPE_CHECKING:
    from hub.draft import Draft


class OrderLine(KeptModel, Sourced, Base):
    """One line of an order: what it was called and cost when it was placed.

    ``variant`` is null for something that the hub never had. ``total`` is quantity × unit price − discount. Pieces are
    ``fulfilled`` by fulfilments, ``returned`` by returns, and ``cancelled`` when the order ends before they are sent.
    """

    __tablename__ = "order_line"
    __kept__: ClassVar[Kept] = Kept(
        "order",
        scope="orders",
        root="order_id",
        collection="lines",
        match=("position",),
        derived=("fulfilled", "returned", "cancelled"),
        owner="shop",
    )
    __table_args__ = (
        sa.UniqueConstraint("order_id", "position"),
        sa.CheckConstraint("quantity > 0", name="quantity"),
        sa.CheckConstraint("total = quantity * unit_price - discount", name="total"),
        sa.CheckConstraint(
            "fulfilled >= 0 AND cancelled >= 0 AND fulfilled + cancelled <= quantity", name="fulfilled"
        ),
        sa.CheckConstraint("returned >= 0 AND returned <= fulfilled", name="returned"),
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
    fulfilled: Mapped[int] = mapped_column(server_default="0")
    returned: Mapped[int] = mapped_column(server_default="0")
    cancelled: Mapped[int] = mapped_column(server_default="0")

    @classmethod
    def complete(cls, tx: sa.Connection, drafts: Sequence[Draft]) -> None:
        """Fill in what follows: name and SKU from the variant as it is now, its price, discounts, the total."""
        _take_currencies(tx, drafts)
        new = [draft for draft in drafts if draft.current is None and draft.values.get("variant_id")]
        _name_lines(tx, new)
        _price_lines(tx, [draft for draft in new if draft.values.get("unit_price") is None])
        _spread_discounts(drafts)
        for draft in drafts:
            if draft.current is None and draft.root.get("status") == "cancelled":
                draft.values["cancelled"] = draft.get("quantity")
            parts = [draft.get("quantity"), draft.get("unit_price")]
            if "total" not in draft.values and None not in parts:
                draft.values["total"] = parts[0] * parts[1] - (draft.get("discount") or Decimal(0))


def _take_currencies(tx: sa.Connection, drafts: Sequence[Draft]) -> None:
    """An order that names no currency has its channel's."""
    roots = {id(draft.root): draft.root for draft in drafts if draft.root.get("currency") is None}
    numbers = {root.get("channel_id") for root in roots.values()} - {None}
    if numbers:
        found = dict(tx.execute(sa.select(Channel.id, Channel.currency).where(Channel.id.in_(numbers))).all())
        for root in roots.values():
            if root.get("channel_id") in found:
                root.values["currency"] = found[root.get("channel_id")]


def _name_lines(tx: sa.Connection, drafts: Sequence[Draft]) -> None:
    """A line that names no text or SKU takes them from its variant, in the first locale of the order's channel."""
    unnamed = [draft for draft in drafts if not {"name", "sku"} <= draft.values.keys()]
    if not unnamed:
        return
    numbers = _numbers(draft.values["variant_id"] for draft in unnamed)
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


def _price_lines(tx: sa.Connection, drafts: Sequence[Draft]) -> None:
    """A line that names no price has the one that its variant has in the order's channel at that moment."""
    alike: dict[tuple[Any, ...], list[Draft]] = defaultdict(list)
    for draft in drafts:
        root, quantity = draft.root, draft.get("quantity")
        if quantity and root.get("channel_id"):
            held = (root.get("channel_id"), root.get("company_id"), quantity, root.get("placed_at"))
            alike[held].append(draft)
    for (channel_id, company_id, quantity, moment), same in alike.items():
        numbers = _numbers(draft.values["variant_id"] for draft in same)
        found = price.lookup(channel_id, numbers, company_id=company_id, quantity=quantity, moment=moment)
        held_by = {row.variant_id: row for row in tx.execute(found)}
        for draft in same:
            _take_price(draft, held_by.get(draft.values["variant_id"]))


def _take_price(draft: Draft, held: Any) -> None:
    currency = draft.root.get("currency")
    if held is None:
        sku, quantity = draft.values["sku"], draft.values["quantity"]
        said = f'Variant "{sku}" has no price for {quantity} pieces in the order\'s channel'
        draft.refuse(Required(f"{said}: give unitPrice, or set a price."), "unit_price")
    elif held.currency != currency:
        said = f'Variant "{draft.values["sku"]}" has its price in {held.currency}, and the order is in {currency}'
        draft.refuse(Invalid(f"{said}: give unitPrice, or order in {held.currency}."), "unit_price")
    else:
        draft.values["unit_price"] = held.amount
        draft.root.values.setdefault("tax_included", held.tax_included)


def _spread_discounts(drafts: Sequence[Draft]) -> None:
    """An order's discounts are taken off its lines where those do not say themselves what was taken off."""
    roots = {id(draft.root): draft.root for draft in drafts}
    for root in roots.values():
        lines = [line for line in root.parts.get("lines", ()) if not line.remove]
        given = [each for each in root.parts.get("discounts", ()) if not each.remove]
        stated = any("discount" in line.values for line in lines)
        priced = all(None not in (line.get("quantity"), line.get("unit_price")) for line in lines)
        if given and lines and priced and not stated and root.get("currency"):
            _spread(root, lines, given)


def _spread(root: Draft, lines: Sequence[Draft], discounts: Sequence[Draft]) -> None:
    """Each discount goes to the line that it names, or to all of them in proportion to what they cost."""
    taken = dict.fromkeys((line.get("position") or 0 for line in lines), Decimal(0))
    costs = {line.get("position") or 0: line.get("quantity") * line.get("unit_price") for line in lines}
    for discount in discounts:
        amount, named = discount.get("amount"), discount.get("line")
        if amount is None or (named is not None and named not in taken):
            continue
        places = [named] if named is not None else list(taken)
        shares = money.split(amount, [abs(costs[place]) for place in places], root.get("currency"))
        for place, share in zip(places, shares, strict=True):
            taken[place] += share
    for line in lines:
        line.values["discount"] = taken[line.get("position") or 0]


def _numbers(given: Iterable[int]) -> Any:
    return sa.cast(list(given), sa.ARRAY(sa.BigInteger))
