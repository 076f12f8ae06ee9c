"""The example of a marketplace: what its channel lists is on offer there, and each of its orders comes to the hub once."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from hub.token import Wish
from tests.running import Server, wait_until
from tests.shop import all_rows, opened, shirt, written
from tests.test_house import HOUSE

SCOPES = ["catalogue:read", "feed:read", "orders:read", "orders:write", "settings:read", "stock:read"]
LISTED = {"channel": {"key": "web"}, "starts_at": "2020-01-01T00:00:00Z"}


class Market:
    """The program, with a book of its own."""

    def __init__(self, hub: Server, folder: Path) -> None:
        self.hub, self.book = hub, folder / "market.db"
        token = hub.new_token(
            Wish(kind="app", name="Market", system="market", scopes=SCOPES, channels=["web"])
        )
        settings = {"HUB_URL": hub.url, "HUB_TOKEN": token, "MARKET_CHANNEL": "web"}
        self.environment = os.environ | settings | {"MARKET_BOOK": str(self.book)}

    def start(self, *words: str) -> subprocess.Popen[str]:
        command = [sys.executable, str(HOUSE / "examples" / "marketplace"), *words]
        return subprocess.Popen(command, env=self.environment, stdout=subprocess.PIPE, text=True)

    def run(self, *words: str) -> str:
        with self.start(*words) as process:
            told, _ = process.communicate(timeout=60)
        assert process.returncode == 0
        return told

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        with sqlite3.connect(self.book, timeout=30) as book:
            found = book.execute(statement).fetchall()
        book.close()
        return found

    def follows(self) -> dict[str, tuple[Decimal, int]]:
        """What is on offer once all that was written has been read: price and stock by SKU."""
        wait_until(lambda: all_rows(self.hub.database, "SELECT count(*) FROM pending") == [(0,)])
        self.run("follow", "--once")
        return {
            sku: (Decimal(amount), left)
            for sku, amount, left in self.rows("SELECT sku, amount, available FROM offer")
        }


def stocked(hub: Server, sku: str, on_hand: int) -> None:
    row = {"variant": {"key": sku}, "location": {"key": "main"}, "on_hand": on_hand}
    assert not written(hub.database, "stock", row)[0].errors


def priced(hub: Server, slug: str, amount: str, **more: Any) -> None:
    prices = [{"price_list": {"key": "retail"}, "amount": amount, "currency": "EUR"}]
    row = shirt(slug, **more)
    row["variants"] = [{**each, "prices": prices} for each in row["variants"]]
    assert not written(hub.database, "product", row)[0].errors


@pytest.fixture(scope="module")
def hub(module_server: Server) -> Server:
    opened(module_server.database)
    written(module_server.database, "location", {"code": "main"})
    priced(module_server, "shirt-1", "10.00", listings=[LISTED])
    priced(module_server, "shirt-2", "20.00")
    stocked(module_server, "shirt-1-red", 5)
    return module_server


@pytest.fixture
def market(hub: Server, tmp_path: Path) -> Market:
    return Market(hub, tmp_path)


def test_what_is_listed_is_on_offer_and_price_and_stock_follow(hub: Server, market: Market) -> None:
    ten = Decimal(10)
    assert market.follows() == {
        "shirt-1-red": (ten, 5),
        "shirt-1-blue": (ten, 999),
    }  # blue ones are not counted
    priced(hub, "shirt-2", "21.50", listings=[LISTED])
    stocked(hub, "shirt-2-blue", 7)
    found = market.follows()
    assert (found["shirt-2-red"], found["shirt-2-blue"]) == ((Decimal("21.50"), 999), (Decimal("21.50"), 7))
    stocked(hub, "shirt-2-blue", 6)
    assert market.follows()["shirt-2-blue"][1] == 6
    withdraw = 'mutation { listingEnd(product: {key: "shirt-2"}, channel: "web") { userErrors { message } } }'
    assert hub.data(withdraw)["listingEnd"]["userErrors"] == []
    wait_until(lambda: market.follows().keys() == {"shirt-1-red", "shirt-1-blue"})


def test_an_order_comes_to_the_hub_once_however_often_it_is_sent(hub: Server, market: Market) -> None:
    market.follows()
    before = all_rows(hub.database, 'SELECT count(*) FROM "order"')[0][0]
    market.run("sell", "shirt-1-red", "2", "ann@example.com")
    assert "M-1 is WEB-" in market.run("follow", "--once")
    for forgotten in (
        "idempotency",
        None,
    ):  # killed before it noted the answer; the second time the hub forgot its own
        if forgotten:
            with hub.database.engine.begin() as tx:
                tx.exec_driver_sql(f"DELETE FROM {forgotten}")
        with sqlite3.connect(market.book) as book:
            book.execute("UPDATE sale SET told = NULL")
        book.close()
        assert "M-1 is WEB-" in market.run("follow", "--once")
    named = """SELECT o.status, o.total, e.system FROM "order" o JOIN external_id e ON e.entity = 'order' AND e.entity_id = o.id
        WHERE e.value = 'M-1'"""
    assert all_rows(hub.database, named) == [("placed", Decimal("20.00"), "marketplace")]
    assert all_rows(hub.database, 'SELECT count(*) FROM "order"')[0][0] == before + 1
    market.run("sell", "shirt-1-red", "9", "ann@example.com")
    assert "refused: Of" in market.run("follow", "--once")
    assert market.follows()["shirt-1-red"][1] == 3, "what is sold is on offer no longer"


def test_one_that_is_killed_while_much_changes_offers_what_is_listed(hub: Server, market: Market) -> None:
    for turn in range(4):
        with market.start("follow") as process:
            for number in range(6):
                stocked(hub, "shirt-1-blue", turn * 10 + number)
                priced(hub, "shirt-1", f"{turn + 11}.{number}0", listings=[LISTED])
            time.sleep(0.1 * turn)
            process.kill()
    assert market.follows()["shirt-1-blue"] == (Decimal("14.50"), 35)


def test_one_whose_cursor_leads_nowhere_begins_anew(hub: Server, market: Market) -> None:
    found = market.follows()
    with sqlite3.connect(market.book) as book:
        book.execute("UPDATE setting SET value = 'nonsense' WHERE name = 'cursor'")
        book.execute("DELETE FROM offer")
    book.close()
    assert market.follows() == found
