"""Who sees which row, by every way that leads to it: the right rows were written down by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from hub.db import Database
from hub.errors import Code
from hub.viewer import Viewer
from tests.golden import Both, both
from tests.reading import PREVIEWING, STAFF, STOREFRONT, customer_viewer, price, scoped
from tests.shop import opened, written

SLUGS = ("open", "ended", "coming", "elsewhere", "hidden")
LISTINGS: dict[str, list[dict[str, Any]]] = {
    "open": [{"channel": {"key": "web"}}],
    "ended": [{"channel": {"key": "web"}, "ends_at": "2030-01-01T00:00:00Z"}],
    "coming": [{"channel": {"key": "web"}, "starts_at": "2031-01-01T00:00:00Z"}],
    "elsewhere": [{"channel": {"key": "us"}}],
    "hidden": [],
}


def product(slug: str) -> dict[str, Any]:
    return {
        "slug": slug,
        "type": {"key": "shirt"},
        "listings": LISTINGS[slug],
        "categories": [{"category": {"key": "tops"}}],
        "collections": [{"collection": {"key": "summer"}}],
        "assets": [{"asset": {"key": slug}, "role": "gallery"}],
        "attributes": [{"code": "goes_with", "value": {"key": "open"}}] if slug == "hidden" else [],
        "variants": [
            {
                "sku": f"{slug}-1",
                "identifiers": [{"type": "mpn", "value": slug}],
                "prices": [
                    price("10.00"),
                    {"price_list": {"key": "dollars"}, "amount": "12", "currency": "USD"},
                ],
            }
        ],
    }


def order(number: str, channel: str, customer: str | None) -> dict[str, Any]:
    lines = [
        {
            "position": place,
            "variant": {"key": f"{slug}-1"},
            "name": slug,
            "quantity": 1,
            "unit_price": "1",
            "total": "1",
        }
        for place, slug in enumerate(SLUGS)
    ]
    return {
        "number": number,
        "channel": {"key": channel},
        "currency": "EUR" if channel == "web" else "USD",
        "customer": {"external_id": {"system": "shop", "id": customer}} if customer else None,
        "status": "placed",
        "lines": lines,
        "subtotal": "5",
        "total": "5",
    }


def person(name: str, company: str | None) -> dict[str, Any]:
    return {
        "given_name": name,
        "external_ids": [{"system": "shop", "id": name}],
        "company": {"key": company} if company else None,
        "identifiers": [{"type": "email", "value": f"{name}@example.com".lower()}],
        "addresses": [{"code": f"home of {name}".replace(" ", "-").lower(), "country": "AT"}],
    }


@pytest.fixture(scope="module")
def ask(module_database: Database) -> Iterator[Both]:
    database = module_database
    opened(database)
    us = {"code": "us", "currency": "USD", "order_prefix": "U-", "locales": [{"locale": {"key": "en"}}]}
    shop: dict[str, list[dict[str, Any]]] = {
        "price_list": [{"code": "dollars", "currency": "USD"}],
        "channel": [us | {"price_lists": [{"price_list": {"key": "dollars"}}]}],
        "attribute": [{"code": "goes_with", "type": "reference", "rules": {"to": "product"}}],
        "collection": [{"code": "summer"}],
        "location": [{"code": "north"}],
        "relation_type": [{"code": "spare", "two_way": False}, {"code": "pair", "two_way": True}],
        "asset": [{"code": slug, "address": f"https://example.com/{slug}"} for slug in SLUGS],
        "company": [{"code": "lone", "name": "Lone"}],
        "product": [product(slug) for slug in SLUGS],
        "stock": [
            {"variant": {"key": f"{slug}-1"}, "location": {"key": "north"}, "on_hand": 1} for slug in SLUGS
        ],
        "customer": [person("Ada", "acme"), person("Bo", None)],
        "order": [
            order("W1", "web", "Ada"),
            order("W2", "web", "Bo"),
            order("U1", "us", "Ada"),
            order("U2", "us", None),
        ],
    }
    for noun, rows in shop.items():
        results = written(database, noun, *rows)
        assert not [result.errors for result in results if result.errors], noun
    related = [
        {"type": {"key": kind}, "product": {"key": slug}} for kind in ("spare", "pair") for slug in SLUGS[1:]
    ]
    written(database, "product", {"slug": "open", "relations": related})
    written(
        database,
        "product",
        {"slug": "open", "attributes": [{"code": "goes_with", "value": {"key": "hidden"}}]},
    )
    with both(database) as asking:
        yield asking


# Products, by every way.

Way = Callable[[Both, Viewer, str], list[str]]


def _along(found: Any, path: tuple[str, ...]) -> list[str]:
    """The values at the end of a path through objects and lists, nulls left out."""
    for step in path:
        found = [
            each
            for one in (found if isinstance(found, list) else [found])
            for each in (one[step] if isinstance(one[step], list) else [one[step]])
            if each is not None
        ]
    return list(found)


def _page(query: str, *path: str) -> Way:
    return lambda ask, viewer, scope: _along(ask(query % scope, viewer), path)


def _each(query: str, *path: str) -> Way:
    """A way that is tried for each product by itself: ``SLUG`` and ``ID`` in the query stand for it."""

    def ways(ask: Both, viewer: Viewer, scope: str) -> list[str]:
        parts = [
            f"{slug}: " + query.replace("SLUG", slug).replace("ID", ask.id("product", "slug", slug)) % scope
            for slug in SLUGS
        ]
        shown = ask(f"{{ {' '.join(parts)} }}", viewer)
        return [slug for slug in SLUGS if _along(shown, (slug, *path))]

    return ways


WAYS: dict[str, Way] = {
    "list": _page("{ products(%s) { nodes { slug } } }", "products", "nodes", "slug"),
    "edges": _page("{ products(%s) { edges { node { slug } } } }", "products", "edges", "node", "slug"),
    "backwards": _page(
        "{ products(%s, last: 9, sort: {field: ID}) { nodes { slug } } }", "products", "nodes", "slug"
    ),
    "variants": _page(
        "{ variants(%s) { nodes { product { slug } } } }", "variants", "nodes", "product", "slug"
    ),
    "category": _page(
        '{ category(code: "tops", %s) { products { nodes { slug } } } }',
        "category",
        "products",
        "nodes",
        "slug",
    ),
    "collection": _page(
        "{ collections(%s) { nodes { products(sort: {field: ID}) { nodes { slug } } } } }",
        "collections",
        "nodes",
        "products",
        "nodes",
        "slug",
    ),
    "type": _page(
        '{ productType(code: "shirt", %s) { products { nodes { slug } } } }',
        "productType",
        "products",
        "nodes",
        "slug",
    ),
    "stock": _page(
        "{ stockLevels(%s) { nodes { variant { product { slug } } } } }",
        "stockLevels",
        "nodes",
        "variant",
        "product",
        "slug",
    ),
    "assets": _page(
        '{ assets(filter: {code: {ne: "front"}}, %s) { nodes { code } } }', "assets", "nodes", "code"
    ),
    "filter": _page(
        '{ products(filter: {variants: {sku: {contains: "-1"}}}, %s) { nodes { slug } } }',
        "products",
        "nodes",
        "slug",
    ),
    "slug": _each('product(slug: "SLUG", %s) { slug }', "slug"),
    "id": _each('product(id: "ID", %s) { slug }', "slug"),
    "node": _each('node(id: "ID", %s) { ... on Product { slug } }', "slug"),
    "nodes": _each('nodes(ids: ["ID"], %s) { ... on Product { slug } }', "slug"),
    "sku": _each('variant(sku: "SLUG-1", %s) { sku }', "sku"),
    "filter through": _each(
        'variants(filter: {product: {slug: {eq: "SLUG"}}}, %s) { nodes { sku } }', "nodes", "sku"
    ),
    "filter of identifiers": _each(
        'products(filter: {variants: {identifiers: {value: {eq: "SLUG"}}}}, %s) { nodes { slug } }',
        "nodes",
        "slug",
    ),
    "filter of stock": _each(
        'stockLevels(filter: {variant: {sku: {eq: "SLUG-1"}}}, %s) { nodes { id } }', "nodes", "id"
    ),
}
WEB, US = 'channel: "web"', 'channel: "us"'
SEEN = [
    ("staff", WEB, "open ended coming elsewhere hidden"),
    ("staff", US, "open ended coming elsewhere hidden"),
    ("bound staff", WEB, "open ended coming elsewhere hidden"),
    ("storefront", WEB, "open ended"),
    ("storefront", US, "elsewhere"),
    ("previewing", f'{WEB}, asOf: "2029-12-31T23:59:59.999999Z"', "open ended"),
    ("previewing", f'{WEB}, asOf: "2030-01-01T00:00:00Z"', "open"),
    ("previewing", f'{WEB}, asOf: "2031-01-01T00:00:00Z"', "open coming"),
    ("Ada", WEB, "open ended"),
    ("Ada", US, "elsewhere"),
]


def viewer_of(ask: Both, name: str) -> Viewer:
    web, us = (ask.number("channel", "code", code) for code in ("web", "us"))
    ada, bo = (ask.number("customer", "given_name", given) for given in ("Ada", "Bo"))
    return {
        "staff": STAFF,
        "bound staff": replace(STAFF, channel_ids=frozenset({web})),
        "bound app": replace(STAFF, kind="app", channel_ids=frozenset({us})),
        "storefront": STOREFRONT,
        "bound storefront": replace(STOREFRONT, channel_ids=frozenset({web})),
        "previewing": PREVIEWING,
        "Ada": customer_viewer(ada),
        "Bo": customer_viewer(bo),
        "bound Ada": replace(customer_viewer(ada), channel_ids=frozenset({web})),
    }[name]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("viewer", "scope", "expected"), SEEN)
def test_products(ask: Both, way: str, viewer: str, scope: str, expected: str) -> None:
    found = WAYS[way](ask, viewer_of(ask, viewer), scope)
    assert found == expected.split()


@pytest.mark.parametrize(("viewer", "scope", "expected"), SEEN)
def test_totals(ask: Both, viewer: str, scope: str, expected: str) -> None:
    query = """{ products(first: 1, %s) { totalCount } variants(first: 0, %s) { totalCount }
        categories(filter: {code: {eq: "tops"}}, %s) { nodes { products(first: 1) { totalCount } } } }"""
    count = len(expected.split())
    assert ask(query % (scope, scope, scope), viewer_of(ask, viewer)) == {
        "products": {"totalCount": count},
        "variants": {"totalCount": count},
        "categories": {"nodes": [{"products": {"totalCount": count}}]},
    }


def test_what_hangs_on_a_product_goes_with_it(ask: Both) -> None:
    """A relation is the product's, so it is seen; the other product is not, where it is not on offer."""
    query = """{ product(slug: "open", %s) { relations { type { code } product { slug } }
        attribute(code: "goes_with") { ... on ReferenceValue { reference { ... on Product { slug } } } } } }"""

    def related(viewer: str, scope: str) -> list[tuple[str, str | None]]:
        shown = ask(query % scope, viewer_of(ask, viewer))["product"]["relations"]
        found = [(each["type"]["code"], each["product"] and each["product"]["slug"]) for each in shown]
        return sorted(found, key=lambda one: (one[0], SLUGS.index(one[1]) if one[1] else 9))

    every = [(kind, slug) for kind in ("pair", "spare") for slug in SLUGS[1:]]
    assert related("staff", WEB) == every
    shut = [(kind, slug) for kind in ("pair", "spare") for slug in ("ended", None, None, None)]
    assert related("storefront", WEB) == shut
    staff, storefront = (
        ask(query % WEB, viewer_of(ask, name))["product"] for name in ("staff", "storefront")
    )
    assert staff["attribute"] == {"reference": {"slug": "hidden"}}
    assert storefront["attribute"] == {"reference": None}


