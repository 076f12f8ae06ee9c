"""Webhook endpoints as their users set them up: what they may ask for, what is refused, and what they then hear."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from itertools import count
from typing import Any

import jsonschema
import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.db import HUB, Database
from hub.token import Wish
from schema import event_schema, events
from tests.hooking import Endpoint, create, last, listening, quiet, received, registered
from tests.receiving import receiving
from tests.running import Server, make_settings, serving, wait_until
from tests.shop import LONGER, all_rows, opened, shirt, written
from webhooks import event, filter, filter_sql  # noqa: A004 - the noun

numbers = count(1)
MINE = "https://erp.example.com/hooks"

PREVIEW = """query ($endpoint: ID, $document: String, $type: String!, $entity: ID!, $filter: WebhookFilter, $channel: String) {
    webhookPreview(endpointId: $endpoint, document: $document, eventType: $type, entityId: $entity, filter: $filter,
        channel: $channel) { body size passes cost objects userErrors { field code message } } }"""
CATEGORY = """mutation ($input: CategoryInput!) { categoryCreate(input: $input) {
    category { id version } userErrors { code message } } }"""
CUSTOMER = """mutation ($input: CustomerInput!) { customerCreate(input: $input) {
    customer { id } userErrors { code message } } }"""
VERIFY = "mutation ($id: ID!) { webhookVerify(id: $id) { webhookEndpoint { status } userErrors { field code message } } }"


@pytest.fixture(scope="module")
def hub(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A hub with a shop whose one product has two shirts, sold in a channel by one of two price lists."""
    database = Database(module_database_url)
    opened(database)
    prices = [
        {"price_list": {"key": "retail"}, "amount": "18.90"},
        {"price_list": {"key": "club"}, "amount": "16.90"},
    ]
    first, second = shirt()["variants"]
    first |= {"prices": prices, "identifiers": [{"type": "gtin", "value": "4006381333931"}]}
    made = written(
        database,
        "product",
        shirt(
            variants=[first, second],
            listings=[{"channel": {"key": "web"}}],
            categories=[{"category": {"key": "shirts"}}],
        ),
    )
    assert made[0].outcome == "created", made
    database.close()
    with serving(make_settings(module_database_url, tmp_path_factory.mktemp("var"))) as server:
        yield server


def category(hub: Server, code: str | None = None, token: str | None = None) -> str:
    """A new category's id."""
    wanted = {"input": {"code": code or f"c{next(numbers)}"}}
    answer = hub.data(CATEGORY, wanted, token=token)["categoryCreate"]
    assert answer["userErrors"] == []
    return str(answer["category"]["id"])


def shirt_id(hub: Server) -> str:
    return str(hub.data('{ product(slug: "shirt-1") { id } }')["product"]["id"])


def preview(hub: Server, **asked: Any) -> Any:
    return hub.data(PREVIEW, asked)["webhookPreview"]


# Settings.


def test_every_setting_is_kept_and_shown(hub: Server) -> None:
    wanted: dict[str, Any] = {
        "url": MINE,
        "description": "Our ERP",
        "eventTypes": ["product.*", "price.changed"],
        "channel": "web",
        "document": "query ($id: ID!) { product(id: $id) { slug } }",
        "thin": False,
        "filter": {"path": "/data/product/slug", "startsWith": "shirt"},
        "ignoreSources": ["erp"],
        "signing": "BOTH",
        "timeout": 7,
        "rate": 2.5,
        "inFlight": 3,
        "ordered": False,
        "verify": True,
    }
    answer = create(hub, **wanted, headers=[{"name": "X-Api-Key", "value": "s3cret"}])
    assert answer["userErrors"] == []
    endpoint = Endpoint(hub, answer["webhookEndpoint"]["id"], answer["secret"])
    shown = endpoint.now()
    assert {name: shown[name] for name in wanted} == wanted
    assert shown["headerNames"] == ["x-api-key"]
    assert shown["publicKeys"] == [answer["publicKey"]]
    assert answer["publicKey"].startswith("whpk_")
    assert (shown["status"], shown["verifiedAt"]) == ("UNVERIFIED", None)
    assert endpoint.update(rate=None, filter=None, ignoreSources=None, headers=None, verify=False) == []
    shown = endpoint.now()
    assert [shown[name] for name in ("rate", "filter", "ignoreSources", "headerNames")] == [
        None,
        None,
        None,
        [],
    ]
    # Its challenge may have found nobody listening by now.
    assert shown["status"] in ("ACTIVE", "FAILING")


