"""Listings: which product is on offer in which channel, from when until when."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ExcludeConstraint
from sqlalchemy.orm import Mapped

from hub.db import Base, Id, belongs, written
from hub.provenance import Sourced
from hub.registry import Event, Kept, KeptModel


class Listing(KeptModel, Sourced, Base):
    """A window in which a product is on offer in a channel: half-open, UTC, a null bound is unbounded.

    ``open`` says whether the window holds the present moment. The relay turns it, so that time is a captured change.
    """

    __tablename__ = "listing"
    __kept__: ClassVar[Kept] = Kept(
        "product",
        scope="catalogue",
        root="product_id",
        collection="listings",
        match=("channel", "starts_at"),
        whole=False,
        derived=("open",),
        hidden=("turns_at",),
        within="channel_id",
        audience=("product", "product_id"),
        events=(
            Event(
                "CASE WHEN op <> 'D' AND (n->>'open')::boolean THEN 'product.listed' END",
                says="A window of a channel opened: the product is on offer there.",
            ),
            Event(
                "CASE WHEN (o->>'open')::boolean AND (op = 'D' OR NOT (n->>'open')::boolean)"
                " THEN 'product.unlisted' END",
                says="A window of a channel closed, or was removed while it was open.",
            ),
        ),
    )
    __table_args__ = (
        sa.CheckConstraint("starts_at < ends_at", name="window"),
        # A range of one number stands for equality: the embedded PostgreSQL has no btree_gist.
        ExcludeConstraint(
            (sa.text("int8range(product_id, product_id, '[]')"), "&&"),
            (sa.text("int8range(channel_id, channel_id, '[]')"), "&&"),
            (sa.text("tstzrange(starts_at, ends_at)"), "&&"),
            name="ex_listing_window",
        ),
        sa.Index("ix_listing_turns_at", "turns_at", postgresql_where=sa.text("turns_at IS NOT NULL")),
    )

    id: Mapped[Id]
    product_id: Mapped[int] = belongs("product.id")
    channel_id: Mapped[int] = written(
        sa.ForeignKey("channel.id"), refers="channel", name="channel", required=True, index=True
    )
    starts_at: Mapped[datetime | None] = written(sa.DateTime(timezone=True), kind="moment")
    ends_at: Mapped[datetime | None] = written(sa.DateTime(timezone=True), kind="moment")
    open: Mapped[bool] = sa.orm.mapped_column(server_default="false")
    turns_at: Mapped[datetime | None] = sa.orm.mapped_column(sa.DateTime(timezone=True))