def test_a_two_way_relation_of_what_is_not_on_offer_is_not_seen(ask: Both) -> None:
    query = '{ product(slug: "%s", channel: "%s") { relations { product { slug } } } }'
    assert ask(query % ("hidden", "web"))["product"] == {"relations": [{"product": {"slug": "open"}}]}
    assert ask(query % ("elsewhere", "us"), STOREFRONT)["product"] == {"relations": [{"product": None}]}


# Orders, customers and companies.


@pytest.mark.parametrize(
    ("viewer", "scope", "expected"),
    [
        ("staff", WEB, ["W1", "W2", "U1", "U2"]),
        ("bound staff", WEB, ["W1", "W2"]),
        ("bound app", US, ["U1", "U2"]),
        ("Ada", WEB, ["W1", "U1"]),
        ("Ada", US, ["W1", "U1"]),
        ("Bo", WEB, ["W2"]),
        ("bound Ada", WEB, ["W1"]),
    ],
)
def test_orders(ask: Both, viewer: str, scope: str, expected: list[str]) -> None:
    who = viewer_of(ask, viewer)
    assert ask.column(f"{{ orders({scope}) {{ nodes {{ number }} }} }}", who) == expected
    assert ask(f"{{ orders({scope}) {{ totalCount }} }}", who)["orders"]["totalCount"] == len(expected)
    for number in ("W1", "W2", "U1", "U2"):
        by_id = ask.id("order", "number", number)
        for query in (
            f'order(number: "{number}", {scope})',
            f'order(id: "{by_id}", {scope})',
            f'node(id: "{by_id}", {scope})',
        ):
            (found,) = ask(f"{{ {query} {{ id }} }}", who).values()
            assert (found is not None) == (number in expected), query
    below = ask(f"{{ customers({scope}) {{ nodes {{ orders {{ totalCount nodes {{ number }} }} }} }} }}", who)
    shown = [one["number"] for each in below["customers"]["nodes"] for one in each["orders"]["nodes"]]
    assert sorted(shown) == sorted(set(expected) - {"U2"})
    through = ask(
        f'{{ orders(filter: {{customer: {{orders: {{number: {{eq: "W1"}}}}}}}}, {scope}) {{ totalCount }} }}',
        who,
    )
    assert through["orders"]["totalCount"] == (len(set(expected) & {"W1", "U1"}) if "W1" in expected else 0)


