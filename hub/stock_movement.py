"""The journal of stock: every piece that came or went, and what it stands on. It is only ever added to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from hub.db import Base, Id, Json

KINDS = ("received", "shipped", "returned", "counted", "corrected", "moved", "scrapped")


class StockMovement(Base):
    """Pieces that came to a level (above zero) or left it (below zero).

    ``document_*`` names what the movement stands on in another system; a line of a document moves pieces once. A count
    that found what was expected is a movement of zero pieces. ``delivery``: the expected delivery that it receives.
    ``level_after``: what lay there after it. The journal is no part of the feed: its level is, with every change.
    """

    __tablename__ = "stock_movement"
    __table_args__ = (
        sa.CheckConstraint(f"kind IN {KINDS!r}", name="kind"),
        sa.CheckConstraint("quantity <> 0 OR kind = 'counted'", name="quantity"),
        sa.CheckConstraint("(document_system IS NULL) = (document_id IS NULL)", name="document"),
        sa.Index("ix_stock_movement_level", "stock_id", "id"),
        # A move takes its pieces away on the first side of a document's line and brings them on the second.
        sa.Index(
            "uq_stock_movement_document",
            "document_system",
            "document_id",
            "document_line",
            sa.text("(kind = 'moved' AND quantity > 0)"),
            unique=True,
            postgresql_where=sa.text("document_system IS NOT NULL"),
        ),
    )

    id: Mapped[Id]
    stock_id: Mapped[int] = mapped_column(sa.ForeignKey("stock.id", ondelete="CASCADE"))
    quantity: Mapped[int]
    kind: Mapped[str]
    document_system: Mapped[str | None]
    document_id: Mapped[str | None]
    document_line: Mapped[str] = mapped_column(server_default="")
    delivery: Mapped[str | None]
    reason: Mapped[str | None]
    order_line_id: Mapped[int | None] = mapped_column(index=True)
    level_after: Mapped[int | None]
    actor: Mapped[str] = mapped_column(server_default=sa.text("hub_actor()"))
    source: Mapped[str] = mapped_column(server_default=sa.text("hub_source()"))
    at: Mapped[datetime] = mapped_column(sa.DateTime(timezone=True), server_default=sa.func.now(), index=True)


@dataclass(frozen=True)
class Movement:
    """Pieces to be written down. ``document``: system, id and perhaps line; null for none."""

    stock_id: int
    quantity: int
    kind: str
    document: Json | None = None
    delivery: str | None = None
    reason: str | None = None
    order_line_id: int | None = None


def write(tx: sa.Connection, movements: Iterable[Movement]) -> None:
    """Write movements down in one statement; the database changes the levels."""
    rows = [_row(each) for each in movements]
    if rows:
        tx.execute(sa.insert(StockMovement), rows)


def _row(movement: Movement) -> Json:
    document = movement.document or {}
    return {
        "stock_id": movement.stock_id,
        "quantity": movement.quantity,
        "kind": movement.kind,
        "document_system": document.get("system"),
        "document_id": document.get("id"),
        "document_line": document.get("line", ""),
        "delivery": movement.delivery,
        "reason": movement.reason,
        "order_line_id": movement.order_line_id,
    }
