"""What an order's amounts are made of: discounts, taxes per rate, and the payments that are known of it."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import Enum

import strawberry

from hub import order_amount as tables
from schema import rule
from schema.declare import column, noun
from schema.node import Sourced
from schema.scalar import Long


@strawberry.enum(description="How far a payment is.")
class PaymentState(Enum):
    """How far a payment is."""

    AUTHORIZED = "authorized"
    CAPTURED = "captured"
    FAILED = "failed"
    VOIDED = "voided"


@noun(tables.OrderDiscount, "Something taken off an order.", rows=rule.of_own_orders)
class OrderDiscount(Sourced):
    """Something taken off an order."""

    position: Long = column("Its place among the order's discounts.")
    code: str | None = column("The voucher's code; null without one.", filter=True)
    name: str | None = column("What it is called; null without a name.")
    line: Long | None = column("The position of the line that it is for; null for all of them.")
    amount: Decimal = column("What it takes off, in the order's currency. It is within the lines' discounts.")


@noun(tables.OrderTax, "The tax of one rate in an order.", rows=rule.of_own_orders)
class OrderTax(Sourced):
    """The tax of one rate in an order."""

    position: Long = column("Its place among the order's taxes.")
    name: str | None = column("What it is called; null without a name.")
    rate: Decimal = column("As a fraction, 0.19 for 19 %.")
    base: Decimal | None = column("What it is on, without the tax; null where unknown.")
    amount: Decimal = column("The tax, in the order's currency.")


@noun(tables.OrderPayment, "A payment of an order. The hub moves no money.", rows=rule.of_own_orders)
class OrderPayment(Sourced):
    """A payment of an order."""

    reference: str = column("What whoever handles the payment calls it.", filter=True)
    method: str | None = column("How it is paid: card, invoice; null where unknown.", filter=True)
    amount: Decimal = column("In the order's currency.")
    state: PaymentState = column("How far it is.", filter=True)
    captured_at: datetime | None = column("When the money was taken; null where it was not, or nobody said.")
