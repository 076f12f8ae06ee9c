"""Edits of placed orders: a change is staged, its difference is shown, and then it is applied or discarded.

Staging carries the change out and takes it back again, so what is shown is what applying will do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from hub import order_place, order_stock
from hub.db import Base, Id, Json, belongs
from hub.errors import Conflict, HubError, NotFound, Required
from hub.order import Order
from hub.order_amount import OrderDiscount
from hub.order_line import OrderLine
from hub.provenance import Sourced
from hub.registry import Event, Kept, KeptModel
from hub.save import Mode, Result, save

STATUSES = ("staged", "applied", "discarded")
EDITABLE = ("placed", "confirmed", "partly_fulfilled")
KEPT_OF_LINES = (
    "position",
    "variant_id",
    "sku",
    "name",
    "quantity",
    "unit_price",
    "discount",
    "tax_rate",
    "total",
)


_WAY = sa.text("SELECT set_config('hub.order_way', :way, true)")


class OrderEdit(KeptModel, Sourced, Base):
    """A change of a placed order. One at a time is staged.

    ``pieces`` and ``amount`` are what the order has more by it, negative for less, in pieces and in its currency.
    ``lines`` are the lines that it changes, each with what it was and what it will be; null where there is none.
    ``given`` is what was asked for, with prices as they were when it was staged.
    """

    __tablename__ = "order_edit"
    __kept__: ClassVar[Kept] = Kept(
        "order",
        scope="orders",
        root="order_id",
        collection="edits",
        personal=frozenset({"reason"}),
        owner="shop",
        events=(
            Event(
                "CASE WHEN n->>'status' = 'applied' THEN 'order.edited' END",
                says="A placed order was changed.",
            ),
        ),
    )
    __table_args__ = (
        sa.CheckConstraint(f"status IN {STATUSES!r}", name="status"),
        sa.Index(
            "uq_order_edit_staged", "order_id", unique=True, postgresql_where=sa.text("status = 'staged'")
        ),
    )

    id: Mapped[Id]
    order_id: Mapped[int] = belongs("order.id")
    status: Mapped[str] = mapped_column(server_default="staged")
    reason: Mapped[str | None]
    pieces: Mapped[int]
    amount: Mapped[Decimal] = mapped_column(sa.Numeric)
    lines: Mapped[list[Json]] = mapped_column(JSONB)
    given: Mapped[Json]
    staged_at: Mapped[datetime] = mapped_column(
        sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()")
    )
    ended_at: Mapped[datetime | None] = mapped_column(sa.DateTime(timezone=True))


@dataclass(frozen=True)
class Difference:
    """What an edit makes of an order."""

    pieces: int
    amount: Decimal
    lines: list[Json]


def stage(tx: sa.Connection, number: int, given: Json, reason: str | None) -> Result:
    """Stage an edit in place of the one that is staged. ``given``: ``lines`` by position, and what else changes.

    A line of a position that the order has is changed, with quantity 0 taken away; one without a position is new.
    """
    _editable(tx, number)
    before = _state(tx, number)
    with tx.begin_nested() as tried:
        result = _carry_out(tx, number, given)
        after = _state(tx, number) if not result.errors else before
        tried.rollback()
    if result.errors:
        return result
    difference = _difference(before, after)
    if not difference.lines and difference.amount == 0:
        return Result(number, "unchanged")
    _end(tx, number, "discarded")
    row = {
        "order_id": number,
        "reason": reason,
        "pieces": difference.pieces,
        "amount": difference.amount,
        "lines": difference.lines,
        "given": _fixed(given, after),
    }
    tx.execute(sa.insert(OrderEdit).values(row))
    return Result(number, "updated")


def apply(tx: sa.Connection, number: int) -> Result:
    """Apply the staged edit. Raises ``Conflict`` where the order has changed so that it would do something else."""
    order = _editable(tx, number)
    staged = _staged(tx, number, order.number)
    before = _state(tx, number)
    with tx.begin_nested() as all_of_it:
        result = _carry_out(tx, number, staged.given)
        if result.errors:
            all_of_it.rollback()
            return result
        difference = _difference(before, _state(tx, number))
        if (difference.pieces, difference.amount) != (staged.pieces, staged.amount):
            raise Conflict(f'Order "{order.number}" has changed since the edit was staged: stage it again.')
        short = order_stock.follow(tx, number)
        if short:
            all_of_it.rollback()
            said = f'Of "{short[0].sku}" {short[0].available} pieces are available, not {short[0].wanted}'
            return Result(number, "refused", (Conflict(f"{said}: stage an edit with fewer."),))
        _end(tx, number, "applied")
    return Result(number, "updated")


def discard(tx: sa.Connection, number: int) -> Result:
    """Discard the staged edit. Raises ``NotFound`` where none is staged."""
    order = tx.execute(sa.select(Order.number).where(Order.id == number)).one()
    _staged(tx, number, order.number)
    _end(tx, number, "discarded")
    return Result(number, "updated")


def _editable(tx: sa.Connection, number: int) -> Any:
    order = tx.execute(
        sa.select(Order.number, Order.status).where(Order.id == number).with_for_update(key_share=True)
    ).one()
    if order.status not in EDITABLE:
        states = ", ".join(EDITABLE)
        raise Conflict(f'Order "{order.number}" is {order.status}: an order is edited while it is {states}.')
    return order


def _staged(tx: sa.Connection, number: int, label: str) -> Any:
    own = sa.select(OrderEdit.given, OrderEdit.pieces, OrderEdit.amount)
    found = tx.execute(own.where(OrderEdit.order_id == number, OrderEdit.status == "staged")).first()
    if found is None:
        raise NotFound(f'Order "{label}" has no staged edit: stage one first.')
    return found


def _end(tx: sa.Connection, number: int, status: str) -> None:
    own = sa.update(OrderEdit).where(OrderEdit.order_id == number, OrderEdit.status == "staged")
    tx.execute(own.values(status=status, ended_at=sa.func.clock_timestamp()))


def _carry_out(tx: sa.Connection, number: int, given: Json) -> Result:
    tx.execute(_WAY, {"way": "edit"})
    lines, errors = _merged(tx, number, given.get("lines") or [])
    if errors:
        result = Result(number, "refused", tuple(errors))
    else:
        result = _write(tx, number, {**given, "id": number, "lines": lines})
    tx.execute(_WAY, {"way": ""})
    return result


def _write(tx: sa.Connection, number: int, row: Json) -> Result:
    if "discounts" not in row:
        row |= _kept_discounts(tx, number, row["lines"])
    result = save(tx, "order", [row], mode=Mode.UPDATE)[0]
    if not result.errors and not row.keys() & {"taxes", "tax_total"}:
        taxes = order_place.tax_rows(tx, number)
        if taxes:
            result = save(tx, "order", [{"id": number, "taxes": taxes}], mode=Mode.UPDATE)[0]
    return result


def _merged(tx: sa.Connection, number: int, given: Sequence[Json]) -> tuple[list[Json], list[HubError]]:
    """All lines as they are to be: those that the order has and that stay, changed or not, and the new ones."""
    positions = set(tx.scalars(sa.select(OrderLine.position).where(OrderLine.order_id == number)))
    errors: list[HubError] = [
        NotFound(
            f"The order has no line {line['position']}: leave the position out for a new line.",
            ("lines", place, "position"),
        )
        for place, line in enumerate(given)
        if line.get("position") is not None and line["position"] not in positions
    ]
    named = {line["position"]: line for line in given if line.get("position") is not None}
    kept = [
        named.get(position, {"position": position})
        for position in sorted(positions)
        if named.get(position, {}).get("quantity") != 0
    ]
    free = max(positions, default=-1) + 1
    new = [
        {**line, "position": free + place}
        for place, line in enumerate(line for line in given if line.get("position") is None)
    ]
    if not kept and not new:
        errors.append(Required("An order keeps at least one line: cancel it instead.", ("lines",)))
    return kept + new, errors


def _kept_discounts(tx: sa.Connection, number: int, lines: Sequence[Json]) -> Json:
    """The order's own discounts, to be spread over the lines anew; those of lines that go, go with them."""
    names = ("position", "code", "name", "line", "amount")
    rows = tx.execute(
        sa.select(*(OrderDiscount.__table__.c[name] for name in names))
        .where(OrderDiscount.order_id == number)
        .order_by(OrderDiscount.position)
    ).mappings()
    staying = {line["position"] for line in lines}
    discounts = [dict(row) for row in rows if row["line"] is None or row["line"] in staying]
    return {"discounts": discounts} if discounts else {}


