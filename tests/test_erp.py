"""The example of an ERP: killed again and again while orders are placed, edited, cancelled, returned and refunded.

In the end the books of both sides are read with plain SQL, and must say the same to the cent and the piece.
"""

from __future__ import annotations

import os
import random
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from hub.token import Wish
from tests.running import Server, free_port
from tests.shop import all_rows, opened, shirt, written
from tests.test_house import HOUSE

SHIRTS = 6
DRIVERS = 3
ORDERS, SOAK_ORDERS = 40, int(os.environ.get("HUB_SOAK_ORDERS", "200"))
SCOPES = ["catalogue:read", "catalogue:write", "feed:read", "orders:read", "orders:write", "settings:read"]
SCOPES += ["stock:read", "stock:write", "webhooks:read", "webhooks:write"]

STATE = """id number version status total lines { position quantity cancelled fulfilled returned }"""
LOOK = f"query ($number: String!) {{ order(number: $number) {{ {STATE} }} }}"
PLACE = "mutation ($input: OrderInput!) { answer: orderPlace(input: $input) { userErrors { code message } order { number } } }"
STAGE = """mutation ($order: Reference!, $input: OrderInput!) {
  answer: orderEditStage(order: $order, input: $input) { userErrors { code message } } }"""
APPLY = (
    "mutation ($order: Reference!) { answer: orderEditApply(order: $order) { userErrors { code message } } }"
)
CANCEL = """mutation ($order: Reference!) {
  answer: orderTransition(order: $order, to: CANCELLED) { userErrors { code message } } }"""
BACK = """mutation ($order: Reference!, $input: OrderReturnInput!) {
  answer: returnCreate(order: $order, input: $input) { userErrors { code message } } }"""
REFUND = """mutation ($order: Reference!, $input: RefundInput!) {
  answer: refundCreate(order: $order, input: $input) { userErrors { code message } } }"""


@pytest.fixture
def shop(server: Server) -> Server:
    """Shirts at odd prices, none of them in stock yet."""
    opened(server.database)
    written(server.database, "location", {"code": "main"})
    written(server.database, "attribute", {"code": "cost", "type": "money"})
    listing = {"channel": {"key": "web"}, "starts_at": "2020-01-01T00:00:00Z"}
    for number in range(SHIRTS):
        row = shirt(f"shirt-{number}", listings=[listing])
        assert not written(server.database, "product", row)[0].errors
    return server


class Erp:
    """The program, its book, and the last process of it."""

    def __init__(self, shop: Server, folder: Path) -> None:
        token = shop.new_token(Wish(kind="app", name="ERP", system="erp", scopes=SCOPES))
        self.folder, self.book = folder, folder / "erp.db"
        self.environment = os.environ | {
            "HUB_URL": shop.url,
            "HUB_TOKEN": token,
            "ERP_BOOK": str(self.book),
            "ERP_PORT": str(free_port()),
            "ERP_LOCATION": "main",
            "ERP_BEGIN": "snapshot",
            "ERP_PRICE_LIST": "retail",
        }

    def command(self, *words: str) -> subprocess.Popen[str]:
        program = [sys.executable, str(HOUSE / "examples" / "erp"), *words]
        return subprocess.Popen(program, env=self.environment, stdout=subprocess.PIPE, text=True)

    def run(self, *words: str) -> str:
        with self.command(*words) as process:
            told, _ = process.communicate(timeout=60)
        assert process.returncode == 0
        return told

    @contextmanager
    def serving(self) -> Iterator[subprocess.Popen[str]]:
        with self.command("serve") as process:
            try:
                yield process
            finally:
                assert process.poll() is None, "the ERP ended by itself"
                process.kill()

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """The rows of a statement on its book, read past all its code."""
        with sqlite3.connect(self.book, timeout=60) as book:
            found = book.execute(statement).fetchall()
        book.close()
        return found

    def delivery(self, pieces: int) -> Path:
        """A delivery note for every shirt."""
        file = self.folder / "delivery.csv"
        lines = [
            f"WE-1,main,shirt-{number}-{colour},{pieces},{number + 3}.{number}7,1.{number}5"
            for number in range(SHIRTS)
            for colour in ("red", "blue")
        ]
        file.write_text("\n".join(["document,location,sku,quantity,price,cost", *lines]))
        return file


