"""The shop that the bench writes to, and the endpoints that are told of it."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from hub import feed, postgres
from hub.config import Settings
from hub.db import HUB, Database, Json, Writer
from hub.save import Mode, Policy, save
from hub.viewer import Viewer
from webhooks import endpoint, secret
from webhooks.endpoint import Endpoint
from webhooks.secret import Vault

VARIANTS = 2_000
PER_PRODUCT = 10
WRITER = Writer(actor="bench", source="erp")
DOCUMENT = "query ($id: ID!) { node(id: $id) { ... on StockLevel { onHand reserved variant { sku product { slug } } } } }"


@dataclass(frozen=True)
class Shop:
    """``address``: the database as psycopg takes it. ``stock``: the ids of the levels to change."""

    address: str
    stock: list[int]
    vault: Vault


def shop(database: Database, settings: Settings) -> Shop:
    """Products with their stock at one location."""
    products = [_product(number) for number in range(VARIANTS // PER_PRODUCT)]
    _saved(database, "location", [{"code": "main"}])
    _saved(database, "attribute", [{"code": "size", "type": "integer"}])
    _saved(
        database,
        "product_type",
        [{"code": "thing", "attributes": [{"attribute": {"key": "size"}, "axis": True}]}],
    )
    _saved(database, "product", products)
    skus = [variant["sku"] for product in products for variant in product["variants"]]
    _saved(database, "stock", [{"variant": {"key": sku}, "location": {"key": "main"}} for sku in skus])
    with database.read() as tx:
        stock = list(tx.scalars(sa.text("SELECT id FROM stock ORDER BY id")))
    return Shop(postgres.libpq(database.url), stock, Vault(settings.secret))


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
    who = Viewer(
        token_id=None, kind="staff", scopes=frozenset({"stock:read", "catalogue:read"}), channel_ids=None
    )
    row = {
        "url": f"{address}/{number}",
        "event_types": ["stock.updated"],
        "scopes": sorted(who.scopes),
        "document": DOCUMENT.replace("onHand", f"level{number}: onHand") if documents else None,
        "thin": not documents,
        "in_flight": 32,
        "created_by": "bench",
    }
    with database.write(HUB) as tx:
        made = tx.execute(sa.insert(Endpoint).values(row).returning(Endpoint.id)).scalar_one()
        feed.advance(tx, endpoint.cursor(made), feed.ends(tx)[1])
        return secret.add(tx, ready.vault, made).secret
