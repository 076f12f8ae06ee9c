"""Refunds: what was paid back of an order."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from hub import refund as tables
from schema import rule
from schema.declare import column, many, noun
from schema.node import Sourced
from schema.order_return import ReturnReason
from schema.scalar import Long


@noun(tables.RefundLine, "What of a refund is for one line of the order.", rows=rule.of_own_orders)
class RefundLine(Sourced):
    """What of a refund is for one line of the order."""

    line: Long = column("The position of the order's line.")
    amount: Decimal = column("In the order's currency.")


@noun(tables.Refund, "An amount that was paid back. The hub moves no money.", rows=rule.of_own_orders)
class Refund(Sourced):
    """An amount that was paid back."""

    number: str = column(
        "Tells it from the order's others: C1, C2, or what another system calls it.", filter=True
    )
    amount: Decimal = column("In the order's currency.")
    reason: ReturnReason = column("Why.", filter=True)
    reference: str | None = column("What whoever handles the payment calls it; null where unknown.")
    note: str | None = column("What was said of it; null without a word. Personal.", requires="personal")
    refunded_at: datetime | None = column("When it was paid back; null where unknown.")
    lines: list[RefundLine] = many(
        "RefundLine", "What of it is for single lines.", key="refund_id", order=("line", "id")
    )
