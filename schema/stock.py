"""Stock: how many of a variant lie at a location."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hub.stock import Stock as Table
from schema import rule
from schema.declare import column, computed, noun, one
from schema.node import Aggregate
from schema.scalar import Long

if TYPE_CHECKING:
    from schema.location import Location
    from schema.variant import Variant


def available(on_hand: int, reserved: int) -> int:
    """What can still be promised."""
    return on_hand - reserved


@noun(
    Table,
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
        "Pieces that lie there; below zero where more went out than was counted.", filter=True, sort=True
    )
    reserved: Long = column("Pieces that are promised already.", filter=True)
    available: Long = computed("Pieces on hand less those reserved.", available)
