"""Orders: sums, what is fixed at placement, statuses, pieces, refunds — as the database keeps them."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from hub import order_edit, order_place, verify
from hub.db import Database, Json
from hub.save import Result
from tests.shop import WRITER, all_rows, opened, shirt, written

RED, BLUE = "shirt-1-red", "shirt-1-blue"


@pytest.fixture
def shop(database: Database) -> Database:
    """A shirt in two colours, listed and priced in the channel web, ten of the red one at home."""
    opened(database)
    listing = {"channel": {"key": "web"}, "starts_at": "2020-01-01T00:00:00Z"}
    assert not written(database, "product", shirt(listings=[listing]))[0].errors
    prices = [{"price_list": {"key": "retail"}, "amount": "19.90", "currency": "EUR"}]
    variants = [{"sku": sku, "prices": prices} for sku in (RED, BLUE)]
    assert not written(database, "product", {"slug": "shirt-1", "variants": variants})[0].errors
    assert not written(database, "location", {"code": "home"})[0].errors
    level = {"variant": {"key": RED}, "location": {"key": "home"}, "on_hand": 10}
    assert not written(database, "stock", level)[0].errors
    return database


def line(quantity: int = 1, price: str = "5.00", **more: Any) -> Json:
    return {"name": "Thing", "quantity": quantity, "unit_price": price} | more


def order(database: Database, *lines: Json, **more: Any) -> int:
    """The id of a placed order that is only noted."""
    row = {"number": "A", "channel": {"key": "web"}, "status": "placed", "lines": list(lines or [line(3)])}
    result = written(database, "order", row | more)[0]
    assert result.errors == (), result.errors
    assert result.id is not None
    return result.id


def place(database: Database, *lines: Json, **more: Any) -> Result:
    with database.write(WRITER) as tx:
        return order_place.place(tx, {"channel": {"key": "web"}, "lines": list(lines)} | more)


def change(database: Database, **row: Any) -> str:
    """Change order A; what refused it, empty when it was done."""
    result = written(database, "order", {"number": "A"} | row)[0]
    return result.errors[0].message if result.errors else ""


def sql(database: Database, statement: str) -> None:
    with database.write(WRITER) as tx:
        tx.execute(sa.text(statement))


def send(database: Database, *pieces: tuple[int, int], number: str = "F1", **more: Any) -> str:
    lines = [{"line": place, "quantity": quantity} for place, quantity in pieces]
    return change(database, fulfilments=[{"number": number, "lines": lines} | more])


def take_back(database: Database, *pieces: tuple[int, int], number: str = "R1", **more: Any) -> str:
    lines = [{"line": place, "quantity": quantity} | more for place, quantity in pieces]
    return change(database, returns=[{"number": number, "lines": lines}])


def status(database: Database) -> str:
    return str(all_rows(database, "SELECT status FROM \"order\" WHERE number = 'A'")[0][0])


def stock(database: Database) -> tuple[int, int]:
    """How many red shirts lie at home, and how many of them are promised."""
    return all_rows(
        database,
        "SELECT on_hand, reserved FROM stock s JOIN variant v ON v.id = variant_id WHERE sku = :sku",
        sku=RED,
    )[0]


FIXED = [
    {"currency": "USD"},
    {"email": "other@example.com"},
    {"billing_address": {"city": "Bonn"}},
    {"shipping_total": "1.00"},
    {"placed_at": "2020-01-01T00:00:00Z"},
    {"lines": [line(4)]},
    {"lines": [line(3, "4.00")]},
    {"lines": [line(3, name="Other thing")]},
    {"lines": [line(3), line(1)]},
    {"discounts": [{"amount": "1.00"}]},
    {"taxes": [{"rate": "0.2", "amount": "1.00"}]},
]


@pytest.mark.parametrize("row", FIXED, ids=lambda row: next(iter(row)))
def test_what_is_placed_is_fixed(shop: Database, row: Json) -> None:
    order(shop, email="ann@example.com")
    assert 'Order "A" is placed and its ' in change(shop, **row)
    assert change(shop, lines=[line(3)], email="ann@example.com") == ""


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE order_line SET name = 'x'",
        "UPDATE order_line SET quantity = 5, total = 25",
        "DELETE FROM order_line",
        'UPDATE "order" SET shipping_total = 1, total = total + 1',
        'INSERT INTO order_discount (order_id, amount) SELECT id, 0 FROM "order"',
        # In one transaction with a step that is allowed.
        "UPDATE \"order\" SET status = 'confirmed'; UPDATE order_line SET name = 'x'",
    ],
)
def test_sql_changes_no_placed_order_either(shop: Database, statement: str) -> None:
    order(shop)
    with pytest.raises(sa.exc.IntegrityError, match=r"fixed since it was placed: stage an edit"):
        sql(shop, statement)


def test_a_draft_changes_freely_and_a_guest_may_turn_out_a_customer(shop: Database) -> None:
    order(shop, status="draft")
    assert change(shop, lines=[line(4), line(1, "2.00")], email="x@example.com") == ""
    assert change(shop, status="placed") == ""
    ann, bob = (written(shop, "customer", {"given_name": name})[0].id for name in ("Ann", "Bob"))
    assert change(shop, customer={"id": ann}) == ""
    assert "its customer is fixed" in change(shop, customer={"id": bob})


def test_a_status_follows_the_machine_and_the_message_says_what_is_allowed(shop: Database) -> None:
    order(shop)
    assert change(shop, status="confirmed") == ""
    assert change(shop, status="draft") == (
        'Order "A" is confirmed and cannot become draft: it can become cancelled, fulfilled, partly_fulfilled.'
    )
    assert change(shop, status="cancelled") == ""
    assert "it can become nothing any more" in change(shop, status="placed")
    assert all_rows(shop, "SELECT cancelled FROM order_line") == [(3,)]
    told = all_rows(shop, "SELECT kind, code, source FROM order_event ORDER BY id")
    assert told == [("status", code, "erp") for code in ("placed", "confirmed", "cancelled")]


def test_a_row_more_in_the_machine_allows_more(shop: Database) -> None:
    order(shop, status="cancelled")
    assert "cannot become" in change(shop, status="placed")
    sql(shop, "INSERT INTO order_transition VALUES ('cancelled', 'closed', 'command')")
    assert change(shop, status="closed") == ""


def test_discounts_are_split_over_lines_to_the_cent(shop: Database) -> None:
    order(
        shop, line(1, "3.33"), line(1, "3.33"), line(1, "3.34"), discounts=[{"amount": "1.00", "code": "X"}]
    )
    assert all_rows(shop, "SELECT sum(discount)::text, sum(total)::text FROM order_line") == [
        ("1.00", "9.00")
    ]
    assert all_rows(shop, 'SELECT subtotal::text FROM "order"') == [("9.00",)]


def test_discounts_and_taxes_that_do_not_add_up_are_refused(shop: Database) -> None:
    row = {"number": "A", "channel": {"key": "web"}, "lines": [line(1, discount="2.00")]}
    wrong = written(shop, "order", row | {"discounts": [{"amount": "1.00"}]})[0].errors[0]
    assert wrong.message == 'The discounts of order "A" are 1.00, but 2.00 was taken off its lines.'
    wrong = written(shop, "order", row | {"taxes": [{"rate": "0.2", "amount": "1"}], "tax_total": "2"})[
        0
    ].errors[0]
    assert wrong.message == 'The taxes of order "A" add up to 1, but its tax total is 2.'
    wrong = written(shop, "order", row | {"discounts": [{"amount": "2.00", "line": 7}]})[0].errors[0]
    assert (wrong.code, wrong.path) == ("NOT_FOUND", ("discounts", 0, "line"))


def test_pieces_are_sent_and_returned_and_the_status_follows(shop: Database) -> None:
    order(shop, line(3), line(1))
    assert send(shop, (0, 2)) == ""
    assert status(shop) == "partly_fulfilled"
    assert send(shop, (0, 2)) == "", "the same again changes nothing"
    assert "stay as they were noted" in send(shop, (0, 1)), "the same number with other content"
    assert 'Of line 0 ("Thing") 1 pieces are left to send, not 2' in send(shop, (0, 2), number="F2")
    assert "has no line 9" in send(shop, (9, 1), number="F2")
    assert send(shop, (0, 1), (1, 1), number="F2") == ""
    assert status(shop) == "fulfilled"
    assert "3 pieces are sent and not yet returned, not 4" in take_back(shop, (0, 4))
    assert take_back(shop, (0, 3)) == ""
    assert "0 pieces are sent and not yet returned, not 1" in take_back(shop, (0, 1), number="R2")
    assert all_rows(shop, "SELECT fulfilled, returned FROM order_line ORDER BY position") == [(3, 3), (1, 0)]
    assert change(shop, status="closed") == ""
    assert verify.verify(shop).faults == []


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("UPDATE order_line SET fulfilled = 1", "follows from its fulfilments and returns"),
        ("WITH made AS (INSERT INTO fulfilment (order_id, number) SELECT id, 'S' FROM \"order\" RETURNING *)"
         " INSERT INTO fulfilment_line (order_id, fulfilment_id, line, quantity) SELECT order_id, id, 0, 9 FROM made",
         "1 pieces are left to send, not 9"),
        ("UPDATE fulfilment_line SET quantity = 1", "stay as they were noted"),
        ("DELETE FROM fulfilment", "stay as they were noted"),
        ("INSERT INTO refund (order_id, number, amount) SELECT id, 'C1', 16 FROM \"order\"", "would be 16 EUR, but its total is 15"),
    ],
)  # fmt: skip
def test_sql_breaks_no_rule_of_pieces(shop: Database, statement: str, message: str) -> None:
    order(shop)
    assert send(shop, (0, 2)) == ""
    with pytest.raises(sa.exc.IntegrityError, match=message):
        sql(shop, statement)


def test_of_a_draft_or_a_cancelled_order_nothing_is_sent(shop: Database) -> None:
    order(shop, status="draft")
    assert send(shop, (0, 1)) == 'Order "A" is draft: nothing of it is sent.'
    assert change(shop, status="cancelled") == ""
    assert "is cancelled: nothing of it is sent." in send(shop, (0, 1)) or "left to send" in send(
        shop, (0, 1)
    )


def test_refunds_are_at_most_what_was_paid(shop: Database) -> None:
    order(shop, line(2, "10.00"))
    assert change(shop, refunds=[{"number": "C1", "amount": "5.00", "reason": "late"}]) == ""
    assert "would be 25.00 EUR, but its total is 20.00" in change(shop, refunds=[{"amount": "20.00"}])
    assert change(shop, payments=[{"reference": "p-1", "amount": "6.00", "state": "captured"}]) == ""
    assert "would be 6.01 EUR, but paid was 6.00" in change(shop, refunds=[{"amount": "1.01"}])
    lines = [{"line": 0, "amount": "1.50"}]
    assert "but its lines add up to 1.50" in change(shop, refunds=[{"amount": "1.00", "lines": lines}])
    assert change(shop, refunds=[{"amount": "1.00"}]) == ""
    assert all_rows(shop, "SELECT number FROM refund ORDER BY id") == [("C1",), ("C2",)]


def test_wrong_data_names_the_attribute(shop: Database) -> None:
    order(shop)
    assert send(shop, (0, 2)) == ""
    wrong = take_back(shop, (0, 1), attribute={"key": "colour"}, reason="damaged")
    assert wrong.startswith("A return names an attribute only where its data was wrong")
    assert take_back(shop, (0, 1), attribute={"key": "colour"}, reason="data_wrong") == ""
    reasons = "SELECT reason, code FROM order_return_line l JOIN attribute a ON a.id = l.attribute_id"
    assert all_rows(shop, reasons) == [("data_wrong", "colour")]


def test_history_may_state_any_status_at_once(shop: Database) -> None:
    order(shop, line(2), status="closed", placed_at="2001-01-01T00:00:00Z", fulfilments=[
        {"number": "old", "shipped_at": "2001-01-02T00:00:00Z", "lines": [{"line": 0, "quantity": 2}]}
    ])  # fmt: skip
    assert status(shop) == "closed"
    assert all_rows(shop, "SELECT fulfilled FROM order_line") == [(2,)]


def test_an_order_is_placed_at_the_price_of_the_moment_and_promised(shop: Database) -> None:
    result = place(shop, {"variant": {"key": RED}, "quantity": 2, "tax_rate": "0.2"}, number="A")
    assert result.errors == ()
    assert all_rows(shop, 'SELECT status, total::text, tax_total::text FROM "order"') == [
        ("placed", "39.80", "6.63")
    ]
    assert stock(shop) == (10, 2)
    assert send(shop, (0, 2), location={"key": "home"}) == ""
    assert stock(shop) == (8, 0)
    assert take_back(shop, (0, 1)) == "", "without a location it is only noted"
    assert stock(shop) == (8, 0)
    back = {"number": "R2", "location": {"key": "home"}, "lines": [{"line": 0, "quantity": 1}]}
    assert change(shop, returns=[back]) == ""
    assert change(shop, returns=[back]) == "", "the same again moves nothing"
    assert stock(shop) == (9, 0)


def test_a_cancelled_order_holds_nothing_back(shop: Database) -> None:
    place(shop, {"variant": {"key": RED}, "quantity": 4}, number="A")
    assert stock(shop) == (10, 4)
    assert change(shop, status="cancelled") == ""
    assert stock(shop) == (10, 0)


@pytest.mark.parametrize(
    ("row", "code", "path", "message"),
    [
        ({"variant": {"key": RED}, "quantity": 11}, "CONFLICT", ("lines", 0, "quantity"),
         f'Of "{RED}" 10 pieces are available, not 11: order fewer, or wait for more.'),
        ({"variant": {"key": "gone"}, "quantity": 1}, "NOT_FOUND", ("lines", 0, "variant"),
         'Variant "gone" does not exist: create it first, or name one that does.'),
        ({"variant": {"key": "hat"}, "quantity": 1}, "REQUIRED", ("lines", 0, "unit_price"),
         'Variant "hat" has no price for 1 pieces in the order\'s channel: give unitPrice, or set a price.'),
        ({"variant": {"key": "hat"}, "quantity": 1, "unit_price": "1"}, "NOT_FOUND", ("lines", 0, "variant"),
         'Variant "hat" is not on offer in channel "web" now: list its product there, or leave it out.'),
        ({"name": "x", "quantity": 1, "unit_price": "1.005"}, "INVALID", (),
         "An amount has more decimals than the order's currency has: round it first."),
    ],
)  # fmt: skip
def test_what_cannot_be_placed_leaves_nothing(
    shop: Database, row: Json, code: str, path: tuple[Any, ...], message: str
) -> None:
    written(
        shop,
        "product",
        {"slug": "hat", "type": {"key": "shirt"}, "variants": [{"sku": "hat", "axes": {"colour": "red"}}]},
    )
    result = place(shop, row)
    assert [(each.code, each.path, each.message) for each in result.errors] == [(code, path, message)]
    assert all_rows(shop, 'SELECT count(*) FROM "order"') == [(0,)]
    assert stock(shop) == (10, 0)


def test_an_order_of_nothing_or_in_no_currency_is_not_placed(shop: Database) -> None:
    assert place(shop).errors[0].message == "An order needs at least one line to be placed: give lines."
    wrong = place(shop, line(), currency="XYZ").errors[0]
    assert wrong.message == '"XYZ" is not an ISO 4217 currency: write it like "EUR".'
    foreign = place(shop, {"variant": {"key": RED}, "quantity": 1}, currency="USD").errors[0]
    assert "has its price in EUR, and the order is in USD" in foreign.message


def staged(database: Database, number: int, *lines: Json, **more: Any) -> Result:
    with database.write(WRITER) as tx:
        return order_edit.stage(tx, number, {"lines": list(lines)} | more, "asked for by phone")


def test_an_edit_is_staged_shown_and_applied(shop: Database) -> None:
    number = place(shop, {"variant": {"key": RED}, "quantity": 2, "tax_rate": "0.2"}, line(1), number="A").id
    assert number is not None
    new = {"variant": {"key": BLUE}, "quantity": 1}
    assert (
        staged(shop, number, {"position": 0, "quantity": 5}, {"position": 1, "quantity": 0}, new).errors == ()
    )
    assert all_rows(shop, "SELECT status, pieces, amount::text FROM order_edit") == [("staged", 3, "74.60")]
    assert all_rows(shop, 'SELECT total::text FROM "order"') == [("44.80",)], "nothing has happened yet"
    assert stock(shop) == (10, 2)
    sql(shop, "UPDATE price SET amount = 99")
    with shop.write(WRITER) as tx:
        assert order_edit.apply(tx, number).errors == ()
    assert all_rows(shop, 'SELECT total::text, tax_total::text FROM "order"') == [("119.40", "16.58")]
    assert all_rows(shop, "SELECT position, quantity FROM order_line ORDER BY 1") == [(0, 5), (2, 1)]
    assert stock(shop) == (10, 5)
    assert "fixed since it was placed" in change(shop, email="late@example.com")
    assert verify.verify(shop).faults == []


def test_an_edit_below_what_was_sent_or_beyond_the_stock_is_refused(shop: Database) -> None:
    number = place(shop, {"variant": {"key": RED}, "quantity": 4}, number="A").id
    assert number is not None
    assert send(shop, (0, 3), location={"key": "home"}) == ""
    assert (
        "fewer pieces than were sent"
        in staged(shop, number, {"position": 0, "quantity": 2}).errors[0].message
    )
    assert staged(shop, number, {"position": 3, "quantity": 2}).errors[0].code == "NOT_FOUND"
    assert staged(shop, number, {"position": 0, "quantity": 50}).errors == ()
    with shop.write(WRITER) as tx:
        assert "6 pieces are available, not 46" in order_edit.apply(tx, number).errors[0].message
    assert all_rows(shop, "SELECT quantity FROM order_line") == [(4,)]
    assert stock(shop) == (7, 1)
