"""Pieces of an order's lines: which lines there are, and how many are left to send or may come back.

The database refuses the same (``hub.order_rules``); here it is said with its place in the input.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from hub.errors import Invalid, NotFound, Required
from hub.order_line import OrderLine

if TYPE_CHECKING:
    from hub.draft import Draft


@dataclass(frozen=True)
class Limit:
    """How many pieces of a line there can be; ``says`` names them. ``later``: how many there can ever be."""

    left: Callable[[Any], int]
    says: str
    later: Callable[[Any], int]


def _unsent(line: Any) -> int:
    return int(line.quantity - line.cancelled - line.fulfilled)


SENDING = Limit(_unsent, "left to send", _unsent)
RETURNING = Limit(
    lambda line: line.fulfilled - line.returned,
    "sent and not yet returned",
    lambda line: line.quantity - line.cancelled - line.returned,
)


def number(tx: sa.Connection, drafts: Sequence[Draft], letter: str) -> None:
    """Number the new ones that have no number: F1, F2 … within each order."""
    for draft in drafts:
        if draft.current is None and draft.values.get("number") is None:
            draft.values["number"] = f"{letter}{_last(tx, draft, letter) + 1}"


def _last(tx: sa.Connection, draft: Draft, letter: str) -> int:
    """The highest number of this order's, so far; 0 while there is none. The order's row is locked."""
    table = draft.part.table
    own = table.c.order_id == draft.root.id
    digits = sa.cast(sa.func.substring(table.c.number, f"^{letter}([0-9]{{1,9}})$"), sa.BigInteger)
    return int(tx.scalar(sa.select(sa.func.coalesce(sa.func.max(digits), 0)).where(own)) or 0)


def require_lines(draft: Draft, what: str) -> None:
    """Refuse a new fulfilment or return of nothing."""
    if draft.current is None and not draft.parts.get("lines"):
        draft.refuse(Required(f"A {what} needs at least one line: give lines."), "lines")


def check(tx: sa.Connection, drafts: Sequence[Draft], limit: Limit | None) -> None:
    """Refuse what names no line of its order, or more pieces of it than there are."""
    stored = _stored(tx, {draft.root.id for draft in drafts if draft.root.current is not None})
    wanted: dict[tuple[Any, int], int] = defaultdict(int)
    for draft in drafts:
        named, root = draft.get("line"), draft.root
        if named is None or draft.current is not None:
            continue
        line = stored.get((root.id, named))
        if line is None:
            if not _is_given(root, named):
                draft.refuse(_no_line(root, named), "line")
        elif limit is not None:
            wanted[root.id, named] += draft.get("quantity") or 0
            if wanted[root.id, named] > limit.left(line):
                draft.refuse(_too_many(line, limit, wanted[root.id, named]), "quantity")


def _stored(tx: sa.Connection, orders: set[Any]) -> dict[tuple[Any, int], Any]:
    lines = OrderLine.__table__
    numbers = sa.cast(sorted(orders), sa.ARRAY(sa.BigInteger))
    found = tx.execute(sa.select(lines).where(lines.c.order_id == sa.any_(numbers))) if orders else ()
    return {(line.order_id, line.position): line for line in found}


def _is_given(root: Draft, position: int) -> bool:
    """Whether the input itself brings the line; how many of it may be sent, the database says."""
    lines = root.parts.get("lines", ())
    return any((line.get("position") or 0) == position and not line.remove for line in lines)


def _no_line(root: Draft, position: int) -> NotFound:
    said = f'Order "{root.get("number")}" has no line {position}'
    return NotFound(f"{said}: name the position of one of its lines, counted from 0.")


def _too_many(line: Any, limit: Limit, wanted: int) -> Invalid:
    left = limit.left(line)
    said = f'Of line {line.position} ("{line.sku or line.name}") {left} pieces are {limit.says}, not {wanted}'
    refused = Invalid(f"{said}: give at most {left}.")
    refused.early = wanted <= limit.later(line)
    return refused
