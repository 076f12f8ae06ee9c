"""A kitchen shop in four languages, for how words are taken apart and which of them says what is wanted."""

from __future__ import annotations

from typing import Any

from hub.db import Database, Json
from tests.search_contract.catalogue import ids, product
from tests.shop import written

LOCALES = ("en", "de", "fr", "es")

GROUND: dict[str, list[Json]] = {
    "locale": [{"code": code} for code in LOCALES],
    "price_list": [{"code": "retail", "currency": "EUR"}],
    "channel": [
        {
            "code": "web",
            "currency": "EUR",
            "locales": [{"locale": {"key": code}} for code in LOCALES],
            "price_lists": [{"price_list": {"key": "retail"}}],
        }
    ],
    "attribute": [
        {"code": "brand", "type": "text", "searchable": True, "filterable": True},
        {
            "code": "glaze",
            "type": "choice",
            "searchable": True,
            "options": [{"code": "celadon", "name": {"de": "Seladon", "en": "Celadon"}}],
        },
    ],
    "product_type": [
        {"code": "coffee", "name": {"en": "Coffee", "de": "Kaffee", "fr": "Café", "es": "Café"}},
        {"code": "thing", "name": {"en": "Ware", "de": "Ware", "fr": "Article", "es": "Artículo"}},
    ],
    "category": [
        {
            "code": "espresso",
            "name": {"en": "Espresso", "de": "Espresso", "fr": "Espresso", "es": "Espresso"},
        },
    ],
}

PRODUCTS: list[Json] = [
    product(
        "beans",
        "House espresso",
        type="coffee",
        names={"de": "Hausespresso", "fr": "Espresso maison", "es": "Espresso de la casa"},
        description={
            "en": "Round and sweet in cups, small cups and large cups.",
            "de": "In der Tasse rund und süß, in kleinen Tassen wie in großen. Man kann ihn auch mahlen.",
            "fr": "Rond et doux en tasse, petite tasse ou grande tasse.",
            "es": "Redondo y dulce en tazas, tazas pequeñas o tazas grandes.",
        },
        categories=["espresso"],
    ),
    product(
        "small",
        "Espresso cup",
        names={"de": "Espressotasse", "fr": "Tasse à espresso blanche", "es": "Taza de espresso blanca"},
        attributes={"brand": "Wumpelmann", "glaze": "celadon"},
    ),
    product("plain", "White cup", names={"de": "Tasse weiß", "fr": "Tasse blanche", "es": "Taza blanca"}),
    product(
        "mug",
        "Cup for coffee",
        names={"de": "Becher und Tasse für Kaffee", "fr": "Bol à café", "es": "Tazón para café"},
    ),
    product("pot", "Pot", names={"de": "Kanne", "fr": "Verseuse", "es": "Jarra"}),
    product(
        "grinder",
        "Grinder",
        names={"de": "Mühle", "fr": "Moulin", "es": "Molino"},
        description={"de": "Sie kann und kann und kann alles mahlen."},
    ),
    product("stool", "Stool", names={"de": "Küchenstuhl", "fr": "Tabouret", "es": "Taburete"}),
    product("kitchen", "Toy kitchen", names={"de": "Küche für Kinder"}),
    product("boots", "Leather boots", names={"de": "Schuhe aus Leder"}),
    product("pad", "Pad", names={"de": "Lederschuh-Pflege"}),
    product("rice", "Rice", names={"de": "Reis"}),
    product("ice", "Ice", names={"de": "Eis am Stiel"}),
    product("lungo", "Long cup", names={"de": "Lungotasse"}),
    product("bulb", "Bulb", names={"de": "Birne mit LED"}),
]


def fill(database: Database) -> dict[str, int]:
    """Write the catalogue; gives the products' ids by slug."""
    for noun, rows in (*GROUND.items(), ("product", PRODUCTS)):
        results: Any = written(database, noun, *rows)
        assert all(result.outcome == "created" for result in results), results
    return ids(database)
