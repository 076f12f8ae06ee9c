"""The timeline of orders."""

from __future__ import annotations

from datetime import datetime
from enum import Enum

import strawberry

from hub import order_event as tables
from schema import rule
from schema.declare import column, noun
from schema.node import Node


@strawberry.enum(description="What an entry of an order's timeline is about.")
class OrderEventKind(Enum):
    """What an entry of an order's timeline is about."""

    STATUS = "status"
    PAYMENT = "payment"
    FULFILMENT = "fulfilment"
    DELIVERY = "delivery"
    RETURN = "return"
    REFUND = "refund"
    EDIT = "edit"
    NOTE = "note"


@noun(
    tables.OrderEvent.__table__,
    "Something that happened to an order.",
    scope="orders",
    rows=rule.of_own_orders,
)
class OrderEvent(Node):
    """Something that happened to an order."""

    kind: OrderEventKind = column("What it is about.", filter=True)
    code: str = column(
        "What became of it: the order's status, a payment's state, a parcel's status.", filter=True
    )
    subject: str | None = column("The number or reference of what it is about; null for the order itself.")
    actor: str | None = column("Who did it, for example token:7. Staff and apps only.", requires="staff")
    source: str | None = column("The system that it came from. Staff and apps only.", requires="staff")
    at: datetime = column("When it was written.", filter=True, sort=True)
