from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from hub import aggregate, capture, guards, window
from hub.db import Database, Writer, raw
from hub.flat import captured
from hub.registry import parts
from tests import capturing
from tests.capturing import SHOP, Log, drain, run


@pytest.fixture(scope="module")
def shop(module_database: Database) -> Database:
    """The tests of this module go on from what those before them wrote, as a real hub does."""
    with module_database.engine.begin() as tx:
        run(tx, SHOP)
    return module_database


@pytest.fixture
def database(shop: Database) -> Database:
    return shop


@pytest.fixture
def log(database: Database) -> Iterator[Log]:
    """Every test leaves a feed that proves itself, and no pieces behind."""
    made = Log(database)
    yield made
    assert made.faults() == []
    assert made.left() == [0, 0]


def only(records: list[dict[str, Any]]) -> dict[str, Any]:
    assert len(records) == 1, records
    return records[0]


def version(database: Database, type_: str, id_: int) -> int:
    with database.read() as tx:
        return int(run(tx, "SELECT version FROM aggregate WHERE type = %s AND id = %s", [type_, id_])[0][0])


def product(log: Log, slug: str) -> int:
    record = only(log.write(f"INSERT INTO product (product_type_id, slug) VALUES (1, '{slug}')"))
    return int(record["aggregate_id"])


# What is recorded


def test_an_insert_is_recorded_whole_with_its_writer(log: Log) -> None:
    record = only(
        log.write(
            """INSERT INTO category (code, name) VALUES ('mugs', '{"de": "Becher"}')""",
        )
    )
    assert record["type"] == "category.created"
    assert (record["kind"], record["version"]) == ("CREATED", 1)
    assert record["events"] == ["category.created"]
    assert (record["actor"], record["source"], record["reason"]) == ("token:7", "erp", "night run")
    id_ = record["aggregate_id"]
    assert record["changes"] == [
        {
            "t": "category",
            "k": id_,
            "op": "I",
            "o": None,
            "n": {
                "id": id_,
                "code": "mugs",
                "slug": None,
                "parent_id": None,
                "position": 0,
                "name/de": "Becher",
            },
        }
    ]


def test_a_change_made_without_the_hub_names_the_session_user(log: Log, database: Database) -> None:
    after = drain(database)
    with psycopg.connect(database.engine.url.set(drivername="postgresql").render_as_string()) as session:
        session.execute("SET timezone = 'Asia/Tokyo'")
        session.execute("UPDATE product SET slug = 'tee-lose' WHERE id = 2")
    record = only(log.since(after))
    assert (record["actor"], record["source"], record["reason"]) == ("postgres", "sql", None)
    assert record["changes"] == [
        {"t": "product", "k": 2, "op": "U", "o": {"slug": "tee"}, "n": {"slug": "tee-lose"}}
    ]


def test_an_update_records_only_what_differs_and_deep_columns_key_by_key(log: Log) -> None:
    change = only(
        log.write(
            """UPDATE product SET slug = slug, name = '{"de": "Kaffee", "en": "Coffee"}',
                attributes = '{"colour": {"*": {"de": "braun", "en": "dark"}}, "weight": {"*": {"*": 250}}}' WHERE id = 1"""
        )
    )["changes"]
    assert change == [
        {
            "t": "product",
            "k": 1,
            "op": "U",
            "o": {
                "name/en": None,
                "attributes/weight": None,
                "attributes/colour": {"*": {"de": "braun", "en": "brown"}},
            },
            "n": {
                "name/en": "Coffee",
                "attributes/weight": {"*": {"*": 250}},
                "attributes/colour": {"*": {"de": "braun", "en": "dark"}},
            },
        }
    ]


def test_a_removed_key_is_null_in_the_new_values(log: Log) -> None:
    log.write(
        """UPDATE product SET attributes = '{"gone": {"*": {"*": 1}}, "stays": {"*": {"*": 2}}}' WHERE id = 2"""
    )
    change = only(log.write("UPDATE product SET attributes = attributes - 'gone' WHERE id = 2"))["changes"][0]
    assert change["o"] == {"attributes/gone": {"*": {"*": 1}}}
    assert change["n"] == {"attributes/gone": None}


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE price SET amount = 4.900 WHERE id = 1",
        "UPDATE product SET slug = slug",
        "UPDATE product SET provenance = '{}'",
        "INSERT INTO category (code) VALUES ('tea') ON CONFLICT (code) DO UPDATE SET code = excluded.code",
        "INSERT INTO category (code) VALUES ('tea') ON CONFLICT DO NOTHING",
        "DELETE FROM product WHERE id = -1",
        "INSERT INTO category (code) VALUES ('soon gone'); DELETE FROM category WHERE code = 'soon gone'",
        "UPDATE product SET slug = slug || '-x'; UPDATE product SET slug = left(slug, -2)",
        "SAVEPOINT a; DELETE FROM product; ROLLBACK TO a",
        """UPDATE product SET name = '{"fr": "Café"}' WHERE id = 1; UPDATE product SET name = '{"de": "Kaffee", "en": "Coffee"}'
            WHERE id = 1""",
    ],
)
def test_what_changes_nothing_leaves_no_record(log: Log, statement: str) -> None:
    log.write("""UPDATE product SET name = '{"de": "Kaffee", "en": "Coffee"}' WHERE id = 1""")
    assert log.write(statement) == []


