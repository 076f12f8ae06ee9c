"""How fast a supplier's file comes in, beside the fastest way that PostgreSQL itself knows for the same rows."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import psycopg
from psycopg import sql
from sqlalchemy import make_url

from hub import importing, migrations, postgres, reading
from hub.config import Settings
from hub.db import Database, raw
from hub.errors import NotFound
from hub.importing import Progress
from hub.mapping import Mapping, load


def measure(settings: Settings, tell: Callable[[Progress], None]) -> dict[str, float]:
    """Import Icecat into a new database, import it again, and COPY the same records into one plain table.

    ``ratio`` is the time of the import in times of the COPY. Raises ``NotFound`` without the outside data.
    """
    path = settings.data / "icecat" / "products.jsonl.gz"
    if not path.is_file():
        raise NotFound(f'There is no "{path}": set HUB_DATA to the folder with the outside data.')
    with _scratch(postgres.address(settings)) as database:
        mapping = load("icecat")
        first, rows = _import(database, path, mapping, tell)
        again, _ = _import(database, path, mapping, tell)
        copied = _copy(database, path, mapping)
    return {
        "rows": rows,
        "seconds": round(first, 3),
        "rows_per_second": round(rows / first, 1),
        "unchanged_rows_per_second": round(rows / again, 1),
        "copy_rows_per_second": round(rows / copied, 1),
        "ratio": round(first / copied, 2),
    }


@contextmanager
def _scratch(url: str) -> Iterator[Database]:
    """A database of its own in the same server, gone afterwards."""
    name = f"bench_{uuid4().hex[:12]}"
    with psycopg.connect(postgres.libpq(url), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        own = make_url(url).set(database=name).render_as_string(hide_password=False)
        migrations.upgrade(own)
        database = Database(own)
        try:
            yield database
        finally:
            database.close()
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _import(
    database: Database, path: Path, mapping: Mapping, tell: Callable[[Progress], None]
) -> tuple[float, int]:
    began = time.perf_counter()
    summary = importing.run(database, path, mapping, tell)
    importing.finish(database, summary.run)
    return time.perf_counter() - began, summary.read


def _copy(database: Database, path: Path, mapping: Mapping) -> float:
    """Seconds to read the same file and COPY its records into a table without a constraint or trigger."""
    began = time.perf_counter()
    with database.engine.begin() as tx:
        connection = raw(tx)
        connection.execute("CREATE TABLE plain (number bigint, record jsonb)")
        with connection.cursor().copy("COPY plain FROM STDIN") as copy:
            for record in reading.records(path, mapping.form):
                copy.write_row((record.number, record.raw.decode()))
    return time.perf_counter() - began
