"""A marketplace beside the hub: it offers what one channel lists, at its price and stock, and sends orders back.

    python examples/marketplace follow [--once]        follow the feed and send orders, until it is stopped or killed
    python examples/marketplace sell SKU PIECES EMAIL  somebody buys here; the order is sent by follow
    python examples/marketplace offers                 print what is on offer

It needs no package, and an app's token with catalogue:read, feed:read, orders:read, orders:write, settings:read and
stock:read, bound to its channel. Settings: HUB_URL, HUB_TOKEN, MARKET_BOOK (its file), MARKET_CHANNEL.
"""

import json
import os
import sqlite3
import sys
import time
import urllib.error
import urllib.request
from typing import Any

SYSTEM = "marketplace"
CHANNEL = os.environ.get("MARKET_CHANNEL", "marketplace")
UNCOUNTED = 999
"""Pieces of what is not kept in stock, such as a service."""

WAIT_SECONDS, PATIENCE_SECONDS, BUSY = 10, 1.0, (429, 500, 502, 503, 504)

PRODUCT = """fragment Offered on Product { id listed slug name variants(first: 100) { nodes { sku
  price { amount currency } availability { available } } } }"""
LIST = (
    PRODUCT
    + """ query ($channel: String!, $after: String) { products(channel: $channel, first: 50, after: $after) {
  nodes { ...Offered } pageInfo { hasNextPage endCursor } } }"""
)
LOOK = (
    PRODUCT
    + """ query ($ids: [ID!]!, $channel: String!) { nodes(ids: $ids, channel: $channel) {
  ...Offered ... on StockLevel { variant { product { id } } } } }"""
)
NOW = "{ feed { lastCursor } }"
FOLLOW = """query ($after: String!, $channel: String!, $wait: Int!) { changes(after: $after, channel: $channel, wait: $wait, first: 200) {
  nodes { entityType entityId } pageInfo { hasNextPage endCursor } } }"""
FIND = "query ($id: ExternalIdInput!) { order(externalId: $id) { number } }"
PLACE = """mutation ($input: OrderInput!, $key: String!) { orderPlace(input: $input, idempotencyKey: $key) {
  order { number } userErrors { message } } }"""

TABLES = """
CREATE TABLE IF NOT EXISTS setting (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS offer (sku TEXT PRIMARY KEY, product TEXT NOT NULL, slug TEXT, name TEXT, amount TEXT NOT NULL,
    currency TEXT NOT NULL, available INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS offer_product ON offer (product);
CREATE TABLE IF NOT EXISTS sale (number INTEGER PRIMARY KEY, sku TEXT NOT NULL, pieces INTEGER NOT NULL,
    amount TEXT NOT NULL, email TEXT NOT NULL, told TEXT, refused TEXT);
"""

book = sqlite3.connect(os.environ.get("MARKET_BOOK", "market.db"), isolation_level=None, timeout=30)


