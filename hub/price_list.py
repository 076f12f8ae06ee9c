"""Price lists: prices that go together, in one currency."""

from __future__ import annotations

from typing import ClassVar

import sqlalchemy as sa
from sqlalchemy.orm import Mapped

from hub.db import Base, Id, Json, written
from hub.provenance import Sourced
from hub.registry import Kept, KeptModel


class PriceList(KeptModel, Sourced, Base):
    """A named set of prices. Its currency is fixed once made: the prices in it are in that currency."""

    __tablename__ = "price_list"
    __kept__: ClassVar[Kept] = Kept("price_list", scope="catalogue", key="code", deep=("name",), owner="erp")
    __table_args__ = (
        sa.CheckConstraint("code <> ''", name="code"),
        sa.UniqueConstraint("id", "currency"),
    )

    id: Mapped[Id]
    code: Mapped[str] = written(unique=True, required=True, kind="code")
    name: Mapped[Json] = written(server_default="{}", kind="texts")
    currency: Mapped[str] = written(required=True, kind="currency")
