"""The status machine of orders, as data: which status may follow on which, and by what."""

from __future__ import annotations

from typing import Literal

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from hub.db import Base
from hub.errors import Conflict, Invalid

Way = Literal["command", "fulfilment"]

TRANSITIONS: tuple[tuple[str, str, Way], ...] = (
    ("draft", "placed", "command"),
    ("draft", "confirmed", "command"),
    ("draft", "cancelled", "command"),
    ("placed", "confirmed", "command"),
    ("placed", "cancelled", "command"),
    ("placed", "partly_fulfilled", "fulfilment"),
    ("placed", "fulfilled", "fulfilment"),
    ("confirmed", "cancelled", "command"),
    ("confirmed", "partly_fulfilled", "fulfilment"),
    ("confirmed", "fulfilled", "fulfilment"),
    ("partly_fulfilled", "fulfilled", "fulfilment"),
    ("partly_fulfilled", "closed", "command"),
    ("fulfilled", "partly_fulfilled", "fulfilment"),
    ("fulfilled", "closed", "command"),
)
"""Where a hub starts. The table holds what is in force: a row more allows more."""


class OrderTransition(Base):
    """One step that an order may take. ``by``: a command, or what is sent of it."""

    __tablename__ = "order_transition"
    __table_args__ = (sa.CheckConstraint("by IN ('command', 'fulfilment')", name="by"),)

    from_status: Mapped[str] = mapped_column(primary_key=True)
    to_status: Mapped[str] = mapped_column(primary_key=True)
    by: Mapped[str]


def check(tx: sa.Connection, number: str, current: str, wanted: str) -> None:
    """Raises ``Conflict`` or ``Invalid`` for a step that an order cannot take by command; the message says which it can.

    ``number`` is the order's. The database refuses what is not in the table by itself.
    """
    steps = tx.execute(
        sa.select(OrderTransition.to_status, OrderTransition.by)
        .where(OrderTransition.from_status == current)
        .order_by(OrderTransition.to_status)
    )
    ways: dict[str, str] = dict(steps.all())
    if ways.get(wanted) == "command" or current == wanted:
        return
    allowed = ", ".join(to for to, by in ways.items() if by == "command") or "nothing any more"
    if ways.get(wanted) == "fulfilment":
        said = f'Order "{number}" becomes {wanted} by what is sent of it'
        raise Invalid(f"{said}: make a fulfilment. By command it can become {allowed}.", ("to",))
    raise Conflict(
        f'Order "{number}" is {current} and cannot become {wanted}: it can become {allowed}.', ("to",)
    )


def leads(tx: sa.Connection, current: str, wanted: str) -> bool:
    """Whether an order may come from one status to another, in however many steps."""
    step = OrderTransition.__table__
    first = sa.select(step.c.to_status.label("status")).where(step.c.from_status == current)
    reached = first.cte("reached", recursive=True)
    further = sa.select(step.c.to_status).join(reached, reached.c.status == step.c.from_status)
    every = reached.union(further)
    return bool(tx.scalar(sa.select(sa.exists().where(every.c.status == wanted))))
