"""Import a supplier's file, beside the fastest way that PostgreSQL itself knows for the same rows."""

from __future__ import annotations

import time
from pathlib import Path

from bench import Figures, Tell, scratch
from hub import importing, reading
from hub.config import Settings
from hub.db import Database, raw
from hub.errors import NotFound
from hub.importing import Progress
from hub.mapping import Mapping, load


def measure(settings: Settings, tell: Tell) -> Figures:
    """Import Icecat into a new database, import it again, and COPY the same records into one plain table.

    ``ratio`` is the time of the import in times of the COPY. Raises ``NotFound`` without the outside data.
    """
    path = settings.data / "icecat" / "products.jsonl.gz"
    if not path.is_file():
        raise NotFound(f'There is no "{path}": set HUB_DATA to the folder with the outside data.')
    with scratch.database(settings) as database:
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


def _import(database: Database, path: Path, mapping: Mapping, tell: Tell) -> tuple[float, int]:
    def progress(at: Progress) -> None:
        tell(at.offset, at.size)

    began = time.perf_counter()
    summary = importing.run(database, path, mapping, progress)
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
