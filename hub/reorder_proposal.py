"""Reorder proposals: what is running out, said once for each level until more is on its way."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from hub.db import Base, Id, belongs
from hub.errors import NotFound
from hub.ids import encode
from hub.provenance import Sourced
from hub.registry import Event, Kept, KeptModel


class ReorderProposal(KeptModel, Sourced, Base):
    """A level that fell to its reorder point, and how many to order. The database opens and closes it.

    It is open until what is available and expected is above the point again: at most one is open for a level.
    One that was dismissed stays open without being shown, so that the next sale does not propose the same again.
    """

    __tablename__ = "reorder_proposal"
    __kept__: ClassVar[Kept] = Kept(
        "stock",
        scope="stock",
        root="stock_id",
        collection="proposals",
        match=("opened_at",),
        owner="hub",
        events=(
            Event(
                "CASE WHEN op = 'I' AND n->>'closed_at' IS NULL THEN 'stock.low' END",
                says="A level fell to its reorder point, and too little is expected.",
            ),
        ),
    )
    __table_args__ = (
        sa.CheckConstraint("quantity > 0", name="quantity"),
        sa.Index("uq_reorder_proposal_open", "stock_id", unique=True, postgresql_where="closed_at IS NULL"),
    )

    id: Mapped[Id]
    stock_id: Mapped[int] = belongs("stock.id")
    quantity: Mapped[int]
    available: Mapped[int]
    incoming: Mapped[int]
    opened_at: Mapped[datetime] = mapped_column(sa.DateTime(timezone=True), server_default=sa.func.now())
    dismissed_at: Mapped[datetime | None] = mapped_column(sa.DateTime(timezone=True))
    closed_at: Mapped[datetime | None] = mapped_column(sa.DateTime(timezone=True))


def dismiss(tx: sa.Connection, number: int) -> bool:
    """Note that nothing will be ordered; false where that was noted before. Raises ``NotFound``."""
    proposal = ReorderProposal.metadata.tables[ReorderProposal.__tablename__]
    state = sa.select(proposal.c.dismissed_at, proposal.c.closed_at).where(proposal.c.id == number)
    found = tx.execute(state.with_for_update(key_share=True)).first()
    if found is None:
        raise NotFound(f'Reorder proposal "{encode("reorder_proposal", number)}" does not exist.', ("id",))
    if found.dismissed_at is not None or found.closed_at is not None:
        return False
    tx.execute(sa.update(proposal).where(proposal.c.id == number).values(dismissed_at=sa.func.now()))
    return True