BAD: list[tuple[dict[str, Any], list[str], str, str]] = [
    ({"url": "http://10.0.0.1/"}, ["url"], "INVALID", "10.0.0.1"),
    ({"url": "nonsense"}, ["url"], "INVALID", "nonsense"),
    ({"url": "https://xn--a/"}, ["url"], "INVALID", "xn--a"),
    ({"description": "a\0b"}, ["description"], "INVALID", "U+0000"),
    ({"ignoreSources": ["a\0b"]}, ["ignoreSources", "0"], "INVALID", "name"),
    ({"filter": {"path": "/sequence", "gt": 10**30}}, ["filter", "gt"], "LIMIT", "64 bits"),
    ({"filter": {"path": "/sequence", "gt": "1e999999999"}}, ["filter", "gt"], "INVALID", "1e999999999"),
    ({"eventTypes": ["prodct.updated"]}, ["eventTypes", "0"], "INVALID", "the nearest is product.updated"),
    ({"eventTypes": ["price.changed", "order.shipped"]}, ["eventTypes", "1"], "INVALID", "order.shipped"),
    ({"rate": 0}, ["rate"], "INVALID", "0.01 to 1000"),
    ({"rate": 1e9}, ["rate"], "INVALID", "0.01 to 1000"),
    ({"timeout": 31}, ["timeout"], "INVALID", "1 to 30"),
    ({"inFlight": 0}, ["inFlight"], "INVALID", "1 to 256"),
    ({"description": "x" * 1001}, ["description"], "LIMIT", "1001"),
    ({"ignoreSources": [" "]}, ["ignoreSources", "0"], "INVALID", "name"),
    ({"ignoreSources": ["s"] * 51}, ["ignoreSources"], "LIMIT", "51"),
    ({"startAfter": "nonsense"}, ["startAfter"], "INVALID", "nonsense"),
    ({"headers": [{"name": "Host", "value": "x"}]}, ["headers", "0", "name"], "INVALID", '"host"'),
    (
        {"headers": [{"name": "Content-Length", "value": "1"}]},
        ["headers", "0", "name"],
        "INVALID",
        "content-length",
    ),
    ({"headers": [{"name": "webhook-id", "value": "x"}]}, ["headers", "0", "name"], "INVALID", "webhook-id"),
    ({"headers": [{"name": "Connection", "value": "x"}]}, ["headers", "0", "name"], "INVALID", "connection"),
    ({"headers": [{"name": "a b", "value": "x"}]}, ["headers", "0", "name"], "INVALID", "a b"),
    (
        {"headers": [{"name": "x", "value": "a\r\nhost: b"}]},
        ["headers", "0", "value"],
        "INVALID",
        "line feed",
    ),
    ({"headers": [{"name": "x"}]}, ["headers", "0", "value"], "REQUIRED", '"x"'),
    (
        {"headers": [{"name": "x", "value": "1"}, {"name": "X", "value": "2"}]},
        ["headers", "1", "name"],
        "DUPLICATE",
        '"x"',
    ),
    ({"headers": [{"name": f"x{n}", "value": "1"} for n in range(21)]}, ["headers"], "LIMIT", "21"),
    (
        {"thin": True, "document": "query ($id: ID!) { product(id: $id) { slug } }"},
        ["thin"],
        "INVALID",
        "document",
    ),
    ({"document": "nonsense"}, ["document"], "INVALID", "nonsense"),
    ({"document": "query ($id: ID!) { product(id: $id) { slag } }"}, ["document"], "INVALID", "slag"),
    (
        {
            "document": "query ($id: ID!) { category(id: $id) { products(first: 100) { nodes { categories(first: 100)"
            " { nodes { products(first: 100) { nodes { categories(first: 100) { nodes { code } } } } } } } } } }"
        },
        ["document"],
        "INVALID",
        "take smaller pages",
    ),
]


@pytest.mark.parametrize(("given", "field", "code", "says"), BAD)
def test_what_no_endpoint_can_have_is_refused_and_nothing_is_saved(
    hub: Server, given: Any, field: list[str], code: str, says: str
) -> None:
    before = hub.data("{ webhookEndpoints { id } }")
    answer = create(hub, **{"url": MINE, **given})
    assert [(each["field"], each["code"]) for each in answer["userErrors"]] == [(["input", *field], code)]
    message = answer["userErrors"][0]["message"]
    assert message.endswith((".", "?"))
    assert says in message
    assert (answer["webhookEndpoint"], answer["secret"], answer["publicKey"]) == (None, None, None)
    assert hub.data("{ webhookEndpoints { id } }") == before
    with registered(hub, MINE) as endpoint:
        stands = endpoint.now()
        assert endpoint.update(**{"description": "half", **given}) != []
        assert endpoint.now() == stands


def test_document_that_selects_what_its_token_may_not_see_is_refused_with_the_path(hub: Server) -> None:
    scopes = ["webhooks:read", "webhooks:write", "orders:read", "catalogue:read"]
    token = hub.new_token(Wish(kind="app", name="narrow", scopes=scopes))
    for document, path, scope in (
        ("query ($id: ID!) { order(id: $id) { number email } }", "order.email", "customers:read"),
        ("query ($id: ID!) { order(id: $id) { who: customer { id } } }", "order.who", "customers:read"),
        (
            "query ($id: ID!) { product(id: $id) { variants { nodes { ...V } } } } fragment V on Variant { stockLevels { onHand } }",
            "…V.stockLevels",
            "stock:read",
        ),
        ("query ($id: ID!) { node(id: $id) { ... on StockLevel { onHand } } }", "node", "stock:read"),
        ("query ($id: ID!) { customer(id: $id) { id } }", "", "customers:read"),
    ):
        refused = create(hub, token, url=MINE, document=document)["userErrors"]
        assert [(each["field"], each["code"]) for each in refused] == [(["input", "document"], "FORBIDDEN")]
        assert scope in refused[0]["message"]
        assert path in refused[0]["message"]


