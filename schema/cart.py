"""Carts: what somebody means to buy, until it is ordered or left behind."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, array

from hub import cart as tables
from hub import price
from hub.order import Order as OrderTable
from schema import rule
from schema.declare import column, found, looked, many, noun, one
from schema.node import Aggregate, Sourced
from schema.scalar import Long

if TYPE_CHECKING:
    from hub.viewer import Viewer
    from schema.channel import Channel
    from schema.company import Company
    from schema.context import Scope
    from schema.customer import Customer
    from schema.order import Order
    from schema.variant import Variant

KEYS = sa.bindparam("keys", type_=ARRAY(sa.BigInteger))


def prices(_: Viewer, scope: Scope) -> sa.Select[Any]:
    """What one piece of each cart line costs now, in the cart's channel, for its company and so many pieces."""
    line, cart = tables.CartLine.__table__.alias("line"), tables.Cart.__table__.alias("of_cart")
    held = price.lookup(
        cart.c.channel_id,
        array([line.c.variant_id]),
        company_id=cart.c.company_id,
        quantity=line.c.quantity,
        moment=scope.as_of,
    ).lateral("held")
    return (
        sa.select(line.c.id.label("key"), held.c.amount, held.c.currency)
        .select_from(line.join(cart, cart.c.id == line.c.cart_id).join(held, sa.true()))
        .where(line.c.id == sa.any_(KEYS))
    )


def orders(_: Viewer, __: Scope) -> sa.Select[Any]:
    """The order that each cart became."""
    order = OrderTable.__table__.alias("made")
    return sa.select(order, order.c.cart_id.label("key")).where(order.c.cart_id == sa.any_(KEYS))


@noun(tables.CartLine, "So many pieces of a variant in a cart.", rows=rule.of_own_carts)
class CartLine(Sourced):
    """So many pieces of a variant in a cart."""

    position: Long = column("Its place in the cart.")
    variant: Variant | None = one(
        "Variant", "What is to be bought; null where this token does not see it now.", via="variant_id"
    )
    quantity: Long = column("How many pieces.")
    unit_price: Decimal | None = found(
        "For one piece, at this moment, for so many of them; null without a price.",
        prices,
        value="amount",
        missing=None,
    )
    currency: str | None = found(
        "ISO 4217 code of that price; null without one.", prices, value="currency", missing=None
    )


@noun(
    tables.Cart,
    "What somebody means to buy.",
    rows=rule.own_orders,
    single="cart",
    plural="carts",
)
class Cart(Aggregate):
    """What somebody means to buy."""

    channel: Channel | None = one(
        "Channel",
        "Where it is to be bought; null for a token that does not see it.",
        via="channel_id",
        filter=True,
    )
    customer: Customer | None = one(
        "Customer", "Whose it is; null for a visitor.", via="customer_id", filter=True
    )
    company: Company | None = one(
        "Company", "The company that is bought for; null without one.", via="company_id", filter=True
    )
    note: str | None = column("A remark; null without one.")
    abandoned_at: datetime | None = column(
        "Since when it counts as left behind; null while it is alive, ordered or empty.",
        filter=True,
        sort=True,
    )
    lines: list[CartLine] = many(
        "CartLine", "What is in it.", key="cart_id", order=("position", "id"), filter=True
    )
    order: Order | None = looked("Order", "What it became; null until it is ordered.", orders)