def test_many_statements_fold_into_one_change(log: Log, database: Database) -> None:
    before = version(database, "product", 1)
    record = only(
        log.write(
            "UPDATE product SET slug = 'a' WHERE id = 1",
            "UPDATE variant SET position = 5 WHERE id = 1",
            "UPDATE product SET slug = 'b' WHERE id = 1",
            "UPDATE variant SET position = position WHERE product_id = 1",
        )
    )
    assert record["version"] == before + 1
    assert [(change["t"], change["n"]) for change in record["changes"]] == [
        ("product", {"slug": "b"}),
        ("variant", {"position": 5}),
    ]


def test_delete_and_insert_of_one_key_is_an_update_of_what_differs(log: Log) -> None:
    id_ = product(log, "first-life")
    record = only(
        log.write(
            f"""UPDATE product SET attributes = '{{"a": {{"*": {{"*": 1}}}}}}' WHERE id = {id_}""",
            f"DELETE FROM product WHERE id = {id_}",
            f"""INSERT INTO product (id, product_type_id, slug, attributes)
                OVERRIDING SYSTEM VALUE VALUES ({id_}, 1, 'second-life', '{{"b": {{"*": {{"*": 2}}}}}}')""",
            f"""UPDATE product SET attributes = attributes || '{{"c": {{"*": {{"*": 3}}}}}}' WHERE id = {id_}""",
        )
    )
    assert record["kind"] == "UPDATED"
    change = record["changes"][0]
    assert change["op"] == "U"
    assert change["o"] == {"slug": "first-life", "attributes/b": None, "attributes/c": None}
    assert change["n"] == {
        "slug": "second-life",
        "attributes/b": {"*": {"*": 2}},
        "attributes/c": {"*": {"*": 3}},
    }


def test_an_insert_keeps_no_trace_of_a_key_that_was_removed_again(log: Log) -> None:
    record = only(
        log.write(
            """INSERT INTO category (code, name) VALUES ('c1', '{"de": "x", "en": "y"}')""",
            "UPDATE category SET name = name - 'en' WHERE code = 'c1'",
        )
    )
    assert {path for path in record["changes"][0]["n"] if path.startswith("name/")} == {"name/de"}


def test_a_cascade_is_one_record_of_the_aggregate(log: Log) -> None:
    id_ = product(log, "cascade")
    log.write(
        f"INSERT INTO variant (product_id, sku) VALUES ({id_}, 'c-1'), ({id_}, 'c-2')",
        f"""INSERT INTO price (product_id, variant_id, price_list_id, currency, amount)
            SELECT {id_}, id, 1, 'EUR', 1 FROM variant WHERE product_id = {id_}""",
    )
    record = only(log.write(f"DELETE FROM product WHERE id = {id_}"))
    assert record["type"] == "product.deleted"
    assert sorted(change["t"] for change in record["changes"]) == [
        "price",
        "price",
        "product",
        "variant",
        "variant",
    ]
    assert {change["op"] for change in record["changes"]} == {"D"}


def test_a_row_that_moves_is_a_delete_there_and_an_insert_here(log: Log) -> None:
    here, there = product(log, "here"), product(log, "there")
    log.write(f"INSERT INTO variant (product_id, sku) VALUES ({here}, 'mover')")
    log.write(
        "INSERT INTO external_id (entity, entity_id, system, value) SELECT 'variant', id, 'erp', 'm' FROM variant WHERE sku = 'mover'"
    )
    old, new = log.write(f"UPDATE variant SET product_id = {there}, position = 3 WHERE sku = 'mover'")
    assert (old["aggregate_id"], new["aggregate_id"]) == (here, there)
    assert {(change["t"], change["op"]) for change in old["changes"]} == {
        ("variant", "D"),
        ("external_id", "D"),
    }
    assert {(change["t"], change["op"]) for change in new["changes"]} == {
        ("variant", "I"),
        ("external_id", "I"),
    }


