"""Four writers at once, the sequencer killed again and again: afterwards the feed must still be the database."""

from __future__ import annotations

import multiprocessing
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerContext, ForkServerProcess
from typing import Any

import psycopg
import pytest

from hub import postgres, verify
from hub.db import Database
from tests import capturing
from tests.capturing import SHOP, Log, drain, run

WRITERS = 4
PRODUCTS = 30

EXPECTED = (
    psycopg.errors.DeadlockDetected,
    psycopg.errors.ExclusionViolation,
    psycopg.errors.UniqueViolation,
    psycopg.errors.ForeignKeyViolation,
    psycopg.errors.LockNotAvailable,
)
"""What writers that know nothing of each other run into; the transaction is rolled back, and must leave nothing."""

Act = Callable[[psycopg.Cursor, random.Random], None]


@dataclass
class Tally:
    """The reasons of transactions by their fate; a reason is a transaction's own name, and is in its records."""

    changed: set[str] = field(default_factory=set)
    even: set[str] = field(default_factory=set)
    undone: set[str] = field(default_factory=set)
    acts: Counter[str] = field(default_factory=Counter)
    broken: list[Exception] = field(default_factory=list)


@pytest.fixture
def shop(database: Database) -> Database:
    with database.engine.begin() as tx:
        run(tx, SHOP)
        run(
            tx,
            f"""INSERT INTO product (product_type_id, slug) SELECT 1, 'p' || n FROM generate_series(1, {PRODUCTS}) n;
            INSERT INTO variant (product_id, sku) SELECT p.id, p.id || '-' || n FROM product p, generate_series(1, 3) n;
            INSERT INTO price (product_id, variant_id, price_list_id, currency, amount)
                SELECT product_id, id, 1, 'EUR', id FROM variant WHERE id % 3 <> 0 AND id > 3""",
        )
    return database


def some(chance: random.Random) -> int:
    return chance.randint(1, PRODUCTS + 2)


# Acts that may change something


def make(cursor: psycopg.Cursor, chance: random.Random) -> None:
    cursor.execute(
        """WITH p AS (INSERT INTO product (product_type_id, name) VALUES (1, '{"de": "neu"}') RETURNING id),
            v AS (INSERT INTO variant (product_id, sku) SELECT id, id || '-made' FROM p RETURNING id, product_id)
            INSERT INTO identifier (product_id, variant_id, type, value) SELECT product_id, id, 'mpn', 'm' FROM v""",
    )


def remake(cursor: psycopg.Cursor, chance: random.Random) -> None:
    cursor.execute(
        """INSERT INTO product (id, product_type_id, slug) OVERRIDING SYSTEM VALUE VALUES (%s, 1, NULL)
            ON CONFLICT (id) DO UPDATE SET attributes = '{"again": {"*": {"*": true}}}'""",
        [some(chance)],
    )


def describe(cursor: psycopg.Cursor, chance: random.Random) -> None:
    cursor.execute(
        """UPDATE product SET attributes = (attributes - %s::text)
            || jsonb_build_object(%s::text, jsonb_build_object('*', jsonb_build_object('*', %s::int))) WHERE id = %s""",
        [f"a{chance.randint(1, 4)}", f"a{chance.randint(1, 4)}", chance.randint(1, 3), some(chance)],
    )


def price(cursor: psycopg.Cursor, chance: random.Random) -> None:
    cursor.execute(
        "UPDATE price SET amount = %s, compare_at = CASE WHEN %s THEN amount END WHERE product_id %% 7 = %s",
        [chance.randint(1, 3), chance.random() < 0.5, chance.randint(0, 6)],
    )


def list_(cursor: psycopg.Cursor, chance: random.Random) -> None:
    cursor.execute(
        "INSERT INTO listing (product_id, channel_id, starts_at, ends_at) SELECT id, 1, now() + %s, now() + %s"
        " FROM product WHERE id = %s",
        [f"{chance.randint(-2, 1)} s", f"{chance.randint(2, 5)} s", some(chance)],
    )


def turn(cursor: psycopg.Cursor, chance: random.Random) -> None:
    cursor.execute("UPDATE listing SET turns_at = turns_at WHERE turns_at <= now()")


def copy(cursor: psycopg.Cursor, chance: random.Random) -> None:
    with cursor.copy("COPY category (code, position) FROM STDIN") as rows:
        for place in range(chance.randint(1, 50)):
            rows.write_row((f"c{chance.randint(1, 10**9)}", place))


