"""An order goes all the way round: shop, hub, ERP, parcel, the customer's page, the stock.

With the demo running: python examples/loop.py. It starts the ERP and the shop that stand beside it, orders as a visitor
does, waits until all is sent, and shows what happened in the order in which the hub numbered it. The ERP's book lies
beside the demo's data and goes on where it was.
"""

import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

HERE, VAR = Path(__file__).parent, Path(os.environ.get("HUB_VAR", "var"))
if not (VAR / "demo.json").exists():
    sys.exit(
        f"{VAR / 'demo.json'} does not exist: run make demo in the same folder, and wait until it is ready."
    )
DEMO = json.loads((VAR / "demo.json").read_text())
BOOK = {"ERP_BOOK": str(VAR / "erp.db")}
SKU, PIECES, PATIENCE_SECONDS = "CUP-ESP-WHITE", 3, 60
BUYER = {
    "name": "Ada Winter",
    "email": "ada@example.com",
    "street": "Gasse 1",
    "postalCode": "1010",
    "city": "Vienna",
}
STOCK = """query ($sku: String!) {
  variant(sku: $sku) { stockLevels { location { code } onHand reserved } }
  web: variant(sku: $sku, channel: "web") { availability { available } }
  marketplace: variant(sku: $sku, channel: "marketplace") { availability { available } } }"""
ORDER = "query ($number: String!) { order(number: $number) { status externalIds { system id } } }"
ENDPOINTS = "{ webhookEndpoints { id url } }"
LEAVE = "mutation ($id: ID!) { webhookEndpointDelete(id: $id) { deletedId } }"
CHANGES = """query ($after: String) { changes(after: $after, first: 500) {
  nodes { sequence source type events entityVersion changedPaths { path new } } } }"""

visitor = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))


def ask(document: str, **variables: object) -> Any:
    """The data of an answer of the hub."""
    headers = {"content-type": "application/json", "authorization": f"Bearer {DEMO['tokens']['admin']}"}
    body = json.dumps({"query": document, "variables": variables}).encode()
    with urllib.request.urlopen(urllib.request.Request(DEMO["graphql"], body, headers)) as answer:
        return json.load(answer)["data"]


def stock() -> dict[str, int]:
    """What lies where, and what can be had in each channel."""
    found = ask(STOCK, sku=SKU)
    held = {
        f"{each['location']['code']}, on hand": each["onHand"] for each in found["variant"]["stockLevels"]
    }
    return held | {
        f"{channel}, available": found[channel]["availability"]["available"]
        for channel in ("web", "marketplace")
    }


@contextmanager
def program(name: str, **settings: str) -> Iterator[str]:
    """Run what stands beside this file, once it has said that it is ready; what it said."""
    words = {"erp": ["serve"], "storefront": []}[name]
    started = subprocess.Popen(
        [sys.executable, str(HERE / name), *words],
        env=os.environ | settings,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield started.stdout.readline().strip() or sys.exit(f"{name} did not start.")
    finally:
        started.kill()
        started.wait()


def free_port() -> str:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def buy(shop: str) -> tuple[str, str]:
    """Order as a visitor does, page by page. The order's number, and the address of its page."""
    listed = read(shop + "?q=espresso+cup")
    slug = re.search(r'href="(/products/[^"]+)"', listed)[1]
    print(f"A visitor searches, and opens {slug}.")
    read(shop.rstrip("/") + slug)
    read(shop + "cart", sku=SKU, quantity=str(PIECES))
    with visitor.open(shop + "checkout", urlencode(BUYER).encode()) as page:
        address = page.url
    number = re.search(r"/orders/([^?]+)", address)[1]
    print(f"The visitor orders {PIECES} × {SKU}: order {number}.")
    return number, address


def read(address: str, **form: str) -> str:
    """A page, as the visitor gets it."""
    with visitor.open(address, urlencode(form).encode() if form else None) as page:
        return page.read().decode()


def wait(done: Callable[[], object]) -> None:
    """Wait until it is done."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not done():
        if time.monotonic() > deadline:
            sys.exit("The ERP did not send the order in time.")
        time.sleep(0.1)


def invoiced(number: str) -> bool:
    """Whether the ERP is done with the order."""
    order = ask(ORDER, number=number)["order"]
    return "erp-invoice" in {each["system"] for each in order["externalIds"]}


def told(change: dict[str, Any]) -> str:
    """The most telling values of a change."""
    paths = {each["path"].rpartition("/")[2]: each["new"] for each in change["changedPaths"]}
    names = ("status", "on_hand", "reserved", "total")
    rows = [each["new"] for each in change["changedPaths"] if isinstance(each["new"], dict)]
    said = [f"{name} {paths[name]}" for name in names if paths.get(name) is not None]
    said += [f"{row['system']} {row['id']}" for row in rows if "system" in row]
    said += [f"parcel {row['number']}" for row in rows if "carrier" in row]
    return ", ".join(said)


def leave(url: str) -> None:
    """Take the ERP's endpoint away: nobody listens there any more."""
    for endpoint in ask(ENDPOINTS)["webhookEndpoints"]:
        if endpoint["url"] == url:
            ask(LEAVE, id=endpoint["id"])


def show(after: str, before: dict[str, int]) -> None:
    """What happened, by sequence number, and what it did to the stock."""
    print(f"\n{'sequence':>8}  {'by':9} {'what':44} and now")
    for change in ask(CHANGES, after=after)["changes"]["nodes"]:
        events = ", ".join(event for event in change["events"] if event != change["type"]) or change["type"]
        print(f"{change['sequence']:>8}  {change['source']:9} {events:44} {told(change)}")
    print(f"\n{'stock of ' + SKU:34} before  now")
    now = stock()
    for name, count in before.items():
        print(f"  {name:32} {count:6} {now[name]:4}")


def main() -> None:
    """Once round."""
    cursor, before, port = ask("{ feed { lastCursor } }")["feed"]["lastCursor"], stock(), free_port()
    with (
        program("erp", ERP_PORT=port, **BOOK),
        program("storefront", SHOP_PORT=free_port()) as opened,
    ):
        number, page = buy(opened.split()[-1])
        wait(lambda: invoiced(number))
        shown = re.sub(r"<[^>]+>", " ", re.sub(r"<style>.*?</style>", "", read(page), flags=re.DOTALL))
        state = re.search(r"It is\s+(.+?)\s+\.", shown)[1]
        print(f"The customer's page says: it is {state}.")
        words = [sys.executable, str(HERE / "erp"), "book", number]
        book = subprocess.check_output(words, env=os.environ | BOOK, text=True)
        print(f"The ERP's book says:\n{book.rstrip()}")
        show(cursor, before)
    leave(f"http://127.0.0.1:{port}/")


main()
