"""Fulfilments: what of an order was sent, from where, and how far it has come."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING

import strawberry

from hub import fulfilment as tables
from schema import rule
from schema.declare import column, many, noun, one
from schema.node import Sourced
from schema.scalar import Long

if TYPE_CHECKING:
    from schema.location import Location


@strawberry.enum(description="How far a fulfilment is.")
class FulfilmentStatus(Enum):
    """How far a fulfilment is."""

    SHIPPED = "shipped"
    DELIVERED = "delivered"
    LOST = "lost"


@noun(tables.FulfilmentLine, "How many pieces of one line of the order were sent.", rows=rule.of_own_orders)
class FulfilmentLine(Sourced):
    """How many pieces of one line of the order were sent."""

    line: Long = column("The position of the order's line.")
    quantity: Long = column("How many pieces.")


@noun(tables.FulfilmentEvent, "What a carrier told of a fulfilment.", rows=rule.of_own_orders)
class FulfilmentEvent(Sourced):
    """What a carrier told of a fulfilment."""

    at: datetime = column("When it happened.")
    code: str = column("What happened, in the carrier's words for programs: in_transit, delivered.")
    text: str | None = column("What happened, for people; null where the carrier said nothing.")
    site: str | None = column("Where; null where unknown.")


@noun(
    tables.Fulfilment,
    "Pieces of an order that were sent together.",
    rows=rule.of_own_orders,
)
class Fulfilment(Sourced):
    """Pieces of an order that were sent together."""

    number: str = column(
        "Tells it from the order's others: F1, F2, or what the sending system calls it.", filter=True
    )
    location: Location | None = one(
        "Location",
        "Where its pieces left the stock; null where it is only noted, or this token does not see it.",
        via="location_id",
    )
    status: FulfilmentStatus = column("How far it is.", filter=True)
    carrier: str | None = column("Who carries it; null where unknown.")
    tracking_number: str | None = column("The carrier's number; null where unknown.", filter=True)
    tracking_url: str | None = column("Where it can be followed; null where unknown.")
    shipped_at: datetime | None = column("When it was sent; null where unknown.")
    lines: list[FulfilmentLine] = many(
        "FulfilmentLine", "What is in it.", key="fulfilment_id", order=("line", "id")
    )
    events: list[FulfilmentEvent] = many(
        "FulfilmentEvent", "What the carrier told, oldest first.", key="fulfilment_id", order=("at", "id")
    )