def sweep(cursor: psycopg.Cursor, chance: random.Random) -> None:
    cursor.execute("DELETE FROM category WHERE id %% 5 = %s AND id > 2", [chance.randint(0, 4)])


def drop(cursor: psycopg.Cursor, chance: random.Random) -> None:
    cursor.execute("DELETE FROM product WHERE id = %s", [some(chance)])


def move(cursor: psycopg.Cursor, chance: random.Random) -> None:
    cursor.execute(
        "UPDATE variant SET product_id = %s WHERE id IN (SELECT id FROM variant v WHERE NOT EXISTS"
        " (SELECT FROM price p WHERE p.variant_id = v.id) ORDER BY id LIMIT 2 OFFSET %s)",
        [some(chance), chance.randint(0, 5)],
    )


def name_outside(cursor: psycopg.Cursor, chance: random.Random) -> None:
    cursor.execute(
        "INSERT INTO external_id (entity, entity_id, system, value)"
        " SELECT 'variant', id, 'erp', %s FROM variant WHERE product_id = %s LIMIT 1 ON CONFLICT DO NOTHING",
        [str(chance.randint(1, 500)), some(chance)],
    )


def merge(cursor: psycopg.Cursor, chance: random.Random) -> None:
    cursor.execute(
        """MERGE INTO variant v USING (SELECT id, id || '-merged' AS sku FROM product WHERE id %% 9 = %s) p
            ON v.sku = p.sku WHEN MATCHED AND v.position > 2 THEN DELETE
            WHEN MATCHED THEN UPDATE SET position = v.position + 1
            WHEN NOT MATCHED THEN INSERT (product_id, sku) VALUES (p.id, p.sku)""",
        [chance.randint(0, 8)],
    )


def flush(cursor: psycopg.Cursor, chance: random.Random) -> None:
    cursor.execute("SET CONSTRAINTS hub_flush IMMEDIATE")
    if chance.random() < 0.7:
        cursor.execute("SET CONSTRAINTS hub_flush DEFERRED")


# Acts that come out even


def same(cursor: psycopg.Cursor, chance: random.Random) -> None:
    cursor.execute(
        "UPDATE price SET amount = amount * 1.00 WHERE product_id %% 5 = %s", [chance.randint(0, 4)]
    )


def upsert_same(cursor: psycopg.Cursor, chance: random.Random) -> None:
    cursor.execute("INSERT INTO channel (code, currency, order_prefix) VALUES ('web', 'EUR', 'W')"
                   " ON CONFLICT (code) DO UPDATE SET currency = excluded.currency")  # fmt: skip


def revert(cursor: psycopg.Cursor, chance: random.Random) -> None:
    id_ = some(chance)
    # By id: another writer may move a variant in between the two statements.
    cursor.execute("UPDATE variant SET position = position + 7 WHERE product_id = %s RETURNING id", [id_])
    own = [row[0] for row in cursor]
    if chance.random() < 0.3:
        flush(cursor, chance)
    cursor.execute("UPDATE variant SET position = position - 7 WHERE id = ANY (%s)", [own])


def make_and_drop(cursor: psycopg.Cursor, chance: random.Random) -> None:
    code = f"short {chance.randint(1, 10**9)}"
    cursor.execute("INSERT INTO collection (code) VALUES (%s)", [code])
    if chance.random() < 0.3:
        flush(cursor, chance)
    cursor.execute("DELETE FROM collection WHERE code = %s", [code])


CHANGING: tuple[Act, ...] = (
    make, remake, describe, price, list_, turn, copy, sweep, drop, move, name_outside, merge, flush,
)  # fmt: skip
EVEN: tuple[Act, ...] = (same, upsert_same, revert, make_and_drop)


def saved(cursor: psycopg.Cursor, chance: random.Random) -> None:
    """Acts in a savepoint that is taken back."""
    cursor.execute("SAVEPOINT s")
    for _ in range(chance.randint(1, 3)):
        chance.choice(CHANGING)(cursor, chance)
    cursor.execute("ROLLBACK TO s")


