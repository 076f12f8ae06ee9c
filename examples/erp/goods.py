"""Items and stock: the ERP says what an item costs and what came in. Each document is carried out once by the hub."""

import csv
import sys
from pathlib import Path

from book import Book
from client import Hub

PRICE = """mutation ($variant: Reference!, $input: PriceInput!) {
  priceUpsert(variant: $variant, input: $input) { userErrors { message } } }"""
COST = """mutation ($variant: Reference!, $input: VariantInput!) {
  variantUpdate(variant: $variant, input: $input) { userErrors { message } } }"""
MOVE = "mutation ($rows: [StockMoveInput!]!) { stockMove(rows: $rows) { userErrors { message } } }"
ROWS = 500


def read(book: Book, file: Path) -> None:
    """Book a delivery note: CSV with document, location, sku, quantity, and price and cost where they changed."""
    with file.open() as opened, book.transaction():
        for place, row in enumerate(csv.DictReader(opened)):
            values = (row["document"], place, row["location"], row["sku"], int(row["quantity"]))
            book.run("INSERT OR IGNORE INTO movement VALUES (?, ?, ?, ?, ?, 0)", *values)
            if row.get("price") or row.get("cost"):
                values = (row["sku"], row.get("price") or None, row.get("cost") or None)
                book.run("INSERT OR REPLACE INTO item VALUES (?, ?, ?, 0)", *values)


def push(hub: Hub, book: Book, price_list: str, currency: str) -> None:
    """Tell the hub what it was not told yet. Killed between telling and noting it, it tells it again."""
    for item in book.rows("SELECT * FROM item WHERE told = 0"):
        _push_item(hub, item["sku"], item["price"], item["cost"], price_list, currency)
        book.run("UPDATE item SET told = 1 WHERE sku = ?", item["sku"])
    count = 0
    while rows := book.rows("SELECT * FROM movement WHERE told = 0 LIMIT ?", ROWS):
        _, trouble = hub.command(MOVE, rows=[_received(row) for row in rows])
        if trouble is not None:
            sys.exit(f"The hub takes no delivery: {trouble}")
        count += len(rows)
        with book.transaction():
            for row in rows:
                book.run(
                    "UPDATE movement SET told = 1 WHERE document = ? AND line = ?",
                    row["document"],
                    row["line"],
                )
    print(f"The hub took {count} movement{'s' if count != 1 else ''}.", flush=True)


def _push_item(
    hub: Hub, sku: str, price: str | None, cost: str | None, price_list: str, currency: str
) -> None:
    variant, trouble = {"key": sku}, None
    if price is not None:
        _, trouble = hub.command(
            PRICE, variant=variant, input={"priceList": {"key": price_list}, "amount": price}
        )
    if cost is not None and trouble is None:
        value = {"money": {"amount": cost, "currency": currency}}
        _, trouble = hub.command(
            COST, variant=variant, input={"attributes": [{"code": "cost", "value": value}]}
        )
    if trouble is not None:
        print(f"{sku}: {trouble}", flush=True)


def _received(row: dict) -> dict:
    return {
        "variant": {"key": row["sku"]},
        "location": {"key": row["location"]},
        "kind": "RECEIVED",
        "quantity": row["quantity"],
        "document": {"system": "erp", "id": row["document"], "line": str(row["line"])},
    }
