"""Moving stock: pieces received, returned, scrapped, corrected, shipped, or moved from one location to another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa
from psycopg import errors as pg
from sqlalchemy.dialects.postgresql import insert

from hub import ownership, stock_document
from hub.db import Json
from hub.errors import HubError, Invalid
from hub.reservation import locked
from hub.save import Result
from hub.stock import Stock
from hub.stock_movement import Movement, write

INTO = ("received", "returned")
OUT = ("shipped", "scrapped")
STOCK = Stock.metadata.tables[Stock.__tablename__]

Level = tuple[int, int]
"""Variant and location of a level."""


@dataclass(frozen=True)
class Move:
    """What happened to ``quantity`` pieces of a variant at a location: above zero, but for ``corrected``.

    ``to_location_id``: where ``moved`` pieces went; null for all other kinds. ``delivery``: the expected one that was
    ``received``. ``document``, ``reason``: what it stands on.
    """

    variant_id: int
    location_id: int
    quantity: int
    kind: str
    to_location_id: int | None = None
    document: Json | None = None
    delivery: str | None = None
    reason: str | None = None

    def check(self) -> None:
        """Raises ``Invalid`` for what cannot have happened."""
        if self.quantity == 0 or (self.quantity < 0 and self.kind != "corrected"):
            raise Invalid(f"{self.quantity} pieces are not {self.kind}: give 1 or more.", ("quantity",))
        if (self.kind == "moved") != (self.to_location_id is not None):
            raise Invalid("What is moved goes to another location; nothing else does.", ("to",))
        if self.to_location_id == self.location_id:
            raise Invalid("It is moved to the location where it lies: name another one.", ("to",))
        if self.delivery is not None and self.kind != "received":
            raise Invalid(f"A delivery is received, not {self.kind}.", ("delivery",))

    def sides(self) -> Iterator[tuple[Level, int]]:
        """The levels that it changes, and by how many pieces."""
        leaves = self.kind in (*OUT, "moved")
        yield (self.variant_id, self.location_id), -self.quantity if leaves else self.quantity
        if self.to_location_id is not None:
            yield (self.variant_id, self.to_location_id), self.quantity


def move(tx: sa.Connection, moves: Sequence[Move]) -> list[Result]:
    """Write all of it down, or nothing where one is refused: the results say which.

    A document that said the same before changes nothing. The results name the first level of each move. Raises
    ``Forbidden`` where another system owns what lies in stock.
    """
    ownership.refuse_moves(tx)
    try:
        with tx.begin_nested():
            return _move(tx, moves)
    except sa.exc.IntegrityError as error:
        # The same document came at the same moment, and was first.
        if not isinstance(error.orig, pg.UniqueViolation):
            raise
    with tx.begin_nested():
        return _move(tx, moves)


def _move(tx: sa.Connection, moves: Sequence[Move]) -> list[Result]:
    levels = _levels(tx, [level for each in moves for level, _ in each.sides()])
    before = stock_document.known(tx, [each.document for each in moves if each.document])
    results: list[Result] = []
    movements: list[Movement] = []
    for each in moves:
        own = list(_movements(each, levels))
        said = before.get(stock_document.name(each.document)) if each.document else None
        results.append(_result(own, said, each.document or {}))
        if said is None:
            movements += own
            if each.document:  # the same line again in this batch is the same message again
                before[stock_document.name(each.document)] = [_as_stored(one) for one in own]
    if not any(each.errors for each in results):
        write(tx, movements)
    return results


def _movements(move_: Move, levels: dict[Level, int]) -> Iterator[Movement]:
    plain = Movement(0, 0, move_.kind, move_.document, move_.delivery, move_.reason)
    for level, quantity in move_.sides():
        yield replace(plain, stock_id=levels[level], quantity=quantity)


def _result(own: Sequence[Movement], said: Sequence[Mapping[str, Any]] | None, document: Json) -> Result:
    number = own[0].stock_id
    if said is None:
        return Result(number, "updated")
    stated = [(each["stock_id"], each["quantity"], each["kind"]) for each in said]
    if stated == [(each.stock_id, each.quantity, each.kind) for each in own]:
        return Result(number, "unchanged")
    wrong: HubError = stock_document.other(document, said)
    return Result(number, "refused", (wrong.under("document"),))


def _as_stored(movement: Movement) -> Json:
    return {
        "stock_id": movement.stock_id,
        "quantity": movement.quantity,
        "kind": movement.kind,
        "level_after": None,
    }


def _levels(tx: sa.Connection, wanted: Sequence[Level]) -> dict[Level, int]:
    """The ids of levels, made where there are none, and locked."""
    rows = [{"variant_id": variant, "location_id": location} for variant, location in sorted(set(wanted))]
    tx.execute(insert(STOCK).values(rows).on_conflict_do_nothing())
    named = sa.tuple_(STOCK.c.variant_id, STOCK.c.location_id).in_(sorted(set(wanted)))
    locked(tx, sa.select(STOCK.c.id).where(named))
    found = tx.execute(sa.select(STOCK.c.variant_id, STOCK.c.location_id, STOCK.c.id).where(named))
    return {(variant, location): number for variant, location, number in found}
