"""Contender (a): for each document one SQL statement, written by hand, that returns the text of the answer.

It chooses the page's keys first, reads what hangs on them after, and puts the JSON together as text. It knows its one
channel, asks for no token and counts nothing: less work than this cannot be done over HTTP and SQL.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import orjson
from psycopg_pool import AsyncConnectionPool
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bench.reads.questions import PAGE, PEOPLE, number
from hub.postgres import libpq

POOL = 8
"""Connections, as many as the hub keeps."""


def _id(noun: str, column: str) -> str:
    """SQL for a global id."""
    plain = f"encode(('{noun}:' || {column})::bytea, 'base64')"
    return f"rtrim(translate({plain}, '+/', '-_'), '=')"


def _text(expression: str) -> str:
    """SQL for a JSON text, or null."""
    return f"coalesce(to_json({expression})::text, 'null')"


def _name(column: str) -> str:
    """SQL for a text in German, else in English, as JSON."""
    return f"coalesce(({column} -> 'de')::text, ({column} -> 'en')::text, 'null')"


# Sub-selects are sorted before they are put together: sorting inside an aggregate costs a quarter more.
ATTRIBUTES = """(SELECT string_agg('{"code":"' || key || '","value":' || coalesce(
            value -> '*' -> 'de', value -> '*' -> 'en', value -> '*' -> '*')::text || '}', ',')
        FROM (SELECT key, value FROM jsonb_each(product.attributes) ORDER BY key) held)"""

ASSETS = f"""(SELECT string_agg('{{"role":' || to_json(role)::text || ',"asset":{{"url":' || to_json(address)::text
            || ',"alt":' || {_name("alt")} || '}}}}', ',')
        FROM (SELECT role, address, alt FROM product_asset link JOIN asset ON asset.id = link.asset_id
            WHERE link.product_id = product.id ORDER BY position, link.id) shown_with)"""

PRICE = """LATERAL (SELECT price.amount, price.currency
            FROM price JOIN channel_price_list sold ON sold.price_list_id = price.price_list_id AND sold.channel_id = 1
            WHERE price.variant_id = variant.id AND price.company_id IS NULL AND price.min_quantity <= 1
                AND (price.starts_at IS NULL OR price.starts_at <= now())
                AND (price.ends_at IS NULL OR price.ends_at > now())
            ORDER BY sold.position, price.starts_at IS NULL, price.min_quantity DESC, price.id LIMIT 1)"""

VARIANTS = f"""(SELECT string_agg('{{"sku":' || to_json(sku)::text || ',"name":' || {_name("name")} || ',"price":'
            || coalesce('{{"amount":"' || amount || '","currency":"' || currency || '"}}', 'null') || '}}', ',')
        FROM (SELECT sku, name, amount, currency FROM variant LEFT JOIN {PRICE} held ON true
            WHERE product_id = product.id ORDER BY position, variant.id LIMIT 10) sold)"""

PRODUCT = f"""'{{"id":"' || {_id("product", "product.id")} || '","slug":' || {_text("slug")} || ',"name":' || {_name("product.name")}
    || ',"attributes":[' || coalesce({ATTRIBUTES}, '') || '],"assets":[' || coalesce({ASSETS}, '')
    || '],"variants":{{"nodes":[' || coalesce({VARIANTS}, '') || ']}}}}'"""

# OFFSET 0 keeps PostgreSQL from joining all listings up to the page: it looks each product's up instead.
LISTED = """EXISTS (SELECT FROM listing WHERE product_id = product.id AND channel_id = 1
        AND (starts_at IS NULL OR starts_at <= now()) AND (ends_at IS NULL OR ends_at > now()) OFFSET 0)"""

LIST = f"""
WITH page AS MATERIALIZED (
    SELECT id FROM product WHERE id > %s AND {LISTED} ORDER BY id LIMIT {PAGE + 1}
)
SELECT '{{"data":{{"products":{{"nodes":[' || coalesce(string_agg({PRODUCT}, ','), '')
    || ']' || ',"pageInfo":{{"hasNextPage":' || (SELECT count(*) > {PAGE} FROM page) || '}}}}}}}}'
