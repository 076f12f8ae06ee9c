"""The catalogue that the contract is checked with: small enough to know by heart, with an example of every rule."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from hub.db import Database, Json
from tests.shop import WRITER, written

GROUND: dict[str, list[Json]] = {
    "locale": [{"code": "en"}, {"code": "de"}, {"code": "ja"}],
    "price_list": [{"code": "retail", "currency": "EUR"}, {"code": "us", "currency": "USD"}],
    "channel": [
        {
            "code": "web",
            "currency": "EUR",
            "locales": [{"locale": {"key": code}} for code in ("en", "de", "ja")],
            "price_lists": [{"price_list": {"key": "retail"}}],
        },
        {
            "code": "us",
            "currency": "USD",
            "locales": [{"locale": {"key": "en"}}],
            "price_lists": [{"price_list": {"key": "us"}}],
        },
    ],
    "attribute": [
        {
            "code": "colour",
            "type": "choice",
            "searchable": True,
            "filterable": True,
            "facet": True,
            "options": [
                {"code": code, "name": {"en": code.title(), "de": german}}
                for code, german in (("red", "Rot"), ("blue", "Blau"), ("black", "Schwarz"))
            ],
        },
        {
            "code": "brand",
            "type": "choice",
            "searchable": True,
            "filterable": True,
            "facet": True,
            "options": [
                {"code": "acme", "name": {"en": "Acme"}},
                {"code": "northwind", "name": {"en": "North Wind"}},
            ],
        },
        {"code": "weight", "type": "measurement", "unit_family": "mass", "unit": "g", "filterable": True},
        {"code": "rating", "type": "integer", "filterable": True, "facet": True},
        {"code": "cable.length", "type": "decimal", "filterable": True},
        {"code": "released", "type": "date", "filterable": True},
        {"code": "organic", "type": "boolean", "filterable": True, "facet": True},
        {"code": "material", "type": "text", "localizable": True, "filterable": True, "facet": True},
        {"code": "care", "type": "rich_text", "searchable": True, "filterable": True},
        {"code": "cost", "type": "money", "filterable": True},
        {"code": "spare_of", "type": "reference", "rules": {"to": "product"}, "filterable": True},
        {"code": "secret", "type": "text"},
        {"code": "size", "type": "choices", "facet": True, "options": [{"code": c} for c in ("s", "m", "l")]},
    ],
    "product_type": [
        {"code": "thing", "name": {"en": "Thing"}},
        {"code": "audio", "name": {"en": "Audio"}},
    ],
    "category": [
        {"code": "sound", "name": {"en": "Sound"}},
        {"code": "phones", "name": {"en": "Wearables"}, "parent": {"key": "sound"}},
        {"code": "home", "name": {"en": "Home"}},
    ],
    "location": [{"code": "main"}],
}


def product(slug: str, en: str, *, price: str | None = "10.00", stock: int = 0, **more: Any) -> Json:
    """A product with one variant, listed on the web."""
    given = dict(more)
    variant: Json = {"sku": given.pop("sku", f"SKU-{slug}")}
    if price is not None:
        variant["prices"] = [{"price_list": {"key": "retail"}, "amount": price}]
    variant["prices"] = variant.get("prices", []) + given.pop("prices", [])
    if "identifiers" in given:
        variant["identifiers"] = given.pop("identifiers")
    attributes = [{"code": code, **_given(said)} for code, said in given.pop("attributes", {}).items()]
    names = {"en": en} | given.pop("names", {})
    return {
        "slug": slug,
        "type": {"key": given.pop("type", "thing")},
        "name": {code: name for code, name in names.items() if name},
        "variants": [variant],
        "listings": [{"channel": {"key": code}} for code in given.pop("channels", ("web",))],
        "attributes": attributes + given.pop("localised", []),
        "categories": [{"category": {"key": code}} for code in given.pop("categories", ())],
        **given,
    }


def _given(said: Any) -> Json:
    return said if isinstance(said, dict) and "value" in said else {"value": said}


def grams(amount: int) -> Json:
    """A weight."""
    return {"value": {"amount": amount, "unit": "g"}}


PRODUCTS: list[Json] = [
    product(
        "alpha",
        "Wireless headphones",
        price="79.00",
        type="audio",
        names={"de": "Kabellose Kopfhörer", "ja": "ワイヤレスヘッドホン"},
        description={"en": "Over-ear, with noise cancelling and a case"},
        identifiers=[{"type": "gtin", "value": "4006381333931"}, {"type": "mpn", "value": "PN-77/A"}],
        categories=["phones"],
        attributes={
            "colour": "black",
            "brand": "acme",
            "weight": grams(250),
            "rating": 5,
            "cable.length": "1.2",
            "released": "2025-03-01",
            "cost": {"value": {"amount": "30.00", "currency": "EUR"}},
            "organic": False,
            "size": ["s", "m"],
        },
        channels=("web", "us"),
        prices=[{"price_list": {"key": "us"}, "amount": "89.00"}],
    ),
    product(
        "beta",
        "Head phones with cable",
        price="19.90",
        type="audio",
        names={"de": "Kopfhörer mit Kabel"},
        categories=["phones"],
        attributes={
            "colour": "red",
            "brand": "northwind",
            "weight": grams(180),
            "rating": 3,
            "cable.length": "2.5",
            "released": "2024-01-15",
            "cost": {"value": {"amount": "90.00", "currency": "USD"}},
            "organic": False,
            "size": ["m", "l"],
        },
    ),
    product(
        "gamma",
        "Case for headphones",
        price="9.50",
        names={"de": "Tasche für Kopfhörer"},
        categories=["sound"],
        attributes={"colour": "black", "brand": "acme", "weight": grams(90), "rating": 4},
        localised=[
            {"code": "material", "value": "leather", "locale": "en"},
            {"code": "material", "value": "Leder", "locale": "de"},
        ],
    ),
    product(
        "delta",
        "Kettle",
        price="35.00",
        names={"de": "Wasserkocher"},
        description={"en": "A kettle of steel for running kitchens", "de": "Ein Kessel aus Stahl"},
        categories=["home"],
        attributes={
            "colour": "red",
            "weight": grams(1200),
            "rating": 4,
            "released": "2026-01-01",
            "organic": True,
        },
        localised=[
            {"code": "material", "value": "steel", "locale": "en"},
            {"code": "material", "value": "Stahl", "locale": "de"},
        ],
    ),
    product(
        "epsilon", "Running shoes", price="120.00", names={"de": "Laufschuhe"}, attributes={"colour": "blue"}
    ),
    product(
        "zeta",
        "Shoe",
        price="45.00",
        names={"de": "Schuh", "ja": "革靴"},
        attributes={"colour": "blue", "rating": 5},
    ),
    product("eta", "Éclair maker", price="60.00", names={"de": "Äpfelschäler"}, attributes={"colour": "red"}),
    product("theta", "Table lamp", price=None, names={"de": "Tischlampe"}, categories=["home"]),
    product("iota", "Unlisted kettle", channels=(), attributes={"secret": "whisper", "rating": 1}),
    product(
        "kappa",
        "Kettle of tomorrow",
        channels=(),
        listings=[{"channel": {"key": "web"}, "starts_at": "2040-01-01T00:00:00Z"}],
    ),
    product(
        "lambda",
        "Kettle of yesterday",
        channels=(),
        listings=[
            {
                "channel": {"key": "web"},
                "starts_at": "2020-01-01T00:00:00Z",
                "ends_at": "2021-01-01T00:00:00Z",
            }
        ],
    ),
    *(product(f"twin-{number:02}", "Twin box", price=f"{number + 1}.00") for number in range(22)),
    product("twin-22", "Twin box", price="23.00", attributes={"spare_of": {"value": {"key": "alpha"}}}),
]
"""In the order of their ids."""

STOCK = {"alpha": 5, "gamma": 1, "delta": 0}


def fill(database: Database) -> dict[str, int]:
    """Write the catalogue; gives the products' ids by slug."""
    for noun, rows in (*GROUND.items(), ("product", PRODUCTS)):
        results = written(database, noun, *rows)
        assert all(result.outcome == "created" for result in results), [
            r for r in results if r.outcome != "created"
        ][:3]
    with database.write(WRITER) as tx:
        for slug, pieces in STOCK.items():
            tx.execute(
                sa.text(
                    "INSERT INTO stock (variant_id, location_id, on_hand)"
                    " SELECT v.id, l.id, :pieces FROM variant v, location l WHERE v.sku = :sku"
                ),
                {"pieces": pieces, "sku": f"SKU-{slug}"},
            )
    return ids(database)


def ids(database: Database) -> dict[str, int]:
    """The products' ids by slug."""
    with database.read() as tx:
        return {row[0]: row[1] for row in tx.execute(sa.text("SELECT slug, id FROM product"))}
