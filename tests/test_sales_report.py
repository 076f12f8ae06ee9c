"""Figures of sales: a small shop whose figures people worked out, and CDNOW's purchases counted from their file."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from hub.db import Database, Json
from hub.errors import Code
from tests.reading import STAFF, STOREFRONT, Asking, asking, customer_viewer, fill, scoped
from tests.shop import written

ROW = """start channel { code } product { slug } category { code } currency orders units gross returnedUnits returned net
    averageOrderValue customers newCustomers returningCustomers repurchaseRate"""
FIGURES = ("orders", "units", "gross", "returned", "net", "averageOrderValue")
PEOPLE = ("customers", "newCustomers", "returningCustomers", "repurchaseRate")


def order(number: str, moment: str, quantity: int, price: str, *, channel: str = "web", **more: Any) -> Json:
    """An order of one line, placed at a moment of 2019: before anything else that the shop has sold."""
    sku = more.pop("sku", "alpha-red")
    line = {
        "variant": {"key": sku},
        "quantity": quantity,
        "unit_price": price,
        "discount": more.pop("discount", "0"),
    }
    placed = {"status": "placed", "placed_at": f"2019-{moment}Z"}
    return {"number": number, "channel": {"key": channel}, "lines": [line]} | placed | more


def by_shop(name: str) -> Json:
    return {"customer": {"external_id": {"system": "shop", "id": name}}}


@pytest.fixture(scope="module")
def ask(module_database: Database) -> Iterator[Asking]:
    fill(module_database)
    people: list[Json] = [{"external_ids": [{"system": "shop", "id": name}]} for name in ("ada", "bob")]
    orders = [
        order("A", "01-31T23:30:00", 2, "10.00", **by_shop("ada")),
        order("B", "02-10T12:00:00", 1, "9.99", **by_shop("ada")),
        order("C", "02-15T12:00:00", 3, "10.00", discount="1.00", **by_shop("bob")),
        order("D", "02-20T12:00:00", 1, "5.00", channel="us"),
        order("E", "03-01T12:00:00", 9, "9.00", **by_shop("bob")),
        {**order("F", "03-02T12:00:00", 9, "9.00"), "status": "draft", "placed_at": None},
    ]
    back = {
        "number": "R1",
        "returned_at": "2019-03-05T12:00:00Z",
        "lines": [{"line": 0, "quantity": 1, "restock": False}],
    }
    later: list[Json] = [
        {"number": "C", "fulfilments": [{"number": "F1", "lines": [{"line": 0, "quantity": 3}]}]},
        {"number": "C", "returns": [back]},
        {"number": "E", "status": "cancelled"},
    ]
    for noun, rows in (("customer", people), ("order", orders), ("order", later)):
        for row in rows:
            assert not (result := written(module_database, noun, row)[0]).errors, result
    with asking(module_database) as opened:
        yield opened


def report(ask: Asking, arguments: str = "", **more: Any) -> list[Any]:
    period = 'since: "2019-01-01T00:00:00Z", until: "2020-01-01T00:00:00Z"'
    rows: list[Any] = ask(f"{{ salesReport({period} {arguments}) {{ {ROW} }} }}", **more)["salesReport"]
    return rows


def figures(row: Any) -> tuple[Any, ...]:
    return tuple(row[name] for name in FIGURES)


def people(row: Any) -> tuple[Any, ...]:
    return tuple(row[name] for name in PEOPLE)


def test_everything_is_one_row_for_each_currency(ask: Asking) -> None:
    euros, dollars = report(ask)
    assert figures(euros) == (3, 6, "58.99", "9.67", "49.32", "19.66")
    assert people(euros) == (2, 2, 0, 0.5)
    assert (dollars["currency"], *figures(dollars)) == ("USD", 1, 1, "5.00", "0.00", "5.00", "5.00")
    assert people(dollars) == (0, 0, 0, None)


def test_months_begin_where_the_zone_says(ask: Asking) -> None:
    utc = report(ask, ', by: [TIME], channels: ["web"]')
    assert [(row["start"][:7], *figures(row)[:4]) for row in utc] == [
        ("2019-01", 1, 2, "20.00", "0.00"),
        ("2019-02", 2, 4, "38.99", "0.00"),
        ("2019-03", 0, 0, "0.00", "9.67"),
    ]
    assert [people(row) for row in utc] == [(1, 1, 0, 0.0), (2, 1, 1, 0.0), (0, 0, 0, None)]
    assert utc[2]["averageOrderValue"] is None
    berlin = report(ask, ', by: [TIME], channels: ["web"], timeZone: "Europe/Berlin"')
    assert [(row["start"], row["orders"]) for row in berlin] == [
        ("2019-01-31T23:00:00Z", 3),
        ("2019-02-28T23:00:00Z", 0),
    ]
    assert people(berlin[0]) == (2, 2, 0, 0.5)


def test_what_came_later_is_not_known_before(ask: Asking) -> None:
    euros, *_ = report(ask, ', asOf: "2019-03-01T00:00:00Z"')
    assert figures(euros) == (3, 6, "58.99", "0.00", "58.99", "19.66")
    # Its cancellation was written today: until then it counted.
    euros, *_ = report(ask, ', asOf: "2019-03-02T00:00:00Z"')
    assert figures(euros)[:3] == (4, 15, "139.99")


def test_products_and_categories_are_told_apart(ask: Asking) -> None:
    (row, *_) = report(ask, ", by: [PRODUCT, CATEGORY, CHANNEL]")
    assert (row["product"], row["channel"], row["category"]) == (
        {"slug": "alpha"},
        {"code": "web"},
        {"code": "shirts"},
    )
    tops = ask.id("category", "code", "tops")
    assert report(ask, f', categories: ["{tops}"]')[0]["units"] == 6, "what lies in a category below counts"
    assert report(ask, ", products: []") == []


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ('since: "2020-01-01T00:00:00Z", until: "2019-01-01T00:00:00Z"', Code.INVALID, "before it begins"),
        (
            'since: "2019-01-01T00:00:00Z", timeZone: "Mars/Olympus"',
            Code.INVALID,
            '"Mars/Olympus" is no time zone',
        ),
        ('since: "2019-01-01T00:00:00Z", channels: ["nowhere"]', Code.NOT_FOUND, '"nowhere"'),
        ('since: "2019-01-01T00:00:00Z", products: ["nonsense"]', Code.INVALID, '"nonsense"'),
    ],
)
def test_what_cannot_be_reported_is_refused(ask: Asking, arguments: str, code: Code, said: str) -> None:
    refusal = ask.refused(f"{{ salesReport({arguments}) {{ orders }} }}")
    assert refusal.code is code
    assert said in refusal.message


def test_only_those_who_see_all_orders_see_their_sums(ask: Asking) -> None:
    query = '{ salesReport(since: "2019-01-01T00:00:00Z") { orders } }'
    customer = customer_viewer(ask.number("customer", "given_name", "Ada"))
    for viewer in (STOREFRONT, customer, scoped(STAFF, "catalogue:read", kind="app")):
        assert ask.refused(query, viewer=viewer).code is Code.FORBIDDEN


def test_the_cents_of_all_rows_are_those_of_the_whole(ask: Asking) -> None:
    whole = sum(Decimal(row["gross"]) for row in report(ask))
    assert sum(Decimal(row["gross"]) for row in report(ask, ", by: [TIME], interval: DAY")) == whole
