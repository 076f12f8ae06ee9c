"""What other systems tell of an order, by name: each is carried out on the order of an id with what was given.

``given`` is plain JSON, so that it can be kept until its order comes (``hub.pending_message``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import sqlalchemy as sa

from hub import draft, order_note, order_place, order_transition, registry, save
from hub.db import Json
from hub.errors import HubError, NotFound, OutOfStock, Path
from hub.order import Order
from hub.registry import Part
from hub.save import Mode, Result

Command = Callable[[sa.Connection, int, Json], Result]
"""Raises ``HubError`` with a path into the arguments of its mutation."""


def part_of(name: str) -> Part:
    """The table that a command about a part of an order writes to."""
    return registry.part(PARTS[name])


def transition(tx: sa.Connection, number: int, given: Json) -> Result:
    """Take the order to the status ``to``."""
    return order_place.transition(tx, number, given["to"], given.get("if_version"))


def note(tx: sa.Connection, number: int, given: Json) -> Result:
    """Add the note ``text``."""
    order_note.add(tx, number, given["text"], public=given["public"])
    return Result(number, "updated")


def tell(tx: sa.Connection, name: str, number: int, given: Json) -> Result:
    """Do what a message says, which may come late or early.

    A status that the order has left behind already changes nothing; one that it may still come to is refused as early.
    """
    if name == "order_transition":
        current = tx.scalar(sa.select(Order.status).where(Order.id == number))
        if current != given["to"] and order_transition.leads(tx, given["to"], str(current)):
            return Result(number, "unchanged")
    result = carry_out(tx, name, number, given)
    if result.errors and name == "order_transition":
        early = order_transition.leads(tx, str(current), given["to"])
        for error in result.errors:
            error.early = early and not isinstance(error, OutOfStock)
    return result


def carry_out(tx: sa.Connection, name: str, number: int, given: Json) -> Result:
    """Do what a command says. Nothing is left behind where it is refused, which the result says."""
    with tx.begin_nested() as all_of_it:
        try:
            result = _command(name)(tx, number, given)
        except HubError as refused:
            result = Result(number, "refused", (refused,))
        if result.errors:
            all_of_it.rollback()
    return result


def check(name: str, given: Json) -> Sequence[HubError]:
    """What is wrong with a command whatever its order is like."""
    if name not in PARTS:
        return ()
    return _under(draft.read(part_of(name), given["row"]).errors, ())


def _command(name: str) -> Command:
    return _OTHERS[name] if name in _OTHERS else _write(name)


def _write(name: str) -> Command:
    part = part_of(name)
    collection = str(part.kept.collection)

    def write(tx: sa.Connection, number: int, given: Json) -> Result:
        if name == "fulfilment_update":
            _require(tx, part, number, given["row"])
        written = save.save(
            tx,
            "order",
            [{"id": number, collection: [given["row"]]}],
            mode=Mode.UPDATE,
            if_version=[given.get("if_version")],
        )[0]
        return replace(written, errors=tuple(_under(written.errors, (collection, 0))))

    return write


def _require(tx: sa.Connection, part: Part, number: int, row: Json) -> None:
    """Raises ``NotFound`` for a number that the order does not have."""
    table = part.table
    own = sa.select(table.c.id).where(table.c.order_id == number, table.c.number == row.get("number"))
    if "id" not in row and tx.scalar(own) is None:
        said = f'The order has no {part.name} "{row.get("number")}"'
        refused = NotFound(f"{said}: name one that it has, or make it.", ("input", "number"))
        refused.early = True
        raise refused


def _under(errors: Sequence[HubError], place: Path) -> Sequence[HubError]:
    """Refusals with their paths as the argument ``input`` has them."""
    for error in errors:
        if getattr(error, "version", None) is None and error.path[: len(place)] in (place, ()):
            error.path = ("input", *error.path[len(place) :])
    return errors


PARTS = {
    "fulfilment_create": "fulfilment",
    "fulfilment_update": "fulfilment",
    "return_create": "order_return",
    "refund_create": "refund",
    "order_payment_upsert": "order_payment",
    "order_external_id_upsert": "external_id",
}
"""Commands that write one row of a table that is part of an order."""

_OTHERS: dict[str, Command] = {"order_transition": transition, "order_note_add": note}

NAMES = (*PARTS, *_OTHERS)
"""All commands that a message may bring."""
