from __future__ import annotations

import threading
from collections.abc import Callable
from uuid import uuid4

import psycopg
import pytest
from typer.testing import CliRunner

from hub import change, cli_feed, feed, ids, migrations, sequencer, verify
from hub.db import Database
from tests import capturing
from tests.capturing import SHOP, Log, drain, run
from tests.running import wait_until


@pytest.fixture
def log(database: Database) -> Log:
    made = Log(database)
    made.write(SHOP)
    return made


def paths(log: Log, *statements: str) -> dict[str, tuple[object, object]]:
    return {
        each.path: (each.old, each.new)
        for record in log.write(*statements)
        for each in change.paths(record["changes"])
    }


# Sequencing


def test_the_sequence_has_no_gap_and_holds_the_order_of_versions(log: Log, database: Database) -> None:
    for position in range(5):
        log.write(f"UPDATE product SET slug = slug || {position}")
    records = log.since(0)
    assert [record["sequence"] for record in records] == list(range(1, len(records) + 1))
    assert [record["version"] for record in records if record["aggregate"] == "product"] == [
        version for version in range(1, 7) for _ in range(2)
    ]
    assert log.faults() == []


def test_a_batch_moves_at_most_its_size(log: Log, database: Database) -> None:
    with database.write(capturing.ERP) as tx:
        run(tx, "INSERT INTO category (code) SELECT 'c' || n FROM generate_series(1, 25) n")
    moved = []
    for _ in range(4):
        with database.engine.begin() as tx:
            moved.append(sequencer.step(tx, batch=10))
    assert moved == [10, 10, 5, 0]
    assert log.faults() == []


def test_what_commits_late_is_neither_lost_nor_waited_for(log: Log, database: Database) -> None:
    last = drain(database)
    with database.write(capturing.ERP) as slow:
        run(slow, "UPDATE product SET slug = 'slow' WHERE id = 1")
        run(slow, "SET CONSTRAINTS hub_flush IMMEDIATE")
        quick = log.write("UPDATE product SET slug = 'quick' WHERE id = 2")
        assert [record["sequence"] for record in quick] == [last + 1]
    assert [record["changes"][0]["n"]["slug"] for record in log.since(last)] == ["quick", "slow"]


def test_the_loop_outlives_the_loss_of_its_connection(
    log: Log, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sequencer, "DOWN_SECONDS", 0.05)
    stop = threading.Event()
    loop = threading.Thread(target=sequencer.run, args=(database, stop))
    loop.start()
    try:
        name = database.engine.url.database
        address = database.engine.url.set(drivername="postgresql", database="postgres")
        for place in range(5):
            with psycopg.connect(address.render_as_string(hide_password=False), autocommit=True) as admin:
                admin.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
                )
            database.engine.dispose()
            with database.write(capturing.ERP) as tx:
                run(tx, f"INSERT INTO category (code) VALUES ('after loss {place}')")
        deadline = threading.Event()
        for _ in range(100):
            with database.read() as tx:
                if run(tx, "SELECT count(*) FROM pending") == [(0,)]:
                    break
            deadline.wait(0.05)
    finally:
        stop.set()
        loop.join(60)
    assert not loop.is_alive()
    with database.read() as tx:
        assert run(tx, "SELECT count(*) FROM feed WHERE changes->0->'n'->>'code' LIKE 'after loss %'") == [
            (5,)
        ]


def sequenced(log: Log, code: str) -> bool:
    with log.database.read() as tx:
        return run(tx, f"SELECT 1 FROM feed WHERE changes->0->'n'->>'code' = '{code}'") != []


def test_the_loop_outlives_a_pool_without_a_free_connection(
    log: Log, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sequencer, "DOWN_SECONDS", 0.05)
    narrow = Database(database_url, pool_size=1)
    monkeypatch.setattr(narrow.engine.pool, "_timeout", 0.05)
    stop = threading.Event()
    loop = threading.Thread(target=sequencer.run, args=(narrow, stop))
    with narrow.engine.connect(), narrow.engine.connect():
        loop.start()
        loop.join(0.5)
        assert loop.is_alive()
    with log.database.write(capturing.ERP) as tx:
        run(tx, "INSERT INTO category (code) VALUES ('later')")
    try:
        wait_until(lambda: sequenced(log, "later"))
    finally:
        stop.set()
        loop.join(60)
        narrow.close()


