"""Returns: what of an order came back, and why."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING

import strawberry

from hub import order_return as tables
from schema import rule
from schema.declare import column, many, noun, one
from schema.node import Sourced
from schema.scalar import Long

if TYPE_CHECKING:
    from schema.attribute import Attribute
    from schema.location import Location


@strawberry.enum(description="Why something came back, or money was paid back.")
class ReturnReason(Enum):
    """Why something came back."""

    CHANGED_MIND = "changed_mind"
    DAMAGED = "damaged"
    DEFECTIVE = "defective"
    DATA_WRONG = strawberry.enum_value("data_wrong", description="What was said of the product was wrong.")
    WRONG_ITEM = "wrong_item"
    LATE = "late"
    NOT_DELIVERED = "not_delivered"
    OTHER = "other"


@noun(tables.OrderReturnLine, "How many pieces of one line of the order came back.", rows=rule.of_own_orders)
class OrderReturnLine(Sourced):
    """How many pieces of one line of the order came back."""

    line: Long = column("The position of the order's line.")
    quantity: Long = column("How many pieces.")
    reason: ReturnReason = column("Why.", filter=True)
    attribute: Attribute | None = one(
        "Attribute",
        "With DATA_WRONG the attribute that told something wrong; null otherwise.",
        via="attribute_id",
    )
    note: str | None = column("What was said of it; null without a word. Personal.", requires="personal")
    restock: bool = column("Whether the pieces go back to the stock.")


@noun(tables.OrderReturn, "Pieces of an order that came back together.", rows=rule.of_own_orders)
class OrderReturn(Sourced):
    """Pieces of an order that came back together."""

    number: str = column(
        "Tells it from the order's others: R1, R2, or what another system calls it.", filter=True
    )
    location: Location | None = one(
        "Location",
        "Where it is restocked; null where it is only noted, or this token does not see it.",
        via="location_id",
    )
    returned_at: datetime | None = column("When it came back; null where unknown.")
    lines: list[OrderReturnLine] = many(
        "OrderReturnLine", "What came back.", key="order_return_id", order=("line", "id"), filter=True
    )
