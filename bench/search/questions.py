"""A hundred mixed questions: words, numbers, filters, orders, all with facets and a page of 24 hits."""

from __future__ import annotations

from random import Random
from typing import Any

from bench.search.ground import ADJECTIVES, NOUNS

DOCUMENT = """
query Find($query: String, $filter: ProductSearchFilter, $facets: [SearchFacetInput!], $sort: ProductSearchSort) {
  productSearch(channel: "web", locale: "en", query: $query, filter: $filter, facets: $facets, sort: $sort, first: 24) {
    nodes { id slug name }
    edges { cursor }
    total { count accuracy }
    facets { attribute name values { value name count } }
    pageInfo { hasNextPage endCursor }
  }
}
"""

FACETS: list[dict[str, Any]] = [
    {"attribute": "colour"},
    {"attribute": "finish"},
    {"by": "BRAND"},
    {"by": "PRICE", "ranges": [{"to": 100}, {"from": 100, "to": 300}, {"from": 300}]},
]


def questions(count: int, products: int) -> list[dict[str, Any]]:
    """The variables of so many questions, the same for the same size."""
    chance = Random(7)  # noqa: S311 - the same questions every time
    return [_question(chance, number, products) for number in range(count)]


def _question(chance: Random, number: int, products: int) -> dict[str, Any]:  # noqa: PLR0911 # one for each kind
    noun, adjective = chance.choice(NOUNS), chance.choice(ADJECTIVES)
    asked: dict[str, Any] = {"facets": FACETS}
    match number % 10:
        case 0 | 1 | 2:
            return asked | {"query": f"{adjective} {noun}"}
        case 3:
            return asked | {"query": noun}
        case 4:
            return asked | {"query": f"{adjective} {noun} for {chance.choice(NOUNS)}"}
        case 5:
            return asked | {"query": f"{noun} brand {chance.randrange(100)}"}
        case 6:
            return asked | {"query": f"sku-{chance.randrange(1, products)}"}
        case 7:
            chosen = {"attribute": {"code": "colour", "eq": f"colour{chance.randrange(12)}"}}
            return asked | {"query": f"{adjective} {noun}", "filter": chosen}
        case 8:
            return asked | {"query": noun, "sort": {"field": "PRICE"}}
        case _:
            return asked | {"query": f"{noun[:-1]} {adjective}s"}
