"""The shop that the bench writes to, and the endpoints that are told of it."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from hub import feed, postgres
from hub.config import Settings
from hub.db import HUB, Database, Json, Writer
from hub.save import Mode, Policy, save
from webhooks import endpoint, secret
from webhooks.endpoint import Endpoint
from webhooks.secret import Vault

OBJECTS = 2_000
PER_PRODUCT = 10
WRITER = Writer(actor="bench", source="erp")
SCOPES = frozenset({"stock:read", "catalogue:read", "customers:read"})


@dataclass(frozen=True)
class Noun:
    """What is written: a column of a table, and how it is told of. ``document`` takes a number that makes it unique."""

    table: str
    column: str
    event: str
    document: str


CUSTOMER = Noun(
    "customer",
    "family_name",
    "customer.updated",
    "query ($id: ID!) {{ customer(id: $id) {{ name{0}: familyName givenName company {{ name }} }} }}",
)
STOCK = Noun(
    "stock",
    "on_hand",
    "stock.updated",
    "query ($id: ID!) {{ node(id: $id) {{ ... on StockLevel {{ level{0}: onHand variant {{ sku product {{ slug }} }} }} }} }}",
)


@dataclass(frozen=True)
class Shop:
    """``address``: the database as psycopg takes it. ``ids``: the objects to change."""

    noun: Noun
    address: str
    ids: list[int]
    vault: Vault


def shop(database: Database, settings: Settings, noun: Noun) -> Shop:
    """Customers of a company, or variants with their stock at one location."""
    if noun is CUSTOMER:
        _customers(database)
    else:
        _variants(database)
    with database.read() as tx:
        found = list(tx.scalars(sa.text(f"SELECT id FROM {noun.table} ORDER BY id")))
    return Shop(noun, postgres.libpq(database.url), found, Vault(settings.secret))


def _customers(database: Database) -> None:
    _saved(database, "company", [{"code": "acme", "name": "Acme"}])
    named = [{"given_name": f"Ada {number}", "company": {"key": "acme"}} for number in range(OBJECTS)]
    _saved(database, "customer", named)


def _variants(database: Database) -> None:
    products = [_product(number) for number in range(OBJECTS // PER_PRODUCT)]
    axes = [{"attribute": {"key": "size"}, "axis": True}]
    _saved(database, "location", [{"code": "main"}])
    _saved(database, "attribute", [{"code": "size", "type": "integer"}])
    _saved(database, "product_type", [{"code": "thing", "attributes": axes}])
    _saved(database, "product", products)
    skus = [variant["sku"] for product in products for variant in product["variants"]]
    _saved(database, "stock", [{"variant": {"key": sku}, "location": {"key": "main"}} for sku in skus])


def _product(number: int) -> Json:
    variants = [{"sku": f"sku-{number}-{size}", "axes": {"size": size}} for size in range(PER_PRODUCT)]
    return {"slug": f"product-{number}", "type": {"key": "thing"}, "variants": variants}


def _saved(database: Database, noun: str, rows: list[Json]) -> None:
    with database.write(WRITER) as tx:
        results = save(tx, noun, rows, mode=Mode.CREATE, policy=Policy.REJECT_ALL)
    wrong = [result for result in results if result.outcome != "created"]
    assert not wrong, wrong[:1]


def endpoints(
    database: Database, ready: Shop, address: str, count: int, *, documents: bool
) -> dict[str, str | None]:
    """Register endpoints, the receiver's path its number; their secrets by path.

    Each document is a text of its own, so that no two share a plan.
    """
    return {
        f"/{number}": _endpoint(database, ready, address, number, documents=documents)
        for number in range(count)
    }


def _endpoint(database: Database, ready: Shop, address: str, number: int, *, documents: bool) -> str | None:
    row = {
        "url": f"{address}/{number}",
        "event_types": [ready.noun.event],
        "scopes": sorted(SCOPES),
        "document": ready.noun.document.format(number) if documents else None,
        "thin": not documents,
        "in_flight": 32,
        "created_by": "bench",
    }
    with database.write(HUB) as tx:
        made = tx.execute(sa.insert(Endpoint).values(row).returning(Endpoint.id)).scalar_one()
        feed.advance(tx, endpoint.cursor(made), feed.ends(tx)[1])
        return secret.add(tx, ready.vault, made).secret
