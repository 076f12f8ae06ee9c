"""Availability: how many of a variant can be promised, in a channel or anywhere. The one expression that says so.

GraphQL, the search documents and the placing of orders read it, so that no two of them say different things.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import sqlalchemy as sa

from hub.location import ChannelLocation
from hub.stock import Stock

STOCK = Stock.metadata.tables[Stock.__tablename__]
SERVING = ChannelLocation.metadata.tables[ChannelLocation.__tablename__]


def free(level: Any) -> sa.ColumnElement[int]:
    """What a level can still promise; below zero where more is promised than lies there. ``level``: columns of stock."""
    pieces: sa.ColumnElement[int] = level.on_hand - level.reserved - level.safety
    return pieces.label("free")


def serves(level: Any, channel_id: Any) -> sa.ColumnElement[bool]:
    """Whether a level's location serves a channel: one that it names, or any where it names none."""
    named = SERVING.alias()
    own = sa.select(named.c.location_id).where(named.c.channel_id == channel_id)
    return sa.or_(level.location_id.in_(own), ~own.exists())


AVAILABLE = sa.cast(sa.func.sum(sa.func.greatest(free(STOCK.c), 0)), sa.BigInteger)
"""Of a variant's levels together: what is below zero at one location is not taken from another."""

BACKORDER = sa.func.bool_or(STOCK.c.backorder, type_=sa.Boolean)


def by_variant(variant_ids: Any, channel_id: Any = None) -> sa.Select[Any]:
    """For each variant with a level that serves the channel (null: with any level) what can be promised of it.

    ``available``: pieces, each location's on hand less reserved less safety where that is above zero. ``backorder``: more
    may be promised without limit. ``in_stock``: one of both. ``incoming``: expected pieces, the next at ``incoming_at``.
    """
    chosen = sa.select(
        STOCK.c.variant_id,
        AVAILABLE.label("available"),
        BACKORDER.label("backorder"),
        sa.or_(AVAILABLE > 0, BACKORDER).label("in_stock"),
        sa.cast(sa.func.sum(STOCK.c.incoming), sa.BigInteger).label("incoming"),
        sa.func.min(STOCK.c.incoming_at).label("incoming_at"),
    ).where(STOCK.c.variant_id == sa.any_(variant_ids))
    if channel_id is not None:
        chosen = chosen.where(serves(STOCK.c, channel_id))
    return chosen.group_by(STOCK.c.variant_id)


def in_stock(variant_ids: Any, channel_ids: Any) -> sa.Select[Any]:
    """Each channel with each variant of which it can promise one; a channel that is null stands for all locations."""
    channel = sa.func.unnest(channel_ids).table_valued("id").render_derived("channel")
    return (
        sa.select(channel.c.id, STOCK.c.variant_id)
        .join_from(STOCK, channel, serves(STOCK.c, channel.c.id))
        .where(STOCK.c.variant_id == sa.any_(variant_ids))
        .group_by(channel.c.id, STOCK.c.variant_id)
        .having(sa.or_(AVAILABLE > 0, BACKORDER))
    )


def places(tx: sa.Connection, channel_ids: Collection[int]) -> dict[int, dict[int, int]]:
    """The place of each location in the order of each channel that names its locations."""
    found: dict[int, dict[int, int]] = {}
    statement = (
        sa.select(SERVING.c.channel_id, SERVING.c.location_id)
        .where(SERVING.c.channel_id.in_(channel_ids))
        .order_by(SERVING.c.channel_id, SERVING.c.position, SERVING.c.id)
    )
    for channel_id, location_id in tx.execute(statement):
        order = found.setdefault(channel_id, {})
        order[location_id] = len(order)
    return found