def test_foreign_and_unknown_endpoints_are_out_of_reach(hub: Server) -> None:
    narrow = hub.new_token(
        Wish(kind="app", name="n", scopes=["webhooks:read", "webhooks:write", "stock:read"])
    )
    change = 'mutation ($id: ID!) { webhookEndpointUpdate(id: $id, input: { url: "https://me.example.com" }) { userErrors { field code } } }'
    with registered(hub, MINE) as endpoint:
        for id_, code in ((endpoint.id, "FORBIDDEN"), (unknown(), "NOT_FOUND")):
            answer = hub.data(change, {"id": id_}, token=narrow)["webhookEndpointUpdate"]
            assert answer["userErrors"] == [{"field": ["input", "id"], "code": code}]
            answer = hub.data(VERIFY, {"id": id_}, token=narrow)["webhookVerify"]
            assert [each["code"] for each in answer["userErrors"]] == [code]
        assert endpoint.now()["url"] == MINE


def unknown(noun: str = "webhook_endpoint") -> str:
    from hub import ids

    return ids.encode(noun, 999_999_999)


def test_bulk_pause_and_enable_take_all_or_none(hub: Server) -> None:
    command = """mutation ($ids: [ID!]!) { webhookEndpointBulk%s(ids: $ids) {
        webhookEndpoints { id status } userErrors { field code message } } }"""
    with registered(hub, MINE) as one, registered(hub, MINE) as other:
        refused = hub.data(command % "Pause", {"ids": [one.id, unknown()]})["webhookEndpointBulkPause"]
        assert [(each["field"], each["code"]) for each in refused["userErrors"]] == [
            (["ids", "1"], "NOT_FOUND")
        ]
        assert one.now()["status"] == "ACTIVE"
        paused = hub.data(command % "Pause", {"ids": [one.id, other.id]})["webhookEndpointBulkPause"]
        assert [each["status"] for each in paused["webhookEndpoints"]] == ["PAUSED", "PAUSED"]
        assert "Paused by" in one.now()["disabledReason"]
        found = hub.data("{ webhookEndpoints(status: [PAUSED]) { id } }")["webhookEndpoints"]
        assert [each["id"] for each in found] == [one.id, other.id]
        enabled = hub.data(command % "Enable", {"ids": [one.id, other.id]})["webhookEndpointBulkEnable"]
        assert [each["status"] for each in enabled["webhookEndpoints"]] == ["ACTIVE", "ACTIVE"]


# Sending.


def test_headers_are_sent_sealed_and_kept_by_name(hub: Server) -> None:
    own = [{"name": "X-Api-Key", "value": "s3cret-käse"}, {"name": "x-tenant", "value": "north"}]
    with listening(hub, headers=own, eventTypes=["category.*"]) as (endpoint, receiver):
        category(hub)
        sent = received(receiver, 1)[0].sent
        assert (sent["x-api-key"], sent["x-tenant"]) == ("s3cret-käse".encode().decode("latin-1"), "north")
        stored = all_rows(hub.database, "SELECT headers FROM webhook_endpoint WHERE headers IS NOT NULL")
        assert stored
        assert not any(b"s3cret" in bytes(row[0]) for row in stored)
        assert endpoint.update(headers=[{"name": "x-api-key"}]) == []
        category(hub)
        sent = received(receiver, 2)[1].sent
        assert "x-tenant" not in sent
        assert sent["x-api-key"].startswith("s3cret")
        wait_until(lambda: all(each["attempts"] for each in endpoint.deliveries()))
        shown = json.dumps(endpoint.deliveries())
        assert "s3cret" not in shown
        headers = {
            each["name"]: each["value"]
            for each in endpoint.deliveries()[0]["attempts"][0]["request"]["headers"]
        }
        assert headers["x-api-key"] == "***"
        assert headers["webhook-id"] == endpoint.deliveries()[0]["messageId"]


def test_public_key_verifies_while_nothing_secret_is_shared(hub: Server) -> None:
    with (
        receiving() as receiver,
        registered(hub, receiver.url, signing="V1A", eventTypes=["category.*"]) as endpoint,
    ):
        assert endpoint.secret is None
        receiver.tell(secret="whsec_" + base64.b64encode(b"0" * 32).decode())
        category(hub)
        got = received(receiver, 1)[0]
        assert endpoint.public_key is not None
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(endpoint.public_key.removeprefix("whpk_")))
        kind, _, signature = got.signature.partition(",")
        assert kind == "v1a"
        key.verify(base64.b64decode(signature), f"{got.id}.{got.timestamp}.".encode() + got.raw)
        made = hub.data(
            "mutation ($id: ID!) { webhookSecretRotate(id: $id) { secret publicKey } }", {"id": endpoint.id}
        )["webhookSecretRotate"]
        assert made["secret"] is None
        assert endpoint.now()["publicKeys"] == [made["publicKey"], endpoint.public_key]


def test_a_system_does_not_hear_its_own_echo(hub: Server) -> None:
    def system(name: str) -> str:
        scopes = ["catalogue:read", "catalogue:write"]
        return hub.new_token(Wish(kind="app", name=name, system=name, scopes=scopes))

    with listening(hub, ignoreSources=["echo-erp"], eventTypes=["category.*"]) as (endpoint, receiver):
        category(hub, token=system("echo-erp"))
        heard = category(hub, token=system("echo-pim"))
        quiet(endpoint, last(hub))
        bodies = [each.body for each in receiver.log()]
    assert [(body["entity"]["id"], body["source"]) for body in bodies] == [(heard, "echo-pim")]


