"""How many SQL statements a read takes: as many for one product as for twenty-four."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hub.db import Database
from hub.viewer import Viewer
from tests.reading import LISTED, STAFF, STOREFRONT, Asking, asking, price
from tests.shop import opened, shirt, written

LIST = """query($first: Int) { products(first: $first, channel: "web", locale: "en") { nodes {
    id version slug name nameLocale listed createdAt
    type { code } externalIds { system id }
    attributes(codes: ["care", "rating", "organic"]) { code locale value }
    assets { role asset { address alt } }
    categories { nodes { code name } }
    variants(first: 10) { nodes { sku name version
        price { amount currency } attributes { code value inherited ... on ChoiceValue { choice { code name } } }
        assets { role asset { address } } identifiers { type value } stockLevels { available location { code } }
        product { slug } } } } } }"""

ORDERS = """query($first: Int) { customers(first: $first) { nodes { fullName orders { nodes { number
    lines { name quantity variant { sku product { slug assets { asset { address } } } } } } } } } }"""


@pytest.fixture(scope="module")
def ask(module_database: Database) -> Iterator[Asking]:
    """Thirty products with all that hangs on them, and as many customers."""
    opened(module_database)
    written(module_database, "location", {"code": "north"})
    written(module_database, "product", *(product(number) for number in range(30)))
    written(module_database, "stock", *(stock(number) for number in range(30)))
    written(module_database, "customer", *(customer(number) for number in range(30)))
    written(module_database, "order", *(order(number) for number in range(30)))
    with asking(module_database) as asks:
        asks(LIST, first=1)  # the first statement of a connection asks PostgreSQL about itself
        yield asks


def product(number: int) -> dict[str, object]:
    prices = [price(f"{number + 1}.00"), price(f"{number}.50", min_quantity=5)]
    return shirt(
        f"p{number:02}",
        listings=LISTED,
        categories=[{"category": {"key": "shirts"}}],
        assets=[{"asset": {"key": "front"}, "role": "gallery"}],
        external_ids=[{"system": "erp", "id": str(number)}],
        attributes=[{"code": "care", "locale": "en", "value": "Wash"}, {"code": "rating", "value": 3}],
        variants=[
            {"sku": f"p{number:02}-{colour}", "axes": {"colour": colour}, "prices": prices}
            | {"assets": [{"asset": {"key": "front"}, "role": "swatch"}]}
            | {"identifiers": [{"type": "mpn", "value": f"{number}"}]}
            for colour in ("red", "blue")
        ],
    )


def stock(number: int) -> dict[str, object]:
    return {"variant": {"key": f"p{number:02}-red"}, "location": {"key": "north"}, "on_hand": number}


def customer(number: int) -> dict[str, object]:
    return {"given_name": f"C{number}", "external_ids": [{"system": "shop", "id": f"C{number}"}]}


def order(number: int) -> dict[str, object]:
    line = {"position": 1, "variant": {"key": f"p{number:02}-red"}, "name": "A shirt", "quantity": 1}
    return {
        "number": f"WEB-{number}",
        "channel": {"key": "web"},
        "customer": {"external_id": {"system": "shop", "id": f"C{number}"}},
        "currency": "EUR",
        "subtotal": "5.00",
        "total": "5.00",
        "lines": [line | {"unit_price": "5.00", "total": "5.00"}],
    }


def statements(ask: Asking, query: str, first: int, viewer: Viewer = STAFF) -> int:
    ask(query, viewer, first=first)
    return ask.statements


def test_a_page_of_products_takes_as_many_statements_as_one_product(ask: Asking) -> None:
    counts = {first: statements(ask, LIST, first) for first in (1, 2, 24, 30)}
    assert set(counts.values()) == {counts[24]}, counts
    # channel, products, types, external ids, listed, asset links, assets, categories, variants; of these the prices,
    # asset links, identifiers, stock, locations; attributes and options
    assert counts[24] <= 17, counts


def test_the_rules_of_a_storefront_take_no_statement_more(ask: Asking) -> None:
    assert statements(ask, LIST, 24, viewer=STOREFRONT) == statements(ask, LIST, 24)


def test_customers_down_to_assets_take_as_many_for_one_as_for_all(ask: Asking) -> None:
    counts = {first: statements(ask, ORDERS, first) for first in (1, 24, 30)}
    assert set(counts.values()) == {counts[24]}, counts
    # locales, customers, orders, lines, variants, products, asset links, assets
    assert counts[24] <= 8, counts


def test_what_is_read_twice_is_loaded_once(ask: Asking) -> None:
    once = '{ products(first: 24, channel: "web") { nodes { type { code } variants { nodes { product { slug } } } } } }'
    twice = """{ products(first: 24, channel: "web") { nodes { type { code } t: type { name }
        variants { nodes { product { slug type { code } } } } } } }"""
    ask(once)
    base = ask.statements
    ask(twice)
    assert ask.statements == base == 4  # channel, products, types, variants; the products are there already


def test_a_total_takes_one_statement_for_all_lists(ask: Asking) -> None:
    query = '{ products(first: 24, channel: "web") { nodes { variants { %s nodes { sku } } } } }'
    ask(query % "")
    without = ask.statements
    ask(query % "totalCount totalCountCapped")
    assert ask.statements == without + 1


def test_a_filter_takes_no_statement_per_row(ask: Asking) -> None:
    query = """query($first: Int) { products(first: $first, channel: "web", filter: {and: [
        {attribute: {code: "colour", eq: "red"}}, {listed: true}, {category: {code: "tops"}}]},
        sort: {field: NAME}) { nodes { slug } } }"""
    counts = {first: statements(ask, query, first) for first in (1, 24)}
    assert counts == {1: 3, 24: 3}  # channel, the attribute, products