def test_copy_and_merge_are_seen(log: Log, database: Database) -> None:
    after = drain(database)
    with database.write(capturing.ERP) as tx, raw(tx).cursor() as cursor:
        with cursor.copy("COPY category (code, position) FROM STDIN") as copy:
            for place in range(300):
                copy.write_row((f"copied-{place}", place))
        cursor.execute(
            "MERGE INTO category c USING (VALUES ('copied-0', 7), ('merged', 8)) v(code, position) ON c.code = v.code"
            " WHEN MATCHED THEN UPDATE SET position = v.position"
            " WHEN NOT MATCHED THEN INSERT (code, position) VALUES (v.code, v.position)"
        )
    records = log.since(after) + log.since(after + 100) + log.since(after + 200) + log.since(after + 300)
    by_code = {record["changes"][0]["n"]["code"]: record["changes"][0] for record in records}
    assert len(by_code) == 301
    assert by_code["copied-0"]["n"]["position"] == 7
    assert {change["op"] for change in by_code.values()} == {"I"}


# Versions


def test_a_recreated_id_goes_on_counting(log: Log, database: Database) -> None:
    id_ = product(log, "phoenix")
    assert only(log.write(f"DELETE FROM product WHERE id = {id_}"))["version"] == 2
    record = only(
        log.write(f"INSERT INTO product (id, product_type_id) OVERRIDING SYSTEM VALUE VALUES ({id_}, 1)")
    )
    assert (record["version"], record["kind"]) == (3, "CREATED")
    with database.read() as tx:
        assert run(tx, "SELECT deleted_at FROM aggregate WHERE type = 'product' AND id = %s", [id_]) == [
            (None,)
        ]


def test_versions_can_be_read_before_commit_and_are_bumped_once(log: Log, database: Database) -> None:
    before, after = version(database, "product", 1), drain(database)
    with database.write(capturing.ERP) as tx:
        run(tx, "UPDATE product SET slug = 'early' WHERE id = 1")
        assert aggregate.versions(tx) == {("product", 1): before + 1}
        run(tx, "UPDATE product SET slug = 'late' WHERE id = 1; UPDATE variant SET position = 9 WHERE id = 2")
        assert aggregate.versions(tx) == {("product", 1): before + 1}
    record = only(log.since(after))
    assert record["version"] == before + 1
    assert [change["n"] for change in record["changes"]] == [{"slug": "late"}, {"position": 9}]


def test_a_flush_that_comes_out_even_after_all_takes_the_version_back(log: Log, database: Database) -> None:
    before, after = version(database, "product", 1), drain(database)
    with database.write(capturing.ERP) as tx:
        run(tx, "UPDATE product SET slug = slug || '-x' WHERE id = 1")
        run(tx, "INSERT INTO product (product_type_id, slug) VALUES (1, 'never')")
        aggregate.flush(tx)
        run(
            tx,
            "UPDATE product SET slug = left(slug, -2) WHERE id = 1; DELETE FROM product WHERE slug = 'never'",
        )
        assert aggregate.versions(tx) == {}
    assert log.since(after) == []
    assert version(database, "product", 1) == before


def test_a_savepoint_takes_a_flush_back(log: Log, database: Database) -> None:
    before, after = version(database, "product", 2), drain(database)
    with database.write(capturing.ERP) as tx:
        run(tx, "SAVEPOINT a; UPDATE product SET slug = 'undone' WHERE id = 2")
        aggregate.flush(tx)
        run(tx, "ROLLBACK TO a; UPDATE product SET slug = 'done' WHERE id = 2")
        assert aggregate.versions(tx) == {("product", 2): before + 1}
        run(tx, "SAVEPOINT b; DELETE FROM product WHERE id = 2")
        aggregate.flush(tx)
        run(tx, "ROLLBACK TO b")
    assert only(log.since(after))["changes"][0]["n"] == {"slug": "done"}


def test_constraints_that_stay_immediate_record_one_change(log: Log) -> None:
    record = only(
        log.write(
            "SET CONSTRAINTS ALL IMMEDIATE",
            "UPDATE product SET slug = 'i1' WHERE id = 1",
            "UPDATE product SET slug = 'i2' WHERE id = 1",
        )
    )
    assert record["changes"][0]["n"] == {"slug": "i2"}


def test_lock_holds_the_version_until_the_end(log: Log, database: Database) -> None:
    with database.write(capturing.ERP) as tx:
        locked = aggregate.lock(tx, "product", [2, 1, 999_999])
        assert set(locked) == {1, 2}
        with database.write(capturing.ERP) as other:
            run(other, "SET LOCAL lock_timeout = '50ms'")
            with pytest.raises(sa.exc.OperationalError, match="lock timeout"):
                aggregate.lock(other, "product", [1])
            other.rollback()
    assert log.faults() == []