class Writer(threading.Thread):
    """One connection that writes at random until it is told to stop."""

    def __init__(self, address: str, seed: int, stop: threading.Event) -> None:
        super().__init__(name=f"writer-{seed}")
        self.address, self.chance, self.stop, self.tally = address, random.Random(seed), stop, Tally()

    def run(self) -> None:
        try:
            with psycopg.connect(self.address, autocommit=True) as connection:
                number = 0
                while not self.stop.is_set():
                    number += 1
                    self.transaction(connection, f"{self.name}/{number}")
        except Exception as error:  # noqa: BLE001 - told by the test, which must fail for any
            self.tally.broken.append(error)

    def transaction(self, connection: psycopg.Connection, reason: str) -> None:
        even = self.chance.random() < 0.15
        try:
            with connection.transaction(), connection.cursor() as cursor:
                cursor.execute("SELECT set_config('hub.reason', %s, true)", [reason])
                for _ in range(self.chance.randint(1, 4)):
                    act = self.chance.choice(EVEN if even else (*CHANGING, *EVEN))
                    self.tally.acts[act.__name__] += 1
                    act(cursor, self.chance)
                    if self.chance.random() < 0.15:
                        saved(cursor, self.chance)
                if self.chance.random() < 0.15:
                    raise psycopg.Rollback
                (self.tally.even if even else self.tally.changed).add(reason)
        except EXPECTED:
            self.tally.even.discard(reason)
            self.tally.changed.discard(reason)
        if reason not in self.tally.even | self.tally.changed:
            self.tally.undone.add(reason)


def follow(address: str, stop: threading.Event, seen: list[int]) -> None:
    """A consumer that reads on from the last sequence it saw, while everything happens."""
    with psycopg.connect(address, autocommit=True) as connection:
        while True:
            last = stop.is_set()
            rows = connection.execute(
                "SELECT sequence FROM feed WHERE sequence > %s ORDER BY sequence LIMIT 100",
                [seen[-1] if seen else 0],
            ).fetchall()
            seen.extend(sequence for (sequence,) in rows)
            if last and not rows:
                return
            time.sleep(0.005)


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_nothing_is_lost_doubled_or_out_of_order(shop: Database, soak_seconds: float) -> None:
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    address = postgres.libpq(shop.url)
    stop, read_out = threading.Event(), threading.Event()
    seen: list[int] = []
    writers = [Writer(address, seed + place, stop) for place in range(WRITERS)]
    reader = threading.Thread(target=follow, args=(address, read_out, seen))
    for thread in (*writers, reader):
        thread.start()
    kills = _kill_sequencers(shop.url, random.Random(seed), time.monotonic() + soak_seconds)
    stop.set()
    for writer in writers:
        writer.join(60)
    last = drain(shop)
    read_out.set()
    reader.join(60)

    assert [writer.tally.broken for writer in writers] == [[]] * WRITERS
    assert verify.verify(shop).faults == []
    assert Log(shop).left() == [0, 0]
    assert seen == list(range(1, last + 1))
    with shop.read() as tx:
        recorded = {
            reason for (reason,) in run(tx, "SELECT DISTINCT reason FROM feed WHERE reason IS NOT NULL")
        }
    undone = set().union(*(writer.tally.undone for writer in writers))
    even = set().union(*(writer.tally.even for writer in writers))
    changed = set().union(*(writer.tally.changed for writer in writers))
    assert _records(shop, undone) == []
    assert _records(shop, even) == []
    assert recorded <= changed
    acts = sum((writer.tally.acts for writer in writers), Counter())
    print(
        f"{len(changed)} changed, {len(even)} even, {len(undone)} undone, {last} records, {kills} kills, {dict(acts)}"
    )
    assert min(len(recorded), len(even), len(undone), kills) > 0
    assert set(acts) == {act.__name__ for act in (*CHANGING, *EVEN)}


def _records(shop: Database, reasons: set[str]) -> list[tuple[Any, ...]]:
    with shop.read() as tx:
        return run(tx, "SELECT reason, changes FROM feed WHERE reason = ANY (%s)", [list(reasons)])


def _kill_sequencers(url: str, chance: random.Random, until: float) -> int:
    """Two sequencers side by side; every so often one of them is killed, and a new one starts."""
    server = multiprocessing.get_context("forkserver")
    server.set_forkserver_preload(["tests.capturing"])
    running = [_sequencer(server, url), _sequencer(server, url)]
    kills = 0
    while time.monotonic() < until:
        time.sleep(chance.uniform(0.02, 0.4))
        victim = running.pop(chance.randrange(2))
        victim.kill()
        victim.join()
        kills += 1
        running.append(_sequencer(server, url))
    for process in running:
        process.kill()
        process.join()
    return kills


def _sequencer(server: ForkServerContext, url: str) -> ForkServerProcess:
    process = server.Process(target=capturing.sequence, args=(url,), daemon=True)
    process.start()
    return process
