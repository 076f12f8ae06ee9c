"""``salesReport``: what was sold, by time, channel, product, category or company."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

import strawberry
from strawberry.types import Info

from hub import sales, value
from hub.errors import Forbidden, Invalid, Limit
from hub.sales import Asked, By, Interval
from schema import rule
from schema.category import Category
from schema.channel import Channel
from schema.company import Company
from schema.context import Context
from schema.declare import NOUNS
from schema.input import local_id
from schema.loader import by_id
from schema.product import Product
from schema.scalar import Long

if TYPE_CHECKING:
    from schema.context import Scope

MOST = 1_000
"""Rows of a report."""

strawberry.enum(
    By,
    name="SalesDimension",
    description="What sales are told apart by. A product in several categories counts in each of them.",
)
strawberry.enum(
    Interval, name="SalesInterval", description="How long a period is. Weeks begin on Mondays (ISO 8601)."
)


@strawberry.type(description="Sales of one period, channel, product, category or company, in one currency.")
class SalesReportRow:
    """Sales of one group, in one currency."""

    start: datetime | None = strawberry.field(
        description="When its period begins, in UTC; null unless sales are told apart by time."
    )
    channel: Channel | None = strawberry.field(
        description="Its channel; null unless sales are told apart by channel."
    )
    product: Product | None = strawberry.field(
        description="Its product; null unless sales are told apart by product, and for lines without one of the hub."
    )
    category: Category | None = strawberry.field(
        description="Its category; null unless sales are told apart by category, and for products without one."
    )
    company: Company | None = strawberry.field(
        description="Its company; null unless sales are told apart by company, and for orders without one."
    )
    currency: str = strawberry.field(
        description="ISO 4217 code of its amounts: currencies are never added up."
    )
    orders: Long = strawberry.field(description="Orders that were placed in it and not cancelled.")
    units: Long = strawberry.field(description="Pieces that were ordered, without cancelled ones.")
    gross: Decimal = strawberry.field(
        description="Their lines' totals, after discounts; with the tax where the order's prices include it. Without shipping."
    )
    returned_units: Long = strawberry.field(
        description="Pieces that came back in it, whenever they were ordered."
    )
    returned: Decimal = strawberry.field(description="What those had cost.")
    net: Decimal = strawberry.field(description="Gross less returned.")
    average_order_value: Decimal | None = strawberry.field(
        description="Gross by orders, rounded half up to the currency's decimals; null without orders."
    )
    customers: Long = strawberry.field(description="Customers who ordered in it. Guests are not counted.")
    new_customers: Long = strawberry.field(
        description="Those of them whose first order in the report's channels is in it."
    )
    returning_customers: Long = strawberry.field(description="Those of them who had ordered before.")
    repurchase_rate: float | None = strawberry.field(
        description="Of those customers, the part that ordered more than once in it, 0 to 1; null without customers."
    )


async def sales_report(  # noqa: PLR0913, PLR0917 - each is an argument of the field
    info: Info,
    since: Annotated[datetime, strawberry.argument(description="From when on orders and returns count.")],
    until: Annotated[
        datetime | None, strawberry.argument(description="Up to but without this moment; null: now.")
    ] = None,
    by: Annotated[
        list[By], strawberry.argument(description="What to tell apart; nothing: one row for each currency.")
    ] = [],  # noqa: B006 - it stands in the schema as an empty list, and is never changed
    interval: Annotated[
        Interval, strawberry.argument(description="How long a period is, where told apart by time.")
    ] = Interval.MONTH,
    time_zone: Annotated[
        str,
        strawberry.argument(description="IANA name of the time zone in which days and longer periods begin."),
    ] = "UTC",
    channels: Annotated[
        list[str] | None,
        strawberry.argument(description="Only sales in channels with these codes; null: all."),
    ] = None,
    products: Annotated[
        list[strawberry.ID] | None,
        strawberry.argument(description="Only sales of these products; null: all."),
    ] = None,
    categories: Annotated[
        list[strawberry.ID] | None,
        strawberry.argument(
            description="Only sales of products in these categories or below them; null: all."
        ),
    ] = None,
    as_of: Annotated[
        datetime | None,
        strawberry.argument(
            description="As it was known then: without later orders, returns and cancellations; null: now."
        ),
    ] = None,
    locale: Annotated[
        str | None,
        strawberry.argument(description="BCP 47 tag of the locale of names; null: the token's own."),
    ] = None,
) -> list[SalesReportRow]:
    """What was sold. Raises ``Forbidden``, ``NotFound``, ``Invalid`` or ``Limit``."""
    context: Context = info.context
    _require(context, by)
    scope = await context.scope(None, locale)
    asked = Asked(
        *_period(since, until),
        by=tuple(dict.fromkeys(by)),
        interval=interval,
        zone=sales.zone(time_zone).key,
        channels=await _channels(context, channels),
        products=_ids(products, "product", "products"),
        categories=_ids(categories, "category", "categories"),
        as_of=None if as_of is None else value.moment(as_of),
    )
    rows = await context.database.rows(sales.statement(asked.by), asked.values() | {"most": MOST + 1})
    if len(rows) > MOST:
        raise Limit(
            f"The report has more than {MOST} rows: ask for a shorter time, fewer products or a longer interval."
        )
    return await _shown(context, scope, asked.by, rows)


FIELD = strawberry.field(
    resolver=sales_report,
    description="What was sold and came back, worked out anew from orders and returns. For staff and apps with orders:read.",
)
"""The root field, which the query takes in."""

NODES = {By.CHANNEL: "Channel", By.PRODUCT: "Product", By.CATEGORY: "Category", By.COMPANY: "Company"}


def _require(context: Context, by: Sequence[By]) -> None:
    """Raises ``Forbidden`` for those who see their own orders only, and for nouns that the token does not read."""
    context.viewer.require("orders", "read")
    if not context.viewer.sees_unlisted:
        raise Forbidden("Sales of all customers are for staff and apps: ask with a token of theirs.")
    for each in by:
        if each in NODES:
            rule.opened(context.viewer, NOUNS[NODES[each]])


def _period(since: datetime, until: datetime | None) -> tuple[datetime, datetime]:
    start = value.moment(since)
    end = datetime.now(UTC) + timedelta(seconds=1) if until is None else value.moment(until)
    if start >= end:
        ends = "now" if until is None else f"at {end.isoformat()}"
        raise Invalid(
            f"The report ends {ends}, before it begins at {start.isoformat()}: give a later end.", ("until",)
        )
    return start, end


def _ids(given: Sequence[str] | None, noun: str, name: str) -> list[int] | None:
    return None if given is None else [local_id(each, noun, (name, at)) for at, each in enumerate(given)]


async def _channels(context: Context, codes: Sequence[str] | None) -> list[int] | None:
    """The channels that are asked for, as far as the token reaches. Raises ``NotFound`` for one that it does not."""
    if codes is None:
        reach = context.viewer.channel_ids
        return None if reach is None else sorted(reach)
    scopes = [await context.scope(code) for code in codes]
    return [scope.channel.id for scope in scopes if scope.channel is not None]


async def _shown(
    context: Context, scope: Scope, by: Sequence[By], rows: Sequence[Any]
) -> list[SalesReportRow]:
    named = {
        each.value: await by_id(context, NOUNS[NODES[each]], scope).load_many(
            [row[f"{each}_id"] for row in rows if row[f"{each}_id"] is not None]
        )
        for each in by
        if each in NODES
    }
    waiting = {name: iter(nodes) for name, nodes in named.items()}
    return [_row(row, waiting) for row in rows]


def _row(row: Any, waiting: dict[str, Any]) -> SalesReportRow:
    nodes = {
        each.value: next(waiting[each.value])
        if each.value in waiting and row[f"{each}_id"] is not None
        else None
        for each in NODES
    }
    orders, gross, customers = row["orders"], row["gross"], row["customers"]
    return SalesReportRow(
        start=row.get("start"),
        **nodes,
        currency=row["currency"],
        orders=orders,
        units=row["units"],
        gross=gross,
        returned_units=row["returned_units"],
        returned=row["returned"],
        net=gross - row["returned"],
        average_order_value=sales.average(gross, orders, row["currency"]),
        customers=customers,
        new_customers=row["new_customers"],
        returning_customers=customers - row["new_customers"],
        repurchase_rate=row["repeat_customers"] / customers if customers else None,
    )
