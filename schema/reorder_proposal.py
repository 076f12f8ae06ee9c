"""Reorder proposals: what is running out."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from hub.reorder_proposal import ReorderProposal as Table
from schema import rule
from schema.declare import column, noun, one
from schema.node import Sourced
from schema.scalar import Long

if TYPE_CHECKING:
    from schema.stock import StockLevel


@noun(
    Table,
    "A level that fell to its reorder point, and how many to order.",
    rows=rule.staff_only,
    plural="reorderProposals",
)
class ReorderProposal(Sourced):
    """A level that fell to its reorder point, and how many to order."""

    level: StockLevel | None = one(
        "StockLevel", "The level; null for a token that does not see it.", via="stock_id", filter=True
    )
    quantity: Long = column("Pieces to order.")
    available: Long = column("Pieces that could be promised when it was made.")
    incoming: Long = column("Pieces that were expected then.")
    opened_at: datetime = column("When it was made.", filter=True, sort=True)
    dismissed_at: datetime | None = column(
        "When somebody decided to order nothing; null where nobody did.", filter=True
    )
    closed_at: datetime | None = column(
        "When enough was there or expected again; null while it is open.", filter=True
    )