def test_an_endpoint_can_start_where_a_snapshot_ended(hub: Server) -> None:
    cursor = hub.data("{ changes(first: 1000) { pageInfo { endCursor } } }")["changes"]["pageInfo"][
        "endCursor"
    ]
    made = [category(hub) for _ in range(3)]
    with listening(hub, startAfter=cursor, eventTypes=["category.*"]) as (endpoint, receiver):
        quiet(endpoint, last(hub))
        assert {each.body["entity"]["id"] for each in receiver.log()} == set(made)
        refused = endpoint.update(startAfter=cursor)
        assert [(each["field"], each["code"]) for each in refused] == [(["input", "startAfter"], "INVALID")]


def test_unordered_endpoints_do_not_wait_for_one_that_fails(hub: Server) -> None:
    with listening(hub, ordered=False, eventTypes=["category.*"]) as (endpoint, receiver):
        receiver.tell(poison='"version":1}')
        made = category(hub, "unordered")
        with hub.database.engine.begin() as tx:
            tx.execute(sa.text("UPDATE category SET position = 7 WHERE code = 'unordered'"))
        wait_until(lambda: [each.status for each in receiver.log()].count(204) == 1)
        assert [each.body["entity"]["version"] for each in receiver.log() if each.status == 204] == [2]
        assert endpoint.update(ordered=True) == []
        receiver.tell(poison="\0")
        endpoint.update(enabled=True)
        quiet(endpoint)
        assert {each.body["entity"]["id"] for each in receiver.log()} == {made}


# The handshake.


@pytest.mark.parametrize("form", ["json", "text"])
def test_nothing_is_told_before_the_challenge_is_echoed(hub: Server, form: str) -> None:
    with listening(hub, verify=True, eventTypes=["category.*"]) as (endpoint, receiver):
        made = category(hub)
        wait_until(lambda: bool(endpoint.deliveries() and endpoint.deliveries()[0]["attempts"]))
        first = endpoint.deliveries()
        assert [(each["type"], each["purpose"]) for each in first] == [
            ("webhook.verification", "VERIFICATION")
        ]
        attempt = first[0]["attempts"][0]
        assert (attempt["outcome"], attempt["status"]) == ("REFUSED", 204)
        assert "challenge" in attempt["error"]
        assert endpoint.now()["status"] == "UNVERIFIED"
        refused = hub.data(TEST, {"id": endpoint.id, "type": "webhook.test"})["webhookTest"]["userErrors"]
        assert "webhookVerify" in refused[0]["message"]
        receiver.tell(echo=form)
        assert hub.data(VERIFY, {"id": endpoint.id})["webhookVerify"]["userErrors"] == []
        wait_until(lambda: endpoint.now()["status"] == "ACTIVE")
        receiver.tell(echo=None)
        quiet(endpoint, last(hub))
        log = receiver.log()
        assert all(each.verified for each in log)
        assert {each.body["type"] for each in log[:-1]} == {"webhook.verification"}
        assert log[-1].body["entity"]["id"] == made
        moved = f"{receiver.url}/moved"
        assert endpoint.update(url=moved) == []
        assert endpoint.now()["status"] == "UNVERIFIED"


def test_an_answer_to_an_earlier_challenge_opens_no_other_address(hub: Server) -> None:
    with (
        receiving() as stranger,
        listening(hub, verify=True, eventTypes=["category.*"]) as (endpoint, receiver),
    ):
        receiver.tell(echo="json", delay=2)
        received(receiver, 1)
        stranger.tell(secret=endpoint.secret)
        assert endpoint.update(url=f"{stranger.url}/hooks") == []
        category(hub)
        wait_until(lambda: len(endpoint.deliveries()) == 1 and bool(endpoint.deliveries()[0]["attempts"]))
        time.sleep(2.5)
        assert endpoint.now()["status"] == "UNVERIFIED"
        assert {each.body["type"] for each in stranger.log()} == {"webhook.verification"}


def test_what_was_taken_for_one_address_does_not_go_to_an_unverified_one(hub: Server) -> None:
    with (
        receiving() as stranger,
        listening(hub, verify=True, rate=1, inFlight=4, eventTypes=["category.*"]) as (endpoint, receiver),
    ):
        receiver.tell(echo="json")
        wait_until(lambda: endpoint.now()["status"] == "ACTIVE")
        for _ in range(6):
            category(hub)
        wait_until(lambda: len(receiver.log()) > 1)
        stranger.tell(secret=endpoint.secret)
        assert endpoint.update(url=f"{stranger.url}/hooks") == []
        time.sleep(3)
        assert {each.body["type"] for each in stranger.log()} == {"webhook.verification"}


def test_who_asks_for_no_handshake_is_not_challenged(hub: Server) -> None:
    with registered(hub, MINE) as endpoint:
        answer = hub.data(VERIFY, {"id": endpoint.id})["webhookVerify"]
        assert [each["code"] for each in answer["userErrors"]] == ["INVALID"]


def test_dry_run_tells_nothing_of_what_the_token_may_not_see(hub: Server) -> None:
    made = str(
        hub.data(CUSTOMER, {"input": {"email": "ada@example.com"}})["customerCreate"]["customer"]["id"]
    )
    last(hub)
    narrow = hub.new_token(Wish(kind="app", name="narrow", scopes=["webhooks:read", "catalogue:read"]))
    asked = {"type": "customer.created", "entity": made}
    answer = hub.data(PREVIEW, asked, token=narrow)["webhookPreview"]
    assert answer["body"] is None
    assert answer["userErrors"][0]["field"] == ["eventType"]
    assert "may not see customer" in answer["userErrors"][0]["message"]


