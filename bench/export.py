"""Export a snapshot, beside COPY of the same rows: rows a second, and the memory that it takes."""

from __future__ import annotations

import multiprocessing
import tempfile
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Annotated, Any

import typer

from bench import Figures, Tell, scratch
from hub import registry, sequencer, snapshot
from hub.config import Settings
from hub.db import Database, raw
from hub.states import EVERYTHING

VARIANTS = 5
BATCH = 1_000

FRAME = """
INSERT INTO product_type (code) VALUES ('default');
INSERT INTO price_list (code, currency) VALUES ('retail', 'EUR');
"""
FILL = """
WITH made AS (
    INSERT INTO product (product_type_id, slug, name, attributes)
    SELECT 1, 'product-' || n, jsonb_build_object('en', 'Product ' || n, 'de', 'Artikel ' || n),
        jsonb_build_object('colour', jsonb_build_object('*', jsonb_build_object('*', 'red')),
            'care', jsonb_build_object('*', jsonb_build_object('en', 'Wash cold', 'de', 'Kalt waschen')))
    FROM generate_series({first}, {last}) n RETURNING id
), variants AS (
    INSERT INTO variant (product_id, sku, position)
    SELECT id, 'sku-' || id || '-' || n, n FROM made, generate_series(1, {variants}) n RETURNING id, product_id
)
INSERT INTO price (product_id, variant_id, price_list_id, currency, amount)
SELECT product_id, id, 1, 'EUR', 10 + id % 90 FROM variants
"""

Objects = Annotated[int, typer.Option(help="How many products, each with five variants and prices.", min=10)]


def measure(settings: Settings, tell: Tell, *, products: Objects = 20_000) -> Figures:
    """Fill a database of its own and write it out, each way in a process of its own.

    ``ratio`` is the time of the export in times of the COPY. Memory is the most that the process held, in MB, and what
    of it the export added to the program itself; ``added_by_a_tenth_mb`` that of a tenth of the products.
    """
    rows = products * (1 + 2 * VARIANTS) + 2
    with scratch.database(settings) as database, tempfile.TemporaryDirectory() as folder:
        _fill(database, 0, products // 10, lambda done: tell(done, 2 * products))
        small = _apart(_export, database.url, Path(folder, "small.jsonl.gz"))
        _fill(database, products // 10, products, lambda done: tell(done, 2 * products))
        exported = _apart(_export, database.url, Path(folder, "snapshot.jsonl.gz"))
        copied = _apart(_copy, database.url, Path(folder, "copy"))
        tell(2 * products, 2 * products)
        size = Path(folder, "snapshot.jsonl.gz").stat().st_size
    return {
        "rows": rows,
        "rows_per_second": round(rows / exported["seconds"], 1),
        "copy_rows_per_second": round(rows / copied["seconds"], 1),
        "ratio": round(exported["seconds"] / copied["seconds"], 2),
        "megabytes": round(size / 1e6, 1),
        "peak_mb": round(exported["peak"], 1),
        "added_mb": round(exported["added"], 1),
        "added_by_a_tenth_mb": round(small["added"], 1),
        "copy_added_mb": round(copied["added"], 1),
    }


def _fill(database: Database, start: int, end: int, tell: Callable[[int], None]) -> None:
    with database.engine.begin() as tx:
        if start == 0:
            raw(tx).execute(FRAME.encode())
    for first in range(start, end, BATCH):
        last = min(first + BATCH, end)
        with database.engine.begin() as tx:
            raw(tx).execute(FILL.format(first=first + 1, last=last, variants=VARIANTS).encode())
        tell(last)
    moved = 1
    while moved:
        with database.engine.begin() as tx:
            moved = sequencer.step(tx)


def _apart(work: Callable[[str, Path], None], url: str, path: Path) -> dict[str, Any]:
    """Seconds and memory of some work in a process of its own."""
    spawning = multiprocessing.get_context("spawn")
    here, there = spawning.Pipe()
    process = spawning.Process(target=_timed, args=(work, url, path, there))
    process.start()
    there.close()  # so that a process that fails is not waited for
    try:
        found: dict[str, Any] = here.recv()
    finally:
        process.join()
    return found


def _timed(work: Callable[[str, Path], None], url: str, path: Path, answer: Connection) -> None:
    before, began = _peak(), time.perf_counter()
    work(url, path)
    seconds = time.perf_counter() - began
    answer.send({"seconds": seconds, "peak": _peak(), "added": _peak() - before})


def _peak() -> float:
    """The most memory that this process ever held, in MB. What ``getrusage`` says begins with its parent's."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def _export(url: str, path: Path) -> None:
    database = Database(url)
    with snapshot.writing(path) as file:
        snapshot.begin(database, EVERYTHING, None, None).write(file, lambda _done, _total: None)
    database.close()


def _copy(url: str, path: Path) -> None:
    """All kept tables, as PostgreSQL writes them, packed like the export."""
    database = Database(url)
    with database.read() as tx, snapshot.writing(path.with_suffix(".gz")) as file:
        for part in registry.parts():
            with raw(tx).cursor().copy(f'COPY "{part.name}" TO STDOUT'.encode()) as copy:
                for piece in copy:
                    file.write(piece)
    database.close()
