"""A push of stock: rows a second through the write engine, in times of plain upserts of the same rows."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import Annotated

import orjson
import sqlalchemy as sa
import typer

from bench import Figures, Tell, scratch
from hub import save, stock_check
from hub.config import Settings
from hub.db import HUB, Database, Json

Rows = Annotated[int, typer.Option(min=100, max=10_000, help="Levels in one push.")]
Repeats = Annotated[int, typer.Option(min=1, help="How often each push is measured.")]

PLAIN = """
CREATE TABLE plain (variant_id bigint, location_id bigint, on_hand bigint, PRIMARY KEY (variant_id, location_id))
"""

UPSERT = """
INSERT INTO plain SELECT v.id, l.id, given.on_hand
FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS given (sku text, location text, on_hand bigint)
JOIN variant v USING (sku) JOIN location l ON l.code = given.location
ON CONFLICT (variant_id, location_id) DO UPDATE SET on_hand = excluded.on_hand
"""

Push = Callable[[sa.Connection, int], None]


def measure(settings: Settings, tell: Tell, rows: Rows = 10_000, repeats: Repeats = 5) -> Figures:
    """Each push changes every level, and finds it by SKU and location code. Ratios are medians of one run.

    The plain upsert is one statement into a table without triggers, journal and feed. ``unchanged`` pushes what is there.
    """
    with scratch.database(settings) as database:
        _fill(database, rows)
        pushes: dict[str, Push] = {
            "plain": lambda tx, turn: _plain(tx, rows, turn),
            "push": lambda tx, turn: _save(tx, rows, turn),
            "unchanged": lambda tx, turn: _save(tx, rows, turn),
            "with_documents": lambda tx, turn: _save(tx, rows, turn + 1_000, documents=True),
        }
        taken: dict[str, list[float]] = {name: [] for name in pushes}
        for turn in range(1, repeats + 1):
            for name, push in pushes.items():
                taken[name].append(_timed(database, push, turn))
            tell(turn, repeats)
        with database.read() as tx:
            faults = stock_check.faults(tx)
    seconds = {name: median(each) for name, each in taken.items()}
    figures = {f"{name}_rows_per_second": round(rows / each) for name, each in seconds.items()}
    ratios = {f"{name}_ratio": round(each / seconds["plain"], 2) for name, each in seconds.items()}
    del ratios["plain_ratio"]
    return {"rows": rows, **figures, **ratios, "faults": len(faults)}


def _fill(database: Database, rows: int) -> None:
    """Variants with a level each, at one location."""
    with database.engine.begin() as tx:
        tx.execute(sa.text(PLAIN))
        tx.execute(sa.text("INSERT INTO product_type (code) VALUES ('bench')"))
        tx.execute(sa.text("INSERT INTO location (code) VALUES ('main')"))
        tx.execute(sa.text("INSERT INTO product (product_type_id, slug) SELECT id, 'p' FROM product_type"))
        made = (
            "INSERT INTO variant (product_id, sku, axes) SELECT p.id, 'p' || n, jsonb_build_object('n', n)"
            " FROM product p, generate_series(1, :n) n"
        )
        tx.execute(sa.text(made), {"n": rows})
    with database.write(HUB) as tx:
        _plain(tx, rows, 0)
        _save(tx, rows, 0)
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text("VACUUM ANALYZE"))


def _timed(database: Database, push: Push, turn: int) -> float:
    began = time.perf_counter()
    with database.write(HUB) as tx:
        push(tx, turn)
    return time.perf_counter() - began


def _plain(tx: sa.Connection, rows: int, turn: int) -> None:
    given = [
        {"sku": f"p{number}", "location": "main", "on_hand": number + turn} for number in range(1, rows + 1)
    ]
    tx.execute(sa.text(UPSERT), {"rows": orjson.dumps(given).decode()})


def _save(tx: sa.Connection, rows: int, turn: int, *, documents: bool = False) -> None:
    given = [_level(number, turn) for number in range(1, rows + 1)]
    if documents:
        for number, row in enumerate(given):
            row["document"] = {"system": "erp", "id": f"push {turn}", "line": str(number)}
    results = save.save(tx, "stock", given)
    assert not any(each.errors for each in results), results[0]


def _level(number: int, turn: int) -> Json:
    return {"variant": {"key": f"p{number}"}, "location": {"key": "main"}, "on_hand": number + turn}
