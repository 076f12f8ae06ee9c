"""The example of a storefront, as its visitors see it: in a headless browser, and by the bytes that it sends."""

from __future__ import annotations

import http.cookiejar
import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path
from urllib.parse import urlencode

import pytest

from hub.token import Wish
from tests.browsing import seen
from tests.running import Server, free_port, wait_until
from tests.shop import all_rows, opened, shirt, written
from tests.test_house import HOUSE

SCOPES = ["catalogue:read", "customers:read", "orders:read", "orders:write", "settings:read", "stock:read"]
HOSTILE = 'Tom\'s <script>alert(1)</script> & "shirt"'
BUYER = {
    "name": "<b>Eve</b>",
    "email": "eve@example.com",
    "street": "Gasse 1",
    "postalCode": "1",
    "city": "X",
}


@dataclass
class Visitor:
    """Somebody with a browser that keeps cookies, and what it was sent so far."""

    url: str
    sent: list[str] = field(default_factory=list)
    jar: http.cookiejar.CookieJar = field(default_factory=http.cookiejar.CookieJar)

    def opens(self, path: str, **form: str) -> tuple[int, str, str]:
        """Status, page and address that it ended at; with a form it is sent."""
        opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self.jar))
        body = urlencode(form).encode() if form else None
        try:
            with opener.open(self.url + path, body, timeout=30) as answer:
                found = answer.status, answer.read().decode(), answer.url
                headers = str(answer.headers)
        except urllib.error.HTTPError as error:
            with error:
                found, headers = (error.code, error.read().decode(), error.url), str(error.headers)
        self.sent += [found[1], headers]
        return found


@pytest.fixture(scope="module")
def hub(module_server: Server) -> Server:
    """Two shirts: one on offer, three red pieces of it in stock and no blue ones; the other one not on offer."""
    database = module_server.database
    opened(database)
    written(database, "attribute", {"code": "colour", "filterable": True, "facet": True})
    written(database, "location", {"code": "main"})
    listing = {"channel": {"key": "web"}, "starts_at": "2020-01-01T00:00:00Z"}
    row = shirt(listings=[listing], name={"en": HOSTILE})
    prices = [{"price_list": {"key": "retail"}, "amount": "10.00", "currency": "EUR"}]
    row["variants"] = [{**each, "prices": prices} for each in row["variants"]]
    assert not [each for each in written(database, "product", row, shirt("hidden")) if each.errors]
    red = {"variant": {"key": "shirt-1-red"}, "location": {"key": "main"}, "on_hand": 3}
    blue = {"variant": {"key": "shirt-1-blue"}, "location": {"key": "main"}, "on_hand": 0}
    assert not [each for each in written(database, "stock", red, blue) if each.errors]
    return module_server


@pytest.fixture(scope="module")
def tokens(hub: Server) -> tuple[str, str]:
    shop = Wish(kind="app", name="Shop", system="shop", scopes=SCOPES, channels=["web"])
    storefront = Wish(kind="storefront", name="Pages", channels=["web"], default_locale="en")
    return hub.new_token(storefront), hub.new_token(shop)


