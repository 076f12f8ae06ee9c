"""Edits of placed orders."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Any

import strawberry

from hub import order_edit as tables
from hub.db import Json
from schema import rule
from schema.declare import column, noun, scoped
from schema.node import Sourced
from schema.scalar import Long


@strawberry.enum(description="What became of an edit.")
class OrderEditStatus(Enum):
    """What became of an edit."""

    STAGED = strawberry.enum_value("staged", description="It is shown, and nothing has changed yet.")
    APPLIED = "applied"
    DISCARDED = "discarded"


@strawberry.type(description="A line of an order before or after an edit.")
class EditedLine:
    """A line of an order before or after an edit."""

    sku: str | None = strawberry.field(description="Its SKU; null without one.")
    name: str = strawberry.field(description="Its name.")
    quantity: Long = strawberry.field(description="How many pieces.")
    unit_price: Decimal = strawberry.field(description="For one piece, in the order's currency.")
    discount: Decimal = strawberry.field(description="Taken off the line, in the order's currency.")
    total: Decimal = strawberry.field(description="Quantity × unit price − discount.")


@strawberry.type(description="What an edit does to one line.")
class OrderEditLine:
    """What an edit does to one line."""

    position: Long = strawberry.field(description="The line's place in the order.")
    before: EditedLine | None = strawberry.field(description="What it was; null for a new line.")
    after: EditedLine | None = strawberry.field(description="What it becomes; null where it goes.")


def edited(stored: Sequence[Json], _: Any) -> list[OrderEditLine]:
    """The lines that an edit changes, by position."""
    return [
        OrderEditLine(position=line["position"], before=_side(line["before"]), after=_side(line["after"]))
        for line in stored
    ]


def _side(line: Json | None) -> EditedLine | None:
    if line is None:
        return None
    amounts = {name: Decimal(line[name]) for name in ("unit_price", "discount", "total")}
    return EditedLine(sku=line["sku"], name=line["name"], quantity=line["quantity"], **amounts)


@noun(tables.OrderEdit, "A change of an order after it was placed.", rows=rule.of_own_orders)
class OrderEdit(Sourced):
    """A change of an order after it was placed."""

    status: OrderEditStatus = column("What became of it.", filter=True)
    reason: str | None = column("Why; null where nobody said. Personal.", requires="personal")
    pieces: Long = column("How many pieces the order has more by it; negative for fewer.")
    amount: Decimal = column("By how much its total grows, in the order's currency; negative for less.")
    lines: list[OrderEditLine] = scoped("The lines that it changes, by position.", "lines", edited)
    staged_at: datetime = column("When it was staged.")
    ended_at: datetime | None = column("When it was applied or discarded; null while it is staged.")
