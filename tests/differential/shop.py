"""A shop that has everything at least once: nulls, empty lists, drafts, windows, fallen-back texts, what is gone.

It is the same on every run: both executors read it, and cases that failed once fail again.
"""

from __future__ import annotations

from random import Random
from typing import Any

from hub import sequencer
from hub.db import Database, Json
from tests.reading import LISTED, fill
from tests.shop import WRITER, written

SEED = 20
PRODUCTS = 36
CUSTOMERS = 14
ORDERS = 40

LOCALES = ("en", "de", "de-AT", "fr")
CHANNELS = ("web", "us", "paris")
PAST, SOON, LATER = "2001-02-03T04:05:06Z", "2040-01-01T00:00:00Z", "2041-06-01T12:30:00.250000Z"
COLOURS = ("red", "blue", "01")


def build(database: Database) -> None:
    """Fill an empty database, and sequence what it has seen."""
    fill(database)
    chance = Random(SEED)
    for noun, rows in _frame(chance).items():
        _save(database, noun, [each | _called(noun, each["code"]) for each in rows])
    for noun, codes in KNOWN.items():
        _save(database, noun, [{"code": code} | _called(noun, code) for code in codes])
    _save(database, "product", [_product(chance, number) for number in range(PRODUCTS)])
    _save(database, "product", [_related(chance, number) for number in range(0, PRODUCTS, 3)])
    _save(database, "stock", _stock(chance))
    _save(database, "customer", [_customer(chance, number) for number in range(CUSTOMERS)])
    _save(database, "order", [_order(chance, number) for number in range(ORDERS)])
    _leave(database)
    with database.write(WRITER) as tx:
        sequencer.step(tx)


KNOWN = {
    "channel": ["web", "us"],
    "category": ["tops", "shirts"],
    "attribute": ["colour", "rating", "care", "tags"],
    "asset": ["front"],
    "product_type": ["shirt"],
    "location": ["north"],
    "price_list": ["retail", "club"],
}
"""What other tests' shop has already."""


def _called(noun: str, code: str) -> Json:
    """What two other systems call it: different for each, so that one cannot pass for the other."""
    return {
        "external_ids": [
            {"system": "erp", "id": f"{noun} {code}"},
            {"system": "pim", "id": f"{code} of {noun}"},
        ]
    }


def _save(database: Database, noun: str, rows: list[Json]) -> None:
    for result in written(database, noun, *rows):
        assert not result.errors, (noun, [error.message for error in result.errors])


def _leave(database: Database) -> None:
    """What an old shop has: slugs that were, values that point to what is gone."""
    written(database, "product", {"slug": "p05", "name": {"en": "Renamed"}})
    with database.write(WRITER) as tx:
        tx.exec_driver_sql("UPDATE product SET slug = 'p06-now' WHERE slug = 'p06'")
        tx.exec_driver_sql("UPDATE category SET slug = 'tops-now' WHERE code = 'tops'")
        tx.exec_driver_sql(
            "UPDATE product SET attributes = jsonb_set(attributes, '{goes_with,*,*,id}', '999999')"
            " WHERE slug IN ('p03', 'p09') AND attributes ? 'goes_with'"
        )
        tx.exec_driver_sql(
            "DELETE FROM listing WHERE product_id = (SELECT id FROM product WHERE slug = 'p10')"
        )


def _texts(chance: Random, word: str) -> Json:
    return {locale: f"{word} {locale}" for locale in LOCALES if chance.random() < 0.6}


def _some(chance: Random, values: Any, most: int) -> list[Any]:
    return chance.sample(list(values), chance.randint(0, min(most, len(values))))


