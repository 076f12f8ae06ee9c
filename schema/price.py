"""Prices, and the one that holds."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
import strawberry

from hub import price as tables
from hub.errors import Forbidden, Invalid
from schema import filter as filters
from schema import rule
from schema.declare import NOUNS, column, noun, one
from schema.node import Sourced
from schema.scalar import Long
from schema.spec import Argument
from schema.sql import BIGINTS

if TYPE_CHECKING:
    from hub.viewer import Viewer
    from schema.company import Company
    from schema.context import Scope
    from schema.price_list import PriceList
    from schema.variant import Variant


@noun(
    tables.Price,
    "What a variant costs in a price list, from a quantity on and within a window.",
    rows=rule.bound_prices,
)
class Price(Sourced):
    """What a variant costs in a price list, from a quantity on and within a window."""

    amount: Decimal = column("For one piece, in `currency`.", filter=True, sort=True)
    currency: str = column("ISO 4217 code, that of the price list.", filter=True)
    compare_at: Decimal | None = column(
        "What it is compared with (the price before, the maker's); null without one."
    )
    tax_included: bool = column("Whether the amount has the tax in it.")
    min_quantity: Long = column("The pieces from which on it holds.", filter=True)
    starts_at: datetime | None = column("From when on it holds; null: always did.", filter=True)
    ends_at: datetime | None = column("From when on it holds no more; null: no end.", filter=True)
    open: bool = column("Whether its window holds the present moment, as the hub last noted.", filter=True)
    price_list: PriceList | None = one(
        "PriceList",
        "The price list that it stands in; null where the token may not see it.",
        via="price_list_id",
        filter=True,
    )
    company: Company | None = one(
        "Company", "The company that it is for; null: for everyone.", via="company_id"
    )
    variant: Variant | None = one("Variant", "The variant that it is for.", via="variant_id", filter=True)


FOUND = tables.lookup(sa.null(), sa.literal([], BIGINTS)).subquery("price_found")


@noun(
    FOUND,
    "The price that holds for a variant, a channel, a company, a quantity and a moment.",
    name="price_found",
    scope="catalogue",
)
class PriceFound:
    """The price that holds."""

    amount: Decimal = column("For one piece, in `currency`.")
    currency: str = column("ISO 4217 code.")
    compare_at: Decimal | None = column(
        "What it is compared with (the price before, the maker's); null without one."
    )
    tax_included: bool = column("Whether the amount has the tax in it.")
    min_quantity: Long = column("The pieces from which on it holds.")
    starts_at: datetime | None = column("From when on it holds; null: always did.")
    ends_at: datetime | None = column("From when on it holds no more; null: no end.")


ARGUMENTS = {
    "quantity": Argument(type=int, description="How many pieces; more may cost less each.", default=1),
    "company": Argument(
        type=strawberry.ID | None,
        description="Id of the company whose prices count before everyone's; null: none, or the one of the token's customer.",
    ),
    "at": Argument(type=datetime | None, description="The moment; null: the asOf of the query, or now."),
}
"""The arguments of a price look-up."""


def found(
    viewer: Viewer, scope: Scope, *, quantity: int, company: str | None, at: datetime | None
) -> sa.Select[Any] | None:
    """The price of each of ``:keys``; null without a channel, where nothing has a price."""
    if quantity < 1:
        raise Invalid(f"quantity is {quantity}: give 1 or more.", ("quantity",))
    viewer.require_moment(at, ("at",))
    if scope.channel is None:
        return None
    looked = tables.lookup(
        scope.channel.id,
        sa.bindparam("keys", type_=BIGINTS),
        company_id=_company(viewer, scope, company),
        quantity=quantity,
        moment=at or scope.as_of,
    ).subquery("price_found")
    return sa.select(looked, looked.c.variant_id.label("key"))


def _company(viewer: Viewer, scope: Scope, company: str | None) -> int | None:
    if company is None:
        return scope.company_id
    wanted = filters.number_of(company, NOUNS["Company"])
    if not viewer.sees_unlisted and wanted != scope.company_id:
        raise Forbidden(f'Company "{company}" is not the one that this token buys for.', ("company",))
    return wanted
