"""Stock: how many of a variant lie at a location."""

from __future__ import annotations

from typing import ClassVar

import sqlalchemy as sa
from sqlalchemy.orm import Mapped

from hub.db import Base, Id, written
from hub.provenance import Sourced
from hub.registry import Kept, KeptModel


class Stock(KeptModel, Sourced, Base):
    """The level of one variant at one location, in pieces. Available is on hand less reserved."""

    __tablename__ = "stock"
    __kept__: ClassVar[Kept] = Kept("stock", scope="stock", match=("variant", "location"), owner="erp")
    __table_args__ = (
        sa.UniqueConstraint("variant_id", "location_id"),
        sa.CheckConstraint("reserved >= 0", name="reserved"),
    )

    id: Mapped[Id]
    variant_id: Mapped[int] = written(
        sa.ForeignKey("variant.id", ondelete="CASCADE"), refers="variant", name="variant", required=True
    )
    location_id: Mapped[int] = written(
        sa.ForeignKey("location.id"), refers="location", name="location", required=True, index=True
    )
    on_hand: Mapped[int] = written(server_default="0", kind="whole")
    reserved: Mapped[int] = written(server_default="0", kind="count")
