"""Rebuilding: another generation of the index, filled from the database beside the one in use."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import sqlalchemy as sa

from hub import feed
from hub.db import Database
from hub.product import Product
from search.index import Index
from search.product import build
from search.tantivy_engine import State, Writer, make
from search.tantivy_schema import mapping

BATCH = 500
BUILDER_BYTES = 150_000_000

Progress = Callable[[int, int], None]
"""Told how many products are done, and how many there are."""


def rebuild(database: Database, index: Index, progress: Progress | None = None) -> Path | None:
    """Fill another generation and take it into use; null where another process is building one already.

    Changes made meanwhile are not lost: the new index says from which sequence on it has to catch up.
    """
    with index.building() as folder:
        if folder is None:
            return None
        _fill(database, folder, progress)
        return index.adopt(folder)


def origin(tx: sa.Connection) -> str:
    """What tells this database from every other one: an index of another one is worthless."""
    row = tx.execute(
        sa.text(
            "SELECT system_identifier, oid FROM pg_control_system(), pg_database WHERE datname = current_database()"
        )
    ).one()
    return f"{row.system_identifier}/{row.oid}"


def _fill(database: Database, folder: Path, progress: Progress | None) -> None:
    with database.read() as tx:
        state = State(feed.ends(tx)[1], origin(tx), mapping())
        total = tx.scalar(sa.select(sa.func.count()).select_from(Product)) or 0
    make(folder, state)
    writer = Writer(folder, heap=BUILDER_BYTES)
    done = 0
    for ids in product_ids(database, BATCH):
        with database.read() as tx:
            writer.put(build(tx, ids))
        done += len(ids)
        if progress:
            progress(done, max(total, done))
    writer.commit(state)
    writer.close()


def product_ids(database: Database, size: int) -> Iterator[list[int]]:
    """The ids of all products in ascending order, by lists of ``size``."""
    last = 0
    while True:
        statement = sa.select(Product.id).where(Product.id > last).order_by(Product.id).limit(size)
        with database.read() as tx:
            ids = list(tx.scalars(statement))
        if not ids:
            return
        yield ids
        last = ids[-1]
