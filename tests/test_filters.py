"""Filters and sorts: each operator, each kind of attribute, and what the SQL may not let slip."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from hub.db import Database
from hub.errors import Code
from tests.reading import STOREFRONT, Asking, asking, fill, names

ALL = ["alpha", "beta", "gamma", "draft"]


@pytest.fixture(scope="module")
def ask(module_database: Database) -> Iterator[Asking]:
    fill(module_database)
    with asking(module_database) as opened:
        yield opened


def slugs(ask: Asking, filter_: str, arguments: str = 'channel: "web"', **more: Any) -> list[str]:
    return names(
        ask(f"{{ products(filter: {filter_}, {arguments}) {{ nodes {{ slug }} }} }}", **more)["products"]
    )


def skus(ask: Asking, filter_: str) -> list[str]:
    query = f'{{ variants(filter: {filter_}, channel: "web") {{ nodes {{ sku }} }} }}'
    return names(ask(query)["variants"], "sku")


@pytest.mark.parametrize(
    ("filter_", "expected"),
    [
        ('{slug: {eq: "alpha"}}', ["alpha"]),
        ('{slug: {ne: "alpha"}}', ["beta", "gamma", "draft"]),
        ('{slug: {in: ["draft", "alpha", "none"]}}', ["alpha", "draft"]),
        ('{slug: {notIn: ["draft", "alpha"]}}', ["beta", "gamma"]),
        ("{slug: {in: []}}", []),
        ("{slug: {notIn: []}}", ALL),
        ('{slug: {contains: "LPH"}}', ["alpha"]),
        ('{slug: {startsWith: "D"}}', ["draft"]),
        ('{slug: {lt: "b"}}', None),
        ('{slug: {contains: "%"}}', []),
        ("{slug: {isEmpty: true}}", []),
        ("{slug: {isEmpty: false}}", ALL),
        ("{slug: {eq: null}}", []),
        ("{id: {eq: null}}", []),
        ("{id: {in: []}}", []),
        ("{id: {in: null}}", ALL),
        ("{not: {id: {eq: null}}}", ALL),
        ("{slug: {ne: null}}", ALL),
        ("{slug: {}}", ALL),
        ("{}", ALL),
        # Texts are compared in the locale chain: web falls back from de to en.
        ('{name: {eq: "Älpha-Hemd"}}', ["alpha"]),
        ('{name: {contains: "alpha"}}', ["alpha"]),
        ('{name: {eq: "Beta shirt"}}', ["beta"]),
        ('{name: {eq: "Alpha shirt"}}', []),
        ("{name: {isEmpty: true}}", ["draft"]),
        ('{name: {ne: "Beta shirt"}}', ["alpha", "gamma", "draft"]),
        ('{name: {notIn: ["Beta shirt", "gamma shirt"]}}', ["alpha", "draft"]),
        # Connectives.
        ('{and: [{slug: {ne: "alpha"}}, {slug: {ne: "beta"}}]}', ["gamma", "draft"]),
        ('{or: [{slug: {eq: "alpha"}}, {slug: {eq: "beta"}}]}', ["alpha", "beta"]),
        ('{not: {slug: {eq: "alpha"}}}', ["beta", "gamma", "draft"]),
        ('{not: {name: {contains: "shirt"}}}', ["alpha", "draft"]),
        ('{slug: {ne: "alpha"}, name: {contains: "shirt"}}', ["beta", "gamma"]),
        ("{and: []}", ALL),
        ("{or: []}", []),
        ("{not: {}}", []),
        (
            '{or: [{and: [{slug: {eq: "alpha"}}, {listed: true}]}, {not: {listed: true}}]}',
            ["alpha", "gamma", "draft"],
        ),
        # Windows.
        ("{listed: true}", ["alpha", "beta"]),
        ("{listed: false}", ["gamma", "draft"]),
        # Relations: at least one related row meets the filter.
        ('{type: {code: {eq: "shirt"}}}', ALL),
        ('{type: {code: {eq: "hat"}}}', []),
        ('{variants: {sku: {eq: "alpha-blue"}}}', ["alpha"]),
        ('{variants: {identifiers: {type: {eq: GTIN}, value: {eq: "04006381333931"}}}}', ["alpha"]),
        ('{variants: {prices: {amount: {lt: "10"}}}}', ["beta", "gamma"]),
        ('{variants: {stockLevels: {location: {code: {eq: "south"}}}}}', ["alpha"]),
        ('{categories: {code: {eq: "shirts"}}}', ["alpha"]),
        ('{collections: {code: {eq: "summer"}}}', ["alpha", "beta"]),
        ('{listings: {channel: {code: {eq: "web"}}, open: {}}}', None),
        ("{listings: {open: true}}", ["alpha", "beta"]),
        ('{relations: {type: {code: {eq: "pair"}}}}', ["alpha", "beta"]),
        ('{relations: {type: {code: {eq: "spare"}}}}', ["beta"]),
        ('{assets: {role: {eq: "manual"}}}', ["alpha"]),
        ('{not: {variants: {sku: {startsWith: "alpha"}}}}', ["beta", "gamma", "draft"]),
        # The tree.
        ('{category: {code: "tops"}}', ["alpha", "beta"]),
        ('{category: {code: "tops", subcategories: false}}', ["beta"]),
        ('{category: {code: "shirts"}}', ["alpha"]),
        ('{category: {code: "none"}}', []),
        (
            '{or: [{category: {code: "tops", subcategories: false}}, {category: {code: "shirts"}}]}',
            ["alpha", "beta"],
        ),
        ('{category: {code: "tops"}, not: {category: {code: "shirts"}}}', ["beta"]),
        ("{category: {}}", []),
        # Moments.
        ('{updatedAt: {gt: "2020-01-01T00:00:00Z"}}', ALL),
        ('{updatedAt: {lt: "2020-01-01T00:00:00+02:00"}}', []),
        ('{createdAt: {gte: "2020-01-01T00:00:00Z", lt: "2999-01-01T00:00:00Z"}}', ALL),
    ],
)
def test_filter(ask: Asking, filter_: str, expected: list[str] | None) -> None:
    if expected is None:
        answer = ask.answer(f'{{ products(filter: {filter_}, channel: "web") {{ nodes {{ slug }} }} }}')
        assert answer.errors, "A filter that the schema does not know was taken."
        assert answer.data is None
    else:
        assert slugs(ask, filter_) == expected


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        # A choice, here an axis: a product has what its variants have.
        ('code: "colour", eq: "red"', ["alpha"]),
        ('code: "colour", in: ["red", "blue"]', ["alpha"]),
        ('code: "colour", ne: "red"', ["beta", "gamma", "draft"]),
        ('code: "colour", notIn: ["green"]', ALL),
        ('code: "colour", isEmpty: true', ["beta", "gamma", "draft"]),
        ('code: "colour", isEmpty: false', ["alpha"]),
        # Whole numbers; a variant's own value counts for its product.
        ('code: "rating", eq: 4', ["alpha"]),
        ('code: "rating", eq: "4.0"', ["alpha"]),
        ('code: "rating", eq: 2', ["alpha"]),
        ('code: "rating", gte: 4', ["alpha", "beta"]),
        ('code: "rating", gt: 4', ["beta"]),
        ('code: "rating", lt: 3', ["alpha"]),
        ('code: "rating", lte: 2', ["alpha"]),
        ('code: "rating", in: [5, 1]', ["beta"]),
        # Decimals compare as numbers; "not applicable" is a value, but no number.
        ('code: "net", eq: 12.5', ["alpha"]),
        ('code: "net", gt: "9"', ["alpha"]),
        ('code: "net", lt: "100"', ["alpha"]),
        ('code: "net", ne: "12.5"', ["beta", "gamma", "draft"]),
        ('code: "net", isEmpty: false', ["alpha", "beta"]),
        ('code: "net", isEmpty: true', ["gamma", "draft"]),
        # False is a value.
        ('code: "organic", eq: true', ["alpha"]),
        ('code: "organic", eq: false', ["beta"]),
        ('code: "organic", ne: true', ["beta", "gamma", "draft"]),
        ('code: "organic", isEmpty: true', ["gamma", "draft"]),
        # Several choices: one of them is enough.
        ('code: "tags", eq: "sale"', ["alpha", "beta"]),
        ('code: "tags", eq: "eco"', ["alpha"]),
        ('code: "tags", in: ["eco", "none"]', ["alpha"]),
        ('code: "tags", ne: "eco"', ["beta", "gamma", "draft"]),
        # Measurements compare in the base unit, whatever unit each was given in.
        ('code: "weight", lt: "0.26"', ["alpha"]),
        ('code: "weight", lt: "260", unit: "g"', ["alpha"]),
        ('code: "weight", gte: "250", unit: "g"', ["alpha", "beta"]),
        ('code: "weight", eq: "300", unit: "g"', ["beta"]),
        # Money, of any currency or of one.
        ('code: "fee", gt: "1"', ["alpha", "beta"]),
        ('code: "fee", gt: "1", currency: "EUR"', ["alpha"]),
        # Days and moments.
        ('code: "born", gte: "2024-05-01", lt: "2024-05-02"', ["alpha"]),
        ('code: "born", lt: "2024-05-01"', []),
        ('code: "checked", gt: "2024-01-01T00:00:00Z"', ["alpha"]),
        # Texts in the locale and channel of the reader.
        ('code: "care", contains: "GRAD"', ["alpha"]),
        ('code: "care", eq: "30 degrees"', []),
        ('code: "care", startsWith: "30"', ["alpha"]),
        ('code: "claim", eq: "For the web"', ["alpha"]),
        ('code: "claim", eq: "For all"', []),
        ('code: "story", contains: "once"', ["alpha"]),
        ('code: "sizes", isEmpty: false', ["alpha"]),
        ('code: "goes_with", isEmpty: false', ["beta"]),
    ],
)
def test_attribute_filter(ask: Asking, condition: str, expected: list[str]) -> None:
    assert slugs(ask, f"{{attribute: {{{condition}}}}}") == expected


def test_an_attribute_filter_reads_in_the_locale_and_channel_of_the_query(ask: Asking) -> None:
    assert slugs(ask, '{attribute: {code: "care", eq: "30 degrees"}}', 'channel: "web", locale: "en"') == [
        "alpha"
    ]
    assert slugs(ask, '{attribute: {code: "claim", eq: "For all"}}', 'channel: "us"') == ["alpha"]


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ('code: "colour", eq: "red"', ["alpha-red"]),
        ('code: "rating", eq: 4', ["alpha-red"]),
        ('code: "rating", eq: 2', ["alpha-blue"]),
        ('code: "rating", ne: 2', ["alpha-red", "beta-one", "gamma-one", "draft-one"]),
        ('code: "rating", gte: 1', ["alpha-red", "alpha-blue", "beta-one"]),
        ('code: "rating", isEmpty: true', ["gamma-one", "draft-one"]),
        ('code: "weight", lte: "250", unit: "g"', ["alpha-red", "alpha-blue"]),
        ('code: "care", contains: "grad"', ["alpha-red", "alpha-blue"]),
        ('code: "tags", ne: "eco"', ["beta-one", "gamma-one", "draft-one"]),
        # A condition without an operator asks nothing.
        ('code: "tags"', ["alpha-red", "alpha-blue", "beta-one", "gamma-one", "draft-one"]),
    ],
)
def test_variants_are_filtered_by_what_they_inherit(ask: Asking, condition: str, expected: list[str]) -> None:
    assert skus(ask, f"{{attribute: {{{condition}}}}}") == expected


@pytest.mark.parametrize(
    ("filter_", "code", "says"),
    [
        ('{attribute: {code: "nothing", eq: "x"}}', Code.NOT_FOUND, '"nothing"'),
        ('{attribute: {code: "rating", eq: "many"}}', Code.INVALID, '"many"'),
        ('{attribute: {code: "rating", contains: "4"}}', Code.INVALID, "contains"),
        ('{attribute: {code: "tags", gt: "eco"}}', Code.INVALID, "gt"),
        ('{attribute: {code: "sizes", eq: "M"}}', Code.INVALID, "isEmpty"),
        ('{attribute: {code: "weight", gt: 1, unit: "cm"}}', Code.INVALID, '"cm"'),
        ('{attribute: {code: "weight", gt: 1, unit: "stone"}}', Code.INVALID, '"stone"'),
        ('{attribute: {code: "colour", eq: null}}', Code.INVALID, "isEmpty"),
        ('{slug: {eq: "a\\u0000b"}}', Code.INVALID, "U+0000"),
        ('{id: {eq: "nonsense"}}', Code.INVALID, "nonsense"),
        ("{" + "not: {" * 12 + "}" * 12 + "}", Code.LIMIT, "levels"),
        ("{slug: {in: [" + '"x",' * 101 + "]}}", Code.LIMIT, "in has 101 entries"),
    ],
)
def test_a_wrong_filter_is_refused_by_name(ask: Asking, filter_: str, code: Code, says: str) -> None:
    refusal = ask.refused(f'{{ products(filter: {filter_}, channel: "web") {{ nodes {{ slug }} }} }}')
    assert refusal.code is code
    assert says in refusal.message


def test_a_total_counts_what_the_filter_takes(ask: Asking) -> None:
    query = '{ products(first: 1, channel: "web", filter: {slug: {in: ["alpha", "beta"]}}) { totalCount } }'
    assert ask(query)["products"] == {"totalCount": 2}


def test_listed_needs_a_channel(ask: Asking) -> None:
    assert ask.refused("{ products(filter: {listed: true}) { nodes { id } } }").code is Code.REQUIRED


def test_an_id_filter_takes_ids_of_the_noun(ask: Asking) -> None:
    alpha, beta = ask.id("product", "slug", "alpha"), ask.id("product", "slug", "beta")
    assert slugs(ask, f'{{id: {{in: ["{beta}", "{alpha}"]}}}}') == ["alpha", "beta"]
    assert slugs(ask, f'{{id: {{eq: "{beta}"}}}}') == ["beta"]
    assert slugs(ask, f'{{not: {{id: {{eq: "{beta}"}}}}}}') == ["alpha", "gamma", "draft"]


def test_enums_and_booleans_filter(ask: Asking) -> None:
    orders = names(
        ask("{ orders(filter: {status: {in: [PLACED]}}) { nodes { number } } }")["orders"], "number"
    )
    assert orders == ["WEB-1"]
    facets = ask("{ attributes(filter: {localizable: true, type: {ne: TEXT}}) { nodes { code } } }")[
        "attributes"
    ]
    assert names(facets, "code") == ["story"]


def test_orders_are_filtered_through_customers_and_lines(ask: Asking) -> None:
    query = """{ orders(filter: {customer: {company: {code: {eq: "acme"}}}, lines: {sku: {eq: "alpha-red"}},
        total: {gte: "49.90"}, placedAt: {lt: "2026-02-01T00:00:00Z"}}) { nodes { number } } }"""
    assert names(ask(query)["orders"], "number") == ["WEB-1"]


def test_a_filter_is_no_way_to_guess_what_is_not_seen(ask: Asking) -> None:
    """A storefront's filters look only at rows that it could read: alpha is not on offer in the other channel."""
    query = '{ assets(channel: "web", filter: {code: {eq: "front"}}) { nodes { code } } }'
    assert names(ask(query, STOREFRONT)["assets"], "code") == ["front"]
    through = (
        '{ stockLevels(channel: "%s", filter: {variant: {product: {slug: {eq: "draft"}}}}) { nodes { id } } }'
    )
    assert ask(through % "web", STOREFRONT)["stockLevels"]["nodes"] == []
    assert len(ask(through % "web")["stockLevels"]["nodes"]) == 1


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("{field: ID}", ["alpha", "beta", "gamma", "draft"]),
        ("{field: ID, direction: DESC}", ["draft", "gamma", "beta", "alpha"]),
        ("{field: SLUG}", ["alpha", "beta", "draft", "gamma"]),
        # Ä sorts with A, whatever the case, and what has no name comes last in either direction.
        ("{field: NAME}", ["alpha", "beta", "gamma", "draft"]),
        ("{field: NAME, direction: DESC}", ["gamma", "beta", "alpha", "draft"]),
        ("{field: CREATED_AT, direction: DESC}", ["draft", "gamma", "beta", "alpha"]),
    ],
)
def test_sort(ask: Asking, sort: str, expected: list[str]) -> None:
    query = f'{{ products(sort: {sort}, channel: "web") {{ nodes {{ slug }} }} }}'
    assert names(ask(query)["products"]) == expected


def test_a_category_with_all_below_it_filters_a_list_below_too(ask: Asking) -> None:
    query = (
        '{ productType(code: "shirt") { products(filter: {category: {code: "tops"}}) { nodes { slug } } } }'
    )
    assert names(ask(query)["productType"]["products"]) == ["alpha", "beta"]


def test_filters_and_sorts_work_below_too(ask: Asking) -> None:
    query = """{ collection(code: "summer", channel: "web") {
        own: products { nodes { slug } }
        by: products(sort: {field: SLUG}, filter: {slug: {ne: "beta"}}) { totalCount nodes { slug } } } }"""
    shown = ask(query)["collection"]
    assert names(shown["own"]) == ["beta", "alpha"]
    assert shown["by"] == {"totalCount": 1, "nodes": [{"slug": "alpha"}]}
