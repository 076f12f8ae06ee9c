"""Locations: the places that hold stock, and which of them serve a channel."""

from __future__ import annotations

from typing import ClassVar

import sqlalchemy as sa
from sqlalchemy.orm import Mapped

from hub.db import Base, Id, Json, belongs, written
from hub.provenance import Sourced
from hub.registry import Kept, KeptModel


class Location(KeptModel, Sourced, Base):
    """A warehouse, a shop or a supplier's store."""

    __tablename__ = "location"
    __kept__: ClassVar[Kept] = Kept("location", scope="stock", key="code", deep=("name",), owner="erp")
    __table_args__ = (sa.CheckConstraint("code <> ''", name="code"),)

    id: Mapped[Id]
    code: Mapped[str] = written(unique=True, required=True, kind="code")
    name: Mapped[Json] = written(server_default="{}", kind="texts")


class ChannelLocation(KeptModel, Sourced, Base):
    """A location that serves a channel; a channel that names none is served by all. The first one promises first."""

    __tablename__ = "channel_location"
    __kept__: ClassVar[Kept] = Kept(
        "channel", scope="settings", root="channel_id", collection="locations", match=("location",)
    )
    __table_args__ = (sa.UniqueConstraint("channel_id", "location_id"),)

    id: Mapped[Id]
    channel_id: Mapped[int] = belongs("channel.id")
    location_id: Mapped[int] = written(
        sa.ForeignKey("location.id"), refers="location", name="location", required=True, index=True
    )
    position: Mapped[int] = written(server_default="0")
