"""Listings: which product is on offer in which channel, from when until when."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from hub.listing import Listing as Table
from schema import rule
from schema.declare import column, noun, one
from schema.node import Sourced
from schema.spec import FilterSpec
from schema.sql import BIGINTS

if TYPE_CHECKING:
    from hub.viewer import Viewer
    from schema.channel import Channel
    from schema.context import Scope
    from schema.filter import Where
    from schema.product import Product
    from schema.sql import Frame


@noun(Table, "A window in which a product is on offer in a channel.", rows=rule.bound_listings)
class Listing(Sourced):
    """A window in which a product is on offer in a channel."""

    channel: Channel | None = one(
        "Channel", "The channel; null for a token that does not see it.", via="channel_id", filter=True
    )
    product: Product | None = one("Product", "The product.", via="product_id")
    starts_at: datetime | None = column("From when on it is on offer; null: always was.", filter=True)
    ends_at: datetime | None = column("From when on it is on offer no more; null: no end.", filter=True)
    open: bool = column("Whether the window holds the present moment, as the hub last noted.", filter=True)


def _listed(frame: Frame, value: bool, where: Where) -> sa.ColumnElement[bool]:
    if where.scope.channel is None:
        raise rule.no_channel("listed")
    met = rule.listed(frame.c.id)
    return met if value else ~met


def on_offer(_: Viewer, scope: Scope) -> sa.Select[Any] | None:
    """Those of ``:keys`` that are on offer; null without a channel."""
    if scope.channel is None:
        return None
    rows = Table.__table__.alias()
    return (
        sa.select(rows.c.product_id.label("key"), sa.true().label("listed"))
        .where(
            rows.c.product_id == sa.any_(sa.bindparam("keys", type_=BIGINTS)),
            rows.c.channel_id == rule.CHANNEL,
            rule.within(rows.c.starts_at, rows.c.ends_at),
        )
        .distinct()
    )


LISTED = FilterSpec(
    type=bool,
    description="Whether it is on offer in the channel of the query, now or at asOf. It needs a channel.",
    predicate=_listed,
)
"""The filter of products by what is on offer."""