class Driver(threading.Thread):
    """Somebody who sells, edits, cancels, takes back and pays back, over GraphQL. ``said`` counts what was answered."""

    def __init__(self, shop: Server, name: str, seed: int, enough: threading.Event) -> None:
        super().__init__()
        self.shop, self.label, self.enough = shop, name, enough
        self.chance = random.Random(seed)
        self.placed: list[str] = []
        self.said: Counter[str] = Counter()
        self.failed: BaseException | None = None

    def run(self) -> None:
        try:
            while not self.enough.is_set():
                self.place()
                for _ in range(self.chance.choice((0, 1, 1, 2))):
                    self.change(self.chance.choice(self.placed[-40:]))
        except BaseException as failed:
            self.failed = failed
            raise

    def ask(self, what: str, document: str, **variables: Any) -> bool:
        answer = self.shop.data(document, variables)["answer"]
        codes = {error["code"] for error in answer["userErrors"]}
        assert codes <= {"CONFLICT", "INVALID", "NOT_FOUND", "REQUIRED"}, answer
        self.said[f"{what} {'refused' if codes else 'done'}"] += 1
        return not codes

    def place(self) -> None:
        number = f"{self.label}-{len(self.placed)}"
        lines = [{"name": "Gift wrap", "quantity": 1, "unitPrice": "1.99", "taxRate": "0.2"}]
        wanted = self.chance.sample([f"shirt-{n}-{c}" for n in range(SHIRTS) for c in ("red", "blue")], 2)
        lines = lines[self.chance.choice((0, 1, 1)) :]
        for sku in wanted[: self.chance.choice((1, 2))]:
            lines.append({"variant": {"key": sku}, "quantity": self.chance.randint(1, 4), "taxRate": "0.2"})
        less = [{"code": "THREE", "amount": "0.37"}] if self.chance.random() < 0.3 else []
        given = {"number": number, "channel": {"key": "web"}, "lines": lines, "discounts": less}
        assert self.ask("place", PLACE, input=given | {"shippingTotal": "4.90"})
        self.placed.append(number)

    def change(self, number: str) -> None:
        order = self.shop.data(LOOK, {"number": number})["order"]
        sent = [line for line in order["lines"] if line["fulfilled"] > line["returned"]]
        reference = {"key": number}
        if order["status"] in ("PLACED", "CONFIRMED", "PARTLY_FULFILLED") and self.chance.random() < 0.7:
            if self.chance.random() < 0.15:
                self.ask("cancel", CANCEL, order=reference)
            else:
                self.edit(reference, order)
        elif sent:
            line = self.chance.choice(sent)
            pieces = self.chance.randint(1, line["fulfilled"] - line["returned"])
            lines = [{"line": line["position"], "quantity": pieces, "restock": self.chance.random() < 0.7}]
            self.ask("return", BACK, order=reference, input={"location": {"key": "main"}, "lines": lines})
            amount = f"{self.chance.randint(1, 400) / 100:.2f}"
            self.ask("refund", REFUND, order=reference, input={"amount": amount, "reason": "DAMAGED"})

    def edit(self, reference: Any, order: Any) -> None:
        line = self.chance.choice(order["lines"])
        lines = [{"position": line["position"], "quantity": self.chance.randint(0, 5)}]
        if self.chance.random() < 0.3:
            lines.append({"variant": {"key": "shirt-0-red"}, "quantity": 1, "taxRate": "0.2"})
        if self.ask("stage", STAGE, order=reference, input={"lines": lines}):
            self.ask("edit", APPLY, order=reference)


@pytest.mark.soak
@pytest.mark.timeout(1200 + 3 * SOAK_ORDERS)
def test_a_killed_erp_and_the_hub_agree_to_the_cent_and_the_piece(
    shop: Server, tmp_path: Path, soak_seconds: float
) -> None:
    wanted = SOAK_ORDERS if soak_seconds >= 60 else ORDERS
    seed = random.randrange(10**6)
    chance, enough, erp = random.Random(seed), threading.Event(), Erp(shop, tmp_path)
    print(f"seed {seed}")
    with erp.serving() as process:
        assert process.stdout is not None
        assert any("takes messages" in line for line in process.stdout)
        for _ in range(2):  # told twice, it is carried out once
            erp.run("goods", str(erp.delivery(100_000)))
    drivers = [Driver(shop, f"D{n}", seed + n, enough) for n in range(DRIVERS)]
    for driver in drivers:
        driver.start()
    kills = 0
    while sum(len(driver.placed) for driver in drivers) < wanted and all(each.is_alive() for each in drivers):
        with erp.serving():
            time.sleep(chance.uniform(0.5, 2.0 if wanted == ORDERS else 5.0))
        kills += 1
        if kills == 2:  # as if it had been away for longer than the feed is kept
            forget(erp)
    enough.set()
    for driver in drivers:
        driver.join()
        assert driver.failed is None
    settled(shop, erp, wanted)
    for driver in drivers:  # what was sent comes back while the ERP is away
        for number in driver.placed[::3]:
            driver.change(number)
    settled(shop, erp, wanted)
    said = sum((driver.said for driver in drivers), Counter())
    placed = [number for driver in drivers for number in driver.placed]
    print(f"{kills + 2} kills, {len(placed)} orders, {dict(said)}")
    assert said["edit done"]
    assert said["return done"]
    assert said["refund done"]
    assert_agree(shop, erp, len(placed))
    assert f"{len(placed)} orders" in erp.run("book")


