"""What capture costs: the same writes with its triggers on and off, in turns, on a PostgreSQL of its own with fsync."""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles
from threading import Event, Thread
from typing import Annotated, Any

import psycopg
import typer

from bench import Figures, Tell
from hub import migrations, postgres, sequencer
from hub.config import Settings
from hub.db import Database
from hub.registry import parts

Rows = Annotated[
    int, typer.Option(min=100, help="Products in a bulk write; five variants and ten prices each.")
]
Repeats = Annotated[
    int, typer.Option(min=1, help="How often each write is measured, with capture and without.")
]
Seconds = Annotated[float, typer.Option(min=0.5, help="How long four writers are watched for deadlocks.")]

SINGLE = 200
"""Single-row updates in one measurement of a client."""
CLIENTS = 4
RECORDS = 25_000
LOOKS = 200

SHOP = """
INSERT INTO product_type (code) VALUES ('bench');
INSERT INTO price_list (code, currency) VALUES ('retail', 'EUR'), ('club', 'EUR');
"""

INSERT = """
INSERT INTO product (product_type_id, slug, name)
    SELECT 1, 'p' || n, jsonb_build_object('de', 'Produkt ' || n) FROM generate_series({first}, {last}) n;
INSERT INTO variant (product_id, sku)
    SELECT p.id, p.slug || '-' || n FROM product p, generate_series(1, 5) n WHERE p.id > {before};
INSERT INTO price (product_id, variant_id, price_list_id, currency, amount)
    SELECT v.product_id, v.id, l.id, 'EUR', v.id % 100 FROM variant v, price_list l WHERE v.product_id > {before};
"""

UPDATE = "UPDATE price SET amount = amount + 1 WHERE product_id > {before}"

NOTHING = """
INSERT INTO product (product_type_id, slug, name) SELECT product_type_id, slug, name FROM product WHERE id > {before}
    ON CONFLICT (slug) DO UPDATE SET name = excluded.name, product_type_id = excluded.product_type_id;
INSERT INTO variant (product_id, sku) SELECT product_id, sku FROM variant WHERE product_id > {before}
    ON CONFLICT (sku) DO UPDATE SET product_id = excluded.product_id;
UPDATE price SET amount = amount * 1.00 WHERE product_id > {before};
"""


class Bench:
    """One database with a shop that grows."""

    def __init__(self, database: Database, rows: int) -> None:
        self.database, self.rows = database, rows
        self.address = postgres.libpq(database.url)
        self.admin = psycopg.connect(self.address, autocommit=True)
        self.admin.execute(SHOP)
        self.count = 0

    def switch(self, *, on: bool) -> None:
        """Turn capture on or off. What is pending is thrown away: it is not what is measured here."""
        for part in parts():
            for suffix in "iud":
                how = "ENABLE ALWAYS" if on else "DISABLE"
                self.admin.execute(f'ALTER TABLE "{part.name}" {how} TRIGGER hub_capture_{suffix}'.encode())
        self.admin.execute("DELETE FROM pending")
        self.admin.execute("VACUUM pending, frag, tx_open")

    def insert(self) -> float:
        """Seconds to insert products with variants and prices, in one transaction."""
        first = self.count * self.rows + 1
        self.count += 1
        return self._bulk(INSERT.format(first=first, last=first + self.rows - 1, before=self._before()))

    def update(self) -> float:
        """Seconds to change every price of the last insert."""
        return self._bulk(UPDATE.format(before=self._before() - self.rows))

    def nothing(self) -> float:
        """Seconds to write the last insert's rows again as they are."""
        return self._bulk(NOTHING.format(before=self._before() - self.rows))

    def _before(self) -> int:
        row = self.admin.execute("SELECT coalesce(max(id), 0) FROM product").fetchone()
        assert row is not None
        return int(row[0])

    def _bulk(self, script: str) -> float:
        self.admin.execute("CHECKPOINT")
        with psycopg.connect(self.address) as connection:
            began = time.perf_counter()
            connection.execute(script.encode())
            connection.commit()
            return time.perf_counter() - began

    def single(self, clients: int) -> float:
        """Seconds for each of so many clients to change ``SINGLE`` rows of its own, each in its own transaction."""
        began = time.perf_counter()
        _together([lambda number=number: self._client(number) for number in range(clients)])  # type: ignore[misc]
        return time.perf_counter() - began

    def _client(self, number: int) -> None:
        with psycopg.connect(self.address, autocommit=True) as connection:
            for place in range(SINGLE):
                connection.execute(
                    "UPDATE price SET amount = amount + 1 WHERE id = %s", [place * CLIENTS + number + 1]
                )


