"""What orders take from the stock: promises while they are open, pieces when they are sent, pieces that come back.

A variant that has no level anywhere is not kept in stock (a service, a download): nothing is promised of it. Lines of
an order that was only noted (history, ``orderCreate`` with a status) hold no promises.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from hub import reservation
from hub.order import Order
from hub.order_line import OrderLine
from hub.reservation import Reservation, Shipment, Wanted
from hub.stock import Stock

if TYPE_CHECKING:
    from hub.draft import Draft


@dataclass(frozen=True)
class Short:
    """A line of which fewer pieces are available than it wants."""

    position: int
    sku: str
    wanted: int
    available: int


def reserve(tx: sa.Connection, number: int) -> list[Short]:
    """Promise what an order's lines want and have no promise for; what falls short, and then nothing is promised."""
    lines = _open(tx, number)
    missing = [(line, line.wanted - line.held) for line in lines if line.wanted > line.held]
    wanted = [
        Wanted(
            variant_id=line.variant_id,
            channel_id=line.channel_id,
            quantity=quantity,
            order_line_id=line.id,
        )
        for line, quantity in missing
    ]
    short = reservation.reserve(tx, wanted) if wanted else []
    return [Short(missing[each.place][0].position, each.sku, each.wanted, each.available) for each in short]


def follow(tx: sa.Connection, number: int) -> list[Short]:
    """Make an edited order's promises fit its lines: what is too much is released, what is missing is promised."""
    for line in _open(tx, number):
        if line.held > line.wanted:
            reservation.release(tx, order_line_ids=[line.id], quantity=line.held - line.wanted)
    return reserve(tx, number)


def _open(tx: sa.Connection, number: int) -> list[Any]:
    """An order's lines of what is kept in stock, each with the pieces still to be sent and those promised to it."""
    held = sa.select(sa.func.coalesce(sa.func.sum(Reservation.quantity), 0)).where(
        Reservation.order_line_id == OrderLine.id
    )
    kept = sa.exists().where(Stock.variant_id == OrderLine.variant_id)
    statement = (
        sa.select(
            OrderLine.id,
            OrderLine.position,
            OrderLine.variant_id,
            Order.channel_id,
            (OrderLine.quantity - OrderLine.fulfilled - OrderLine.cancelled).label("wanted"),
            sa.cast(held.scalar_subquery(), sa.BigInteger).label("held"),
        )
        .join(Order, Order.id == OrderLine.order_id)
        .where(OrderLine.order_id == number, kept)
        .order_by(OrderLine.position)
    )
    return list(tx.execute(statement))


def sent(tx: sa.Connection, drafts: Sequence[Draft]) -> None:
    """Take what new fulfilment lines hold from the stock of their locations."""
    shipments = _moved(tx, drafts, "fulfilment")
    if shipments:
        reservation.ship(tx, shipments)
    for line, quantity in _elsewhere(tx, [draft for draft in drafts if _location(draft) is None]):
        reservation.release(tx, order_line_ids=[line], quantity=quantity)


def _elsewhere(tx: sa.Connection, drafts: Sequence[Draft]) -> list[tuple[int, int]]:
    """Promised lines of which pieces were sent from no location of the hub: they need the promise no longer."""
    wanted = {(draft.root.id, draft.get("line")): draft for draft in drafts if draft.current is None}
    orders = sa.cast(sorted({root or 0 for root, _ in wanted}), sa.ARRAY(sa.BigInteger))
    promised = sa.exists().where(Reservation.order_line_id == OrderLine.id)
    lines = tx.execute(
        sa.select(OrderLine.order_id, OrderLine.position, OrderLine.id).where(
            OrderLine.order_id == sa.any_(orders), promised
        )
    )
    return [
        (line.id, wanted[line.order_id, line.position].get("quantity"))
        for line in (lines if wanted else ())
        if (line.order_id, line.position) in wanted
    ]


def came_back(tx: sa.Connection, drafts: Sequence[Draft]) -> None:
    """Add what new return lines are to restock to the stock of their locations."""
    returned = _moved(tx, [draft for draft in drafts if draft.get("restock") is not False], "return")
    if returned:
        reservation.take_back(tx, returned)


def _moved(tx: sa.Connection, drafts: Sequence[Draft], what: str) -> list[Shipment]:
    new = [draft for draft in drafts if draft.current is None and _location(draft) is not None]
    orders = sa.cast(sorted({draft.root.id or 0 for draft in new}), sa.ARRAY(sa.BigInteger))
    lines = tx.execute(
        sa.select(OrderLine.order_id, OrderLine.position, OrderLine.id, OrderLine.variant_id, Order.number)
        .join(Order, Order.id == OrderLine.order_id)
        .where(OrderLine.order_id == sa.any_(orders), OrderLine.variant_id.is_not(None))
    )
    known = {(line.order_id, line.position): line for line in (lines if new else ())}
    return [
        _shipment(draft, known[draft.root.id, draft.get("line")], what)
        for draft in new
        if (draft.root.id, draft.get("line")) in known
    ]


def _shipment(draft: Draft, line: Any, what: str) -> Shipment:
    parent = draft.parent
    assert parent is not None
    document = {
        "system": f"hub:{what}",
        "id": f"{line.number}/{parent.get('number')}",
        "line": str(line.position),
    }
    return Shipment(
        order_line_id=line.id,
        variant_id=line.variant_id,
        location_id=parent.get("location_id"),
        quantity=draft.get("quantity"),
        document=document,
    )


def _location(draft: Draft) -> int | None:
    return None if draft.parent is None else draft.parent.get("location_id")
