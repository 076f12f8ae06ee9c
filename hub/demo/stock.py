"""The rows of stock: what lies where."""

from __future__ import annotations

from hub.db import Json
from hub.demo import chance
from hub.demo.frame import LOCATIONS
from hub.demo.item import Item

REORDERED: Json = {"reorder_point": 5, "reorder_quantity": 60}
"""Of some variants the first warehouse orders more by itself."""


def rows(product: int) -> list[Json]:
    """The levels of all variants of a product at all places. Some are sold out, a few everywhere."""
    return [
        _level(choice.sku, place, gone=chance.happens(chance.of("gone", choice.sku), 0.04))
        for choice in Item(product).choices
        for place in LOCATIONS
    ]


def _level(sku: str, place: str, *, gone: bool) -> Json:
    draw = chance.of("stock", sku, place)
    on_hand = 0 if gone or chance.happens(draw, 0.15) else draw.randint(1, 120)
    return {
        "variant": {"key": sku},
        "location": {"key": place},
        "on_hand": on_hand,
        "reserved": min(on_hand, draw.choice((0, 0, 0, 1, 2, 4))),
        **(REORDERED if place == LOCATIONS[0] and chance.happens(draw, 0.1) else {}),
    }
