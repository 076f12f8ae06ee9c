"""A small ERP beside the hub: it takes orders, numbers and sends them, writes invoices, and says what lies where.

    python examples/erp serve              take messages and orders, until it is stopped or killed
    python examples/erp goods DELIVERY.csv book what came in (document,location,sku,quantity,price,cost), and tell it
    python examples/erp book [NUMBER]      print orders, pieces and amounts; of one order by the hub's number

It needs `standardwebhooks`, and knows of the hub only its address and a token. Settings: HUB_URL, HUB_TOKEN (both taken
from the running demo where they are missing), ERP_BOOK (its file), ERP_PORT, ERP_LOCATION, ERP_PRICE_LIST, ERP_CURRENCY,
ERP_BEGIN (`now`, or `snapshot` to take everything that there is).
"""

import json
import os
import sys
import time
from pathlib import Path
from threading import Event, Thread

import desk
import feed
import goods
import inbox
from book import Book
from client import Hub, RefusedError

BATCH = 20
FEED_SECONDS = 20.0
RETRY_SECONDS = 5.0
PATH = Path(os.environ.get("ERP_BOOK", "erp.db"))
PORT = int(os.environ.get("ERP_PORT", "9100"))


def hub() -> Hub:
    """A connection of its own for each thread."""
    url, token = os.environ.get("HUB_URL"), os.environ.get("HUB_TOKEN")
    if url is None or token is None:
        demo = json.loads((Path(os.environ.get("HUB_VAR", "var")) / "demo.json").read_text())
        url, token = demo["url"], demo["tokens"]["erp"]
    return Hub(url, token)


def serve() -> None:
    """Take messages, follow the feed, and work."""
    book, asks, woken = Book(PATH), hub(), Event()
    book.keep("location", os.environ.get("ERP_LOCATION", "vienna"))
    feed.begin(asks, book, everything=os.environ.get("ERP_BEGIN") == "snapshot")
    key = inbox.secret(asks, book, f"http://127.0.0.1:{PORT}/")
    receiver = inbox.server(PORT, PATH, key, woken.set)
    Thread(target=receiver.serve_forever, daemon=True).start()
    Thread(target=follow, args=(woken,), daemon=True).start()
    print(f"The ERP takes messages on port {PORT}.", flush=True)
    while True:
        if not work_off(asks, book):
            woken.wait(0.5)
            woken.clear()


def follow(woken: Event) -> None:
    """Catch up from the feed at the start, and look now and then whether a message was missed."""
    book, asks = Book(PATH), hub()
    while True:
        try:
            feed.catch_up(asks, book)
        except RefusedError as refused:
            print(f"Not caught up: {refused}", flush=True)
            time.sleep(RETRY_SECONDS)
            continue
        woken.set()
        time.sleep(FEED_SECONDS)


def work_off(asks: Hub, book: Book) -> bool:
    """Work on some orders that are to be looked at. Whether there were any."""
    due = "SELECT order_id, version FROM todo WHERE not_before <= ? ORDER BY not_before, rowid LIMIT ?"
    ids = [row["order_id"] for row in book.rows(due, time.time(), BATCH)]
    for order_id, order in desk.look(asks, ids).items() if ids else ():
        try:
            trouble = None if order is None else desk.work(asks, book, order)
        except RefusedError as refused:
            trouble = str(refused)
        if trouble is None:
            seen = (
                None if order is None else book.one("SELECT version FROM sale WHERE order_id = ?", order_id)
            )
            version = (
                (order["version"] if seen is None else max(seen, order["version"])) if order else sys.maxsize
            )
            book.run("DELETE FROM todo WHERE order_id = ? AND version <= ?", order_id, version)
            if order is None:
                book.run("UPDATE sale SET status = 'DELETED' WHERE order_id = ?", order_id)
        else:
            later = (time.time() + RETRY_SECONDS, trouble, order_id)
            book.run("UPDATE todo SET not_before = ?, trouble = ? WHERE order_id = ?", *later)
    return bool(ids)


def main(words: list[str]) -> None:
    """Do what the first word says."""
    match words:
        case ["serve"]:
            serve()
        case ["goods", file]:
            book = Book(PATH)
            goods.read(book, Path(file))
            list_, currency = (
                os.environ.get("ERP_PRICE_LIST", "retail-eur"),
                os.environ.get("ERP_CURRENCY", "EUR"),
            )
            goods.push(hub(), book, list_, currency)
        case ["book", *number]:
            Book(PATH).print(*number)
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
