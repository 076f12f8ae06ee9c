"""The shop that reads are measured on, filled in seconds straight into the hub's own tables.

Every row is what the hub itself would have stored, but no change of it is captured: a bench needs no feed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql
from sqlalchemy import make_url

from hub import migrations, postgres
from hub.config import Settings
from hub.db import Database, raw

WHOLE = 20_000
"""Products at scale 1."""
CUSTOMERS_PER_PRODUCT = 5


@dataclass(frozen=True)
class Ground:
    """A filled database: its address, and how many products and customers it has."""

    url: str
    products: int

    @property
    def customers(self) -> int:
        """How many customers it has."""
        return self.products * CUSTOMERS_PER_PRODUCT


@contextmanager
def prepared(settings: Settings, scale: float, *, keep: bool) -> Iterator[Ground]:
    """The shop at a scale, made where it is not there yet; dropped afterwards unless it is to be kept."""
    products = max(int(WHOLE * scale), 100)
    url = postgres.address(settings)
    name = f"bench_reads_{products}"
    own = make_url(url).set(database=name).render_as_string(hide_password=False)
    with psycopg.connect(postgres.libpq(url), autocommit=True) as connection:
        if not _is_filled(connection, name):
            _drop(connection, name)
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
            migrations.upgrade(own)
            _fill(own, products)
            note = sql.SQL("COMMENT ON DATABASE {} IS {}").format(sql.Identifier(name), sql.Literal(_shape()))
            connection.execute(note)
        try:
            yield Ground(own, products)
        finally:
            if not keep:
                _drop(connection, name)


def _is_filled(connection: psycopg.Connection, name: str) -> bool:
    found = connection.execute(
        "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s", [name]
    ).fetchone()
    return bool(found and found[0] == _shape())


def _shape() -> str:
    """What a filled database is known by: one that other migrations made, or that was filled otherwise, is of no use."""
    files = [Path(__file__), *sorted((migrations.HOUSE / "alembic" / "versions").glob("*.py"))]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def _drop(connection: psycopg.Connection, name: str) -> None:
    connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def _fill(url: str, products: int) -> None:
    database = Database(url)
    with database.engine.begin() as opened:
        tx = raw(opened)
        tx.execute(f"SET LOCAL bench.products = {products}")
        states = tx.execute(TRIGGERS).fetchall()
        for table in {table for table, _, _ in states}:
            tx.execute(f"ALTER TABLE {table} DISABLE TRIGGER ALL")
        for statement in FILL:
            tx.execute(statement)
        for table, trigger, how in states:
            tx.execute(f"ALTER TABLE {table} ENABLE {how} TRIGGER {trigger}")
    database.close()
    with psycopg.connect(postgres.libpq(url), autocommit=True) as connection:
        connection.execute("VACUUM (ANALYZE)")


TRIGGERS = """
SELECT tgrelid::regclass::text, quote_ident(tgname), CASE tgenabled WHEN 'A' THEN 'ALWAYS' ELSE '' END
FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid
WHERE tgparentid = 0 AND relnamespace = current_schema()::regnamespace AND tgenabled <> 'D'
"""

COUNT = "current_setting('bench.products')::bigint"
ATTRIBUTES = (
    ("brand", "choice", False),
    ("material", "text", True),
    ("care", "text", True),
    ("weight", "measurement", False),
    ("rating", "integer", False),
    ("net", "decimal", False),
    ("organic", "boolean", False),
    ("pattern", "text", False),
    ("released", "date", False),
    ("tags", "choices", False),
)
"""Code, type, and whether it has a value per locale."""

ROOTS = (
    "product",
    "asset",
    "customer",
    "order",
    "channel",
    "locale",
    "price_list",
    "attribute",
    "product_type",
)
"""What has a version of its own."""

FILL = [
    "INSERT INTO locale (code) VALUES ('de'), ('en')",
    "INSERT INTO price_list (code, currency) VALUES ('web', 'EUR'), ('market', 'EUR')",
    "INSERT INTO channel (code, currency, order_prefix) VALUES ('web', 'EUR', 'W-'), ('market', 'EUR', 'M-')",
    "INSERT INTO channel_locale (channel_id, locale_id, position)"
    " SELECT channel.id, locale.id, locale.id FROM channel, locale",
    "INSERT INTO channel_price_list (channel_id, price_list_id)"
    " SELECT channel.id, price_list.id FROM channel JOIN price_list USING (code)",
    "INSERT INTO product_type (code) VALUES ('thing')",
    *(
        "INSERT INTO attribute (code, type, localizable, unit_family)"
        f" VALUES ('{code}', '{type_}', {localizable}, CASE '{type_}' WHEN 'measurement' THEN 'mass' END)"
        for code, type_, localizable in ATTRIBUTES
    ),
    "INSERT INTO attribute_option (attribute_id, code, name)"
    """ SELECT id, 'option' || n, jsonb_build_object('en', 'Option ' || n) FROM attribute, generate_series(0, 9) n
        WHERE type IN ('choice', 'choices')""",
    f"""INSERT INTO product (product_type_id, slug, name, description, attributes)
        SELECT (SELECT id FROM product_type), 'product-' || n,
            jsonb_build_object('de', 'Ding Nummer ' || n, 'en', 'Thing number ' || n),
            jsonb_build_object('de', 'Alles über das Ding Nummer ' || n),
            jsonb_build_object(
                'brand', jsonb_build_object('*', jsonb_build_object('*', 'option' || n % 10)),
                'material', jsonb_build_object('*', jsonb_build_object('de', 'Baumwolle ' || n % 7, 'en', 'Cotton')),
                'care', jsonb_build_object('*', jsonb_build_object('en', 'Wash at ' || n % 60)),
                'weight', jsonb_build_object('*', jsonb_build_object('*', jsonb_build_object(
                    'amount', (n % 900)::text, 'unit', 'g', 'base', trim_scale((n % 900) / 1000.0)::text, 'base_unit', 'kg'))),
                'rating', jsonb_build_object('*', jsonb_build_object('*', n % 5 + 1)),
                'net', jsonb_build_object('*', jsonb_build_object('*', (n % 10000 / 100.0)::numeric(9, 2)::text)),
                'organic', jsonb_build_object('*', jsonb_build_object('*', n % 2 = 0)),
                'pattern', jsonb_build_object('*', jsonb_build_object('*', 'Pattern "' || n % 13 || '"')),
                'released', jsonb_build_object('*', jsonb_build_object('*', (date '2020-01-01' + (n % 2000)::int)::text)),
                'tags', jsonb_build_object('*', jsonb_build_object('*', jsonb_build_array('option' || n % 10, 'option' || n % 9))))
        FROM generate_series(1, {COUNT}) n""",
    "INSERT INTO listing (product_id, channel_id, open) SELECT product.id, channel.id, true FROM product, channel",
    """INSERT INTO variant (product_id, sku, position, name)
        SELECT id, 'sku-' || id || '-' || n, n, jsonb_build_object('de', 'Größe ' || n, 'en', 'Size ' || n)
        FROM product, generate_series(1, 5) n""",
    """INSERT INTO price (product_id, variant_id, price_list_id, amount, currency, open)
        SELECT product_id, variant.id, price_list.id, (variant.id * 7 % 50000 / 100.0)::numeric(9, 2), 'EUR', true
        FROM variant, price_list""",
    """INSERT INTO asset (code, address, media_type, width, height, alt)
        SELECT 'asset-' || product.id || '-' || n, 'https://cdn.example.com/' || product.id || '/' || n || '.jpg',
            'image/jpeg', 1200, 900, jsonb_build_object('de', 'Ansicht ' || n || ' von ' || product.id)
        FROM product, generate_series(1, 3) n""",
    """INSERT INTO product_asset (product_id, asset_id, role, position)
        SELECT product.id, asset.id, 'gallery', n FROM product, generate_series(1, 3) n, asset
        WHERE asset.code = 'asset-' || product.id || '-' || n""",
    f"""INSERT INTO customer (given_name, family_name, email)
        SELECT 'Given' || n % 500, 'Family' || n % 9000, 'c' || n || '@example.com'
        FROM generate_series(1, {COUNT} * 5) n""",
    """INSERT INTO "order" (number, channel_id, customer_id, currency, status, placed_at, email, subtotal, total)
        SELECT 'W-' || customer.id || '-' || n, (SELECT min(id) FROM channel), customer.id, 'EUR', 'placed',
            timestamptz '2025-01-01T00:00:00Z' + (customer.id * 37 % 500000 + n) * interval '1 minute', customer.email, 0, 0
        FROM customer, generate_series(1, 2) n""",
    f"""INSERT INTO order_line (order_id, position, variant_id, sku, name, quantity, unit_price, total)
        SELECT bought.id, n, variant.id, variant.sku, 'Thing ' || n, n, 9.90, n * 9.90
        FROM "order" bought, generate_series(1, 3) n,
            LATERAL (SELECT id, sku FROM variant WHERE id = (bought.id * 31 + n * 7919) % ({COUNT} * 5) + 1) variant""",
    """UPDATE "order" SET subtotal = sums.total, total = sums.total
        FROM (SELECT order_id, sum(total) AS total FROM order_line GROUP BY 1) sums WHERE order_id = "order".id""",
    *(
        f"""INSERT INTO aggregate (type, id, version, created_at, updated_at, actor, source)
            SELECT '{root}', id, 1, now(), now(), 'bench', 'bench' FROM "{root}" """
        for root in ROOTS
    ),
]
