"""A database of the first migration, with data in it, becomes one of the newest: nothing changes but what should."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from alembic import command
from hub import migrations
from hub.db import Database
from tests.capturing import SHOP, Log, run
from tests.running import make_settings, serving
from tests.test_backup import empty

FIRST = "e03525ee1f32"
MORE = """
INSERT INTO locale (code) VALUES ('de');
INSERT INTO asset (code, address, alt) VALUES ('front', 'https://example.com/a.jpg', '{"de": "Vorn"}'),
    ('manual', 'https://example.com/m.pdf', '{}');
INSERT INTO product_asset (product_id, asset_id, role, position) VALUES (1, 1, 'gallery', 3), (1, 2, 'manual', 0);
INSERT INTO variant_asset (product_id, variant_id, asset_id) VALUES (1, 2, 1);
INSERT INTO identifier (product_id, variant_id, type, value) VALUES (1, 1, 'mpn', '007');
INSERT INTO product_category (product_id, category_id) VALUES (1, 1);
INSERT INTO listing (product_id, channel_id) VALUES (1, 1);
INSERT INTO company (code, name) VALUES ('anders', 'Café Anders');
INSERT INTO customer (given_name, family_name, email) VALUES ('Ada', 'Ørsted', 'ada@example.com'), ('Bo', NULL, NULL);
INSERT INTO location (code) VALUES ('lager');
INSERT INTO stock (variant_id, location_id, on_hand) VALUES (1, 1, 5), (2, 1, 0);
INSERT INTO "order" (number, channel_id, customer_id, currency, status, subtotal, total, placed_at)
    VALUES ('W-1', 1, 1, 'EUR', 'placed', 9.80, 9.80, '2026-01-02T03:04:05Z');
INSERT INTO order_line (order_id, variant_id, sku, name, quantity, unit_price, total)
    VALUES (1, 1, 'K-250', 'Kaffee', 2, 4.90, 9.80);
INSERT INTO external_id (entity, entity_id, aggregate, aggregate_id, system, value)
    VALUES ('product', 1, 'product', 1, 'erp', '0001');
"""
"""What a shop of that version held, beside the catalogue."""

OURS = {"provenance"}
"""Columns that the database itself keeps, and that triggers of a newer version may add to."""

OF_THEMSELVES = {"alembic_version", "head"}
"""Tables of one row, which tell of the schema and the feed."""

Rows = dict[str, list[dict[str, Any]]]


def held(url: str, names: Iterable[str] | None = None) -> Rows:
    """The rows of every table that has any; of those alone that are named, where some are."""
    with sa.create_engine(url, poolclass=sa.NullPool).connect() as tx:
        tables = sa.inspect(tx).get_table_names() if names is None else names
        found = {name: _rows(tx, name) for name in tables if name not in OF_THEMSELVES}
    return {name: rows for name, rows in found.items() if rows}


def _rows(tx: sa.Connection, table: str) -> list[dict[str, Any]]:
    key = ", ".join(sa.inspect(tx).get_pk_constraint(table)["constrained_columns"]) or "1"
    return [dict(row) for row in tx.execute(sa.text(f'SELECT * FROM "{table}" ORDER BY {key}')).mappings()]


@pytest.fixture
def old(cluster: str) -> Any:
    with empty(cluster) as url:
        command.upgrade(migrations.config(url), FIRST)
        with sa.create_engine(url, poolclass=sa.NullPool).begin() as tx:
            run(tx, SHOP)
            run(tx, MORE)
        yield url


def test_the_first_schema_with_data_in_it_becomes_the_newest(old: str, tmp_path: Path) -> None:
    before = held(old)
    assert {
        "product",
        "variant",
        "price",
        "asset",
        "customer",
        "order",
        "order_line",
        "stock",
    } <= before.keys()
    migrations.upgrade(old)
    after = held(old, before)
    for name, rows in before.items():
        kept = [{column: row[column] for column in rows[0].keys() & row.keys() - OURS} for row in after[name]]
        gone = rows[0].keys() - after[name][0].keys()
        assert kept == [{c: v for c, v in row.items() if c not in OURS | gone} for row in rows], name
        assert not gone, (name, gone)
    migrations.upgrade(old)  # again, which changes nothing
    assert held(old, before) == after
    database = Database(old)
    log = Log(database)
    # Its rows are older than the feed's first record: no other fault is found, and none comes.
    stands = set(log.faults())
    assert all(fault.endswith("no record made it.") for fault in stands), stands
    (record,) = log.write("UPDATE product SET slug = 'kaffee-neu' WHERE id = 1")
    assert record["type"] == "product.updated"
    assert set(log.faults()) <= stands
    database.close()
    with serving(make_settings(old, tmp_path / "var")) as hub:
        asked = '{ product(slug: "kaffee-neu") { assets { asset { code url focusX } position } variants { nodes { sku } } } }'
        shown = hub.graphql(asked)
        assert not shown.get("errors"), shown
        assert [each["asset"]["code"] for each in shown["data"]["product"]["assets"]] == ["manual", "front"]
        order = hub.data('{ order(number: "W-1") { total customer { givenName } } }')["order"]
        assert order["customer"]["givenName"] == "Ada"
