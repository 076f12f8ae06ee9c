"""The journal of stock."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING

import strawberry

from hub.stock_movement import StockMovement as Table
from schema import rule
from schema.declare import column, noun, one
from schema.node import Node
from schema.scalar import Long

if TYPE_CHECKING:
    from schema.stock import StockLevel


@strawberry.enum(description="Why pieces came or went.")
class StockMovementKind(Enum):
    """Why pieces came or went."""

    RECEIVED = strawberry.enum_value("received", description="They were delivered.")
    SHIPPED = strawberry.enum_value("shipped", description="They were sent to a customer.")
    RETURNED = strawberry.enum_value("returned", description="A customer sent them back.")
    COUNTED = strawberry.enum_value("counted", description="Somebody counted, and stated the level.")
    CORRECTED = strawberry.enum_value("corrected", description="Somebody put the level right.")
    MOVED = strawberry.enum_value("moved", description="They went to another location, or came from one.")
    SCRAPPED = strawberry.enum_value("scrapped", description="They were lost or thrown away.")


@noun(
    Table.__table__,
    "Pieces that came to a level or left it. It is never changed.",
    scope="stock",
    rows=rule.staff_only,
    plural="stockMovements",
)
class StockMovement(Node):
    """Pieces that came to a level or left it."""

    level: StockLevel | None = one(
        "StockLevel", "The level; null for a token that does not see it.", via="stock_id", filter=True
    )
    quantity: Long = column("Pieces: above zero they came, below zero they went.", filter=True)
    kind: StockMovementKind = column("Why.", filter=True)
    level_after: Long | None = column("The level right after it; null only while it is written.")
    document_system: str | None = column(
        "The system of the document that it stands on; null without one.", filter=True
    )
    document_id: str | None = column("That document's number; null without one.", filter=True)
    document_line: str = column("That document's line; empty where it has only one.", filter=True)
    delivery: str | None = column(
        "The expected delivery that was received; null for everything else.", filter=True
    )
    reason: str | None = column("What was said of it; null where nothing was.")
    actor: str = column("Who wrote it, for example token:7.", filter=True)
    source: str = column("The system that it comes from.", filter=True)
    at: datetime = column("When.", filter=True, sort=True)