def test_partitions_are_made_ahead_and_dropped_by_age(
    log: Log, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sequencer, "PARTITION", 10)
    with database.engine.begin() as tx:
        run(tx, "DELETE FROM feed; UPDATE head SET sequence = 0; DELETE FROM pending")
        for table in run(
            tx, "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'feed'::regclass"
        ):
            run(tx, f"DROP TABLE {table[0]}")
    for place in range(35):
        with database.write(capturing.ERP) as tx:
            run(tx, f"INSERT INTO category (code) VALUES ('p{place}')")
        with database.engine.begin() as tx:
            assert sequencer.step(tx, batch=7) == 1
    with database.engine.begin() as tx:
        assert sequencer.drop_old(tx, days=1) == 0
        run(tx, "UPDATE feed SET sequenced_at = now() - interval '2 days' WHERE sequence <= 20")
        assert sequencer.drop_old(tx, days=1) == 2
        assert feed.ends(tx) == (21, 35)
        with pytest.raises(
            feed.GoneError, match="The feed starts at sequence 21 now, what follows 19 is gone"
        ):
            feed.check(tx, 19)
        feed.check(tx, 20)
        assert [row.sequence for row in tx.execute(feed.page(20, limit=2))] == [21, 22]
        names = [
            name
            for (name,) in run(
                tx, "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'feed'::regclass"
            )
        ]
    assert all(feed.is_partition(name) for name in names)
    assert not feed.is_partition("feed")


# Reading


def test_a_page_keeps_types_nouns_and_aggregates(log: Log, database: Database) -> None:
    log.write("UPDATE price SET amount = 1 WHERE id = 1")
    with database.read() as tx:

        def read(**options: object) -> list[tuple[str, int]]:
            return [(row.type, row.aggregate_id) for row in tx.execute(feed.page(0, **options))]  # type: ignore[arg-type]

        assert read(types=["price.changed"]) == [
            ("product.created", 1),
            ("product.created", 2),
            ("product.updated", 1),
        ]
        assert read(types=["category.*"]) == [("category.created", 1), ("category.created", 2)]
        assert read(types=["product.updated", "channel.*"]) == [
            ("channel.created", 1),
            ("product.updated", 1),
        ]
        assert read(aggregates=[("product", 2)]) == [("product.created", 2)]
        assert read(types=[]) == []
        assert len(read(limit=3)) == 3


def test_a_cursor_is_opaque_and_checked(log: Log, database: Database) -> None:
    for place in (feed.Position(17), feed.Position(17, uuid4())):
        assert feed.decode(feed.encode(place)) == place
    strange = ("17", ids.encode("product", 17), "", ids.encode("change", -1), ids.encode("change@xyz", 17))
    for wrong in strange:
        with pytest.raises(ValueError, match="is not"):
            feed.decode(wrong)
    last = drain(database)
    with database.read() as tx:
        feed.check(tx, last)
        with pytest.raises(feed.AheadError, match=f"ends at sequence {last}, {last + 1} was never given out"):
            feed.check(tx, last + 1)


def test_a_consumer_moves_with_its_work(database: Database) -> None:
    with database.engine.begin() as tx:
        assert feed.position(tx, "index") is None
        feed.advance(tx, "index", 5)
    with database.engine.connect() as tx:
        feed.advance(tx, "index", 9)
        assert feed.position(tx, "index") == 9
        tx.rollback()
    with database.read() as tx:
        assert feed.position(tx, "index") == 5


# Paths


def test_paths_descend_to_the_value_that_differs(log: Log) -> None:
    found = paths(
        log,
        """UPDATE product SET slug = 'neu', name = '{"de": "Kaffee", "en": "Coffee"}', attributes =
            '{"colour": {"*": {"de": "dunkel", "en": "brown"}, "web": {"*": "x"}}, "a/b~": {"*": {"*": {"amount": "1"}}}}'
            WHERE id = 1""",
    )
    assert found == {
        "/slug": ("kaffee", "neu"),
        "/name/en": (None, "Coffee"),
        "/attributes/colour/*/de": ("braun", "dunkel"),
        "/attributes/colour/web/*": (None, "x"),
        "/attributes/a~1b~0/*/*": (None, {"amount": "1"}),
    }


def test_paths_of_rows_below_name_them_by_global_id(log: Log) -> None:
    assert paths(log, "UPDATE price SET amount = 5 WHERE id = 1") == {
        f"/prices/{ids.encode('price', 1)}/amount": ("4.9", "5")
    }
    found = paths(log, "INSERT INTO product_category (product_id, category_id) VALUES (1, 2)")
    assert found == {
        f"/categories/{ids.encode('product_category', 1)}": (
            None,
            {"category": ids.encode("category", 2), "position": 0},
        )
    }
    assert paths(log, "DELETE FROM product_category") == {
        path: (new, old) for path, (old, new) in found.items()
    }


def test_a_new_aggregate_names_its_own_values(log: Log) -> None:
    found = paths(
        log, """INSERT INTO category (code, parent_id, name) VALUES ('green', 2, '{"de": "Grün"}')"""
    )
    assert found == {
        "/code": (None, "green"),
        "/parent": (None, ids.encode("category", 2)),
        "/name/de": (None, "Grün"),
        "/position": (None, 0),
    }


# The proof, and what must turn it red


def sql(statement: str) -> Callable[[Log], None]:
    def plant(log: Log) -> None:
        with log.database.engine.begin() as tx:
            run(tx, statement)

    return plant