def test_dry_run_tells_nothing_of_what_other_channels_sell(hub: Server) -> None:
    with hub.database.write(HUB) as tx:
        tx.execute(
            sa.text("INSERT INTO channel (code, currency, order_prefix) VALUES ('elsewhere', 'EUR', 'ELSE-')")
        )
    bound = hub.new_token(
        Wish(kind="app", name="bound", scopes=["webhooks:read", "catalogue:read"], channels=["elsewhere"])
    )
    answer = hub.data(PREVIEW, {"type": "price.changed", "entity": shirt_id(hub)}, token=bound)[
        "webhookPreview"
    ]
    assert answer["body"] is None
    assert [each["code"] for each in answer["userErrors"]] == ["NOT_FOUND"]


TEST = """mutation ($id: ID!, $type: String!, $entity: ID) { webhookTest(id: $id, type: $type, entityId: $entity) {
    count userErrors { field code message } } }"""


# Bodies.


def test_default_document_shows_the_whole_object_and_fits_the_published_schema(hub: Server) -> None:
    with listening(hub, channel="web", eventTypes=["product.*"]) as (_, receiver):
        with hub.database.engine.begin() as tx:
            tx.execute(
                sa.text("UPDATE product SET name = name || '{\"en\": \"Tee\"}' WHERE slug = 'shirt-1'")
            )
        body = received(receiver, 1)[0].body
    product = body["data"]["product"]
    red = product["variants"]["nodes"][0]
    assert list(body) == ["type", "events", "timestamp", "sequence", "entity", "changed", "source", "data"]
    assert (product["slug"], product["type"]["code"], product["version"]) == (
        "shirt-1",
        "shirt",
        body["entity"]["version"],
    )
    assert (product["name"], product["listed"]) == ("Hemd", True)
    assert [each["code"] for each in product["categories"]["nodes"]] == ["shirts"]
    assert [each["value"] for each in red["identifiers"]] == ["04006381333931"]
    assert red["price"]["amount"] == "16.90"
    assert [each["value"] for each in red["axes"]] == ["red"]
    for name in body["events"]:
        schema = hub.get(f"/schema/events/{name}.json")[1]
        jsonschema.Draft202012Validator(json.loads(schema)).validate(body)


def test_without_a_channel_every_price_and_listing_is_shown(hub: Server) -> None:
    body = json.loads(preview(hub, type="product.updated", entity=shirt_id(hub))["body"])
    red = body["data"]["product"]["variants"]["nodes"][0]
    assert sorted(each["amount"] for each in red["prices"]) == ["16.90", "18.90"]
    assert [each["channel"]["code"] for each in body["data"]["product"]["listings"]] == ["web"]


def test_thin_bodies_have_no_data(hub: Server) -> None:
    with listening(hub, thin=True, eventTypes=["category.*"]) as (_, receiver):
        category(hub)
        assert received(receiver, 1)[0].body["data"] is None


def test_every_noun_has_a_default_document_and_a_schema_that_its_bodies_keep(hub: Server) -> None:
    rows = all_rows(
        hub.database,
        "SELECT DISTINCT ON (aggregate) aggregate, aggregate_id, type FROM feed ORDER BY 1, sequence DESC",
    )
    assert {"product", "category", "channel", "price_list", "attribute", "company"} <= {
        row[0] for row in rows
    }
    from hub import ids

    for aggregate, number, type_ in rows:
        found = preview(hub, type=type_, entity=ids.encode(aggregate, number))
        assert found["userErrors"] == []
        body = json.loads(found["body"])
        assert body["data"] is not None
        jsonschema.Draft202012Validator(event_schema.of(event.one(type_))).validate(body)
        assert found["size"] == len(found["body"].encode())


def test_published_schemas_are_those_of_the_code_and_their_examples_fit(hub: Server) -> None:
    status, text = hub.get("/schema/events.json")
    assert status == 200
    assert text == events()
    whole = json.loads(text)
    asked = hub.data("{ webhookEventTypes { name description schema example } }")["webhookEventTypes"]
    assert [each["name"] for each in asked] == list(whole["events"])
    for each in asked:
        jsonschema.Draft202012Validator.check_schema(each["schema"])
        jsonschema.Draft202012Validator(each["schema"]).validate(each["example"])
        assert each["description"].endswith(".")
        referring = {**whole["events"][each["name"]]["schema"], "$defs": whole["$defs"]}
        jsonschema.Draft202012Validator(referring).validate(each["example"])
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(asked[0]["schema"]).validate({**asked[0]["example"], "sequence": "1"})
    assert hub.get("/schema/events/order.shipped.json")[0] == 404


def test_schema_of_an_own_document_is_that_of_its_answer(hub: Server) -> None:
    document = "query ($id: ID!) { product(id: $id) { title: name ... on Node { id } variants { nodes { price { amount } } } } }"
    with listening(hub, document=document, channel="web", eventTypes=["product.*"]) as (endpoint, receiver):
        with hub.database.engine.begin() as tx:
            tx.execute(
                sa.text("UPDATE product SET name = name || '{\"en\": \"Top\"}' WHERE slug = 'shirt-1'")
            )
        body = received(receiver, 1)[0].body
        broken = {**body, "data": {"product": {**body["data"]["product"], "title": 7}}}
        with pytest.raises(jsonschema.ValidationError):
            endpoint.judge([broken])


