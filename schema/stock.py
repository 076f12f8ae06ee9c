"""Stock: how many of a variant lie at a location."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import strawberry

from hub import stock as tables
from schema import rule
from schema.declare import column, computed, connection, many, noun, one, scoped
from schema.node import Aggregate, Sourced
from schema.scalar import Long

if TYPE_CHECKING:
    from schema.connection import Connection
    from schema.location import Location
    from schema.reorder_proposal import ReorderProposal
    from schema.reservation import Reservation
    from schema.stock_movement import StockMovement
    from schema.variant import Variant


@strawberry.type(description="A paper or message of another system that stock stands on.")
class StockDocument:
    """A paper or message of another system that stock stands on."""

    system: str = strawberry.field(description="The other system's name.")
    id: str = strawberry.field(description="The document's number there.")
    line: str | None = strawberry.field(description="The line; null where the document has only one.")


def document(stored: dict[str, str] | None, _: Any) -> StockDocument | None:
    """The document of a level."""
    if stored is None:
        return None
    return StockDocument(system=stored["system"], id=stored["id"], line=stored.get("line"))


def available(on_hand: int, reserved: int, safety: int) -> int:
    """What can still be promised; the sum over a variant's locations is in ``hub.availability``."""
    return on_hand - reserved - safety


@noun(
    tables.StockIncoming, "A delivery that a level expects: what is still open of it.", rows=rule.staff_only
)
class StockDelivery(Sourced):
    """A delivery that a level expects."""

    reference: str = column("What it is known by: a purchase order and its line.", filter=True)
    quantity: Long = column("Pieces that are still to come.")
    expected_at: datetime | None = column("When; null where nobody said.", filter=True)


@noun(
    tables.Stock,
    "How many of a variant lie at a location.",
    rows=rule.of_listed_variants,
    single="stockLevel",
    plural="stockLevels",
)
class StockLevel(Aggregate):
    """How many of a variant lie at a location."""

    variant: Variant | None = one(
        "Variant", "The variant; null for a token that does not see it.", via="variant_id", filter=True
    )
    location: Location = one("Location", "The location.", via="location_id", filter=True)
    on_hand: Long = column(
        "Pieces that lie there: the sum of all movements. Below zero where more went out than was counted.",
        filter=True,
        sort=True,
    )
    reserved: Long = column("Pieces that are promised already: the sum of the reservations.", filter=True)
    safety: Long = column("Pieces that are never promised.", filter=True)
    available: Long = computed(
        "Pieces that can be promised: on hand less reserved less safety. Below zero where too many are promised.",
        available,
    )
    backorder: bool = column("Whether more may be promised than is available.", filter=True)
    reorder_point: Long | None = column(
        "At so many available and expected pieces, or fewer, more are to be ordered; null: never.",
        filter=True,
    )
    reorder_quantity: Long | None = column("How many are to be ordered then; null: what is missing.")
    document: StockDocument | None = scoped(
        "The last document that stated it; null where none did. Staff and apps only.",
        "document",
        document,
        requires="staff",
    )
    incoming: Long = column("Pieces that are expected: the sum of the deliveries.", filter=True)
    incoming_at: datetime | None = column(
        "When the next of them are expected; null where none are, or nobody said when.",
        filter=True,
        sort=True,
    )
    deliveries: list[StockDelivery] = many(
        "StockDelivery",
        "The deliveries that it expects. Empty for storefronts.",
        key="stock_id",
        order=("expected_at", "id"),
        filter=True,
    )
    reservations: list[Reservation] = many(
        "Reservation", "Who holds the reserved pieces. Empty for storefronts.", key="stock_id", filter=True
    )
    movements: Connection[StockMovement] = connection(
        "StockMovement", "What came and went. Empty for storefronts.", key="stock_id"
    )
    reorder_proposals: list[ReorderProposal] = many(
        "ReorderProposal",
        "Its proposals to order more, past ones too. Empty for storefronts.",
        key="stock_id",
    )