FROM (SELECT product.* FROM (SELECT id FROM page ORDER BY id LIMIT {PAGE}) shown JOIN product USING (id) ORDER BY id) product
"""

DETAIL = f"""
SELECT '{{"data":{{"product":' || coalesce((SELECT {PRODUCT} FROM product WHERE slug = %s AND {LISTED}), 'null') || '}}}}'
"""

LINES = f"""(SELECT string_agg('{{"name":' || to_json(name)::text || ',"quantity":' || quantity || ',"unitPrice":"' || unit_price
            || '","total":"' || total || '","variant":' || coalesce('{{"sku":' || to_json(sku)::text
            || ',"product":{{"name":' || {_name("product_name")} || '}}}}', 'null') || '}}', ',')
        FROM (SELECT line.name, quantity, unit_price, line.total, variant.sku, product.name AS product_name
            FROM order_line line LEFT JOIN variant ON variant.id = line.variant_id
                LEFT JOIN product ON product.id = variant.product_id
            WHERE line.order_id = bought.id ORDER BY line.position, line.id) line)"""

ORDERS = f"""(SELECT string_agg('{{"number":' || to_json(number)::text || ',"placedAt":'
            || coalesce('"' || to_char(placed_at, 'YYYY-MM-DD"T"HH24:MI:SS"Z"') || '"', 'null')
            || ',"total":"' || total || '","currency":"' || currency || '","lines":[' || coalesce({LINES}, '') || ']}}', ',')
        FROM (SELECT id, number, placed_at, total, currency FROM "order"
            WHERE customer_id = customer.id ORDER BY id LIMIT 10) bought)"""

CUSTOMERS = f"""
WITH page AS MATERIALIZED (SELECT id FROM customer WHERE id > %s ORDER BY id LIMIT {PEOPLE + 1})
SELECT '{{"data":{{"customers":{{"nodes":[' || coalesce(string_agg('{{"id":"' || {_id("customer", "customer.id")}
    || '","fullName":' || {_text("nullif(concat_ws(' ', given_name, family_name), '')")} || ',"email":' || {_text("email")}
    || ',"orders":{{"nodes":[' || coalesce({ORDERS}, '') || ']}}}}', ','), '')
    || ']' || ',"pageInfo":{{"hasNextPage":' || (SELECT count(*) > {PEOPLE} FROM page) || '}}}}}}}}'
FROM (SELECT customer.* FROM (SELECT id FROM page ORDER BY id LIMIT {PEOPLE}) shown JOIN customer USING (id) ORDER BY id) customer
"""

Given = Callable[[dict[str, Any]], Any]
STATEMENTS: dict[str, tuple[str, Given]] = {
    "List": (LIST, lambda given: number(given["after"])),
    "Detail": (DETAIL, lambda given: given["slug"]),
    "Customers": (CUSTOMERS, lambda given: number(given["after"])),
}
"""The statement of each operation, and what it needs of the variables."""


def app(url: str) -> Starlette:
    """The server."""
    options = "-c timezone=UTC"
    pool = AsyncConnectionPool(
        libpq(url), min_size=POOL, max_size=POOL, open=False,
        kwargs={"autocommit": True, "prepare_threshold": 0, "options": options},
    )  # fmt: skip

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with pool:
            yield

    async def answer(request: Request) -> Response:
        asked = orjson.loads(await request.body())
        statement, given = STATEMENTS[asked["query"].split("(", 1)[0].removeprefix("query ")]
        async with pool.connection() as connection:
            cursor = await connection.execute(statement, [given(asked["variables"])], prepare=True)
            row = await cursor.fetchone()
        assert row is not None, "A statement that aggregates gives one row."
        return Response(row[0], media_type="application/json")

    return Starlette(routes=[Route("/graphql", answer, methods=["POST"])], lifespan=lifespan)