def test_an_endpoint_of_a_channel_is_shown_that_channels_prices_alone(hub: Server) -> None:
    written(hub.database, "price_list", {"code": "secret", "currency": "EUR"})
    wanted = shirt()
    wanted["variants"][1]["prices"] = [
        {"price_list": {"key": "secret"}, "amount": "1.00"},
        {"price_list": {"key": "retail"}, "amount": "19.00"},
    ]
    with listening(hub, channel="web", eventTypes=["price.changed"]) as (endpoint, receiver):
        written(hub.database, "product", wanted)
        changed = received(receiver, 1)[0].body["changed"]
        quiet(endpoint, last(hub))
        assert len(receiver.log()) == 1
    assert [each["new"]["amount"] for each in changed if each["path"].startswith("/prices/")] == ["19"]


# Tests and dry runs.


def test_a_test_of_any_event_has_a_body_that_its_schema_allows(hub: Server) -> None:
    with listening(hub, eventTypes=["order.*", "product.*"]) as (_, receiver):
        for type_ in ("order.placed", "product.deleted"):
            answer = hub.data(TEST, {"id": _.id, "type": type_})["webhookTest"]
            assert (answer["count"], answer["userErrors"]) == (1, [])
        hub.data(TEST, {"id": _.id, "type": "product.updated", "entity": shirt_id(hub)})
        bodies = {each.body["events"][-1]: each.body for each in received(receiver, 3)}
    assert {body["purpose"] for body in bodies.values()} == {"test"}
    assert bodies["order.placed"]["data"]["order"]["lines"][0]["sku"]
    assert bodies["product.deleted"]["data"] is None
    assert bodies["product.updated"]["data"]["product"]["slug"] == "shirt-1"


@pytest.mark.parametrize(
    ("asked", "field", "code"),
    [
        ({"type": "order.shipped"}, ["type"], "INVALID"),
        ({"type": "product.updated", "entity": "nonsense"}, ["entityId"], "INVALID"),
        ({"type": "product.updated", "entity": unknown("category")}, ["entityId"], "INVALID"),
        ({"type": "product.updated", "entity": unknown("product")}, ["entityId"], "NOT_FOUND"),
    ],
)
def test_a_test_that_cannot_be_is_refused(hub: Server, asked: Any, field: list[str], code: str) -> None:
    with registered(hub, MINE) as endpoint:
        answer = hub.data(TEST, {"id": endpoint.id, **asked})["webhookTest"]
        assert [(each["field"], each["code"]) for each in answer["userErrors"]] == [(field, code)]
        assert endpoint.deliveries() == []


def test_a_preview_is_the_very_body_that_is_sent(hub: Server) -> None:
    document = "query ($id: ID!) { product(id: $id) { name variants { nodes { sku price { amount } } } } }"
    wanted = {"path": "/data/product/variants/nodes/*/price/amount", "gt": 16}
    with listening(hub, channel="web", document=document, filter=wanted, eventTypes=["product.*"]) as (
        endpoint,
        receiver,
    ):
        with hub.database.engine.begin() as tx:
            tx.execute(
                sa.text("UPDATE product SET name = name || '{\"en\": \"Chemise\"}' WHERE slug = 'shirt-1'")
            )
        sent = received(receiver, 1)[0]
        quiet(endpoint, last(hub))
        before = len(endpoint.deliveries())
        found = preview(hub, endpoint=endpoint.id, type="product.updated", entity=shirt_id(hub))
        assert (found["body"].encode(), found["passes"], found["userErrors"]) == (sent.raw, True, [])
        assert (found["cost"], found["objects"]) == (42, 6)
        other = preview(
            hub,
            endpoint=endpoint.id,
            type="product.updated",
            entity=shirt_id(hub),
            filter={"path": "/data/product/name", "eq": "Rock"},
        )
        assert other["passes"] is False
        assert len(endpoint.deliveries()) == before
        assert len(receiver.log()) == 1


def test_a_preview_that_cannot_be_is_refused(hub: Server) -> None:
    entity = shirt_id(hub)
    for asked, field, code in (
        ({"document": "query ($id: ID!) { product(id: $id) { slag } }"}, ["document"], "INVALID"),
        ({"filter": {"path": "/data/product/slag", "eq": 1}}, ["filter", "path"], "INVALID"),
        ({"channel": "moon"}, ["channel"], "NOT_FOUND"),
        ({"endpoint": unknown()}, ["endpointId"], "NOT_FOUND"),
        ({"type": "order.placed"}, ["entityId"], "INVALID"),
        ({"entity": unknown("product")}, ["entityId"], "NOT_FOUND"),
        ({"type": "product.vanished"}, ["eventType"], "INVALID"),
    ):
        found = preview(hub, **{"type": "product.updated", "entity": entity, **asked})
        assert [(each["field"], each["code"]) for each in found["userErrors"]] == [(field, code)], asked
        assert found["body"] is None


# Filters.