def _frame(chance: Random) -> dict[str, list[Json]]:
    return {
        "locale": [{"code": "de-AT", "name": {"de": "Österreich"}}, {"code": "fr"}],
        "price_list": [{"code": "dollars", "currency": "USD", "name": {"en": "Dollars"}}],
        "channel": [
            {
                "code": "paris",
                "currency": "USD",
                "order_prefix": "P-",
                "name": {"fr": "Paris"},
                "locales": [{"locale": {"key": code}} for code in ("fr", "de-AT")],
                "price_lists": [{"price_list": {"key": "dollars"}}],
            }
        ],
        "attribute": [
            {
                "code": "motto",
                "type": "text",
                "localizable": True,
                "per_channel": True,
                "name": {"en": "Motto"},
            },
            {"code": "depth", "type": "measurement", "unit_family": "length", "unit": "cm"},
            {"code": "manual", "type": "reference", "rules": {"to": "asset"}},
            {"code": "ean_old", "type": "text"},
            {"code": "unused", "type": "integer"},
        ],
        "product_type": [
            {
                "code": "thing",
                "attributes": [{"attribute": {"key": "colour"}, "axis": True}, {"attribute": {"key": "net"}}],
                "name": {"en": "Thing", "de": "Ding"},
                "requirements": [
                    {"attribute": {"key": "motto"}},
                    {"attribute": {"key": "depth"}, "channel": {"key": "web"}},
                ],
            },
            {"code": "void"},
        ],
        "category": [
            {"code": "deep", "slug": "deep", "name": _texts(chance, "Deep"), "parent": {"key": "shirts"}},
            {"code": "empty", "position": 3},
            {"code": "root", "name": {"fr": "Racine"}, "description": {"en": "All"}, "position": 1},
        ],
        "collection": [{"code": "winter", "name": _texts(chance, "Winter")}, {"code": "bare"}],
        "asset": [
            {
                "code": f"asset{number}",
                "address": f"https://example.com/{number}.bin",
                "kind": chance.choice(["image", "video", "document", "model"]),
                "alt": _texts(chance, "Shown"),
                **({"width": 640, "height": 480, "media_type": "image/png"} if number % 2 else {}),
            }
            for number in range(5)
        ],
        "company": [
            {"code": "acme-north", "name": "Acme North", "parent": {"key": "acme"}},
            {"code": "lone", "name": "Lone"},
        ],
        "location": [{"code": "far", "name": {"de": "Fern"}}],
    }


def _listings(chance: Random) -> list[Json]:
    choices: list[list[Json]] = [
        [],
        LISTED,
        LISTED,
        [{"channel": {"key": "web"}, "starts_at": PAST}],
        [{"channel": {"key": "web"}, "ends_at": PAST}, {"channel": {"key": "web"}, "starts_at": SOON}],
        [{"channel": {"key": "web"}, "starts_at": PAST, "ends_at": SOON}, {"channel": {"key": "us"}}],
        [{"channel": {"key": "us"}}, {"channel": {"key": "paris"}, "starts_at": SOON, "ends_at": LATER}],
        [{"channel": {"key": code}} for code in CHANNELS],
    ]
    return chance.choice(choices)


VALUES: dict[str, list[Any]] = {
    "weight": [{"amount": "1.50", "unit": "kg"}, {"amount": "70", "unit": "g"}],
    "depth": [{"amount": "0.3", "unit": "m"}, {"amount": "12", "unit": "cm"}],
    "rating": [1, 3, 5],
    "organic": [True, False],
    "net": ["0", "-1.5", "12.50", "1000000000000000000000.000001"],
    "born": ["2024-02-29", "1999-12-31"],
    "checked": ["2024-05-01T10:00:00.125000Z", "1999-12-31T23:59:59+02:00"],
    "tags": [["eco"], ["sale", "eco"]],
    "fee": [{"amount": "0", "currency": "EUR"}, {"amount": "19.9", "currency": "USD"}],
    "goes_with": [{"key": "alpha"}, {"key": "draft"}],
    "manual": [{"key": "asset1"}, {"key": "front"}],
    "sizes": [[], [{"size": "S"}, {"size": "XL", "chest": "120"}]],
    "ean_old": ["007", "ÄÖÜ ß “quoted” \\ /", ""],
}


