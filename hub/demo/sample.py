"""Requests to try first, with the token that each is for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Sample:
    """A GraphQL document ready to be sent; ``token`` is the name of the demo's token."""

    title: str
    token: str
    document: str


QUERIES = (
    Sample(
        "A product page, as the storefront asks for it",
        "storefront",
        """{ product(slug: "espresso-cup") {
    name description assets { asset { url alt } }
    variants(first: 10) { nodes { sku axes { code value } price { amount currency } } } } }""",
    ),
    Sample(
        "The cups that come in mint, searched for and read in German",
        "storefront",
        """{ products(search: "tasse", locale: "de", first: 3,
           filter: { variants: { attribute: { code: "colour", eq: "mint" } } }) { nodes { slug name } totalCount } }""",
    ),
    Sample(
        "Where the white espresso cup lies, and what ten bags of coffee cost apiece",
        "erp",
        """{ variant(sku: "CUP-ESP-WHITE") { sku stockLevels { location { code } onHand available } }
  coffee: variant(sku: "COF-HOUSE-250G", channel: "web") {
    one: price { amount currency } ten: price(quantity: 10) { amount currency } } }""",
    ),
    Sample(
        "A customer whole: what Ada bought, down to the pictures",
        "admin",
        """{ customer(email: "ada@example.com") { fullName orders(first: 3) { nodes { number status total currency
    lines { name quantity total variant { sku product { assets { asset { url } } } } } } } } }""",
    ),
    Sample(
        "The first changes that the hub ever made, as any consumer may follow them",
        "marketplace",
        """{ changes(first: 3) { nodes { sequence type entityVersion source occurredAt } pageInfo { endCursor } } }""",
    ),
)

SUBSCRIBE = Sample(
    "A webhook: subscribe to every new price, and note the secret of the answer",
    "marketplace",
    """mutation { webhookEndpointCreate(input: { url: "http://127.0.0.1:9000/", eventTypes: ["price.changed"] }) {
    webhookEndpoint { id } secret userErrors { message } } }""",
)

CHANGE = Sample(
    "Change a price, and it arrives; give another amount the second time",
    "erp",
    """mutation { priceUpsert(variant: { key: "CUP-ESP-WHITE" },
    input: { priceList: { key: "retail-eur" }, amount: "13.50" }) { userErrors { message } } }""",
)

RECEIVER = "WEBHOOK_SECRET=whsec_… .venv/bin/python examples/receiver.py"
"""A receiver that verifies and prints what it is told, to be run in a terminal of its own."""