# Events


def test_events_say_what_a_change_means(log: Log) -> None:
    assert only(log.write("UPDATE price SET amount = 5.10 WHERE id = 1"))["events"] == [
        "product.updated",
        "price.changed",
    ]
    assert (
        "product.listed"
        in only(log.write("INSERT INTO listing (product_id, channel_id) VALUES (1, 1)"))["events"]
    )
    assert "product.unlisted" in only(log.write("DELETE FROM listing WHERE product_id = 1"))["events"]


def test_a_type_is_written_without_underscores(log: Log) -> None:
    assert (
        only(log.write("INSERT INTO product_type (code) VALUES ('tools')"))["type"] == "producttype.created"
    )


# Provenance


def provenance(database: Database, slug: str) -> dict[str, Any]:
    with database.read() as tx:
        return dict(run(tx, "SELECT provenance FROM product WHERE slug = %s", [slug])[0][0])


def test_every_value_knows_who_wrote_it(log: Log, database: Database) -> None:
    log.write(
        """INSERT INTO product (product_type_id, slug, name, attributes)
            VALUES (1, 'known', '{"de": "x"}', '{"size": {"*": {"de": 1, "en": 2}}}')"""
    )
    assert {path: mark[:2] for path, mark in provenance(database, "known").items()} == {
        "*": ["erp", "token:7"]
    }
    log.write(
        """UPDATE product SET name = name || '{"en": "y"}', attributes = '{"size": {"*": {"de": 9, "en": 2}}}'
            WHERE slug = 'known'""",
        writer=Writer("user:3", "hub"),
    )
    known = provenance(database, "known")
    assert {path: mark[:2] for path, mark in known.items()} == {
        "*": ["erp", "token:7"],
        "name/en": ["hub", "user:3"],
        "attributes/size/*/de": ["hub", "user:3"],
    }
    assert known["name/en"][2].endswith("Z")


def test_provenance_cannot_be_written_by_hand_and_no_change_leaves_it(log: Log, database: Database) -> None:
    before = provenance(database, "known")
    log.write("UPDATE product SET provenance = '{\"*\": [\"liar\"]}', slug = slug WHERE slug = 'known'")
    assert provenance(database, "known") == before


# Windows


def test_a_window_turns_by_itself_once(log: Log, database: Database) -> None:
    log.write(
        """INSERT INTO listing (product_id, channel_id, starts_at, ends_at) VALUES
            (2, 1, now() - interval '2 day', now() - interval '1 day'),
            (2, 1, now() + interval '400 ms', now() + interval '900 ms')"""
    )
    with database.read() as tx:
        assert run(tx, "SELECT open, turns_at IS NULL FROM listing WHERE product_id = 2 ORDER BY id") == [
            (False, True),
            (False, False),
        ]
    opened = _turned(log, database)
    closed = _turned(log, database)
    assert opened["events"] == ["product.updated", "product.listed"]
    assert closed["events"] == ["product.updated", "product.unlisted"]
    assert closed["changes"][0]["n"] == {"open": False}
    with database.write(capturing.ERP) as tx:
        assert window.turn(tx) == 0


def _turned(log: Log, database: Database) -> dict[str, Any]:
    after = drain(database)
    with database.engine.begin() as tx:
        run(tx, "SELECT pg_sleep(0.5)")
    with database.write(Writer("hub", "hub")) as tx:
        assert window.turn(tx) == 1
    return only(log.since(after))


def test_the_flag_of_a_window_cannot_be_set_by_hand(log: Log) -> None:
    log.write(
        "INSERT INTO listing (product_id, channel_id, starts_at) VALUES (2, 1, now() + interval '1 day')"
    )
    assert log.write("UPDATE listing SET open = true, turns_at = NULL WHERE product_id = 2") == []


# External ids


def test_external_ids_go_with_their_object(log: Log, database: Database) -> None:
    id_ = product(log, "known outside")
    log.write(
        f"INSERT INTO variant (product_id, sku) VALUES ({id_}, 'out-1')",
        f"INSERT INTO external_id (entity, entity_id, system, value) VALUES ('product', {id_}, 'erp', 'P1')",
        "INSERT INTO external_id (entity, entity_id, system, value) SELECT 'variant', id, 'erp', 'V1' FROM variant WHERE sku = 'out-1'",
    )
    with database.read() as tx:
        owners = run(
            tx, "SELECT DISTINCT aggregate, aggregate_id FROM external_id WHERE value IN ('P1', 'V1')"
        )
    assert owners == [("product", id_)]
    record = only(log.write(f"DELETE FROM product WHERE id = {id_}"))
    assert [change["t"] for change in record["changes"]].count("external_id") == 2