class RefusedError(Exception):
    """The hub answered, and said no. ``code``: what programs go by."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(error["message"])
        self.code = error.get("extensions", {}).get("code")


def ask(document: str, **variables: object) -> Any:
    """The data of an answer. Waits for a hub that is away. Raises ``RefusedError`` for errors."""
    headers = {"authorization": f"Bearer {os.environ['HUB_TOKEN']}", "content-type": "application/json"}
    body = json.dumps({"query": document, "variables": variables}).encode()
    while True:
        try:
            request = urllib.request.Request(os.environ["HUB_URL"] + "/graphql", body, headers)
            with urllib.request.urlopen(request, timeout=60) as response:
                answer = json.load(response)
            break
        except urllib.error.HTTPError as error:
            if error.code not in BUSY:
                raise RefusedError(json.load(error)["errors"][0]) from error
        except OSError:
            pass
        time.sleep(PATIENCE_SECONDS)
    if answer.get("errors"):
        raise RefusedError(answer["errors"][0])
    return answer["data"]


def setting(name: str) -> str | None:
    """What was kept under a name."""
    row = book.execute("SELECT value FROM setting WHERE name = ?", (name,)).fetchone()
    return None if row is None else row[0]


def keep(name: str, value: str) -> None:
    """Keep something under a name."""
    book.execute("INSERT OR REPLACE INTO setting VALUES (?, ?)", (name, value))


def offer(product: dict[str, Any]) -> None:
    """Have a product on offer as it is now: what is listed and has a price, and nothing else."""
    book.execute("DELETE FROM offer WHERE product = ?", (product["id"],))
    for variant in product["variants"]["nodes"] if product["listed"] else ():
        price, stock = variant["price"], variant["availability"]
        if price is not None:
            row = (
                variant["sku"],
                product["id"],
                product["slug"],
                product["name"],
                price["amount"],
                price["currency"],
            )
            book.execute(
                "INSERT OR REPLACE INTO offer VALUES (?, ?, ?, ?, ?, ?, ?)",
                (*row, stock["available"] if stock else UNCOUNTED),
            )


def read_all() -> None:
    """Read the whole assortment. The cursor is taken first, so what changes while it is read comes again."""
    cursor, after, seen = ask(NOW)["feed"]["lastCursor"], None, []
    while True:
        page = ask(LIST, channel=CHANNEL, after=after)["products"]
        seen += page["nodes"]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    book.execute("BEGIN IMMEDIATE")
    book.execute("DELETE FROM offer")
    for product in seen:
        offer(product)
    keep("cursor", cursor)
    book.execute("COMMIT")


def follow(wait: int) -> bool:
    """One page of the feed. Whether there is more. Begins anew where the cursor leads nowhere."""
    cursor = setting("cursor")
    if cursor is None:
        read_all()
        return True
    try:
        page = ask(FOLLOW, after=cursor, channel=CHANNEL, wait=wait)["changes"]
    except RefusedError as refused:
        if refused.code not in ("GONE", "INVALID"):
            raise
        read_all()
        return True
    if {change["entityType"] for change in page["nodes"]} & {"channel", "price_list", "location"}:
        read_all()  # other prices or places hold for everything now
        return True
    wanted = {change["entityId"]: change["entityType"] for change in page["nodes"]}
    products = look([id_ for id_, type_ in wanted.items() if type_ in ("product", "stock")])
    book.execute("BEGIN IMMEDIATE")
    for id_ in wanted:
        book.execute(
            "DELETE FROM offer WHERE product = ?", (id_,)
        )  # what is deleted does not come back below
    for product in products:
        offer(product)
    keep("cursor", page["pageInfo"]["endCursor"])
    book.execute("COMMIT")
    return bool(page["pageInfo"]["hasNextPage"])


def look(ids: list[str]) -> list[dict[str, Any]]:
    """The products of these ids, and those of the stock levels among them, as they are now."""
    found = [each for each in ask(LOOK, ids=ids, channel=CHANNEL)["nodes"] if each] if ids else []
    products = {each["id"]: each for each in found if "slug" in each}
    levels = {each["variant"]["product"]["id"] for each in found if each.get("variant")}
    missing = sorted(levels - products.keys())
    more = ask(LOOK, ids=missing, channel=CHANNEL)["nodes"] if missing else []
    return [*products.values(), *(each for each in more if each)]


def send() -> None:
    """Send the orders that the hub does not have. One that it has already, from before a kill, is only noted."""
    sales = book.execute(
        "SELECT * FROM sale WHERE told IS NULL AND refused IS NULL ORDER BY number"
    ).fetchall()
    for number, sku, pieces, amount, email, _, _ in sales:
        external = {"system": SYSTEM, "id": f"M-{number}"}
        order, refused = ask(FIND, id=external)["order"], None
        if order is None:
            line = {"variant": {"key": sku}, "quantity": pieces, "unitPrice": amount}
            given = {"channel": {"key": CHANNEL}, "email": email, "lines": [line], "externalIds": [external]}
            answer = ask(PLACE, input=given, key=f"{SYSTEM} M-{number}")["orderPlace"]
            order, errors = answer["order"], answer["userErrors"]
            refused = errors[0]["message"] if errors else None
        told = None if order is None else order["number"]
        book.execute("UPDATE sale SET told = ?, refused = ? WHERE number = ?", (told, refused, number))
        print(f"M-{number} is {told}." if told else f"M-{number} was refused: {refused}", flush=True)


def sell(sku: str, pieces: int, email: str) -> None:
    """Somebody buys here, at the price on offer."""
    found = book.execute("SELECT amount FROM offer WHERE sku = ?", (sku,)).fetchone()
    if found is None:
        sys.exit(f"{sku} is not on offer.")
    row = (sku, pieces, found[0], email)
    number = book.execute("INSERT INTO sale (sku, pieces, amount, email) VALUES (?, ?, ?, ?)", row).lastrowid
    print(f"M-{number}: {pieces} × {sku} at {found[0]}.")


def main(words: list[str]) -> None:
    """Do what the first word says."""
    book.execute("PRAGMA journal_mode = WAL")
    book.executescript(TABLES)
    match words:
        case ["follow", "--once"]:
            while follow(0):
                pass
            send()
        case ["follow"]:
            while True:
                send()
                follow(WAIT_SECONDS if setting("cursor") else 0)
        case ["sell", sku, pieces, email]:
            sell(sku, int(pieces), email)
        case ["offers"]:
            for row in book.execute("SELECT sku, amount, currency, available, name FROM offer ORDER BY sku"):
                print("{:24} {:>9} {}  {:5}  {}".format(*row))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
