"""Pages at their edges, texts along their chain, the price that holds: the right answers were written down by hand."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from hub.db import Database
from hub.errors import Code
from tests.golden import Both, both
from tests.reading import STOREFRONT, price
from tests.shop import all_rows, opened, shirt, written

NAMES: list[dict[str, str]] = [{"en": "B"}, {"en": "a"}, {}, {"de": "B"}, {"en": "Ä"}, {}]
"""By name: p1 (a), p4 (Ä, the same key), p0 and p3 (B), then p2 and p5 without one."""


@pytest.fixture(scope="module")
def ask(module_database: Database) -> Iterator[Both]:
    database = module_database
    opened(database)
    us = {"code": "us", "currency": "USD", "order_prefix": "U-", "locales": [{"locale": {"key": "en"}}]}
    shop: dict[str, list[dict[str, Any]]] = {
        "locale": [{"code": "fr"}, {"code": "de-AT"}],
        "price_list": [{"code": "dollars", "currency": "USD"}],
        "channel": [us | {"price_lists": [{"price_list": {"key": "dollars"}}]}],
        "company": [{"code": "lone", "name": "Lone"}],
        "product": [shirt(f"p{number}", name=name, variants=[]) for number, name in enumerate(NAMES)],
    }
    for noun, rows in shop.items():
        assert not [result.errors for result in written(database, noun, *rows) if result.errors], noun
    places = [2, 0, 1, 0]
    for slug in ("p0", "p1"):
        variants = [{"sku": f"{slug}-{number}", "position": place} for number, place in enumerate(places)]
        written(database, "product", {"slug": slug, "variants": variants})
    with both(database) as asking:
        yield asking


def page(ask: Both, arguments: str) -> tuple[str, bool, bool]:
    """The rows of a page of products by their numbers, and whether more follow and precede."""
    info = "nodes { slug } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } edges { cursor }"
    shown = ask(f'{{ products({arguments}, channel: "web", locale: "en") {{ {info} }} }}')["products"]
    cursors = [each["cursor"] for each in shown["edges"]]
    about = shown["pageInfo"]
    assert (about["startCursor"], about["endCursor"]) == (
        (cursors[0], cursors[-1]) if cursors else (None, None)
    )
    return (
        "".join(each["slug"][1:] for each in shown["nodes"]),
        about["hasNextPage"],
        about["hasPreviousPage"],
    )


def cursor(ask: Both, sort: str, number: int) -> str:
    shown = ask(
        f'{{ products(first: 100, {sort}, channel: "web", locale: "en") {{ edges {{ cursor node {{ slug }} }} }} }}'
    )
    (found,) = [each["cursor"] for each in shown["products"]["edges"] if each["node"]["slug"] == f"p{number}"]
    return str(found)


ID, BY_NAME, LAST_NAME = "sort: null", "sort: {field: NAME}", "sort: {field: NAME, direction: DESC}"


@pytest.mark.parametrize(
    ("sort", "arguments", "expected"),
    [
        (ID, "", ("012345", False, False)),
        (ID, "first: 0", ("", True, False)),
        (ID, "last: 0", ("", False, True)),
        (ID, "first: 5", ("01234", True, False)),
        (ID, "first: 6", ("012345", False, False)),
        (ID, "first: 7", ("012345", False, False)),
        (ID, "last: 1", ("5", False, True)),
        (ID, "last: 5", ("12345", False, True)),
        (ID, "last: 6", ("012345", False, False)),
        (ID, "last: 7", ("012345", False, False)),
        (ID, "first: 2, after: 1", ("23", True, True)),
        (ID, "first: 2, after: 3", ("45", False, True)),
        (ID, "first: 2, after: 5", ("", False, True)),
        (ID, "first: 0, after: 1", ("", True, True)),
        (ID, "last: 2, before: 4", ("23", True, True)),
        (ID, "last: 2, before: 2", ("01", True, False)),
        (ID, "last: 2, before: 0", ("", True, False)),
        (ID, "first: 2, before: 4", ("01", True, False)),
        (ID, "first: 9, before: 2", ("01", False, False)),
        (ID, "last: 2, after: 2", ("45", False, True)),
        (ID, "last: 9, after: 3", ("45", False, False)),
        (ID, "first: 9, after: 1, before: 4", ("23", False, True)),
        (ID, "first: 1, after: 1, before: 4", ("2", True, True)),
        (ID, "last: 1, after: 1, before: 4", ("3", True, True)),
        (ID, "first: 9, after: 3, before: 4", ("", False, True)),
        (ID, "first: 9, after: 4, before: 1", ("", False, True)),
        # Equal names go by id, and those without one come last.
        (BY_NAME, "", ("140325", False, False)),
        (BY_NAME, "first: 1", ("1", True, False)),
        (BY_NAME, "first: 2, after: 1", ("40", True, True)),
        (BY_NAME, "first: 2, after: 0", ("32", True, True)),
        (BY_NAME, "first: 2, after: 2", ("5", False, True)),
        (BY_NAME, "first: 2, after: 5", ("", False, True)),
        (BY_NAME, "last: 3", ("325", False, True)),
        (BY_NAME, "last: 2, before: 5", ("32", True, True)),
        (BY_NAME, "last: 2, before: 2", ("03", True, True)),
        (BY_NAME, "last: 2, before: 4", ("1", True, False)),
        (BY_NAME, "first: 9, after: 4, before: 5", ("032", False, True)),
        (LAST_NAME, "", ("304152", False, False)),
        (LAST_NAME, "first: 2, after: 0", ("41", True, True)),
        (LAST_NAME, "first: 2, after: 1", ("52", False, True)),
        (LAST_NAME, "first: 2, after: 5", ("2", False, True)),
        (LAST_NAME, "last: 2, before: 2", ("15", True, True)),
        (LAST_NAME, "last: 2, before: 5", ("41", True, True)),
        (LAST_NAME, "last: 9, before: 4", ("30", True, False)),
    ],
)
def test_pages(ask: Both, sort: str, arguments: str, expected: tuple[str, bool, bool]) -> None:
    """``after`` and ``before`` name rows by their numbers here."""

    def named(found: re.Match[str]) -> str:
        return f'{found[1]}: "{cursor(ask, sort, int(found[2]))}"'

    assert page(ask, f"{sort} {re.sub(r'(after|before): ([0-9])', named, arguments)}") == expected


def test_the_cursor_of_a_row_that_is_gone_still_marks_its_place(database: Database) -> None:
    opened(database)
    written(database, "product", *(shirt(f"p{number}", name={}, variants=[]) for number in range(5)))
    with both(database) as ask:
        marks = {number: cursor(ask, "sort: {field: SLUG}", number) for number in range(5)}
        with database.engine.begin() as tx:
            tx.exec_driver_sql("DELETE FROM product WHERE slug IN ('p1', 'p2')")
        written(database, "product", shirt("p0a", name={}, variants=[]), shirt("p2a", name={}, variants=[]))
        sort = "sort: {field: SLUG}"
        query = '{ products(%s, channel: "web") { nodes { slug } } }'
        assert ask.column(query % f'{sort}, first: 2, after: "{marks[1]}"') == ["p2a", "p3"]
        assert ask.column(query % f'{sort}, first: 2, after: "{marks[0]}"') == ["p0a", "p2a"]
        assert ask.column(query % f'{sort}, last: 2, before: "{marks[2]}"') == ["p0", "p0a"]


def test_a_page_below_has_its_own_order_and_its_own_edges(ask: Both) -> None:
    query = """{ products(first: 3, channel: "web") { nodes { variants(%s) { totalCount nodes { sku }
        pageInfo { hasNextPage hasPreviousPage } } } } }"""

    def below(arguments: str) -> list[tuple[str, bool, bool]]:
        shown = [each["variants"] for each in ask(query % arguments)["products"]["nodes"]]
        assert [each["totalCount"] for each in shown] == [4, 4, 0]
        return [
            (
                "".join(node["sku"][3:] for node in each["nodes"]),
                each["pageInfo"]["hasNextPage"],
                each["pageInfo"]["hasPreviousPage"],
            )
            for each in shown
        ]

    # Positions 2, 0, 1, 0: the second, the fourth, the third, the first.
    assert below("first: 9") == [("1320", False, False)] * 2 + [("", False, False)]
    assert below("first: 0") == [("", True, False)] * 2 + [("", False, False)]
    assert below("first: 3") == [("132", True, False)] * 2 + [("", False, False)]
    assert below("last: 3") == [("320", False, True)] * 2 + [("", False, False)]
    assert below("first: 2, sort: {field: SKU, direction: DESC}") == [("32", True, False)] * 2 + [
        ("", False, False)
    ]
    assert below("last: 2, sort: {field: SKU, direction: DESC}") == [("10", False, True)] * 2 + [
        ("", False, False)
    ]
    cursors = ask('{ product(slug: "p0") { variants { edges { cursor } } } }')["product"]["variants"]["edges"]
    after = f'after: "{cursors[1]["cursor"]}"'
    # The cursor names a place in the order, so it holds for every list: what comes after position 0 and its id.
    assert below(f"first: 1, {after}")[0] == ("2", True, True)
    code, message = ask.refused(f"{{ variants({after}) {{ nodes {{ sku }} }} }}")
    assert code is Code.INVALID
    assert "belongs to another list or order" in message


@pytest.mark.parametrize(
    ("arguments", "path"),
    [("first: -1", "first"), ("last: -1", "last"), ("first: 101", "first"), ("first: 1, last: 1", "")],
)
def test_a_page_below_that_is_none_is_refused_at_its_place(ask: Both, arguments: str, path: str) -> None:
    answered = ask.answer(
        f"{{ products(first: 2) {{ nodes {{ slug variants({arguments}) {{ nodes {{ sku }} }} }} }} }}"
    )
    assert answered.data == {"products": None}
    assert {tuple(error["path"]) for error in answered.errors} <= {
        ("products", "nodes", n, "variants") for n in (0, 1)
    }


# Texts.


@pytest.fixture(scope="module")
def texts(ask: Both) -> Both:
    """Texts in every combination of three locales."""
    for slug, locales in {
        "none": [],
        "e": ["en"],
        "d": ["de"],
        "f": ["fr"],
        "a": ["de-AT"],
        "all": ["en", "de", "fr", "de-AT"],
    }.items():
        written(
            ask.database,
            "collection",
            {"code": slug, "slug": slug, "name": {each: f"in {each}" for each in locales}},
        )
    return ask


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        # web: German, then English.
        ('channel: "web"', {"e": "en", "d": "de", "all": "de"}),
        ('channel: "web", locale: "en"', {"e": "en", "d": "de", "all": "en"}),
        ('channel: "web", locale: "fr"', {"e": "en", "d": "de", "f": "fr", "all": "fr"}),
        ('channel: "web", locale: "de-AT"', {"e": "en", "d": "de", "a": "de-AT", "all": "de-AT"}),
        ('channel: "web", locale: "it"', {"e": "en", "d": "de", "all": "de"}),
        # us: English alone. German is no locale of it, so Austrian German does not fall back to it.
        ('channel: "us"', {"e": "en", "all": "en"}),
        ('channel: "us", locale: "de"', {"e": "en", "d": "de", "all": "de"}),
        ('channel: "us", locale: "de-AT"', {"e": "en", "a": "de-AT", "all": "de-AT"}),
        # Without a channel all locales, in the order in which they were made: en, de, fr, de-AT.
        ("filter: null", {"e": "en", "d": "de", "f": "fr", "a": "de-AT", "all": "en"}),
        ('locale: "fr"', {"e": "en", "d": "de", "f": "fr", "a": "de-AT", "all": "fr"}),
    ],
)
def test_the_locale_that_a_text_comes_from(texts: Both, scope: str, expected: dict[str, str]) -> None:
    shown = texts(
        f"{{ collections({scope}) {{ nodes {{ code name nameLocale nameTranslations {{ locale text }} }} }} }}"
    )
    found = {each["code"]: each for each in shown["collections"]["nodes"]}
    assert {code: each["nameLocale"] for code, each in found.items() if each["nameLocale"]} == expected
    for each in found.values():
        assert each["name"] == (each["nameLocale"] and f"in {each['nameLocale']}")
    assert found["all"]["nameTranslations"] == [
        {"locale": locale, "text": f"in {locale}"} for locale in ("de", "de-AT", "en", "fr")
    ]


# Attribute values: the channel before all channels, then the chain of locales, then all locales.


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        ('channel: "web"', ("web de", "web", "de")),
        ('channel: "web", locale: "en"', ("web de", "web", "de")),
        ('channel: "us"', ("all en", None, "en")),
        ('channel: "us", locale: "fr"', ("all en", None, "en")),
        ('locale: "de"', ("all en", None, "en")),
    ],
)
def test_the_value_that_an_attribute_has(
    ask: Both, scope: str, expected: tuple[str, str | None, str]
) -> None:
    written(
        ask.database, "attribute", {"code": "motto", "type": "text", "localizable": True, "per_channel": True}
    )
    values = [
        {"code": "motto", "channel": "web", "locale": "de", "value": "web de"},
        {"code": "motto", "locale": "en", "value": "all en"},
    ]
    written(ask.database, "product", {"slug": "p0", "attributes": values})
    query = '{ product(slug: "p0", %s) { attribute(code: "motto") { value channel locale } } }'
    value, channel, locale = expected
    assert ask(query % scope)["product"]["attribute"] == {
        "value": value,
        "channel": channel,
        "locale": locale,
    }


# Prices.

SALE = {"starts_at": "2030-01-01T00:00:00Z", "ends_at": "2030-02-01T00:00:00Z"}
ACME = {"company": {"key": "acme"}}


@pytest.fixture(scope="module")
def prices(ask: Both) -> Both:
    """The channel web sells by club before retail; us by dollars."""
    club = {"price_list": {"key": "club"}, "currency": "EUR"}
    dollars = {"price_list": {"key": "dollars"}, "currency": "USD"}
    own: dict[str, list[dict[str, Any]]] = {
        "lists": [price("20"), club | {"amount": "18"}, dollars | {"amount": "25"}],
        "quantities": [
            price("20"),
            price("19", min_quantity=10),
            price("17", min_quantity=50),
            price("18.5", **SALE),
        ],
        "companies": [
            price("20"),
            club | {"amount": "18"},
            price("21") | ACME,
            club | {"amount": "5", "min_quantity": 10} | ACME,
        ],
        "windows": [price("20"), price("15", **SALE), price("12", starts_at="2031-01-01T00:00:00Z")],
        "later": [price("3", starts_at="2030-01-01T00:00:00Z")],
        "bare": [],
    }
    variants = [{"sku": sku, "prices": some} for sku, some in own.items()]
    results = written(
        ask.database, "product", shirt("priced", variants=variants, listings=[{"channel": {"key": "web"}}])
    )
    assert not [result.errors for result in results if result.errors]
    return ask


JANUARY, FEBRUARY = "2030-01-15T00:00:00Z", "2030-02-01T00:00:00Z"


@pytest.mark.parametrize(
    ("sku", "scope", "arguments", "expected"),
    [
        ("lists", 'channel: "web"', "", "18"),
        ("lists", 'channel: "us"', "", "25"),
        ("lists", "locale: null", "", None),
        ("bare", 'channel: "web"', "", None),
        # From a quantity on.
        ("quantities", 'channel: "web"', "(quantity: 1)", "20"),
        ("quantities", 'channel: "web"', "(quantity: 9)", "20"),
        ("quantities", 'channel: "web"', "(quantity: 10)", "19"),
        ("quantities", 'channel: "web"', "(quantity: 49)", "19"),
        ("quantities", 'channel: "web"', "(quantity: 50)", "17"),
        ("quantities", 'channel: "web"', "(quantity: 2000000000)", "17"),
        # A sale replaces the base price with all its quantities.
        ("quantities", 'channel: "web"', f'(quantity: 50, at: "{JANUARY}")', "18.5"),
        # A company's own price comes first, whatever the list and however dear; from another quantity on, the list counts.
        ("companies", 'channel: "web"', "", "18"),
        ("companies", 'channel: "web"', "(company: $acme)", "21"),
        ("companies", 'channel: "web"', "(company: $acme, quantity: 10)", "5"),
        ("companies", 'channel: "web"', "(company: $lone)", "18"),
        ("companies", 'channel: "us"', "(company: $acme)", None),
        # Windows are half-open.
        ("windows", 'channel: "web"', "", "20"),
        ("windows", 'channel: "web"', '(at: "2029-12-31T23:59:59.999999Z")', "20"),
        ("windows", 'channel: "web"', '(at: "2030-01-01T00:00:00Z")', "15"),
        ("windows", 'channel: "web"', '(at: "2030-01-31T23:59:59.999999Z")', "15"),
        ("windows", 'channel: "web"', f'(at: "{FEBRUARY}")', "20"),
        ("windows", 'channel: "web"', '(at: "2031-01-01T00:00:00Z")', "12"),
        ("windows", 'channel: "web"', '(at: "2999-01-01T00:00:00Z")', "12"),
        # asOf is the moment of everything below; at stands above it.
        ("windows", f'channel: "web", asOf: "{JANUARY}"', "", "15"),
        ("windows", f'channel: "web", asOf: "{JANUARY}"', f'(at: "{FEBRUARY}")', "20"),
        ("windows", f'channel: "web", asOf: "{FEBRUARY}"', "(at: null)", "20"),
        ("later", 'channel: "web"', "", None),
        ("later", f'channel: "web", asOf: "{JANUARY}"', "", "3"),
    ],
)
def test_the_price_that_holds(
    prices: Both, sku: str, scope: str, arguments: str, expected: str | None
) -> None:
    used = [name for name in ("acme", "lone") if f"${name}" in arguments]
    declared = f"({', '.join(f'${name}: ID!' for name in used)})" if used else ""
    query = f'query{declared} {{ variant(sku: "{sku}", {scope}) {{ price{arguments} {{ amount }} }} }}'
    ids: dict[str, Any] = {name: prices.id("company", "code", name) for name in used}
    shown = prices(query, **ids)["variant"]["price"]
    assert (shown and shown["amount"]) == expected


def test_every_way_to_a_price_gives_the_same(prices: Both) -> None:
    """Many at once, by several aliases at once, and for a storefront."""
    query = """{ product(slug: "priced", channel: "web") { variants(sort: {field: SKU}) { nodes {
        sku one: price { amount currency } ten: price(quantity: 10) { amount } } } } }"""
    shown = {each.pop("sku"): each for each in prices(query, STOREFRONT)["product"]["variants"]["nodes"]}
    euros = {
        sku: each["one"] and (each["one"]["amount"], each["one"]["currency"]) for sku, each in shown.items()
    }
    assert euros == {
        "bare": None,
        "companies": ("18", "EUR"),
        "later": None,
        "lists": ("18", "EUR"),
        "quantities": ("20", "EUR"),
        "windows": ("20", "EUR"),
    }
    ten = {sku: each["ten"] and each["ten"]["amount"] for sku, each in shown.items()}
    assert ten == {
        "bare": None,
        "companies": "18",
        "later": None,
        "lists": "18",
        "quantities": "19",
        "windows": "20",
    }


def test_nothing_was_written_by_reading(prices: Both) -> None:
    before = all_rows(prices.database, "SELECT count(*) FROM pending")
    prices("{ products { nodes { variants { nodes { price { amount } } } } } }")
    assert all_rows(prices.database, "SELECT count(*) FROM pending") == before