def _attributes(chance: Random, most: int) -> list[Json]:
    found: list[Json] = [
        {"code": code, "value": chance.choice([*VALUES[code], {"not_applicable": True}])}
        for code in _some(chance, VALUES, most)
        if code != "ean_old" or chance.random() < 0.8
    ]
    found = [each for each in found if each["value"] not in ("", [])]
    found += [
        {"code": code, "locale": locale, "value": f"{code} {locale}"}
        for code in ("care", "story")
        for locale in _some(chance, LOCALES, 2)
    ]
    found += [
        {"code": "motto", "channel": channel, "locale": locale, "value": f"{channel} {locale}"}
        for channel in _some(chance, (None, *CHANNELS), 2)
        for locale in _some(chance, LOCALES, 2)
    ]
    found += [
        {"code": "claim", "channel": channel, "value": f"claim {channel}"}
        for channel in _some(chance, (None, *CHANNELS), 2)
    ]
    return found


def _links(chance: Random) -> list[Json]:
    return [
        {"asset": {"key": code}, "role": role, "position": chance.randint(0, 2)}
        for code in _some(chance, ("front", "asset0", "asset1", "asset2"), 3)
        for role in [chance.choice(["gallery", "manual"])]
    ]


def _prices(chance: Random) -> list[Json]:
    found = []
    for code in _some(chance, ("retail", "club", "dollars"), 3):
        own: Json = {"price_list": {"key": code}, "currency": "USD" if code == "dollars" else "EUR"}
        for company in [None, *_some(chance, ("acme", "lone"), 1)]:
            for quantity in [1, *_some(chance, (10, 50), 1)]:
                each = own | {"amount": f"{chance.randint(0, 9999) / 100:.2f}", "min_quantity": quantity}
                found.append(each | ({"company": {"key": company}} if company else {}))
        if chance.random() < 0.4:
            window = chance.choice(
                [{"starts_at": PAST}, {"starts_at": PAST, "ends_at": SOON}, {"starts_at": SOON}]
            )
            found.append(own | {"amount": "1", "compare_at": "2.5", "tax_included": False} | window)
    return found


def _variant(chance: Random, slug: str, number: int) -> Json:
    sku = f"{slug}-{number}"
    return {
        "sku": sku,
        "position": chance.randint(0, 2),
        "name": _texts(chance, "Size"),
        "axes": {"colour": COLOURS[number]} if number < len(COLOURS) and chance.random() < 0.7 else {},
        "attributes": _attributes(chance, 3),
        "identifiers": [{"type": "mpn", "value": f"00{each}"} for each in _some(chance, range(4), 2)],
        "prices": _prices(chance),
        "assets": _links(chance)[:1],
        "external_ids": [{"system": system, "id": sku} for system in _some(chance, ("erp", "pim"), 2)],
    }


def _product(chance: Random, number: int) -> Json:
    slug = f"p{number:02}"
    name = chance.choice(
        [{}, {"en": "Same name"}, {"de": "Öhr", "en": "Same name"}, *[_texts(chance, f"Thing {number}")] * 3]
    )
    return {
        "slug": slug,
        "type": {"key": chance.choice(["shirt", "thing"])},
        "name": name,
        "description": _texts(chance, "Said"),
        "listings": _listings(chance),
        "categories": [
            {"category": {"key": code}, "position": chance.randint(0, 1)}
            for code in _some(chance, ("tops", "shirts", "deep", "root"), 2)
        ],
        "collections": [
            {"collection": {"key": code}, "position": chance.randint(0, 1)}
            for code in _some(chance, ("summer", "winter"), 2)
        ],
        "assets": _links(chance),
        "attributes": _attributes(chance, 7),
        "external_ids": [{"system": system, "id": slug} for system in _some(chance, ("erp", "pim"), 2)],
        "variants": [_variant(chance, slug, place) for place in range(chance.choice([0, 1, 2, 2, 3, 4]))],
    }


