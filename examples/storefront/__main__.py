"""A shop on the hub, rendered on the server; its pages work without a script.

    python examples/storefront

Settings: HUB_URL, HUB_STOREFRONT_TOKEN (reads the catalogue), HUB_TOKEN (an app with orders:read and orders:write, which
never leaves this server); all three are taken from the running demo where they are missing. SHOP_CHANNEL, SHOP_PORT,
SHOP_FACETS (codes of attributes), SHOP_SECRET (signs carts and links to orders; a new one at each start where it is missing).

An order is shown to whoever has its link: the link holds a signature of its number.
"""

import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Callable
from http.cookies import CookieError, SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

import pages
from shop import FACETS, Shop, UnavailableError

PORT = int(os.environ.get("SHOP_PORT", "9200"))
SECRET = os.environ.get("SHOP_SECRET", secrets.token_hex()).encode()
LONGEST_FORM = 20_000
MOST = 99
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src *; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

Form = dict[str, list[str]]


def opened() -> Shop:
    """The shop of the settings, or that of the running demo."""
    names = ("HUB_URL", "HUB_STOREFRONT_TOKEN", "HUB_TOKEN")
    given = [os.environ.get(name) for name in names]
    if None in given:
        demo = json.loads((Path(os.environ.get("HUB_VAR", "var")) / "demo.json").read_text())
        given = [demo["url"], demo["tokens"]["storefront"], demo["tokens"]["shop"]]
    return Shop(*map(str, given), os.environ.get("SHOP_CHANNEL", "web"))


def signed(value: str) -> str:
    """The signature of a value."""
    return hmac.new(SECRET, value.encode(), hashlib.sha256).hexdigest()[:40]


def is_signed(value: str, signature: str) -> bool:
    """Whether we signed it."""
    return hmac.compare_digest(signed(value), signature)


class Desk(BaseHTTPRequestHandler):
    """Answers one visitor after the other."""

    shop: Shop

    def do_GET(self) -> None:
        """A page."""
        url = urlsplit(self.path)
        form = parse_qs(url.query)
        self.guarded(url.path, form, self.show)

    def do_POST(self) -> None:
        """What was sent with a form. Only our own pages may send it: the cookie is not sent along from elsewhere."""
        length = int(self.headers.get("content-length") or 0)
        if length > LONGEST_FORM:
            return self.answer(pages.sorry("Too much", "That is more than a form of ours holds."), 413)
        form = parse_qs(self.rfile.read(length).decode("utf-8", "replace"))
        return self.guarded(urlsplit(self.path).path, form, self.take)

    def guarded(self, path: str, form: Form, work: Callable[[str, Form], None]) -> None:
        """Do the work; where the hub is away, say so."""
        try:
            work(path, form)
        except UnavailableError as error:
            self.log_message("%s", error)
            self.answer(
                pages.sorry("One moment", "The shop cannot be reached just now. Please try again."), 503
            )

    def show(self, path: str, form: Form) -> None:
        """The page at a path."""
        if path == "/":
            self.show_products(form)
        elif path.startswith("/products/"):
            self.show_product(unquote(path.removeprefix("/products/")))
        elif path == "/cart":
            self.answer(pages.cart(self.held()))
        elif path.startswith("/orders/"):
            self.show_order(unquote(path.removeprefix("/orders/")), first(form, "key"))
        else:
            self.missing()

    def show_products(self, form: Form) -> None:
        """The list: words in q, facets by their codes."""
        chosen = {code: form[code][:10] for code in (*FACETS, "category") if code in form}
        query = first(form, "q")[:200]
        found = self.shop.products(query, chosen, first(form, "after") or None)
        self.answer(pages.products(found, query, chosen, self.shop.url))

    def show_product(self, slug: str) -> None:
        """One product."""
        found = self.shop.product(slug)
        if found is None:
            return self.missing()
        return self.answer(pages.product(found, self.shop.url))

    def show_order(self, number: str, key: str) -> None:
        """An order, for whoever has its link."""
        found = self.shop.order(number) if is_signed(f"order {number}", key) else None
        if found is None:
            return self.missing()
        return self.answer(pages.order(found))

    def take(self, path: str, form: Form) -> None:
        """What was sent to a path."""
        if path in ("/cart", "/cart/set"):
            self.put(first(form, "sku"), first(form, "quantity"), more=path == "/cart")
        elif path == "/checkout":
            self.check_out(form)
        else:
            self.missing()

    def put(self, sku: str, quantity: str, *, more: bool) -> None:
        """Change the cart, then show it."""
        if not quantity.isascii() or not quantity.isdigit() or int(quantity) > MOST:
            return self.answer(pages.cart(self.held(), f"Give a number of pieces up to {MOST}."), 400)
        cart_id, refused = self.shop.put(self.cart_id(), sku, int(quantity), more=more)
        if cart_id is None:
            return self.answer(pages.cart(self.held(), refused), 400)
        return self.go("/cart", f"cart={cart_id}.{signed(f'cart {cart_id}')}; Path=/; HttpOnly; SameSite=Lax")

    def check_out(self, form: Form) -> None:
        """Order the cart. Sent twice, it leads to the same order."""
        cart_id = self.cart_id()
        if cart_id is None:
            return self.answer(pages.cart(None), 400)
        address = {name: first(form, name)[:200] for name in ("name", "street", "postalCode", "city")}
        number, refused = self.shop.check_out(
            cart_id, first(form, "email")[:200], {**address, "country": "AT"}
        )
        if number is None:
            return self.answer(pages.cart(self.held(), refused), 400)
        return self.go(f"/orders/{quote(number)}?key={signed(f'order {number}')}")

    def held(self) -> Any:
        """The visitor's cart; null without one."""
        cart_id = self.cart_id()
        return None if cart_id is None else self.shop.cart(cart_id)

    def cart_id(self) -> str | None:
        """The id in the visitor's cookie, where we signed it."""
        try:
            found = SimpleCookie(self.headers.get("cookie", "")).get("cart")
        except CookieError:
            return None
        cart_id, _, signature = found.value.rpartition(".") if found else ("", "", "")
        return cart_id if cart_id and is_signed(f"cart {cart_id}", signature) else None

    def missing(self) -> None:
        """There is no such page."""
        self.answer(pages.sorry("Not here", "There is no such page, or it is no longer on offer."), 404)

    def go(self, path: str, cookie: str | None = None) -> None:
        """Send the visitor to another page."""
        self.send_response(303)
        self.send_header("location", path)
        if cookie is not None:
            self.send_header("set-cookie", cookie)
        self.send_header("content-length", "0")
        self.end_headers()

    def answer(self, html: str, status: int = 200) -> None:
        """Send a page."""
        body = html.encode()
        self.send_response(status)
        self.send_header("content-type", "text/html; charset=utf-8")
        self.send_header("content-length", str(len(body)))
        self.send_header("content-security-policy", POLICY)
        self.send_header("referrer-policy", "no-referrer")
        self.send_header("cache-control", "no-store")
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, *_: object) -> None:
        """Say nothing of each request: its address may hold the key of an order."""


def first(form: Form, name: str) -> str:
    """The first value of a field; empty without one."""
    return form.get(name, [""])[0].strip()


if __name__ == "__main__":
    Desk.shop = opened()
    server = ThreadingHTTPServer(("127.0.0.1", PORT), Desk)
    print(f"The shop is open at http://127.0.0.1:{PORT}/", flush=True)
    server.serve_forever()