def measure(
    settings: Settings,  # noqa: ARG001 - every bench is given them; this one has a server of its own
    tell: Tell,
    rows: Rows = 4_000,
    repeats: Repeats = 5,
    seconds: Seconds = 4.0,
) -> Figures:
    """Ratios are medians of one run: time with capture in times of the time without. 1.0 costs nothing."""
    with tempfile.TemporaryDirectory(prefix="hub-bench-") as folder, _opened(Path(folder)) as database:
        bench = Bench(database, rows)
        writes: dict[str, Callable[[], float]] = {
            "insert": bench.insert,
            "update": bench.update,
            "nothing": bench.nothing,
            "single": lambda: bench.single(1),
            "single_4_clients": lambda: bench.single(CLIENTS),
        }
        taken = _taken(bench, writes, repeats, tell)
        bench.switch(on=True)
        figures: dict[str, Any] = {"postgresql": bench.admin.info.parameter_status("server_version")}
        for name in writes:
            with_, without = median(taken[name, True]), median(taken[name, False])
            figures[f"{name}_ratio"] = round(with_ / without, 2)
            figures[f"{name}_seconds"] = f"{with_:.3f} with, {without:.3f} without"
        figures |= _deadlocks(bench.address, seconds)
        return {**figures, **_sequencing(bench)}


@contextmanager
def _opened(folder: Path) -> Iterator[Database]:
    url = postgres.embedded(folder / "postgres")
    try:
        migrations.upgrade(url)
        database = Database(url)
        yield database
        database.close()
    finally:
        postgres.release(folder / "postgres")


def _taken(
    bench: Bench, writes: dict[str, Callable[[], float]], repeats: int, tell: Tell
) -> dict[tuple[str, bool], list[float]]:
    """Every write in turns, now one way first and now the other, so that a growing table favours neither."""
    taken: dict[tuple[str, bool], list[float]] = {(name, on): [] for name in writes for on in (True, False)}
    for round_ in range(repeats + 1):
        for on in (True, False) if round_ % 2 else (False, True):
            bench.switch(on=on)
            for name, write in writes.items():
                seconds = write()
                if round_:  # the first round warms up
                    taken[name, on].append(seconds)
        tell(round_, repeats)
    return taken


def _deadlocks(address: str, seconds: float) -> Figures:
    """Four writers, each with rows of its own of the same tables, three statements a transaction in any order."""
    until, counts = time.monotonic() + seconds, {"committed": 0, "deadlocks": 0}

    def write(number: int) -> None:
        chance = random.Random(number)  # noqa: S311 - chooses what to write
        statements = [
            f"UPDATE {table} SET {what} WHERE mod({key}, 4) = %s AND {key} <= 40"
            for table, key, what in (
                ("product", "id", "name = name || jsonb_build_object('en', %s::text)"),
                ("variant", "product_id", "position = length(%s)"),
                ("price", "product_id", "amount = length(%s) + amount"),
            )
        ]
        with psycopg.connect(address) as connection:
            while time.monotonic() < until:
                try:
                    for statement in chance.sample(statements, 3):
                        connection.execute(statement.encode(), ["x" * chance.randint(1, 90), number])
                    connection.commit()
                    counts["committed"] += 1
                except psycopg.errors.DeadlockDetected:
                    connection.rollback()
                    counts["deadlocks"] += 1

    _together([lambda number=number: write(number) for number in range(CLIENTS)])  # type: ignore[misc]
    return {"disjoint_writers_committed": counts["committed"], "deadlocks": counts["deadlocks"]}


def _sequencing(bench: Bench) -> Figures:
    """How fast records are numbered, and how long after its commit a change is in the feed."""
    bench.admin.execute("DELETE FROM pending")
    bench.admin.execute(
        f"INSERT INTO category (code) SELECT 'c' || n FROM generate_series(1, {RECORDS}) n".encode()
    )
    began = time.perf_counter()
    moved = 1
    while moved:
        with bench.database.engine.begin() as tx:
            moved = sequencer.step(tx)
    rate = RECORDS / (time.perf_counter() - began)
    waits = sorted(_waits(bench))
    cuts = quantiles(waits, n=20)
    return {
        "sequenced_per_second": round(rate),
        "visible_ms_p50": round(median(waits) * 1000, 1),
        "visible_ms_p95": round(cuts[-1] * 1000, 1),
    }


def _waits(bench: Bench) -> Iterator[float]:
    """Seconds from the answer to COMMIT until the feed holds the change, written as ``psql`` would."""
    stop = Event()
    thread = Thread(target=sequencer.run, args=(bench.database, stop))
    thread.start()
    try:
        for number in range(LOOKS):
            before = _head(bench.admin)
            bench.admin.execute("UPDATE price SET amount = amount + 1 WHERE id = %s", [number + 1])
            committed = time.perf_counter()
            while _head(bench.admin) == before:
                time.sleep(0.0005)
            yield time.perf_counter() - committed
            time.sleep(0.01 * (number % 3))
    finally:
        stop.set()
        thread.join()


def _head(connection: psycopg.Connection[Any]) -> int:
    row = connection.execute("SELECT sequence FROM head").fetchone()
    assert row is not None
    return int(row[0])


def _together(works: list[Callable[[], None]]) -> None:
    threads = [Thread(target=work) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