def settled(shop: Server, erp: Erp, orders: int) -> None:
    """Let the ERP work until it has nothing left to do; so many orders may take so long."""
    with erp.serving():
        deadline = time.monotonic() + 60 + orders / 4
        while left := undone(shop, erp):
            assert time.monotonic() < deadline, left
            time.sleep(0.2)


def forget(erp: Erp) -> None:
    """Give it the cursor of another database's feed, which is refused as an expired one is."""
    with sqlite3.connect(erp.book, timeout=60) as book:
        book.execute("UPDATE setting SET value = 'bm9uc2Vuc2U' WHERE name = 'cursor'")
    book.close()


def undone(shop: Server, erp: Erp) -> list[Any]:
    """What the ERP has still to do, and the orders that it holds at another version than the hub."""
    ours = all_rows(
        shop.database,
        "SELECT number, version FROM \"order\" o JOIN aggregate a ON a.type = 'order' AND a.id = o.id",
    )
    theirs = erp.rows("SELECT hub_number, version FROM sale")
    return [*erp.rows("SELECT * FROM todo"), *sorted({*ours} ^ {*theirs})]


def assert_agree(shop: Server, erp: Erp, placed: int) -> None:
    """Both databases, side by side."""
    named = """SELECT o.number, status, total, our.value, invoice.value FROM "order" o
        LEFT JOIN external_id our ON our.entity = 'order' AND our.entity_id = o.id AND our.system = 'erp'
        LEFT JOIN external_id invoice ON invoice.entity = 'order' AND invoice.entity_id = o.id AND invoice.system = 'erp-invoice'"""
    ours = all_rows(shop.database, named)
    theirs = erp.rows(
        "SELECT hub_number, lower(status), total, s.number, i.number FROM sale s LEFT JOIN invoice i USING (order_id)"
    )
    assert len(ours) == placed
    assert sorted(ours) == sorted((n, s, Decimal(t), a, i) for n, s, t, a, i in theirs)
    assert sorted(int(row[3][2:]) for row in theirs) == [*range(1001, 1001 + placed)]  # none drawn twice
    assert_lines_agree(shop, erp)
    assert_stock_agrees(shop, erp)
    invoiced = erp.rows("SELECT i.amount, s.total FROM invoice i JOIN sale s USING (order_id)")
    assert invoiced
    assert all(amount == total for amount, total in invoiced)
    refunds = all_rows(
        shop.database, 'SELECT o.number, r.number, amount FROM refund r JOIN "order" o ON o.id = order_id'
    )
    paid = erp.rows("SELECT hub_number, r.number, amount FROM refund r JOIN sale USING (order_id)")
    assert sorted(refunds) == sorted((order, number, Decimal(amount)) for order, number, amount in paid)


def assert_lines_agree(shop: Server, erp: Erp) -> None:
    columns = "position, l.sku, quantity, cancelled, fulfilled, returned, l.total"
    lines = all_rows(
        shop.database, f'SELECT o.number, {columns} FROM order_line l JOIN "order" o ON o.id = order_id'
    )
    booked = erp.rows(f"SELECT hub_number, {columns} FROM sale_line l JOIN sale USING (order_id)")
    key = repr
    assert sorted(lines, key=key) == sorted(((*row[:-1], Decimal(row[-1])) for row in booked), key=key)
    assert all(quantity == cancelled + fulfilled for _, _, _, quantity, cancelled, fulfilled, *_ in lines)
    sent = all_rows(
        shop.database,
        "SELECT f.number, line, quantity FROM fulfilment f JOIN fulfilment_line ON fulfilment_id = f.id",
    )
    parcels = erp.rows(
        "SELECT number, position, quantity FROM parcel JOIN parcel_line USING (number) WHERE state = 'sent'"
    )
    assert sorted(sent) == sorted(parcels)
    assert erp.rows("SELECT * FROM parcel WHERE state = 'planned'") == []


def assert_stock_agrees(shop: Server, erp: Erp) -> None:
    levels = all_rows(shop.database, "SELECT sku, on_hand FROM stock JOIN variant ON variant.id = variant_id")
    lying = erp.rows("SELECT sku, sum(quantity) FROM movement GROUP BY sku")
    assert sorted(levels) == sorted(lying)
    assert all_rows(shop.database, "SELECT count(*) FROM reservation") == [(0,)]
    prices = all_rows(shop.database, "SELECT count(DISTINCT variant_id) FROM price WHERE amount > 3")
    assert prices == [(2 * SHIRTS,)]
