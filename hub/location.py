"""Locations: the places that hold stock."""

from __future__ import annotations

from typing import ClassVar

import sqlalchemy as sa
from sqlalchemy.orm import Mapped

from hub.db import Base, Id, Json, written
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