def unseen(statement: str) -> Callable[[Log], None]:
    """A write that capture does not see."""
    table = (
        statement.replace("UPDATE ", "").replace("DELETE FROM ", "").replace("INSERT INTO ", "").split()[0]
    )
    # Capture's own triggers fire in every session, which "enabled" alone does not say.
    again = (
        "DO $$ DECLARE each name; BEGIN FOR each IN SELECT tgname FROM pg_trigger"
        f" WHERE tgrelid = '{table}'::regclass AND tgname LIKE 'hub\\_%'"
        f" LOOP EXECUTE format('ALTER TABLE {table} ENABLE ALWAYS TRIGGER %I', each); END LOOP; END $$"
    )
    return sql(
        f"ALTER TABLE {table} DISABLE TRIGGER USER; {statement}; ALTER TABLE {table} ENABLE TRIGGER USER; {again}"
    )


FAULTS: dict[str, tuple[Callable[[Log], None], str]] = {
    "a value": (
        unseen("UPDATE price SET amount = 99 WHERE id = 1"),
        "price 1 has amount = '99', and '4.9' by the record",
    ),
    "a key": (
        unseen("""UPDATE product SET name = name || '{"xx": "y"}' WHERE id = 1"""),
        "has name/xx = 'y', and None",
    ),
    "a row gone": (unseen("DELETE FROM price WHERE id = 2"), "price 2 is gone, against the record"),
    "a row made": (
        unseen("INSERT INTO product_category (product_id, category_id) VALUES (1, 1)"),
        "product_category 1 is in the database, but no record made it",
    ),
    "a missing sequence": (sql("DELETE FROM feed WHERE sequence = 3"), "Sequences 3 to 3 are missing"),
    "a cut end": (
        sql("DELETE FROM feed WHERE sequence = (SELECT max(sequence) FROM feed)"),
        "are missing in the feed",
    ),
    "a cut beginning": (sql("DELETE FROM feed WHERE sequence = 1"), "Sequences 1 to 1 are missing"),
    "a version": (
        sql("UPDATE feed SET version = 7 WHERE aggregate = 'product' AND version = 1 AND aggregate_id = 1"),
        "Product 1 has a record of version 7 where 1 belongs",
    ),
    "a bumped version": (
        sql("UPDATE aggregate SET version = version + 1 WHERE type = 'category' AND id = 1"),
        "Category 1 has a record of version 1 where 2 belongs",
    ),
    "a recorded new value": (
        sql(
            """UPDATE feed SET changes = jsonb_set(changes, '{0,n,slug}', '"false"') WHERE kind = 'UPDATED'"""
        ),
        "has slug = 'moka', and 'false' by the record",
    ),
    "a recorded old value": (
        sql(
            """UPDATE feed SET changes = jsonb_set(changes, '{0,o,slug}', '"false"') WHERE kind = 'UPDATED'"""
        ),
        "has slug = 'false', and 'kaffee' by the record",
    ),
    "an empty record": (
        sql("UPDATE feed SET changes = '[]' WHERE kind = 'UPDATED'"),
        "has a record without a change",
    ),
    "a false death": (
        sql("UPDATE aggregate SET deleted_at = now() WHERE type = 'channel'"),
        "Channel 1 exists, but not to its version",
    ),
    "a pending record": (
        sql(
            "UPDATE product SET slug = 'still pending' WHERE id = 2; SET CONSTRAINTS hub_flush IMMEDIATE; DELETE FROM pending"
        ),
        "Product 2 has a record of version 1 where 2 belongs",
    ),
}


def test_a_sound_feed_has_no_faults_and_pending_records_count(log: Log, database: Database) -> None:
    with database.write(capturing.ERP) as tx:
        run(tx, "UPDATE product SET slug = 'pending' WHERE id = 1; DELETE FROM product WHERE id = 2")
    report = verify.verify(database)
    assert report.faults == []
    assert (report.records, report.rows, report.wrong) == (9, 10, 0)


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_turns_the_proof_red(log: Log, name: str) -> None:
    log.write("UPDATE product SET slug = 'moka' WHERE id = 1")
    plant, expected = FAULTS[name]
    assert log.faults() == []
    plant(log)
    assert any(expected in fault for fault in log.faults()), log.faults()


def test_the_proof_goes_as_far_back_as_the_feed(log: Log, database: Database) -> None:
    log.write("UPDATE product SET slug = 'moka' WHERE id = 1")
    with database.engine.begin() as tx:
        run(tx, "DELETE FROM feed WHERE sequence < 5; UPDATE head SET first = 5")
    assert log.faults() == []
    unseen("UPDATE product SET slug = 'unseen' WHERE id = 1")(log)
    assert len(log.faults()) == 1


def test_the_command_ends_with_a_sum_and_fails_on_a_fault(
    log: Log, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrations, "prepared", lambda _: Database(database.url))
    sound = CliRunner().invoke(cli_feed.app, ["verify"])
    assert sound.exit_code == 0, sound.output
    assert "Records: 7 from sequence 1 on. Aggregates: 7." in sound.output
    unseen("UPDATE product SET slug = 'unseen' WHERE id = 1")(log)
    red = CliRunner().invoke(cli_feed.app, ["verify"])
    assert red.exit_code == 1
    assert "has slug = 'unseen', and 'kaffee' by the record" in red.output
    assert "Faults: 1." in red.output