HOLDS: list[tuple[dict[str, Any], bool]] = [
    ({"path": "/source", "eq": "erp"}, True),
    ({"path": "/source", "ne": "erp"}, False),
    ({"path": "/source", "in": ["pim", "erp"]}, True),
    ({"path": "/source", "notIn": ["pim"]}, True),
    ({"path": "/entity/type", "eq": "product"}, True),
    ({"path": "/entity/version", "gte": 1}, True),
    ({"path": "/events/*", "eq": "product.created"}, True),
    ({"path": "/events/*", "eq": "product.deleted"}, False),
    ({"path": "/data/product/slug", "startsWith": "SHIRT"}, True),
    ({"path": "/data/product/slug", "contains": "ÍRT"}, True),
    ({"path": "/data/product/name", "isEmpty": True}, False),
    ({"path": "/data/product/description", "eq": None}, True),
    ({"path": "/data/product/description", "ne": None}, False),
    ({"path": "/data/product/relations", "isEmpty": True}, True),
    ({"path": "/data/product/variants/nodes/*/sku", "eq": "shirt-1-blue"}, True),
    ({"path": "/data/product/variants/nodes/0/sku", "eq": "shirt-1-blue"}, False),
    ({"path": "/data/product/variants/nodes/*/identifiers/*/value", "in": ["04006381333931"]}, True),
    ({"path": "/data/product/variants/nodes/*/identifiers/*/type", "eq": "GTIN"}, True),
    ({"path": "/data/product/variants/nodes/*/prices/*/amount", "lt": 17}, True),
    ({"path": "/data/product/variants/nodes/*/prices/*/amount", "eq": "18.9"}, True),
    ({"path": "/data/product/variants/nodes/*/prices/*/amount", "gt": "100"}, False),
    ({"path": "/data/product/createdAt", "gt": "2020-01-01T00:00:00+02:00"}, True),
    ({"path": "/data/product/createdAt", "lt": "2020-01-01T00:00:00Z"}, False),
    ({"path": "/changed/*/path", "startsWith": "/slug"}, True),
    (
        {
            "path": "/changed",
            "some": {"path": "/path", "eq": "/slug", "and": [{"path": "/new", "eq": "shirt-1"}]},
        },
        True,
    ),
    (
        {
            "path": "/changed",
            "some": {"and": [{"path": "/path", "eq": "/slug"}, {"path": "/new", "eq": "Hemd"}]},
        },
        False,
    ),
    ({"or": [{"path": "/source", "eq": "pim"}, {"not": {"path": "/source", "eq": "pim"}}]}, True),
    ({"not": {"path": "/source", "eq": "erp"}, "path": "/entity/type", "eq": "product"}, False),
]


def test_filters_hold_where_they_should(hub: Server) -> None:
    entity = shirt_id(hub)
    for tree, holds in HOLDS:
        found = preview(hub, type="product.created", entity=entity, filter=tree)
        assert (found["userErrors"], found["passes"]) == ([], holds), tree


WRONG: list[tuple[dict[str, Any], list[str], str, str]] = [
    ({}, [], "INVALID", "/source"),
    ({"path": "/data/product/slag", "eq": "x"}, ["path"], "INVALID", "the nearest is slug"),
    ({"path": "/data/category/code", "eq": "x"}, ["path"], "INVALID", "category"),
    ({"path": "/data/product/variants/nodes/sku", "eq": "x"}, ["path"], "INVALID", "take *"),
    ({"path": "/data/product/slug/x", "eq": "x"}, ["path"], "INVALID", "nothing below"),
    ({"path": "source", "eq": "x"}, ["path"], "INVALID", "JSON Pointer"),
    ({"path": "/source"}, [], "INVALID", "nothing asked"),
    ({"eq": "x"}, [], "INVALID", "path"),
    ({"path": "/data/product/slug", "gt": 5}, ["gt"], "INVALID", "a text"),
    ({"path": "/data/product/listings/*/open", "contains": "x"}, ["contains"], "INVALID", "boolean"),
    ({"path": "/data/product/createdAt", "gt": "yesterday"}, ["gt"], "INVALID", "a moment"),
    ({"path": "/entity/version", "eq": "new"}, ["eq"], "INVALID", "whole number"),
    ({"path": "/entity/type", "eq": "order"}, ["eq"], "INVALID", "product"),
    (
        {"path": "/data/product/variants/nodes/*/identifiers/*/type", "eq": "EAN"},
        ["eq"],
        "INVALID",
        "GTIN, MPN",
    ),
    ({"path": "/source", "in": []}, ["in"], "INVALID", "1 to 200"),
    ({"path": "/source", "in": ["x"] * 201}, ["in"], "INVALID", "1 to 200"),
    ({"path": "/source", "eq": "x" * 1001}, ["eq"], "LIMIT", "1000"),
    ({"path": "/source", "some": {"path": "", "eq": "x"}}, ["some"], "INVALID", "list"),
    ({"or": []}, ["or"], "INVALID", "list of filters"),
    ({"or": [{"path": "/source", "eq": "x"}] * 51}, ["or", "50"], "LIMIT", "50 conditions"),
]


@pytest.mark.parametrize(("tree", "field", "code", "says"), WRONG)
def test_wrong_filters_are_refused_with_the_way_to_what_is_wrong(
    hub: Server, tree: Any, field: list[str], code: str, says: str
) -> None:
    refused = create(hub, url=MINE, eventTypes=["product.*"], filter=tree)["userErrors"]
    assert [(each["field"], each["code"]) for each in refused] == [(["input", "filter", *field], code)]
    assert says in refused[0]["message"]


