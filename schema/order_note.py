"""Notes on orders: what people say of one."""

from __future__ import annotations

from datetime import datetime

from hub import order_note as tables
from schema import rule
from schema.declare import column, noun
from schema.node import Sourced


@noun(tables.OrderNote, "What somebody said of an order.", rows=rule.of_own_notes)
class OrderNote(Sourced):
    """What somebody said of an order."""

    text: str | None = column("The note; null where it was erased. Personal.", requires="personal")
    public: bool = column("Whether the customer sees it.", filter=True)
    actor: str | None = column("Who wrote it, for example token:7. Staff and apps only.", requires="staff")
    at: datetime = column("When it was written.")