@pytest.mark.parametrize(("entity", "message"), [("product", "does not exist"), ("unicorn", "no such noun")])
def test_an_external_id_of_nothing_is_refused(log: Log, entity: str, message: str) -> None:
    with pytest.raises(psycopg.errors.ForeignKeyViolation, match=message):
        log.write(
            f"INSERT INTO external_id (entity, entity_id, system, value) VALUES ('{entity}', 123456, 'erp', 'x')"
        )


# What the database refuses


def test_truncate_is_refused(log: Log) -> None:
    with pytest.raises(psycopg.errors.FeatureNotSupported, match='Table "price" cannot be truncated'):
        log.write("TRUNCATE price")


def test_an_id_is_never_changed(log: Log) -> None:
    with pytest.raises(psycopg.errors.FeatureNotSupported, match="The id of category 1 cannot become 4711"):
        log.write("UPDATE category SET id = 4711 WHERE id = 1")


@pytest.mark.parametrize("value", ["null", "[]", '{"de": null}'])
def test_a_deep_column_holds_an_object_without_nulls(log: Log, value: str) -> None:
    with pytest.raises(psycopg.errors.CheckViolation):
        log.write(f"UPDATE product SET name = '{value}' WHERE id = 1")


# The installation


def test_replica_sessions_are_captured_too(log: Log) -> None:
    records = log.write(
        "SET LOCAL session_replication_role = replica", "UPDATE product SET slug = 'rep' WHERE id = 1"
    )
    assert only(records)["changes"][0]["n"] == {"slug": "rep"}


def test_every_kept_table_is_captured_after_a_second_installation(database: Database) -> None:
    with database.engine.begin() as tx:
        capture.prelude(tx)
        capture.install(tx)
    with database.read() as tx:
        found = run(
            tx,
            "SELECT tgrelid::regclass::text, tgname FROM pg_trigger WHERE tgname LIKE 'hub%' AND tgenabled = 'A'",
        )
    tables = {(table.strip('"'), trigger) for table, trigger in found}
    for part in parts():
        wanted = {"hub_capture_i", "hub_capture_u", "hub_capture_d", "hub_no_truncate", "hub_provenance"}
        assert {(part.name, trigger) for trigger in wanted} <= tables
        assert (
            "hub_clock" in {trigger for table, trigger in tables if table == part.name}
        ) == guards.has_window(part)


def test_triggers_of_a_table_that_is_no_longer_kept_are_dropped(database: Database) -> None:
    with database.engine.begin() as tx:
        run(tx, "CREATE TABLE formerly (id bigint)")
        run(
            tx,
            "CREATE TRIGGER hub_no_truncate BEFORE TRUNCATE ON formerly EXECUTE FUNCTION hub_no_truncate()",
        )
        capture.install(tx)
        run(tx, "TRUNCATE formerly; DROP TABLE formerly")


def test_provenance_is_never_captured() -> None:
    assert all("provenance" not in [column.name for column in captured(part)] for part in parts())


# Functions of columns and checks


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("gtin_valid('4006381333931')", True),
        ("gtin_valid('04006381333931')", True),
        ("gtin_valid('96385074')", True),
        ("gtin_valid('4006381333932')", False),
        ("gtin_valid('40063813339')", False),
        ("gtin_valid('٤006381333931')", False),
        ("currency_digits('EUR')", 2),
        ("currency_digits('JPY')", 0),
        ("currency_digits('KWD')", 3),
        ("currency_digits('CLF')", 4),
        ("currency_digits('XXY')", None),
        ("sort_key('Émile ZOLÀ')", "emile zola"),
        ("sort_key('ﬁne')", "fine"),
        ("sort_key(NULL)", None),
    ],
)
def test_functions_for_columns_and_checks(database: Database, sql: str, expected: object) -> None:
    with database.read() as tx:
        assert run(tx, f"SELECT {sql}") == [(expected,)]


def test_a_change_happens_at_the_end_of_its_transaction(log: Log, database: Database) -> None:
    after = drain(database)
    with database.write(capturing.ERP) as tx:
        run(tx, "UPDATE product SET slug = 'slowly' WHERE id = 1; SELECT pg_sleep(0.3)")
        began = run(tx, "SELECT now()")[0][0]
    assert (only(log.since(after))["occurred_at"] - began).total_seconds() >= 0.3