def test_a_filter_that_goes_too_deep_is_refused(hub: Server) -> None:
    tree: dict[str, Any] = {"path": "/source", "eq": "x"}
    for _ in range(8):
        tree = {"not": tree}
    refused = create(hub, url=MINE, filter=tree)["userErrors"]
    assert [each["code"] for each in refused] == ["LIMIT"]


def test_what_a_filter_stops_is_counted_and_holds_back_nothing(hub: Server) -> None:
    wanted = {"path": "/data/category/position", "gte": 5}
    with listening(hub, filter=wanted, eventTypes=["category.*"]) as (endpoint, receiver):
        first = last(hub)
        made = category(hub, "filtered")
        for position in (3, 7, 4, 9):
            quiet(endpoint, last(hub))
            with hub.database.engine.begin() as tx:
                tx.execute(
                    sa.text("UPDATE category SET position = :p WHERE code = 'filtered'"), {"p": position}
                )
        quiet(endpoint, last(hub))
        assert [each.body["data"]["category"]["position"] for each in receiver.log()] == [7, 9]
        assert [each.body["entity"]["version"] for each in receiver.log()] == [3, 5]
        found = endpoint.deliveries(order="OLDEST")
    assert [each["state"] for each in found] == ["FILTERED", "FILTERED", "DELIVERED", "FILTERED", "DELIVERED"]
    assert [each["sequence"] for each in found] == list(range(first + 1, first + 6))
    stopped = [each for each in found if each["state"] == "FILTERED"]
    assert [(each["deliveredAt"], each["body"], each["attempts"]) for each in stopped] == [
        (None, None, [])
    ] * 3
    assert {each["entityId"] for each in found} == {made}


def test_what_the_record_alone_tells_becomes_no_delivery(hub: Server) -> None:
    with listening(hub, filter={"path": "/source", "eq": "elsewhere"}, eventTypes=["category.*"]) as (
        endpoint,
        _,
    ):
        category(hub)
        quiet(endpoint, last(hub))
        assert endpoint.deliveries() == []


LEAVES = st.one_of(
    st.builds(
        lambda op, v: {"path": "/source", op: v},
        st.sampled_from(["eq", "ne"]),
        st.sampled_from(["erp", "pim"]),
    ),
    st.builds(lambda v: {"path": "/source", "notIn": v}, st.just(["erp", "shop"])),
    st.builds(
        lambda op, v: {"path": "/entity/version", op: v},
        st.sampled_from(["eq", "ne", "lt", "lte", "gt", "gte"]),
        st.integers(1, 3),
    ),
    st.builds(lambda v: {"path": "/events/*", "in": v}, st.just(["price.changed"])),
    st.builds(lambda v: {"path": "/events/*", "ne": v}, st.just("price.changed")),
    st.builds(lambda v: {"path": "/data/product/slug", "eq": v}, st.sampled_from(["a", "b"])),
    st.builds(lambda v: {"path": "/source", "contains": v}, st.just("r")),
    st.builds(lambda v: {"path": "/source", "eq": v}, st.sampled_from([None, 5])),
)
TREES = st.recursive(
    LEAVES,
    lambda below: st.one_of(
        st.builds(lambda each: {"not": each}, below),
        st.builds(lambda each: {"and": each}, st.lists(below, min_size=1, max_size=3)),
        st.builds(lambda each: {"or": each}, st.lists(below, min_size=1, max_size=3)),
    ),
    max_leaves=8,
)


@settings(max_examples=int(150 * LONGER), deadline=None)
@given(
    tree=TREES,
    source=st.sampled_from(["erp", "pim", "shop"]),
    version=st.integers(1, 3),
    priced=st.booleans(),
    slug=st.sampled_from(["a", "b"]),
)
def test_the_fan_out_never_stops_what_the_filter_would_pass(
    hub: Server, tree: Any, source: str, version: int, priced: bool, slug: str
) -> None:
    told = ["product.updated", *(["price.changed"] if priced else [])]
    body = {
        "type": "product.updated",
        "events": told,
        "sequence": 5,
        "entity": {"type": "product", "version": version},
        "source": source,
        "data": {"product": {"slug": slug}},
    }
    condition, values = filter_sql.condition(tree)
    statement = sa.text(
        f"""SELECT {condition} FROM (SELECT CAST(:source AS text) AS source, CAST(:version AS bigint) AS version,
            'product' AS aggregate, 'product.updated' AS type, 5 AS sequence) f,
            (SELECT CAST(:told AS text[]) AS events) told"""
    )
    with hub.database.read() as tx:
        may = tx.scalar(statement, {**values, "source": source, "version": version, "told": told})
    assert may or not filter.passes(tree, body)


def test_a_channel_that_an_endpoint_reads_in_is_not_deleted(hub: Server) -> None:
    """Without its channel the endpoint would hear of all channels."""
    made = hub.data(
        'mutation { channelCreate(input: {code: "fair", currency: "EUR", locales: [{locale: {key: "en"}}]}) '
        "{ channel { id } userErrors { message } } }"
    )["channelCreate"]
    assert made["userErrors"] == []
    kept = create(hub, url=MINE, channel="fair")
    assert kept["userErrors"] == []
    asked = "mutation ($id: ID!) { channelDelete(id: $id) { userErrors { code message } } }"
    refused = hub.data(asked, {"id": made["channel"]["id"]})["channelDelete"]["userErrors"]
    assert [each["code"] for each in refused] == ["IN_USE"]
    assert "webhook" in refused[0]["message"]
