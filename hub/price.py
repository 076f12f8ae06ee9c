"""Prices, and the one way to look one up."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ExcludeConstraint, distinct_on
from sqlalchemy.orm import Mapped

from hub import value
from hub.channel import ChannelPriceList
from hub.db import Base, Id, written
from hub.errors import Invalid
from hub.price_list import PriceList
from hub.provenance import Sourced
from hub.registry import Event, Kept, KeptModel

if TYPE_CHECKING:
    from hub.draft import Draft


class Price(KeptModel, Sourced, Base):
    """What a variant costs in a price list: from a quantity on, within a window, for everyone or for one company.

    A price without a start is the base price, with its quantities; one with a window replaces it while it holds.
    ``amount`` and ``compare_at`` are in the currency of the list, per piece.
    """

    __tablename__ = "price"
    __kept__: ClassVar[Kept] = Kept(
        "product",
        scope="catalogue",
        root="product_id",
        parent="variant_id",
        collection="prices",
        match=("price_list", "company", "min_quantity", "starts_at"),
        whole=False,
        derived=("open",),
        hidden=("turns_at",),
        within="price_list_id",
        owner="erp",
        events=(
            Event(
                "'price.changed'", says="A price was set, changed or removed, or its window opened or closed."
            ),
        ),
    )
    __table_args__ = (
        sa.CheckConstraint("starts_at < ends_at", name="window"),
        sa.CheckConstraint("starts_at IS NOT NULL OR ends_at IS NULL", name="start"),
        # Most prices have no window: a plain index keeps those apart at a tenth of the cost of an exclusion.
        sa.Index(
            "uq_price_base",
            "variant_id",
            "price_list_id",
            "company_id",
            "min_quantity",
            unique=True,
            postgresql_nulls_not_distinct=True,
            postgresql_where=sa.text("starts_at IS NULL"),
        ),
        # A range of one number stands for equality: the embedded PostgreSQL has no btree_gist.
        ExcludeConstraint(
            (sa.text("int8range(variant_id, variant_id, '[]')"), "&&"),
            (sa.text("int8range(price_list_id, price_list_id, '[]')"), "&&"),
            (sa.text("int8range(coalesce(company_id, 0), coalesce(company_id, 0), '[]')"), "&&"),
            (sa.text("int8range(min_quantity, min_quantity, '[]')"), "&&"),
            (sa.text("tstzrange(starts_at, ends_at)"), "&&"),
            name="ex_price_window",
            where=sa.text("starts_at IS NOT NULL"),
        ),
        sa.Index(None, "variant_id"),
        sa.CheckConstraint("amount >= 0 AND compare_at >= 0", name="amount"),
        sa.CheckConstraint("min_quantity >= 1", name="min_quantity"),
        sa.CheckConstraint(
            "scale(trim_scale(amount)) <= currency_digits(currency)"
            " AND (compare_at IS NULL OR scale(trim_scale(compare_at)) <= currency_digits(currency))",
            name="decimals",
        ),
        sa.ForeignKeyConstraint(
            ["variant_id", "product_id"], ["variant.id", "variant.product_id"], ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["price_list_id", "currency"], ["price_list.id", "price_list.currency"]),
        sa.Index("ix_price_turns_at", "turns_at", postgresql_where=sa.text("turns_at IS NOT NULL")),
    )

    id: Mapped[Id]
    product_id: Mapped[int] = sa.orm.mapped_column(index=True)
    variant_id: Mapped[int]
    price_list_id: Mapped[int] = written(refers="price_list", name="price_list", required=True, index=True)
    company_id: Mapped[int | None] = written(
        sa.ForeignKey("company.id", ondelete="CASCADE"), refers="company", name="company", index=True
    )
    min_quantity: Mapped[int] = written(server_default="1", kind="count")
    starts_at: Mapped[datetime | None] = written(sa.DateTime(timezone=True), kind="moment")
    ends_at: Mapped[datetime | None] = written(sa.DateTime(timezone=True), kind="moment")
    amount: Mapped[Decimal] = written(sa.Numeric, required=True, kind="amount")
    currency: Mapped[str] = written(required=True, kind="currency")
    compare_at: Mapped[Decimal | None] = written(sa.Numeric, kind="amount")
    tax_included: Mapped[bool] = written(server_default="true")
    open: Mapped[bool] = sa.orm.mapped_column(server_default="false")
    turns_at: Mapped[datetime | None] = sa.orm.mapped_column(sa.DateTime(timezone=True))

    @classmethod
    def complete(cls, tx: sa.Connection, drafts: Sequence[Draft]) -> None:
        """A price that names no currency has its list's. An amount that the database will refuse is named here."""
        _take_currencies(
            tx, [draft for draft in drafts if draft.current is None and "currency" not in draft.values]
        )
        for draft in drafts:
            for name in ("amount", "compare_at"):
                _check_decimals(draft, name)


def _take_currencies(tx: sa.Connection, drafts: Sequence[Draft]) -> None:
    numbers = {draft.values.get("price_list_id") for draft in drafts} - {None}
    if not numbers:
        return
    found = tx.execute(sa.select(PriceList.id, PriceList.currency).where(PriceList.id.in_(numbers)))
    currencies = dict(found.all())
    for draft in drafts:
        if draft.values.get("price_list_id") in currencies:
            draft.values["currency"] = currencies[draft.values["price_list_id"]]


def _check_decimals(draft: Draft, name: str) -> None:
    amount, currency = draft.values.get(name), draft.get("currency")
    if amount is not None and currency is not None:
        try:
            value.fitting(amount, currency)
        except Invalid as wrong:
            draft.refuse(wrong, name)


def lookup(
    channel_id: Any,
    variant_ids: Any,
    *,
    company_id: Any = None,
    quantity: Any = 1,
    moment: Any = None,
) -> sa.Select[Any]:
    """The price that each variant has in a channel, for a company, a quantity and a moment (null: now).

    At most one row per variant. Of the prices that hold, the company's own comes before everyone's, then the price
    list that stands first in the channel, then one with a window before the base price, then the largest quantity
    reached. A variant without a price has no row.
    """
    at = sa.func.now() if moment is None else moment
    holds = sa.and_(
        Price.variant_id == sa.any_(variant_ids),
        ChannelPriceList.channel_id == channel_id,
        sa.or_(Price.company_id.is_(None), Price.company_id == company_id),
        Price.min_quantity <= quantity,
        sa.or_(Price.starts_at.is_(None), Price.starts_at <= at),
        sa.or_(Price.ends_at.is_(None), Price.ends_at > at),
    )
    columns = [
        Price.id.label("price_id"),
        *(column for column in Price.__table__.columns if column.name != "id"),
    ]
    return (
        sa.select(*columns)
        .ext(distinct_on(Price.variant_id))
        .join(ChannelPriceList, ChannelPriceList.price_list_id == Price.price_list_id)
        .where(holds)
        .order_by(
            Price.variant_id,
            Price.company_id.is_(None),
            ChannelPriceList.position,
            Price.starts_at.is_(None),
            Price.min_quantity.desc(),
            Price.id,
        )
    )
