"""A cart becomes an order, once."""

from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa

from hub import order_place
from hub.cart import Cart, CartLine
from hub.db import Json
from hub.errors import HubError, Required
from hub.order import Order
from hub.save import Result


def check_out(tx: sa.Connection, number: int, given: Json) -> Result:
    """Place the order of a cart, at the prices of this moment; again, it is the order that was made the first time.

    ``given``: what else the order holds: e-mail, addresses, shipping, payments. The cart's row is locked, so that of two
    at once the second one finds the order of the first; the database keeps one order for each cart besides.
    """
    cart = tx.execute(
        sa.select(Cart.channel_id, Cart.customer_id, Cart.company_id)
        .where(Cart.id == number)
        .with_for_update()
    ).one()
    made = tx.scalar(sa.select(Order.id).where(Order.cart_id == number))
    if made is not None:
        return Result(made, "unchanged")
    lines = _lines(tx, number)
    if not lines:
        return _refused(Required("The cart is empty: add lines to it first.", ("cart",)))
    row: Json = {**given, "channel": {"id": cart.channel_id}, "lines": lines, "placed_at": datetime.now(UTC)}
    row |= {
        name: {"id": found}
        for name, found in (("customer", cart.customer_id), ("company", cart.company_id))
        if found is not None
    }
    result = order_place.place(tx, row)
    if result.id is not None:
        tx.execute(sa.update(Order).where(Order.id == result.id).values(cart_id=number))
    return result


def _lines(tx: sa.Connection, number: int) -> list[Json]:
    rows = tx.execute(
        sa.select(CartLine.variant_id, CartLine.quantity)
        .where(CartLine.cart_id == number)
        .order_by(CartLine.position, CartLine.id)
    )
    return [{"variant": {"id": row.variant_id}, "quantity": row.quantity} for row in rows]


def _refused(error: HubError) -> Result:
    return Result(None, "refused", (error,))
