"""Notes on orders: what people say of one."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from hub import value
from hub.db import Base, Id, belongs
from hub.errors import Required
from hub.provenance import Sourced
from hub.registry import Kept, KeptModel

LONGEST = 10_000
"""Characters of a note."""


class OrderNote(KeptModel, Sourced, Base):
    """What somebody said of an order. ``public``: whether the customer sees it. Null text: it was erased."""

    __tablename__ = "order_note"
    __kept__: ClassVar[Kept] = Kept(
        "order",
        scope="orders",
        root="order_id",
        collection="notes",
        personal=frozenset({"text"}),
        owner="shop",
    )

    id: Mapped[Id]
    order_id: Mapped[int] = belongs("order.id")
    text: Mapped[str | None]
    public: Mapped[bool] = mapped_column(server_default="false")
    actor: Mapped[str] = mapped_column(server_default=sa.text("hub_actor()"))
    at: Mapped[datetime] = mapped_column(
        sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()")
    )


def add(tx: sa.Connection, order_id: int, text: str, *, public: bool) -> None:
    """Add a note to an order. Raises ``Required`` for an empty one, ``Limit`` for one that is too long."""
    said = value.text(text, LONGEST).strip()
    if not said:
        raise Required("A note needs a text: give one.", ("text",))
    tx.execute(sa.insert(OrderNote).values(order_id=order_id, text=said, public=public))
