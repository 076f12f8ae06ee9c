"""Windows: rows that are on from one moment until another.

The database keeps ``open`` and the next moment at which it turns with every write. What turns by time alone is turned
here, once, however long the hub was down: so time, too, makes captured changes.
"""

from __future__ import annotations

import sqlalchemy as sa

from hub.guards import has_window
from hub.registry import Part, parts


def windowed() -> list[Part]:
    """The tables whose rows have windows."""
    return [part for part in parts() if has_window(part)]


def turn(tx: sa.Connection, limit: int = 1000) -> int:
    """Turn the rows whose moment has come, at most ``limit`` of each table; gives how many there were.

    Rows that another process holds are left to it.
    """
    return sum(_turn(tx, part.table, limit) for part in windowed())


def _turn(tx: sa.Connection, table: sa.Table, limit: int) -> int:
    due = (
        sa.select(table.c.id)
        .where(table.c.turns_at <= sa.func.now())
        .order_by(table.c.turns_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    # The trigger computes both columns; naming one is enough to make it look.
    return tx.execute(table.update().where(table.c.id.in_(due)).values(turns_at=table.c.turns_at)).rowcount
