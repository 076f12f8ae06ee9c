"""What the shop asks the hub: the catalogue with a storefront's token, carts and orders with its own server's."""

import json
import os
import urllib.request
from typing import Any

FACETS = tuple(filter(None, os.environ.get("SHOP_FACETS", "colour,materials,roast,size").split(",")))
"""The codes of the attributes that visitors filter by."""

PAGE_SIZE = 12

LIST = """query ($query: String, $filter: ProductSearchFilter, $facets: [SearchFacetInput!], $after: String, $first: Int) {
  productSearch(query: $query, filter: $filter, facets: $facets, after: $after, first: $first) {
    total { count } didYouMean pageInfo { hasNextPage endCursor }
    nodes { slug name assets { asset { url alt } } variants(first: 1) { nodes { price { amount currency } } } }
    facets { by attribute name values { value name count selected } } } }"""
PRODUCT = """query ($slug: String!) { product(slug: $slug) { name description listed assets { asset { url alt } }
  variants(first: 50) { nodes { sku axes { value } price { amount currency compareAt } availability { inStock available } } } } }"""
CART = """query ($id: ID!) { cart(id: $id) { id order { number } lines { position quantity unitPrice currency
  variant { id sku product { slug name } } } } }"""
CREATE = "mutation ($input: CartInput!) { cartCreate(input: $input) { cart { id } userErrors { message } } }"
UPDATE = "mutation ($input: CartInput!) { cartUpdate(input: $input) { cart { id } userErrors { message } } }"
CHECKOUT = """mutation ($cart: Reference!, $input: OrderInput!) {
  cartCheckout(cart: $cart, input: $input) { order { number } userErrors { message } } }"""
ORDER = """query ($number: String!) { order(number: $number) { number status placedAt currency subtotal shippingTotal total
  shippingAddress { name street postalCode city country }
  lines { name quantity unitPrice total fulfilled returned cancelled }
  fulfilments { number status carrier trackingNumber shippedAt }
  returns { number returnedAt } refunds { number amount }
  timeline(first: 100) { nodes { kind code subject at } } } }"""

POSTAGE = "4.90"
TAX_RATE = "0.20"


class UnavailableError(Exception):
    """The hub did not answer, or said no to the whole question."""


class Shop:
    """The hub behind this shop. ``url`` is its address, ``channel`` the code of the channel that this shop is."""

    def __init__(self, url: str, storefront: str, server: str, channel: str) -> None:
        self.url, self.storefront, self.server, self.channel = url, storefront, server, channel

    def products(self, query: str, chosen: dict[str, list[str]], after: str | None) -> Any:
        """A page of products with its facets. ``chosen``: values by facet."""
        attributes = [{"code": code, "in": chosen[code]} for code in FACETS if chosen.get(code)]
        wanted: dict[str, Any] = {"attribute": attributes} if attributes else {}
        if chosen.get("category"):
            wanted["category"] = {"code": chosen["category"]}
        facets = [{"by": "CATEGORY", "first": 12}, *({"attribute": code, "first": 8} for code in FACETS)]
        return self._read(
            LIST, query=query or None, filter=wanted or None, facets=facets, after=after, first=PAGE_SIZE
        )["productSearch"]

    def product(self, slug: str) -> Any:
        """One product; null where it is not on offer."""
        return self._read(PRODUCT, slug=slug)["product"]

    def cart(self, cart_id: str) -> Any:
        """A cart with the prices of this moment; null for one that is not there, or is an order by now."""
        found = self._ask(self.server, CART, id=cart_id)["cart"]
        return None if found is None or found["order"] is not None else found

    def put(
        self, cart_id: str | None, sku: str, quantity: int, *, more: bool
    ) -> tuple[str | None, str | None]:
        """Have so many pieces in the cart, or so many more. The cart's id, and what was refused."""
        cart = None if cart_id is None else self.cart(cart_id)
        lines = (
            {}
            if cart is None
            else {line["variant"]["sku"]: line["quantity"] for line in cart["lines"] if line["variant"]}
        )
        lines[sku] = quantity + (lines.get(sku, 0) if more else 0)
        rows = [
            {"variant": {"key": each}, "quantity": wanted} for each, wanted in lines.items() if wanted > 0
        ]
        if cart is None:
            return self._cart(CREATE, {"channel": {"key": self.channel}, "lines": rows})
        return self._cart(UPDATE, {"id": cart["id"], "lines": rows})

    def check_out(self, cart_id: str, email: str, address: dict[str, str]) -> tuple[str | None, str | None]:
        """Order what is in the cart, once however often it is asked. The order's number, and what was refused."""
        given = {
            "email": email,
            "shippingAddress": address,
            "billingAddress": address,
            "shippingTotal": POSTAGE,
        }
        answer = self._ask(self.server, CHECKOUT, cart={"id": cart_id}, input=given)["cartCheckout"]
        if answer["userErrors"]:
            return None, answer["userErrors"][0]["message"]
        return answer["order"]["number"], None

    def order(self, number: str) -> Any:
        """An order; null where there is none."""
        return self._ask(self.server, ORDER, number=number)["order"]

    def _cart(self, document: str, given: dict[str, Any]) -> tuple[str | None, str | None]:
        (answer,) = self._ask(self.server, document, input=given).values()
        if answer["userErrors"]:
            return None, answer["userErrors"][0]["message"]
        return answer["cart"]["id"], None

    def _read(self, document: str, **variables: object) -> Any:
        return self._ask(self.storefront, document, **variables)

    def _ask(self, token: str, document: str, **variables: object) -> Any:
        body = json.dumps({"query": document, "variables": variables}).encode()
        headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        try:
            with urllib.request.urlopen(
                urllib.request.Request(self.url + "/graphql", body, headers), timeout=20
            ) as answer:
                found = json.load(answer)
        except OSError as error:
            raise UnavailableError(str(error)) from error
        if found.get("errors"):
            raise UnavailableError(found["errors"][0]["message"])
        return found["data"]