@pytest.fixture(scope="module")
def shop(hub: Server, tokens: tuple[str, str]) -> Iterator[str]:
    """The address of the running storefront."""
    port = str(free_port())
    settings = {
        "HUB_URL": hub.url,
        "HUB_STOREFRONT_TOKEN": tokens[0],
        "HUB_TOKEN": tokens[1],
        "SHOP_PORT": port,
        "SHOP_FACETS": "colour",
    }
    command = [sys.executable, str(HOUSE / "examples" / "storefront")]
    with subprocess.Popen(command, env=os.environ | settings, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert "open at" in process.stdout.readline()
        try:
            visitor = Visitor(f"http://127.0.0.1:{port}")
            wait_until(lambda: "/products/shirt-1" in visitor.opens("/")[1])
            yield visitor.url
        finally:
            process.kill()


def test_a_visitor_searches_buys_and_follows_the_order(
    hub: Server, shop: str, tokens: tuple[str, str], tmp_path: Path
) -> None:
    visitor = Visitor(shop)
    status, listed, _ = visitor.opens("/?" + urlencode({"q": "shirt", "colour": "red"}))
    assert (status, "/products/shirt-1" in listed, "hidden" in listed) == (200, True, False)
    assert re.search(r'class="on" href="/\?q=shirt">', listed), "the chosen facet leads back to all"
    assert visitor.opens("/products/shirt-1", sku="x")[0] == 404  # nothing is sent there
    detail = visitor.opens("/products/shirt-1")[1]
    assert detail.count("<form method") == 1
    assert "sold out" in detail
    assert "10.00 EUR" in visitor.opens("/cart", sku="shirt-1-red", quantity="1")[1]
    assert 'value="2"' in visitor.opens("/cart", sku="shirt-1-red", quantity="1")[1]
    status, page, address = visitor.opens("/checkout", **BUYER)
    assert (status, "Order WEB-" in page) == (200, True)
    assert visitor.opens("/checkout", **BUYER)[2] == address, "sent twice, it is one order"
    assert all_rows(hub.database, 'SELECT total, email FROM "order"')[0][1] == "eve@example.com"
    number = re.findall(r"/orders/([^?]+)", address)[0]
    parcel = {"number": "P1", "carrier": "Post", "lines": [{"line": 0, "quantity": 2}]}
    send = """mutation ($order: Reference!, $input: FulfilmentInput!) {
        fulfilmentCreate(order: $order, input: $input) { userErrors { message } } }"""
    answer = hub.data(send, {"order": {"key": number}, "input": parcel})
    assert answer["fulfilmentCreate"]["userErrors"] == []
    shown = seen(address, tmp_path)
    assert "It is <strong>on its way</strong>" in shown
    assert "Post P1: shipped" in shown
    assert not [text for text in visitor.sent for token in tokens if token in text]


def test_what_comes_from_outside_is_text_and_no_page_has_a_script(shop: str, tmp_path: Path) -> None:
    for path in ("/", "/products/shirt-1", "/?" + urlencode({"q": "<script>x</script>"})):
        shown = seen(shop + path, tmp_path)
        assert "<script" not in shown, path
        assert "Cup &amp; Leaf" in shown
    heading = re.search(r"<h1>(.*?)</h1>", seen(shop + "/products/shirt-1", tmp_path))
    assert heading is not None
    assert unescape(heading[1]) == HOSTILE


def test_an_order_is_shown_to_whoever_has_its_link_and_a_cart_to_its_visitor(hub: Server, shop: str) -> None:
    visitor = Visitor(shop)
    visitor.opens("/cart", sku="shirt-1-red", quantity="1")
    (cookie,) = visitor.jar
    assert cookie.has_nonstandard_attr("HttpOnly")
    assert cookie.value is not None
    stranger = Visitor(shop)
    opener = urllib.request.Request(shop + "/cart", headers={"cookie": f"cart={cookie.value[:-1]}x"})
    with urllib.request.urlopen(opener) as answer:
        assert "It is empty" in answer.read().decode()
        assert "default-src 'none'" in answer.headers["content-security-policy"]
    address = visitor.opens("/checkout", **BUYER)[2].removeprefix(shop)
    assert stranger.opens(address)[0] == 200
    for wrong in (address[:-1], address.split("?")[0], "/orders/WEB-1?key=x"):
        assert stranger.opens(wrong)[0] == 404


@pytest.mark.parametrize(
    ("sku", "quantity", "says"),
    [
        ("shirt-1-red", "-1", "number of pieces"),
        ("shirt-1-red", "²", "number of pieces"),
        ("shirt-1-red", "100", "number of pieces"),
        ("nothing", "1", "nothing"),
    ],
)
def test_what_cannot_be_bought_is_said(shop: str, sku: str, quantity: str, says: str) -> None:
    status, page, _ = Visitor(shop).opens("/cart", sku=sku, quantity=quantity)
    assert (status, says in page) == (400, True)


def test_more_than_there_is_is_not_ordered(hub: Server, shop: str) -> None:
    visitor = Visitor(shop)
    visitor.opens("/cart", sku="shirt-1-red", quantity="50")
    status, page, _ = visitor.opens("/checkout", **BUYER)
    assert (status, "are available, not 50" in page) == (400, True)


def test_what_is_not_there_is_a_page_that_says_so(shop: str) -> None:
    for path in ("/products/hidden", "/products/%3Cx", "/nothing", "/orders/"):
        status, page, _ = Visitor(shop).opens(path)
        assert (status, "There is no such page" in page) == (404, True)
