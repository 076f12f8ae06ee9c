"""Every operator on every kind of column, nulls included, and the connectives: the right rows were written down by hand."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from hub.db import Database
from tests.golden import Both, both
from tests.shop import opened, written

ASSETS: list[dict[str, Any]] = [
    {
        "code": "apple",
        "kind": "image",
        "media_type": "image/png",
        "width": 10,
        "alt": {"de": "Äpfel", "en": "Apples"},
    },
    {"code": "banana", "kind": "video", "alt": {}},
    {
        "code": "cherry",
        "kind": "image",
        "media_type": "image/jpeg",
        "width": 30,
        "alt": {"en": "Cherry 100%_"},
    },
    {"code": "date", "kind": "document", "media_type": "image/png", "width": 10, "alt": {"fr": "Datte"}},
    {
        "code": "elder",
        "kind": "model",
        "media_type": "video/mp4",
        "width": 20,
        "alt": {"de": "ÉLDER", "en": "x"},
    },
]
ORDERS: list[dict[str, str]] = [
    {"number": "A", "channel": "web", "currency": "EUR", "status": "draft", "total": "0"},
    {
        "number": "B",
        "channel": "web",
        "customer": "c1",
        "placed_at": "2026-01-01T00:00:00Z",
        "total": "10.00",
    },
    {
        "number": "C",
        "channel": "us",
        "customer": "c2",
        "placed_at": "2026-01-01T00:00:00.500Z",
        "total": "10.50",
    },
    {
        "number": "D",
        "channel": "us",
        "customer": "c1",
        "placed_at": "2026-01-02T01:00:00+01:00",
        "total": "9.99",
    },
    {"number": "E", "channel": "web", "placed_at": "2026-01-01T00:00:00Z", "total": "10"},
]
STOCK = [("v1", "north", -3), ("v1", "south", 0), ("v2", "north", 5), ("v2", "south", 9007199254740991)]
CUSTOMERS: list[dict[str, Any]] = [
    {"given_name": "Ann", "external_ids": [{"system": "shop", "id": "c1"}], "company": {"key": "acme"}},
    {"family_name": "Reed", "external_ids": [{"system": "shop", "id": "c2"}]},
    {"given_name": "Öz", "family_name": "Stone", "email": "oz@example.com"},
]


@pytest.fixture(scope="module")
def ask(module_database: Database) -> Iterator[Both]:
    database = module_database
    opened(database)
    shop: dict[str, list[dict[str, Any]]] = {
        "locale": [{"code": "fr"}],
        "channel": [
            {"code": "us", "currency": "USD", "order_prefix": "U-", "locales": [{"locale": {"key": "en"}}]}
        ],
        "asset": [each | {"address": f"https://example.com/{each['code']}"} for each in ASSETS],
        "location": [{"code": "north"}, {"code": "south"}],
        "product": [
            {"slug": "p", "type": {"key": "shirt"}, "variants": [{"sku": "v1"}, {"sku": "v2"}]},
            {"slug": "q", "type": {"key": "shirt"}},
        ],
        "stock": [
            {"variant": {"key": sku}, "location": {"key": where}, "on_hand": count}
            for sku, where, count in STOCK
        ],
        "customer": CUSTOMERS,
        "order": [_order(dict(each)) for each in ORDERS],
        "price_list": [{"code": "retail", "name": {"en": "Retail"}}],
    }
    for noun, rows in shop.items():
        results = written(database, noun, *rows)
        assert not [result.errors for result in results if result.errors], noun
    with both(database) as asking:
        yield asking


def _order(row: dict[str, str]) -> dict[str, Any]:
    customer = row.pop("customer", None)
    own: dict[str, Any] = {"currency": "USD" if row["channel"] == "us" else "EUR", "status": "placed"} | row
    reference = {"external_id": {"system": "shop", "id": customer}} if customer else None
    subtotal = {"subtotal": row["total"], "shipping_total": "0"}
    line = {"position": 1, "name": "x", "quantity": 1, "unit_price": row["total"], "total": row["total"]}
    return own | subtotal | {"channel": {"key": row["channel"]}, "customer": reference, "lines": [line]}


def letters(found: list[str]) -> str:
    return "".join(each[0] for each in found)


ALL = "abcde"


@pytest.mark.parametrize(
    ("filter_", "expected"),
    [
        # A whole number that may be missing: 10, null, 30, 10, 20.
        ("{width: {eq: 10}}", "ad"),
        ("{width: {eq: 11}}", ""),
        ("{width: {eq: null}}", "b"),
        ("{width: {ne: 10}}", "bce"),
        ("{width: {ne: null}}", "acde"),
        ("{width: {in: [10, 30]}}", "acd"),
        ("{width: {in: 20}}", "e"),
        ("{width: {in: []}}", ""),
        ("{width: {in: null}}", ALL),
        ("{width: {notIn: [10]}}", "bce"),
        ("{width: {notIn: [10, 20, 30]}}", "b"),
        ("{width: {notIn: []}}", ALL),
        ("{width: {notIn: null}}", ALL),
        ("{width: {lt: 20}}", "ad"),
        ("{width: {lt: 10}}", ""),
        ("{width: {lte: 20}}", "ade"),
        ("{width: {gt: 20}}", "c"),
        ("{width: {gte: 20}}", "ce"),
        ("{width: {gt: null}}", ALL),
        ("{width: {isEmpty: true}}", "b"),
        ("{width: {isEmpty: false}}", "acde"),
        ("{width: {isEmpty: null}}", ALL),
        ("{width: {gt: 5, lt: 25}}", "ade"),
        ("{width: {gte: 10, lte: 10}}", "ad"),
        ("{width: {eq: 10, ne: 10}}", ""),
        ("{width: {}}", ALL),
        ("{width: null}", ALL),
        # A text that may be missing.
        ('{mediaType: {eq: "image/png"}}', "ad"),
        ('{mediaType: {eq: "IMAGE/PNG"}}', ""),
        ('{mediaType: {eq: ""}}', ""),
        ("{mediaType: {eq: null}}", "b"),
        ('{mediaType: {ne: "image/png"}}', "bce"),
        ("{mediaType: {ne: null}}", "acde"),
        ('{mediaType: {in: ["image/png", "video/mp4", "none"]}}', "ade"),
        ('{mediaType: {notIn: ["image/png", "none"]}}', "bce"),
        ('{mediaType: {contains: "IMAGE"}}', "acd"),
        ('{mediaType: {contains: "4"}}', "e"),
        ('{mediaType: {contains: ""}}', "acde"),
        ('{mediaType: {contains: "%"}}', ""),
        ('{mediaType: {contains: "_"}}', ""),
        ('{mediaType: {startsWith: "Vid"}}', "e"),
        ('{mediaType: {startsWith: "png"}}', ""),
        ('{mediaType: {startsWith: ""}}', "acde"),
        ("{mediaType: {isEmpty: true}}", "b"),
        ("{mediaType: {isEmpty: false}}", "acde"),
        # An enum that is never missing.
        ("{kind: {eq: IMAGE}}", "ac"),
        ("{kind: {eq: null}}", ""),
        ("{kind: {ne: IMAGE}}", "bde"),
        ("{kind: {ne: null}}", ALL),
        ("{kind: {in: [IMAGE, MODEL]}}", "ace"),
        ("{kind: {notIn: [IMAGE, MODEL]}}", "bd"),
        ("{kind: {isEmpty: true}}", ""),
        ("{kind: {isEmpty: false}}", ALL),
        # A text per locale; web reads German, then English: Äpfel, null, Cherry 100%_, null, ÉLDER.
        ('{alt: {eq: "Äpfel"}}', "a"),
        ('{alt: {eq: "Apples"}}', ""),
        ('{alt: {eq: "x"}}', ""),
        ("{alt: {eq: null}}", "bd"),
        ('{alt: {ne: "Äpfel"}}', "bcde"),
        ("{alt: {ne: null}}", "ace"),
        ('{alt: {in: ["Äpfel", "ÉLDER"]}}', "ae"),
        ('{alt: {notIn: ["Äpfel", "ÉLDER"]}}', "bcd"),
        ('{alt: {contains: "apf"}}', "a"),
        ('{alt: {contains: "%"}}', "c"),
        ('{alt: {contains: "_"}}', "c"),
        ('{alt: {startsWith: "el"}}', "e"),
        ('{alt: {startsWith: "cherry 100"}}', "c"),
        ("{alt: {isEmpty: true}}", "bd"),
        ("{alt: {isEmpty: false}}", "ace"),
        # Connectives. What is missing meets no comparison, so its negation holds.
        ("{not: {width: {gt: 10}}}", "abd"),
        ("{not: {width: {lte: 10}}}", "bce"),
        ("{not: {width: {ne: 10}}}", "ad"),
        ("{not: {not: {width: {gt: 10}}}}", "ce"),
        ('{not: {alt: {contains: "e"}}}', "bd"),
        ("{and: [{width: {gte: 10}}, {kind: {eq: IMAGE}}]}", "ac"),
        ("{or: [{width: {gt: 20}}, {alt: {isEmpty: true}}]}", "bcd"),
        ('{or: [{width: {gt: 10}, kind: {eq: IMAGE}}, {code: {eq: "date"}}]}', "cd"),
        ("{and: [{or: [{width: {eq: 10}}, {width: {eq: 20}}]}, {not: {kind: {eq: IMAGE}}}]}", "de"),
        ('{width: {eq: 10}, or: [{code: {eq: "apple"}}, {code: {eq: "elder"}}]}', "a"),
        ('{width: {eq: 10}, not: {code: {eq: "apple"}}}', "d"),
        ("{and: [], or: null, not: null}", ALL),
        ("{and: [{}, {}]}", ALL),
        ("{or: [{}]}", ALL),
        ("{or: []}", ""),
        ("{not: {or: []}}", ALL),
        ("{not: {and: []}}", ""),
        ("null", ALL),
    ],
)
def test_assets(ask: Both, filter_: str, expected: str) -> None:
    mine = '{code: {in: ["apple", "banana", "cherry", "date", "elder"]}}'
    query = f'{{ assets(channel: "web", filter: {{and: [{mine}, {filter_ if filter_ != "null" else "{}"}]}}) {{ nodes {{ code }} }} }}'
    assert letters(ask.column(query)) == expected


@pytest.mark.parametrize(
    ("scope", "filter_", "expected"),
    [
        ('channel: "web", locale: "en"', '{alt: {eq: "Apples"}}', "a"),
        ('channel: "web", locale: "en"', '{alt: {eq: "Äpfel"}}', ""),
        ('channel: "web", locale: "en"', '{alt: {eq: "x"}}', "e"),
        ('channel: "web", locale: "fr"', '{alt: {eq: "Datte"}}', "d"),
        ('channel: "web", locale: "fr"', '{alt: {eq: "Äpfel"}}', "a"),
        ('channel: "web", locale: "de-AT"', '{alt: {eq: "Äpfel"}}', "a"),
        ('channel: "us"', '{alt: {eq: "Apples"}}', "a"),
        ('channel: "us", locale: "de-AT"', '{alt: {eq: "Äpfel"}}', ""),
        ('channel: "us", locale: "de"', '{alt: {eq: "Äpfel"}}', "a"),
    ],
)
def test_texts_are_compared_as_the_reader_sees_them(
    ask: Both, scope: str, filter_: str, expected: str
) -> None:
    assert letters(ask.column(f"{{ assets({scope}, filter: {filter_}) {{ nodes {{ code }} }} }}")) == expected


@pytest.mark.parametrize(
    ("filter_", "expected"),
    [
        # Decimals: 0, 10.00, 10.50, 9.99, 10.
        ('{total: {eq: "10"}}', "BE"),
        ("{total: {eq: 10.0}}", "BE"),
        ('{total: {eq: "10.5"}}', "C"),
        ('{total: {ne: "10.000"}}', "ACD"),
        ('{total: {in: ["0", "9.990"]}}', "AD"),
        ('{total: {notIn: ["0", "9.990"]}}', "BCE"),
        ('{total: {lt: "9.99"}}', "A"),
        ('{total: {lte: "9.99"}}', "AD"),
        ('{total: {gt: "10"}}', "C"),
        ('{total: {gte: "10"}}', "BCE"),
        ('{total: {gt: "-1e3"}}', "ABCDE"),
        ("{total: {eq: null}}", ""),
        # Moments: null, 00:00, 00:00:00.5, the next midnight given as 01:00+01:00, 00:00.
        ('{placedAt: {eq: "2026-01-01T00:00:00Z"}}', "BE"),
        ('{placedAt: {eq: "2026-01-01T01:00:00+01:00"}}', "BE"),
        ('{placedAt: {eq: "2026-01-01T00:00:00.5Z"}}', "C"),
        ("{placedAt: {eq: null}}", "A"),
        ('{placedAt: {ne: "2026-01-01T00:00:00Z"}}', "ACD"),
        ("{placedAt: {ne: null}}", "BCDE"),
        ('{placedAt: {in: ["2026-01-02T00:00:00Z"]}}', "D"),
        ('{placedAt: {notIn: ["2026-01-02T00:00:00Z"]}}', "ABCE"),
        ('{placedAt: {lt: "2026-01-01T00:00:00.500001Z"}}', "BCE"),
        ('{placedAt: {lt: "2026-01-01T00:00:00.5Z"}}', "BE"),
        ('{placedAt: {lte: "2026-01-01T00:00:00Z"}}', "BE"),
        ('{placedAt: {gt: "2026-01-01T00:00:00Z"}}', "CD"),
        ('{placedAt: {gte: "2026-01-01T00:00:00.5Z"}}', "CD"),
        ("{placedAt: {isEmpty: true}}", "A"),
        ('{not: {placedAt: {lt: "2027-01-01T00:00:00Z"}}}', "A"),
        # Through the one that a column names; without one nothing is met, so the negation is.
        ('{customer: {givenName: {eq: "Ann"}}}', "BD"),
        ("{customer: {}}", "BCD"),
        ("{not: {customer: {}}}", "AE"),
        ("{customer: {givenName: {eq: null}}}", "C"),
        ('{customer: {company: {code: {eq: "acme"}}}}', "BD"),
        ('{channel: {code: {eq: "us"}}}', "CD"),
        ('{channel: {code: {ne: "us"}}}', "ABE"),
        ("{status: {eq: DRAFT}}", "A"),
        ("{status: {notIn: [DRAFT, CLOSED]}}", "BCDE"),
        # Through many.
        ('{lines: {name: {eq: "x"}, quantity: {eq: 1}}}', "ABCDE"),
        ("{lines: {quantity: {gt: 1}}}", ""),
        ("{not: {lines: {quantity: {gt: 1}}}}", "ABCDE"),
    ],
)
def test_orders(ask: Both, filter_: str, expected: str) -> None:
    assert "".join(ask.column(f"{{ orders(filter: {filter_}) {{ nodes {{ number }} }} }}")) == expected


@pytest.mark.parametrize(
    ("filter_", "expected"),
    [
        ("{onHand: {eq: 0}}", [0]),
        ("{onHand: {lt: 0}}", [-3]),
        ("{onHand: {lte: 0}}", [-3, 0]),
        # The largest count that there is.
        ("{onHand: {gt: 9007199254740990}}", [9007199254740991]),
        ("{onHand: {gte: 9007199254740991}}", [9007199254740991]),
        ("{onHand: {eq: 9007199254740990}}", []),
        ("{onHand: {ne: 5}}", [-3, 0, 9007199254740991]),
        ("{onHand: {in: [5, -3]}}", [-3, 5]),
        ("{onHand: {notIn: [5, -3]}}", [0, 9007199254740991]),
        ('{onHand: {eq: "9007199254740991"}}', [9007199254740991]),
        ("{onHand: {gt: 9223372036854775807}}", []),
        ("{onHand: {isEmpty: true}}", []),
        ('{variant: {sku: {eq: "v2"}}, location: {code: {ne: "north"}}}', [9007199254740991]),
        ('{variant: {product: {slug: {eq: "q"}}}}', []),
    ],
)
def test_stock(ask: Both, filter_: str, expected: list[int]) -> None:
    assert ask.column(f"{{ stockLevels(filter: {filter_}) {{ nodes {{ onHand }} }} }}") == expected


def test_large_numbers_travel_by_variable_too(ask: Both) -> None:
    query = "query($n: Long) { stockLevels(filter: {onHand: {eq: $n}}) { nodes { onHand } } }"
    assert ask.column(query, n=9007199254740991) == [9007199254740991]


def test_booleans_are_given_as_they_are(ask: Both) -> None:
    def codes(filter_: str) -> list[str]:
        return ask.column(f"{{ attributes(filter: {filter_}) {{ nodes {{ code }} }} }}")

    assert codes("{localizable: true}") == ["care"]
    assert codes("{perChannel: true}") == ["claim"]
    assert codes("{localizable: false, perChannel: false}") == ["colour", "weight", "rating", "organic"]
    assert codes("{not: {localizable: false}}") == ["care"]
    assert codes("{localizable: null, perChannel: true}") == ["claim"]


@pytest.mark.parametrize(
    ("list_", "field", "expected"),
    [
        # Nulls stand last in either direction, and equal keys go by id in the direction of the sort.
        ("orders(sort: {field: PLACED_AT})", "number", ["B", "E", "C", "D", "A"]),
        ("orders(sort: {field: PLACED_AT, direction: DESC})", "number", ["D", "C", "E", "B", "A"]),
        ("orders(sort: {field: TOTAL})", "number", ["A", "D", "B", "E", "C"]),
        ("orders(sort: {field: TOTAL, direction: DESC})", "number", ["C", "E", "B", "D", "A"]),
        ("orders(sort: {field: NUMBER, direction: DESC})", "number", ["E", "D", "C", "B", "A"]),
        ("stockLevels(sort: {field: ON_HAND})", "onHand", [-3, 0, 5, 9007199254740991]),
        ("stockLevels(sort: {field: ON_HAND, direction: DESC})", "onHand", [9007199254740991, 5, 0, -3]),
        ("customers(sort: {field: GIVEN_NAME})", "givenName", ["Ann", "Öz", None]),
        ("customers(sort: {field: GIVEN_NAME, direction: DESC})", "givenName", ["Öz", "Ann", None]),
        ("customers(sort: {field: FAMILY_NAME, direction: DESC})", "familyName", ["Stone", "Reed", None]),
        ("customers(sort: {field: EMAIL})", "email", ["oz@example.com", None, None]),
        ("categories(sort: {field: CODE})", "code", ["shirts", "tops"]),
        ("categories(sort: {field: POSITION, direction: DESC})", "code", ["shirts", "tops"]),
        ("priceLists(sort: {field: NAME})", "code", ["retail", "club"]),
        ("priceLists(sort: {field: NAME, direction: DESC})", "code", ["retail", "club"]),
        ("locations(sort: {field: CODE, direction: DESC})", "code", ["south", "north"]),
        ("channels(sort: {field: CODE})", "code", ["us", "web"]),
        ("companies(sort: {field: NAME})", "name", ["Acme"]),
        ("variants(sort: {field: SKU, direction: DESC})", "sku", ["v2", "v1"]),
        ("locales(sort: {field: CODE})", "code", ["de", "en", "fr"]),
        ("attributes(sort: {field: CODE}, first: 3)", "code", ["care", "claim", "colour"]),
    ],
)
def test_sorts(ask: Both, list_: str, field: str, expected: list[object]) -> None:
    assert ask.column(f"{{ {list_} {{ nodes {{ {field} }} }} }}") == expected


@pytest.mark.parametrize(
    ("locale", "direction", "expected"),
    [
        # Äpfel sorts with A; what has no text comes last.
        ("de", "ASC", ["apple", "cherry", "elder", "banana", "date"]),
        ("de", "DESC", ["elder", "cherry", "apple", "date", "banana"]),
        ("en", "ASC", ["apple", "cherry", "elder", "banana", "date"]),
        ("fr", "ASC", ["apple", "cherry", "date", "elder", "banana"]),
    ],
)
def test_texts_sort_as_the_reader_sees_them(
    ask: Both, locale: str, direction: str, expected: list[str]
) -> None:
    # Collections carry a name, so that the sort of texts is proved on them.
    for each in ASSETS:
        written(ask.database, "collection", {"code": each["code"], "name": each["alt"]})
    query = f'{{ collections(channel: "web", locale: "{locale}", sort: {{field: NAME, direction: {direction}}}) {{ nodes {{ code }} }} }}'
    assert ask.column(query) == expected
