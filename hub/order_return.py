"""Returns: what of an order came back, and why."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, ClassVar

import sqlalchemy as sa
from sqlalchemy.orm import Mapped

from hub import order_quantity, order_stock
from hub.db import Base, Id, belongs, written
from hub.errors import Required
from hub.provenance import Sourced
from hub.registry import Event, Kept, KeptModel

if TYPE_CHECKING:
    from hub.draft import Draft

REASONS = (
    "changed_mind",
    "damaged",
    "defective",
    "data_wrong",
    "wrong_item",
    "late",
    "not_delivered",
    "other",
)


class OrderReturn(KeptModel, Sourced, Base):
    """Pieces of an order that came back; its number tells it from the order's others.

    With a ``location``, what is to be restocked is added to the stock there.
    """

    __tablename__ = "order_return"
    __kept__: ClassVar[Kept] = Kept(
        "order",
        scope="orders",
        root="order_id",
        collection="returns",
        match=("number",),
        whole=False,
        owner="shop",
        events=(Event("CASE WHEN op = 'I' THEN 'return.created' END", says="Pieces of an order came back."),),
    )
    __table_args__ = (
        sa.UniqueConstraint("order_id", "number"),
        sa.UniqueConstraint("id", "order_id"),
    )

    id: Mapped[Id]
    order_id: Mapped[int] = belongs("order.id")
    number: Mapped[str] = written(kind="key")
    location_id: Mapped[int | None] = written(
        sa.ForeignKey("location.id"), refers="location", name="location", index=True
    )
    returned_at: Mapped[datetime | None] = written(sa.DateTime(timezone=True), kind="moment")

    @classmethod
    def complete(cls, tx: sa.Connection, drafts: Sequence[Draft]) -> None:
        """A new one that names no number or moment gets the next number, and is of now."""
        order_quantity.number(tx, drafts, "R")
        for draft in drafts:
            if draft.current is None and draft.values.get("returned_at") is None:
                draft.values["returned_at"] = datetime.now(UTC)
            order_quantity.require_lines(draft, "return")


class OrderReturnLine(KeptModel, Sourced, Base):
    """How many pieces of one line of the order came back, and why. ``line`` is the line's position.

    ``attribute``: with the reason ``data_wrong``, the code of the attribute that told the customer something wrong.
    """

    __tablename__ = "order_return_line"
    __kept__: ClassVar[Kept] = Kept(
        "order",
        scope="orders",
        root="order_id",
        parent="order_return_id",
        collection="lines",
        match=("line",),
        personal=frozenset({"note"}),
        owner="shop",
    )
    __table_args__ = (
        sa.UniqueConstraint("order_return_id", "line"),
        sa.CheckConstraint("quantity > 0", name="quantity"),
        sa.CheckConstraint(f"reason IN {REASONS!r}", name="reason"),
        sa.CheckConstraint("attribute_id IS NULL OR reason = 'data_wrong'", name="attribute"),
        sa.ForeignKeyConstraint(
            ["order_return_id", "order_id"], ["order_return.id", "order_return.order_id"], ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["order_id", "line"], ["order_line.order_id", "order_line.position"]),
        sa.Index(None, "order_id", "line"),
    )

    id: Mapped[Id]
    order_id: Mapped[int]
    order_return_id: Mapped[int]
    line: Mapped[int] = written(required=True, kind="count")
    quantity: Mapped[int] = written(required=True, kind="count")
    reason: Mapped[str] = written(server_default="other", kind="return_reason")
    attribute_id: Mapped[int | None] = written(
        sa.ForeignKey("attribute.id"), refers="attribute", name="attribute", index=True
    )
    note: Mapped[str | None] = written(kind="text")
    restock: Mapped[bool] = written(server_default="true")

    @classmethod
    def settle(cls, tx: sa.Connection, drafts: Sequence[Draft]) -> None:
        """What is to be restocked at a location lies there again."""
        order_stock.came_back(tx, drafts)

    @classmethod
    def complete(cls, tx: sa.Connection, drafts: Sequence[Draft]) -> None:
        """Refuse lines that the order does not have, more pieces than were sent, and a lone attribute."""
        order_quantity.check(tx, drafts, order_quantity.RETURNING)
        for draft in drafts:
            if draft.get("attribute_id") is not None and draft.get("reason") != "data_wrong":
                said = "A return names an attribute only where its data was wrong"
                draft.refuse(Required(f"{said}: give the reason DATA_WRONG, or leave it out."), "reason")