@pytest.mark.parametrize(
    ("viewer", "people", "companies"),
    [
        ("staff", ["Ada", "Bo"], ["acme", "lone"]),
        ("bound app", ["Ada", "Bo"], ["acme", "lone"]),
        ("Ada", ["Ada"], ["acme"]),
        ("Bo", ["Bo"], []),
    ],
)
def test_customers(ask: Both, viewer: str, people: list[str], companies: list[str]) -> None:
    who, scope = viewer_of(ask, viewer), US if viewer.startswith("bound") else WEB
    query = f"""{{ customers({scope}) {{ nodes {{ givenName identifiers {{ value }} addresses {{ code }} }} }}
        companies({scope}) {{ totalCount nodes {{ code customers {{ nodes {{ givenName }} }} }} }} }}"""
    shown = ask(query, who)
    assert [each["givenName"] for each in shown["customers"]["nodes"]] == people
    for each in shown["customers"]["nodes"]:
        name = each["givenName"].lower()
        assert each["identifiers"] == [{"value": f"{name}@example.com"}]
        assert each["addresses"] == [{"code": f"home-of-{name}"}]
    assert [each["code"] for each in shown["companies"]["nodes"]] == companies
    assert shown["companies"]["totalCount"] == len(companies)
    found = ask(
        f'{{ customers({scope}, filter: {{identifiers: {{value: {{contains: "example"}}}}}}) {{ nodes {{ givenName }} }} }}',
        who,
    )
    assert [each["givenName"] for each in found["customers"]["nodes"]] == people
    for name in ("Ada", "Bo"):
        (by_id,) = ask(
            f'{{ node(id: "{ask.id("customer", "given_name", name)}", {scope}) {{ id }} }}', who
        ).values()
        assert (by_id is not None) == (name in people)


