"""Carts: prices are those of the moment, and each becomes one order, whoever asks how often."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import sqlalchemy as sa

from hub import cart, cart_checkout
from hub.db import Database
from hub.ids import encode
from tests.running import Server
from tests.shop import WRITER, all_rows, opened, shirt, written

CHECKOUT = """mutation($cart: Reference!, $input: OrderInput) { answer: cartCheckout(cart: $cart, input: $input) {
    outcome userErrors { field code message } order { number total email } } }"""
CART = """query($id: ID) { cart(id: $id) { abandonedAt order { number }
    lines { quantity unitPrice currency variant { sku } } } }"""


def filled(database: Database) -> None:
    """A shirt for 10 euros, for 8 from five pieces on."""
    opened(database)
    prices = [
        {"price_list": {"key": "retail"}, "amount": amount, "currency": "EUR", "min_quantity": least}
        for amount, least in (("10.00", 1), ("8.00", 5))
    ]
    row = shirt(listings=[{"channel": {"key": "web"}, "starts_at": "2020-01-01T00:00:00Z"}])
    row["variants"] = [{**each, "prices": prices} for each in row["variants"]]
    assert not written(database, "product", row)[0].errors


@pytest.fixture(scope="module")
def shop(module_server: Server) -> Server:
    filled(module_server.database)
    return module_server


def made(database: Database, *quantities: int) -> int:
    lines = [
        {"variant": {"key": f"shirt-1-{colour}"}, "quantity": quantity}
        for colour, quantity in zip(("red", "blue"), quantities, strict=False)
    ]
    result = written(database, "cart", {"channel": {"key": "web"}, "lines": lines})[0]
    assert result.id is not None, result.errors
    return result.id


def named(_: Server, number: int) -> str:
    return encode("cart", number)


def check_out(shop: Server, number: int, **given: Any) -> Any:
    variables = {"cart": {"id": named(shop, number)}, "input": given or None}
    return shop.data(CHECKOUT, variables)["answer"]


def test_a_cart_shows_the_prices_of_the_moment_and_becomes_an_order(shop: Server) -> None:
    number = made(shop.database, 5, 1)
    shown = shop.data(CART, {"id": named(shop, number)})["cart"]
    assert [(each["quantity"], each["unitPrice"], each["currency"]) for each in shown["lines"]] == [
        (5, "8.00", "EUR"),
        (1, "10.00", "EUR"),
    ]
    assert (shown["order"], shown["abandonedAt"]) == (None, None)
    answer = check_out(shop, number, email="ann@example.com", shippingTotal="4.00")
    assert answer["userErrors"] == []
    assert (answer["order"]["total"], answer["order"]["email"]) == ("54.00", "ann@example.com")
    again = check_out(shop, number)
    assert (again["outcome"], again["order"]) == ("UNCHANGED", answer["order"])
    ordered = shop.data(CART, {"id": named(shop, number)})["cart"]["order"]
    assert ordered["number"] == answer["order"]["number"]
    line = {"variant": {"key": "shirt-1-red"}, "quantity": 9}
    refused = written(shop.database, "cart", {"id": number, "lines": [line]})[0].errors[0]
    assert refused.message.startswith("The cart became order ")


def test_what_a_cart_cannot_be_is_said(shop: Server) -> None:
    assert check_out(shop, made(shop.database))["userErrors"] == [
        {
            "field": ["input", "cart"],
            "code": "REQUIRED",
            "message": "The cart is empty: add lines to it first.",
        }
    ]
    wrong = check_out(shop, made(shop.database, 1), status="PLACED")["userErrors"]
    assert [(each["field"], each["code"]) for each in wrong] == [(["input", "status"], "INVALID")]
    missing = shop.data(CHECKOUT, {"cart": {"id": named(shop, 10**6)}})["answer"]["userErrors"]
    assert [(each["field"], each["code"]) for each in missing] == [(["cart", "id"], "NOT_FOUND")]


def test_two_checkouts_at_once_make_one_order(shop: Server) -> None:
    for _ in range(5):
        number = made(shop.database, 1)
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda _: check_out(shop, number), range(4)))  # noqa: B023 - waited for here
        assert len({each["order"]["number"] for each in answers}) == 1
        assert sorted(each["outcome"] for each in answers) == [
            "CREATED",
            "UNCHANGED",
            "UNCHANGED",
            "UNCHANGED",
        ]


def half_checked_out(url: str, number: int, ready: Any) -> None:
    database = Database(url)
    with database.write(WRITER) as tx:
        cart_checkout.check_out(tx, number, {})
        ready.set()
        time.sleep(60)


def test_a_checkout_that_is_killed_before_its_commit_leaves_the_cart_to_the_next_one(shop: Server) -> None:
    number = made(shop.database, 1)
    spawned = multiprocessing.get_context("spawn")
    ready = spawned.Event()
    worker = spawned.Process(target=half_checked_out, args=(shop.database.url, number, ready))
    worker.start()
    assert ready.wait(30)
    assert worker.pid is not None
    os.kill(worker.pid, signal.SIGKILL)
    worker.join()
    answer = check_out(shop, number)
    assert (answer["outcome"], answer["userErrors"]) == ("CREATED", [])
    orders = all_rows(shop.database, 'SELECT count(*) FROM "order" WHERE cart_id = :cart', cart=number)
    assert orders == [(1,)]


def test_a_cart_is_left_behind_once_until_somebody_comes_back(shop: Server) -> None:
    left, empty, ordered = made(shop.database, 1), made(shop.database), made(shop.database, 2)
    check_out(shop, ordered)
    with shop.database.write(WRITER) as tx:
        tx.execute(
            sa.text("UPDATE aggregate SET updated_at = now() - interval '2 hours' WHERE type = 'cart'")
        )
        cart.abandon(tx, 60)
    with shop.database.write(WRITER) as tx:
        assert cart.abandon(tx, 60) == 0
    told = "SELECT id FROM cart WHERE abandoned_at IS NOT NULL AND id IN (:left, :empty, :ordered)"
    values = {"left": left, "empty": empty, "ordered": ordered}
    assert all_rows(shop.database, told, **values) == [(left,)]
    lines = [{"variant": {"key": "shirt-1-red"}, "quantity": 1}]
    assert written(shop.database, "cart", {"id": left, "lines": lines})[0].outcome == "updated"
    assert all_rows(shop.database, told, **values) == []
