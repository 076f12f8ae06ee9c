"""``productSearch`` over each engine: the same question has the same answer."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.reading import STOREFRONT, Asking, asking
from tests.search_contract.conftest import Asked

QUESTION = """query($after: String, $sort: ProductSearchSort) { productSearch(
    channel: "web", locale: "de", query: "kopfhörer", first: 2, after: $after, sort: $sort
    filter: {attribute: {code: "colour", in: ["black", "red"]}, price: {lt: "75"}}
    facets: [{attribute: "colour"}, {by: PRICE, ranges: [{to: 10}, {from: 10}]}, {by: CATEGORY}, {by: BRAND}]
) {
    nodes { slug name } edges { highlights { field fragments } }
    total { count accuracy } step pageInfo { hasNextPage endCursor }
    facets { by values { value name count selected } ranges { from to count selected } min max path { value } }
} }"""

FACETS = [
    {
        "by": "ATTRIBUTE",
        "values": [
            {"value": "black", "name": "Schwarz", "count": 1, "selected": True},
            {"value": "red", "name": "Rot", "count": 1, "selected": True},
        ],
        "ranges": [],
        "min": None,
        "max": None,
        "path": [],
    },
    {
        "by": "PRICE",
        "values": [],
        "ranges": [
            {"from": None, "to": 10, "count": 1, "selected": False},
            {"from": 10, "to": None, "count": 2, "selected": False},
        ],
        "min": None,
        "max": None,
        "path": [],
    },
    {
        "by": "CATEGORY",
        "values": [{"value": "sound", "name": "Sound", "count": 2, "selected": False}],
        "ranges": [],
        "min": None,
        "max": None,
        "path": [],
    },
    {
        "by": "BRAND",
        "values": [
            {"value": "acme", "name": "Acme", "count": 1, "selected": False},
            {"value": "northwind", "name": "North Wind", "count": 1, "selected": False},
        ],
        "ranges": [],
        "min": None,
        "max": None,
        "path": [],
    },
]


@pytest.fixture
def ask(hub: Asked) -> Iterator[Asking]:
    with asking(hub.database) as opened:
        opened.extras["search"] = hub.index
        yield opened


def test_a_search_page_is_the_same_with_each_engine(ask: Asking) -> None:
    found = ask(QUESTION, STOREFRONT, sort={"field": "PRICE", "direction": "DESC"})["productSearch"]
    assert found["nodes"] == [
        {"slug": "beta", "name": "Kopfhörer mit Kabel"},
        {"slug": "gamma", "name": "Tasche für Kopfhörer"},
    ]
    assert [edge["highlights"] for edge in found["edges"]] == [
        [{"field": "name", "fragments": ["<mark>Kopfhörer</mark> mit Kabel"]}],
        [{"field": "name", "fragments": ["Tasche für <mark>Kopfhörer</mark>"]}],
    ]
    assert found["total"] == {"count": 2, "accuracy": "EXACT"}
    assert (found["step"], found["pageInfo"]["hasNextPage"]) == ("ALL_WORDS", False)
    assert found["facets"] == FACETS


@pytest.mark.parametrize("sort", [None, {"field": "NAME"}, {"field": "ATTRIBUTE", "attribute": "rating"}])
def test_pages_follow_each_other(ask: Asking, sort: object) -> None:
    question = """query($sort: ProductSearchSort, $first: Int, $after: String) { productSearch(
        channel: "web", locale: "en", first: $first, after: $after, sort: $sort
    ) { nodes { slug } pageInfo { hasNextPage endCursor } } }"""
    whole = ask(question, STOREFRONT, sort=sort, first=100)["productSearch"]["nodes"]
    seen, after, more = list[object](), None, True
    while more:
        page = ask(question, STOREFRONT, sort=sort, first=9, after=after)["productSearch"]
        seen += page["nodes"]
        after, more = page["pageInfo"]["endCursor"], page["pageInfo"]["hasNextPage"]
    assert seen == whole
    assert len(whole) == 31


@pytest.mark.parametrize("text", ["*" * 999, '"((', "\\ / : ~ AND OR NOT", "\u0001kettle\u202e", "🦄", "the"])
def test_no_text_is_a_fault(ask: Asking, text: str) -> None:
    answer = ask.answer(
        'query($text: String) { productSearch(query: $text, channel: "web", locale: "en") { step } }',
        STOREFRONT,
        text=text,
    )
    assert not answer.errors
