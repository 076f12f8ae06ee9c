"""What an imported order's one line leaves open: its variant, its name, the price of a piece."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_CEILING, Decimal, InvalidOperation
from typing import TYPE_CHECKING

import sqlalchemy as sa

from hub import import_match, money
from hub.db import Json

if TYPE_CHECKING:
    from hub.mapping import Mapping

UNNAMED = "?"
"""What a line is called where the file tells neither a name nor a SKU."""


def finish(tx: sa.Connection, mapping: Mapping, rows: Sequence[Json]) -> None:
    """Complete the lines of orders. Rows of other nouns are left alone."""
    if mapping.noun != "order":
        return
    lines = [(row, line) for row in rows for line in row.get("lines", ())]
    known = import_match.skus(tx, [line["sku"] for _, line in lines if line.get("sku")])
    currencies = import_match.currencies(tx, {row["channel"]["key"] for row, _ in lines if "channel" in row})
    for row, line in lines:
        _complete(line, known)
        currency = row.get("currency") or currencies.get(row.get("channel", {}).get("key"))
        if currency is not None and "total" in line and "unit_price" not in line:
            _price(line, money.unit(currency))


def _complete(line: Json, known: set[str]) -> None:
    line["position"] = 0
    line.setdefault("name", line.get("sku") or UNNAMED)
    if line.get("sku") in known:
        line["variant"] = {"key": line["sku"]}


def _price(line: Json, unit: Decimal) -> None:
    """The price of a piece where only the line's total is known: rounded up, so that the rest is a discount."""
    try:
        quantity, total = int(line.get("quantity", 1)), Decimal(str(line["total"]))
    except (InvalidOperation, ValueError):
        return  # saving says what is wrong with it
    if quantity > 0:
        piece = (total / quantity).quantize(unit, ROUND_CEILING)
        line |= {"unit_price": str(piece), "discount": str(piece * quantity - total)}