def _related(chance: Random, number: int) -> Json:
    others = [each for each in range(PRODUCTS) if each not in (number, 6)]
    return {
        "slug": f"p{number:02}",
        "relations": [
            {
                "type": {"key": chance.choice(["pair", "spare"])},
                "product": {"key": f"p{other:02}"},
                "position": chance.randint(0, 1),
            }
            for other in chance.sample(others, 3)
        ],
    }


def _stock(chance: Random) -> list[Json]:
    return [
        {
            "variant": {"key": sku},
            "location": {"key": code},
            "on_hand": chance.choice([-3, 0, 5, 2**40]),
            "reserved": chance.choice([0, 1]),
        }
        for sku in ("alpha-blue", "beta-one", "gamma-one")
        for code in _some(chance, ("north", "south", "far"), 2)
    ]


def _customer(chance: Random, number: int) -> Json:
    own: Json = {
        "external_ids": [{"system": "shop", "id": f"N{number}"}],
        "identifiers": [
            {"type": "email", "value": f"n{number}@example.com", "verified": bool(number % 2)},
            *([{"type": "phone", "value": f"+43123456{number:02}"}] if number % 3 == 0 else []),
        ],
        "addresses": [
            {
                "code": code,
                "country": chance.choice(["AT", "FR"]),
                "city": chance.choice([None, "Wien", "Lyon"]),
                "position": chance.randint(0, 1),
            }
            for code in _some(chance, ("home", "office", "lake"), 3)
        ],
    }
    for name, values in {
        "given_name": ["Ann", "ann", "Öz", "Zoë"],
        "family_name": ["Stone", "Reed"],
        "phone": ["+431234567"],
        "email": [f"n{number}@example.com"],
    }.items():
        if chance.random() < 0.6:
            own[name] = chance.choice(values)
    if chance.random() < 0.5:
        own["company"] = {"key": chance.choice(["acme", "lone", "acme-north"])}
    if chance.random() < 0.5:
        own["locale"] = {"key": chance.choice(LOCALES)}
    return own


def _order(chance: Random, number: int) -> Json:
    channel, currency = chance.choice([("web", "EUR"), ("us", "USD"), ("paris", "USD")])
    lines = [_line(chance, place) for place in range(chance.randint(0, 4))]
    subtotal = sum(int(line["total"].replace(".", "")) for line in lines)
    order: Json = {
        "number": f"N-{number:03}",
        "channel": {"key": channel},
        "currency": currency,
        "status": chance.choice(["draft", "placed", "confirmed", "cancelled", "closed"]),
        "lines": lines,
        "subtotal": f"{subtotal // 100}.{subtotal % 100:02}",
    }
    order["placed_at"] = chance.choice([PAST, "2025-03-01T00:00:00Z", "2025-03-01T00:00:00.5Z"])
    if chance.random() < 0.7:
        order["customer"] = {"external_id": {"system": "shop", "id": f"N{chance.randrange(CUSTOMERS)}"}}
    if chance.random() < 0.3:
        order["company"] = {"key": chance.choice(["acme", "lone"])}
    if chance.random() < 0.5:
        order["email"] = "someone@example.com"
        order["billing_address"] = {"name": "Ada", "city": "Wien", "country": "AT"}
    return order


def _line(chance: Random, place: int) -> Json:
    quantity, cents = chance.randint(1, 4), chance.randint(0, 5000)
    total = quantity * cents
    line: Json = {
        "position": place,
        "name": chance.choice(["A shirt", "Gift wrap"]),
        "quantity": quantity,
        "unit_price": f"{cents // 100}.{cents % 100:02}",
        "total": f"{total // 100}.{total % 100:02}",
    }
    if chance.random() < 0.7:
        line["variant"] = {
            "key": chance.choice(["alpha-red", "alpha-blue", "beta-one", "draft-one", "gamma-one"])
        }
    if chance.random() < 0.3:
        line["tax_rate"] = "0.19"
    return line
