"""Availability: what can be promised of a variant."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from hub import availability as tables
from schema.declare import column, noun
from schema.scalar import Long
from schema.sql import BIGINTS

if TYPE_CHECKING:
    from hub.viewer import Viewer
    from schema.context import Scope

FOUND = tables.by_variant(sa.literal([], BIGINTS)).subquery("availability")


@noun(
    FOUND, "What can be promised of a variant, in a channel or anywhere.", name="availability", scope="stock"
)
class Availability:
    """What can be promised of a variant."""

    available: Long = column(
        "Pieces that can be promised now: on hand less reserved less safety, of each location where that is above zero."
    )
    in_stock: bool = column("Whether one can be promised now: available, or by backorder.")
    backorder: bool = column("Whether more than is available can be promised, without limit.")
    incoming: Long = column("Pieces that are expected.")
    incoming_at: datetime | None = column(
        "When the next of them are expected; null where none are, or nobody said when."
    )


def found(viewer: Viewer, scope: Scope) -> sa.Select[Any] | None:
    """The availability of each of ``:keys`` in the channel of the query; null for a viewer who may not see stock."""
    if not viewer.may("stock", "read"):
        return None
    channel = scope.channel.id if scope.channel else None
    chosen = tables.by_variant(sa.bindparam("keys", type_=BIGINTS), channel).subquery("availability")
    return sa.select(chosen, chosen.c.variant_id.label("key"))