def _state(tx: sa.Connection, number: int) -> Json:
    total = tx.scalar(sa.select(Order.total).where(Order.id == number))
    columns = [OrderLine.__table__.c[name] for name in KEPT_OF_LINES]
    rows = tx.execute(
        sa.select(*columns).where(OrderLine.order_id == number).order_by(OrderLine.position)
    ).mappings()
    return {"total": total, "lines": {row["position"]: dict(row) for row in rows}}


def _difference(before: Json, after: Json) -> Difference:
    lines = []
    pieces = 0
    for position in sorted(before["lines"].keys() | after["lines"].keys()):
        old, new = before["lines"].get(position), after["lines"].get(position)
        pieces += (new or {}).get("quantity", 0) - (old or {}).get("quantity", 0)
        if old != new:
            lines.append({"position": position, "before": _shown(old), "after": _shown(new)})
    return Difference(pieces, after["total"] - before["total"], lines)


def _shown(line: Json | None) -> Json | None:
    if line is None:
        return None
    shown = {name: line[name] for name in ("sku", "name", "quantity")}
    return shown | {name: str(line[name]) for name in ("unit_price", "discount", "total")}


def _fixed(given: Json, after: Json) -> Json:
    """What was asked for, with the prices and texts that new lines got: applying must not look them up again."""
    lines = given.get("lines", ())
    fresh = sum(line.get("position") is None for line in lines)
    made = iter(sorted(after["lines"])[len(after["lines"]) - fresh :])
    fixed = [
        line
        if line.get("position") is not None
        else line | {name: after["lines"][place][name] for name in ("unit_price", "name")}
        for line in lines
        for place in ([next(made)] if line.get("position") is None else [0])
    ]
    kept: Json = _plain({**given, "lines": fixed})
    return kept


def _plain(given: Any) -> Any:
    """The same in JSON: amounts as texts, so that nothing is rounded."""
    if isinstance(given, dict):
        return {name: _plain(value) for name, value in given.items()}
    if isinstance(given, list):
        return [_plain(value) for value in given]
    return str(given) if isinstance(given, Decimal) else given
