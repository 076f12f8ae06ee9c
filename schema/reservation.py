"""Reservations: who holds pieces that are promised."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from hub.reservation import Reservation as Table
from schema import rule
from schema.declare import column, noun, one
from schema.node import Sourced
from schema.scalar import Long

if TYPE_CHECKING:
    from schema.order import OrderLine
    from schema.stock import StockLevel


@noun(Table, "Pieces of a level that are promised to somebody.", rows=rule.staff_only, plural="reservations")
class Reservation(Sourced):
    """Pieces of a level that are promised to somebody."""

    level: StockLevel | None = one(
        "StockLevel", "The level; null for a token that does not see it.", via="stock_id", filter=True
    )
    quantity: Long = column("Pieces.", filter=True)
    order_line: OrderLine | None = one(
        "OrderLine",
        "The line of an order that holds them; null for other holders, and a token without orders:read.",
        via="order_line_id",
        requires="staff",
    )
    holder: str | None = column(
        "Who else holds them, as reservationCreate named it; stated: promised outside the hub. Null for orders and carts.",
        filter=True,
    )
    expires_at: datetime | None = column(
        "When they are free again; null: when they are shipped or released.", filter=True, sort=True
    )
