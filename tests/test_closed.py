"""What a token must not see, and what its questions must not cost others."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from hub import ids
from hub.token import Wish
from schema.router import LARGEST_QUESTION
from tests.receiving import receiving
from tests.running import Server, wait_until
from tests.shop import opened, written

PERSONAL = ("ada@example.com", "Bonn")
CREATE = "mutation ($input: WebhookEndpointInput!) { webhookEndpointCreate(input: $input) { secret } }"
CHANGES = "{ changes(first: 1000) { nodes { entityType changedPaths { path old new } } } }"
FILTERED = "query ($filter: ProductFilter) { products(filter: $filter) { nodes { id } } }"


@pytest.fixture(scope="module")
def hub(module_server: Server) -> Server:
    opened(module_server.database)
    return module_server


def order(hub: Server, number: str) -> None:
    row = {
        "number": number,
        "channel": {"key": "web"},
        "email": PERSONAL[0],
        "shipping_address": {"city": PERSONAL[1], "country": "DE"},
        "lines": [{"name": "Shirt", "quantity": 1, "unit_price": "5"}],
    }
    assert written(hub.database, "order", row)[0].outcome == "created"


def token(hub: Server, *scopes: str) -> str:
    return hub.new_token(Wish(kind="app", name="app", scopes=scopes))


def orders(hub: Server, token: str) -> str:
    nodes = hub.data(CHANGES, token=token)["changes"]["nodes"]
    return json.dumps([node for node in nodes if node["entityType"] == "order"])


def test_the_feed_shows_personal_data_of_orders_with_its_scope_only(hub: Server) -> None:
    order(hub, "feed-1")
    plain = token(hub, "feed:read", "orders:read")
    wait_until(lambda: "feed-1" in orders(hub, plain))
    assert not [each for each in PERSONAL if each in orders(hub, plain)]
    full = orders(hub, token(hub, "feed:read", "orders:read", "customers:read"))
    assert [each for each in PERSONAL if each in full] == list(PERSONAL)


def test_a_delivery_shows_personal_data_of_orders_with_its_scope_only(hub: Server) -> None:
    scopes = ("webhooks:read", "webhooks:write", "orders:read")
    with receiving() as receiver:
        for path, more in (("plain", ()), ("full", ("customers:read",))):
            given = {"url": f"{receiver.url}/{path}", "eventTypes": ["order.*"]}
            made = hub.data(CREATE, {"input": given}, token=token(hub, *scopes, *more))
            receiver.tell(secret=made["webhookEndpointCreate"]["secret"])
        order(hub, "hook-1")
        wait_until(lambda: len({each.path for each in receiver.log()}) == 2)
        bodies = {each.path: each.raw for each in receiver.log()}
    shown = {path: [each for each in PERSONAL if each in body.decode()] for path, body in bodies.items()}
    assert shown == {"/plain": [], "/full": list(PERSONAL)}


def wide(levels: int, breadth: int) -> dict[str, Any]:
    held: dict[str, Any] = {"slug": {"eq": "a"}}
    for _ in range(levels):
        held = {"or": [held] * breadth}
    return held


def test_a_filter_has_only_so_many_conditions(hub: Server) -> None:
    started = time.monotonic()
    answer = hub.graphql(FILTERED, {"filter": wide(3, 20)})
    assert [each["extensions"]["code"] for each in answer["errors"]] == ["LIMIT"]
    assert "conditions" in answer["errors"][0]["message"]
    assert time.monotonic() - started < 20
    assert not hub.graphql(FILTERED, {"filter": wide(2, 10)}).get("errors")


def test_who_only_reads_sends_no_large_request(hub: Server) -> None:
    reader = hub.new_token(Wish(kind="storefront", name="shop", channels=["web"]))
    variables = {"unused": "x" * LARGEST_QUESTION}
    assert hub.graphql("{ __typename }", variables, token=reader)["errors"][0]["extensions"] == {
        "code": "TOO_LARGE"
    }
    assert not hub.graphql("{ __typename }", variables).get("errors")


NESTED = """query ($n: Int = 100) { products(first: $n) { nodes { variants(first: $n) { nodes { product {
    variants(first: $n) { nodes { product { variants(first: $n) { nodes { id } } } } } } } } } } }"""
SPREAD = """{ products(first: 100) { ...P } } fragment P on ProductConnection { nodes { variants { ...V } } }
    fragment V on VariantConnection { nodes { product { variants { ...W } } } }
    fragment W on VariantConnection { ... on VariantConnection { nodes { id } } }"""


@pytest.mark.parametrize("variables", [{"n": 100}, {"n": 100.0}, {}], ids=["given", "as a float", "default"])
def test_a_page_costs_the_same_however_its_size_is_said(hub: Server, variables: dict[str, Any]) -> None:
    answer = hub.graphql(NESTED, variables)
    assert "smaller pages" in answer["errors"][0]["message"]


def test_a_page_in_a_fragment_costs_what_it_costs_without(hub: Server) -> None:
    plain = (
        "{ products(first: 100) { nodes { variants { nodes { product { variants { nodes { id } } } } } } } }"
    )
    asked = [hub.graphql(text)["extensions"]["cost"]["requested"] for text in (plain, SPREAD)]
    assert asked[0] == asked[1]


@pytest.mark.parametrize("noun", ["price_found", "external_id"])
def test_what_has_no_id_is_no_node(hub: Server, noun: str) -> None:
    answer = hub.graphql("query ($id: ID!) { node(id: $id) { id } }", {"id": ids.encode(noun, 1)})
    assert [each["extensions"]["code"] for each in answer["errors"]] == ["INVALID"]


@pytest.mark.parametrize(
    "text",
    [
        "mutation ($id: ID!) { productDelete(id: $id) { userErrors { code } } }",
        "query ($id: ID!) { product(id: $id) { id } }",
    ],
)
def test_an_id_beyond_what_the_database_counts_is_no_id(hub: Server, text: str) -> None:
    answer = hub.graphql(text, {"id": ids.encode("product", 2**63)})
    assert "INTERNAL" not in json.dumps(answer)
    assert "INVALID" in json.dumps(answer)


def test_staff_may_make_a_token_that_previews(hub: Server) -> None:
    text = """mutation { tokenCreate(input: {kind: STOREFRONT, name: "preview", channels: ["web"],
        scopes: ["catalogue:read", "catalogue:preview"]}) { token userErrors { code } } }"""
    made = hub.data(text)["tokenCreate"]
    assert made["userErrors"] == []
    moment = '{ products(channel: "web", asOf: "2030-01-01T00:00:00Z") { nodes { id } } }'
    assert not hub.graphql(moment, token=made["token"]).get("errors")