def test_the_customer_of_an_order_is_seen_by_those_who_see_customers(ask: Both) -> None:
    query = '{ order(number: "W1", channel: "web") { customer { givenName } company { code } lines { variant { sku } } } }'
    for viewer, skus in (
        ("staff", [f"{slug}-1" for slug in SLUGS]),
        ("Ada", ["open-1", "ended-1", None, None, None]),
    ):
        shown = ask(query, viewer_of(ask, viewer))["order"]
        assert shown["customer"] == {"givenName": "Ada"}
        assert shown["company"] is None
        assert [each["variant"] and each["variant"]["sku"] for each in shown["lines"]] == skus
    app = scoped(STAFF, "orders:read", kind="app")
    answered = ask.answer(query, app)
    assert answered.data["order"] == {"customer": None, "company": None, "lines": [{"variant": None}] * 5}
    assert {tuple(error["path"][:2]) for error in answered.errors} == {
        ("order", "customer"),
        ("order", "lines"),
    }
    assert {error["extensions"]["code"] for error in answered.errors} == {"FORBIDDEN"}


# Channels, price lists, prices and listings.


@pytest.mark.parametrize(
    ("viewer", "channels", "price_lists", "currencies", "listed_in"),
    [
        ("staff", ["web", "us"], ["retail", "club", "dollars"], ["EUR", "USD"], ["web"]),
        ("bound staff", ["web"], ["retail", "club"], ["EUR"], ["web"]),
        ("bound app", ["us"], ["dollars"], ["USD"], []),
    ],
)
def test_what_channels_sell_by(
    ask: Both,
    viewer: str,
    channels: list[str],
    price_lists: list[str],
    currencies: list[str],
    listed_in: list[str],
) -> None:
    who = viewer_of(ask, viewer)
    query = """{ channels { nodes { code } } priceLists { totalCount nodes { code prices { totalCount } } }
        variant(sku: "open-1") { prices { currency priceList { code } } }
        product(slug: "open") { listings { channel { code } } } }"""
    shown = ask(query, who)
    assert [each["code"] for each in shown["channels"]["nodes"]] == channels
    assert [each["code"] for each in shown["priceLists"]["nodes"]] == price_lists
    assert shown["priceLists"]["totalCount"] == len(price_lists)
    counts = {"retail": 5, "club": 0, "dollars": 5}
    assert [each["prices"]["totalCount"] for each in shown["priceLists"]["nodes"]] == [
        counts[one] for one in price_lists
    ]
    assert [each["currency"] for each in shown["variant"]["prices"]] == currencies
    assert [each["channel"]["code"] for each in shown["product"]["listings"]] == listed_in
    by_price = '{ products(filter: {variants: {prices: {currency: {eq: "EUR"}}}}) { totalCount } }'
    assert ask(by_price, who)["products"]["totalCount"] == (5 if "EUR" in currencies else 0)
    by_listing = '{ products(filter: {listings: {channel: {code: {eq: "us"}}}}) { nodes { slug } } }'
    assert ask.column(by_listing, who) == (["elsewhere"] if "us" in channels else [])


@pytest.mark.parametrize(
    ("viewer", "expected"),
    [
        ("storefront", ["web", "us"]),
        ("bound storefront", ["web"]),
        ("Ada", ["web", "us"]),
        ("bound Ada", ["web"]),
    ],
)
def test_storefronts_see_channels_and_no_price_list(ask: Both, viewer: str, expected: list[str]) -> None:
    who = viewer_of(ask, viewer)
    shown = ask(
        '{ channels(channel: "web") { nodes { code locales { locale { code } } priceLists { position } } } }',
        who,
    )
    assert [each["code"] for each in shown["channels"]["nodes"]] == expected
    assert shown["channels"]["nodes"][0]["locales"] == [
        {"locale": {"code": "de"}},
        {"locale": {"code": "en"}},
    ]
    assert all(each["priceLists"] == [] for each in shown["channels"]["nodes"])
    code, _ = ask.refused('{ priceLists(channel: "web") { nodes { code } } }', who)
    assert code is Code.FORBIDDEN
