"""Webhooks end to end: a change is committed, and a receiver of its own has it, signed and in order."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from standardwebhooks import Webhook

from hub import postgres
from hub.config import Settings
from hub.db import Writer
from hub.token import Wish
from tests.receiving import Received, Receiver, receiving
from tests.running import Server, free_port, make_settings, serving, wait_until

ERP = Writer(actor="test", source="erp")
numbers = count(1)

CREATE = """mutation ($input: WebhookEndpointInput!) { webhookEndpointCreate(input: $input) {
    webhookEndpoint { id url scopes enabled } secret userErrors { field code message } } }"""
UPDATE = """mutation ($id: ID!, $input: WebhookEndpointInput!) { webhookEndpointUpdate(id: $id, input: $input) {
    webhookEndpoint { id enabled disabledReason } userErrors { field code message } } }"""
DELETE = "mutation ($id: ID!) { webhookEndpointDelete(id: $id) { deletedId userErrors { code message } } }"
ROTATE = """mutation ($id: ID!, $hours: Int!) { webhookSecretRotate(id: $id, overlapHours: $hours) {
    secret userErrors { field code message } } }"""
DELIVERIES = """query ($endpoint: ID!, $state: WebhookDeliveryState) {
    webhookDeliveries(endpoint: $endpoint, state: $state, first: 100) { nodes {
        id messageId sequence type state entityId dueAt attemptCount body
        attempts { number outcome status error response milliseconds } } } }"""
ENDPOINT = (
    "query ($id: ID!) { webhookEndpoint(id: $id) { enabled disabledReason undelivered parked sequence } }"
)
RESEND = """mutation ($ids: [ID!], $endpoint: ID, $state: WebhookDeliveryState) {
    webhookResend(ids: $ids, endpoint: $endpoint, state: $state) {
        count webhookDeliveries { state } userErrors { field code message } } }"""
CATEGORY = """mutation ($input: CategoryInput!) { categoryCreate(input: $input) {
    category { id version } userErrors { code message } } }"""
CHANGES = """query ($after: String) { changes(after: $after, first: 1000) {
    nodes { sequence type events entityType entityId entityVersion changedPaths { path old new } source occurredAt }
    pageInfo { endCursor } } }"""


@pytest.fixture(scope="module")
def hub(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(make_settings(module_database_url, tmp_path_factory.mktemp("var"))) as server:
        yield server


@dataclass(frozen=True)
class Endpoint:
    """A registered endpoint, and the hub that it is registered with."""

    hub: Server
    id: str
    secret: str

    def deliveries(self, state: str | None = None) -> list[Any]:
        """The latest first."""
        nodes: list[Any] = self.hub.data(DELIVERIES, {"endpoint": self.id, "state": state})[
            "webhookDeliveries"
        ]["nodes"]
        return nodes

    def back(self) -> None:
        """Say that its receiver is back: what waits for its next attempt is tried at once."""
        self.hub.data(UPDATE, {"id": self.id, "input": {"enabled": True}})

    def now(self) -> Any:
        """Its row."""
        return self.hub.data(ENDPOINT, {"id": self.id})["webhookEndpoint"]


@contextmanager
def registered(hub: Server, url: str, **given: Any) -> Iterator[Endpoint]:
    answer = hub.data(CREATE, {"input": {"url": url, **given}})["webhookEndpointCreate"]
    assert answer["userErrors"] == []
    made = Endpoint(hub, answer["webhookEndpoint"]["id"], answer["secret"])
    yield made
    assert hub.data(DELETE, {"id": made.id})["webhookEndpointDelete"]["userErrors"] == []


@contextmanager
def listening(hub: Server, language: str = "python", **given: Any) -> Iterator[tuple[Endpoint, Receiver]]:
    """An endpoint with its receiver."""
    with receiving(language) as receiver, registered(hub, f"{receiver.url}/hooks", **given) as endpoint:
        receiver.tell(secret=endpoint.secret)
        yield endpoint, receiver


def make_category(hub: Server, code: str | None = None) -> Any:
    given = {"code": code or f"c{next(numbers)}"}
    answer = hub.data(CATEGORY, {"input": given})["categoryCreate"]
    assert answer["userErrors"] == []
    return answer["category"]


def psql(hub: Server, statement: str) -> None:
    """Change the database as somebody at a terminal does."""
    program = shutil.which("psql")
    assert hub.settings.database_url is not None
    address = postgres.libpq(hub.settings.database_url)
    if program is None:
        import psycopg

        with psycopg.connect(address) as connection:
            connection.execute(statement.encode())
    else:
        subprocess.run([program, address, "-qc", statement], check=True, capture_output=True)


def rename(hub: Server, code: str, times: int) -> None:
    """So many transactions, each with a version of its own."""
    for number in range(times):
        with hub.database.write(ERP) as tx:
            statement = "UPDATE category SET position = position + :step WHERE code = :code"
            tx.execute(sa.text(statement), {"code": code, "step": number + 1})


def received(receiver: Receiver, number: int, seconds: float = 15) -> list[Received]:
    """The first so many requests, once they are there."""
    wait_until(lambda: len(receiver.log()) >= number, seconds)
    return receiver.log()


def delivered(receiver: Receiver) -> list[Received]:
    return [each for each in receiver.log() if each.status == 204]


def versions(log: Sequence[Received]) -> dict[str, list[int]]:
    """The versions of each object in the order in which they came."""
    found: dict[str, list[int]] = defaultdict(list)
    for each in log:
        found[each.body["entity"]["id"]].append(each.body["entity"]["version"])
    return found


def head(hub: Server) -> str | None:
    cursor: str | None = hub.data(CHANGES, {"after": None})["changes"]["pageInfo"]["endCursor"]
    return cursor


@pytest.mark.parametrize("language", ["python", "node"])
def test_mutation_and_sql_arrive_signed_in_order_and_equal_to_the_feed(hub: Server, language: str) -> None:
    with listening(hub, language) as (_, receiver):
        before = head(hub)
        code = f"walk-{language}"
        make_category(hub, code)
        psql(hub, f"UPDATE category SET position = 7, name = '{{\"de\": \"Käse\"}}' WHERE code = '{code}'")
        psql(hub, f"DELETE FROM category WHERE code = '{code}'")
        log = received(receiver, 3)
        feed = hub.data(CHANGES, {"after": before})["changes"]["nodes"]
    assert [each.verified for each in log] == [True] * 3
    assert [{**each.body, "data": None} for each in log] == [as_body(change) for change in feed]
    assert [each.body["type"] for each in log] == ["category.created", "category.updated", "category.deleted"]
    paths = {each["path"]: (each["old"], each["new"]) for each in log[1].body["changed"]}
    assert paths == {"/position": (0, 7), "/name/de": (None, "Käse")}
    assert [each.body["entity"]["version"] for each in log] == [1, 2, 3]


def as_body(change: Any) -> Any:
    """What a change of the feed looks like in a body without data."""
    return {
        "type": change["type"],
        "events": change["events"],
        "timestamp": change["occurredAt"],
        "sequence": change["sequence"],
        "entity": {
            "type": change["entityType"],
            "id": change["entityId"],
            "version": change["entityVersion"],
        },
        "changed": change["changedPaths"],
        "source": change["source"],
        "data": None,
    }


@pytest.mark.parametrize("language", ["python", "node"])
def test_receiver_refuses_what_was_tampered_with(hub: Server, language: str) -> None:
    with listening(hub, language) as (endpoint, receiver):
        make_category(hub)
        make_category(hub)
        first, second = received(receiver, 2)
        flipped = first.raw.replace(b'"category"', b'"cbtegory"', 1)
        assert flipped != first.raw
        assert receiver.post(first) == 204
        assert receiver.post(first, flipped) == 400
        assert receiver.post(first, webhook_id=second.id) == 400
        assert receiver.post(first, webhook_timestamp=str(int(first.timestamp) - 1)) == 400
        assert receiver.post(first, json.dumps(first.body).encode()) == 400
        old = datetime.now(UTC) - timedelta(seconds=301)
        signature = Webhook(endpoint.secret).sign(first.id, old, first.raw.decode())
        timestamp = str(int(old.timestamp()))
        assert receiver.post(first, webhook_timestamp=timestamp, webhook_signature=signature) == 400


def test_nothing_is_lost_while_the_receiver_is_down(hub: Server) -> None:
    port = free_port()
    with registered(hub, f"http://127.0.0.1:{port}/hooks") as endpoint:
        codes = [f"down-{number}" for number in range(3)]
        made = [make_category(hub, code)["id"] for code in codes]
        wait_until(lambda: len([each for each in endpoint.deliveries() if each["attemptCount"] > 0]) == 3)
        for code in codes:
            rename(hub, code, 2)
        wait_until(lambda: len(endpoint.deliveries("WAITING")) == 6)
        assert len(endpoint.deliveries("DUE")) == 3
        with receiving(port=port) as receiver:
            receiver.tell(secret=endpoint.secret)
            endpoint.back()
            log = received(receiver, 9)
            wait_until(lambda: endpoint.now()["undelivered"] == 0)
    assert all(each.verified for each in log)
    assert versions(log) == {id_: [1, 2, 3] for id_ in made}


def test_versions_stay_in_order_under_haste(hub: Server) -> None:
    with listening(hub) as (endpoint, receiver):
        codes = [f"haste-{number}" for number in range(4)]
        made = [make_category(hub, code)["id"] for code in codes]
        receiver.tell(delay=0.005)
        for _ in range(5):
            for code in codes:
                rename(hub, code, 10)
        log = received(receiver, 4 * 51, 30)
        wait_until(lambda: endpoint.now()["undelivered"] == 0)
    assert versions(log) == {id_: list(range(1, 52)) for id_ in made}
    assert len({each.id for each in log}) == len(log)


def test_poison_holds_back_only_its_own_object(hub: Server) -> None:
    with listening(hub) as (endpoint, receiver):
        good, bad = make_category(hub, "poison-good")["id"], make_category(hub, "poison-bad")["id"]
        received(receiver, 2)
        receiver.tell(poison=f'"{bad}"')
        rename(hub, "poison-bad", 3)
        rename(hub, "poison-good", 20)
        wait_until(lambda: len(versions(delivered(receiver)).get(good, [])) == 21)
        assert versions(delivered(receiver)) == {good: list(range(1, 22)), bad: [1]}
        assert [each["entityId"] for each in endpoint.deliveries("WAITING")] == [bad, bad]
        receiver.tell(poison="\0")
        endpoint.back()
        wait_until(lambda: endpoint.now()["undelivered"] == 0)
        log = delivered(receiver)
    assert versions(log)[bad] == [1, 2, 3, 4]


def test_repeats_have_the_same_id_and_the_same_bytes_signed_anew(hub: Server) -> None:
    with listening(hub) as (endpoint, receiver):
        receiver.tell(status=500, answer="not \0 today")
        make_category(hub)
        received(receiver, 1)
        wait_until(lambda: bool(endpoint.deliveries()[0]["attempts"]))
        attempt = endpoint.deliveries()[0]["attempts"][0]
        receiver.tell(status=204, answer="")
        first, again = received(receiver, 2)
        wait_until(lambda: endpoint.now()["undelivered"] == 0)
    assert (attempt["outcome"], attempt["status"], attempt["response"]) == (
        "REFUSED",
        500,
        "not \ufffd today",
    )
    assert (first.id, first.raw) == (again.id, again.raw)
    assert first.verified
    assert again.verified
    assert int(again.timestamp) >= int(first.timestamp) + 5
    assert first.signature != again.signature


def test_receiver_may_ask_for_time(hub: Server) -> None:
    with listening(hub) as (endpoint, receiver):
        receiver.tell(status=503, headers={"retry-after": "120"})
        make_category(hub)
        wait_until(lambda: endpoint.deliveries()[0]["attemptCount"] == 1 if endpoint.deliveries() else False)
        due = datetime.fromisoformat(endpoint.deliveries()[0]["dueAt"])
    assert timedelta(seconds=110) < due - datetime.now(UTC) <= timedelta(seconds=120)


def test_redirects_are_not_followed(hub: Server) -> None:
    with receiving() as other, listening(hub) as (endpoint, receiver):
        other.tell(secret=endpoint.secret)
        receiver.tell(status=307, headers={"location": f"{other.url}/stolen"})
        make_category(hub)
        wait_until(lambda: bool(endpoint.deliveries() and endpoint.deliveries()[0]["attempts"]))
        assert endpoint.deliveries()[0]["attempts"][0]["status"] == 307
        assert other.log() == []


def test_410_disables_and_enabling_goes_on_where_it_stood(hub: Server) -> None:
    with listening(hub) as (endpoint, receiver):
        receiver.tell(status=410)
        made = make_category(hub, "gone")["id"]
        wait_until(lambda: not endpoint.now()["enabled"])
        assert "410" in endpoint.now()["disabledReason"]
        rename(hub, "gone", 3)
        time.sleep(0.5)
        assert len(receiver.log()) == 1
        receiver.tell(status=204)
        enabled = hub.data(UPDATE, {"id": endpoint.id, "input": {"enabled": True}})["webhookEndpointUpdate"]
        assert enabled["webhookEndpoint"] == {"id": endpoint.id, "enabled": True, "disabledReason": None}
        wait_until(lambda: len(delivered(receiver)) == 4)
        assert versions(delivered(receiver)) == {made: [1, 2, 3, 4]}


def test_two_secrets_sign_until_the_overlap_ends(hub: Server) -> None:
    with listening(hub) as (endpoint, receiver):
        new = hub.data(ROTATE, {"id": endpoint.id, "hours": 1})["webhookSecretRotate"]["secret"]
        make_category(hub)
        assert received(receiver, 1)[0].verified
        receiver.tell(secret=new)
        make_category(hub)
        assert received(receiver, 2)[1].verified
        newest = hub.data(ROTATE, {"id": endpoint.id, "hours": 0})["webhookSecretRotate"]["secret"]
        make_category(hub)
        assert not received(receiver, 3)[2].verified
        receiver.tell(secret=newest)
        wait_until(lambda: endpoint.now()["undelivered"] == 0)
        refused = hub.data(ROTATE, {"id": endpoint.id, "hours": 169})["webhookSecretRotate"]["userErrors"]
        assert [(each["field"], each["code"]) for each in refused] == [(["overlapHours"], "INVALID")]


def test_secrets_are_sealed_in_the_database(hub: Server) -> None:
    with listening(hub) as (endpoint, _), hub.database.read() as tx:
        stored = [bytes(each) for each in tx.scalars(sa.text("SELECT sealed FROM webhook_secret"))]
        plain = endpoint.secret.removeprefix("whsec_").encode()
        assert stored
        assert not any(plain in each or endpoint.secret.encode() in each for each in stored)


def test_resending_goes_through_the_lane_under_the_same_id(hub: Server) -> None:
    with listening(hub) as (endpoint, receiver):
        make_category(hub, "again")
        rename(hub, "again", 2)
        log = received(receiver, 3)
        wait_until(lambda: endpoint.now()["undelivered"] == 0)
        oldest = endpoint.deliveries()[-1]
        answer = hub.data(RESEND, {"ids": [oldest["id"]]})["webhookResend"]
        assert (answer["count"], answer["userErrors"]) == (1, [])
        again = received(receiver, 4)[3]
        assert (again.id, again.raw, again.verified) == (log[0].id, log[0].raw, True)
        wait_until(lambda: endpoint.now()["undelivered"] == 0)
        hub.data(RESEND, {"endpoint": endpoint.id})
        everything = received(receiver, 7)[4:]
        assert [each.id for each in everything] == [each.id for each in log]
        nothing = hub.data(RESEND, {"endpoint": endpoint.id, "state": "PARKED"})["webhookResend"]
        assert [each["code"] for each in nothing["userErrors"]] == ["NOT_FOUND"]


def test_parked_delivery_holds_its_object_until_it_is_resent(hub: Server) -> None:
    with listening(hub) as (endpoint, receiver):
        receiver.tell(status=500)
        made = make_category(hub, "parked")["id"]
        wait_until(lambda: bool(endpoint.deliveries() and endpoint.deliveries()[0]["attemptCount"] == 1))
        with hub.database.write(ERP) as tx:
            last = "UPDATE webhook_delivery SET failures = 9, due_at = now() WHERE message = :message"
            tx.execute(sa.text(last), {"message": endpoint.deliveries()[0]["messageId"]})
        wait_until(lambda: endpoint.now()["parked"] == 1)
        receiver.tell(status=204)
        rename(hub, "parked", 1)
        wait_until(lambda: len(endpoint.deliveries("WAITING")) == 1)
        assert delivered(receiver) == []
        hub.data(RESEND, {"endpoint": endpoint.id, "state": "PARKED"})
        wait_until(lambda: len(delivered(receiver)) == 2)
        assert versions(delivered(receiver)) == {made: [1, 2]}


def test_test_event_arrives(hub: Server) -> None:
    query = "mutation ($id: ID!) { webhookTest(id: $id) { count userErrors { code message } } }"
    with listening(hub) as (endpoint, receiver):
        assert hub.data(query, {"id": endpoint.id})["webhookTest"] == {"count": 1, "userErrors": []}
        body = received(receiver, 1)[0].body
    assert (body["type"], body["sequence"], body["data"]) == ("webhook.test", None, None)


def test_document_answers_with_the_version_that_it_shows(hub: Server) -> None:
    document = "query ($id: ID!) { category(id: $id) { code parent { code } } }"
    with listening(hub, document=document) as (_, receiver):
        make_category(hub, "shown")
        psql(hub, "INSERT INTO product_type (code) VALUES ('document-test')")
        log = {each.body["type"]: each.body for each in received(receiver, 2)}
        assert log["category.created"]["data"] == {
            "category": {"code": "shown", "parent": None, "version": 1}
        }
        assert log["producttype.created"]["data"] is None
        psql(hub, "DELETE FROM category WHERE code = 'shown'")
        assert received(receiver, 3)[2].body["data"] is None


def test_document_for_many_nouns(hub: Server) -> None:
    document = "query ($id: ID!) { node(id: $id) { ... on Category { code } ... on ProductType { id } } }"
    with listening(hub, document=document, eventTypes=["category.*", "producttype.created"]) as (_, receiver):
        make_category(hub, "any")
        psql(hub, "INSERT INTO product_type (code) VALUES ('any-noun')")
        shown = {each.body["type"]: each.body["data"]["node"] for each in received(receiver, 2)}
    assert shown["category.created"] == {"code": "any", "version": 1}
    assert shown["producttype.created"]["version"] == 1


@pytest.mark.parametrize(
    ("given", "field", "code"),
    [
        ({"url": "ftp://erp.example.com"}, ["input", "url"], "INVALID"),
        ({"url": "http://10.0.0.1/"}, ["input", "url"], "INVALID"),
        ({"url": "http://[::ffff:169.254.169.254]/"}, ["input", "url"], "INVALID"),
        ({"url": None}, ["input", "url"], "REQUIRED"),
        ({"eventTypes": ["product.vanished"]}, ["input", "eventTypes", "0"], "INVALID"),
        ({"eventTypes": ["order."]}, ["input", "eventTypes", "0"], "INVALID"),
        ({"eventTypes": ["nothing.*"]}, ["input", "eventTypes", "0"], "INVALID"),
        ({"eventTypes": []}, ["input", "eventTypes"], "INVALID"),
        ({"channel": "moon"}, ["input", "channel"], "NOT_FOUND"),
        ({"timeout": 31}, ["input", "timeout"], "INVALID"),
        ({"inFlight": 0}, ["input", "inFlight"], "INVALID"),
        ({"document": "nonsense"}, ["input", "document"], "INVALID"),
        ({"document": "query ($id: ID!) { category(id: $id) { colour } }"}, ["input", "document"], "INVALID"),
        (
            {"document": "mutation ($id: ID!) { categoryDelete(id: $id) { deletedId } }"},
            ["input", "document"],
            "INVALID",
        ),
        ({"document": "{ categories { nodes { code } } }"}, ["input", "document"], "INVALID"),
        (
            {"document": "query ($id: ID!) { category(id: $id) { version: code } }"},
            ["input", "document"],
            "INVALID",
        ),
    ],
)
def test_wrong_endpoint_is_refused_with_a_sentence(
    hub: Server, given: Any, field: list[str], code: str
) -> None:
    before = hub.data("{ webhookEndpoints { id } }")
    asked = {"url": "https://erp.example.com/hooks", **given}
    answer = hub.data(CREATE, {"input": asked})["webhookEndpointCreate"]
    assert [(each["field"], each["code"]) for each in answer["userErrors"]] == [(field, code)]
    assert answer["userErrors"][0]["message"].endswith(".")
    assert (answer["webhookEndpoint"], answer["secret"]) == (None, None)
    assert hub.data("{ webhookEndpoints { id } }") == before


def test_endpoint_hears_only_what_its_token_may_read(hub: Server) -> None:
    narrow = hub.new_token(
        Wish(kind="app", name="narrow", scopes=["webhooks:read", "webhooks:write", "stock:read"])
    )
    wide = ["webhooks:read", "webhooks:write", "catalogue:read"]
    catalogue = hub.new_token(Wish(kind="app", name="wide", scopes=wide))
    document = "query ($id: ID!) { category(id: $id) { code } }"
    with receiving() as receiver:
        given = {"url": f"{receiver.url}/narrow", "document": document}
        refused = hub.data(CREATE, {"input": given}, token=narrow)["webhookEndpointCreate"]["userErrors"]
        assert [(each["field"], each["code"]) for each in refused] == [(["input", "document"], "FORBIDDEN")]
        ends = [
            hub.data(CREATE, {"input": {"url": f"{receiver.url}/{path}"}}, token=token)[
                "webhookEndpointCreate"
            ]
            for path, token in (("narrow", narrow), ("wide", catalogue))
        ]
        receiver.tell(secret=ends[1]["secret"])
        make_category(hub)
        assert [each.path for each in received(receiver, 1)] == ["/wide"]
        time.sleep(0.3)
        assert [each.path for each in receiver.log()] == ["/wide"]
        # Whoever sees less may not point an endpoint that sees more at an address of their own.
        moved = {"id": ends[1]["webhookEndpoint"]["id"], "input": {"url": f"{receiver.url}/stolen"}}
        stolen = hub.data(UPDATE, moved, token=narrow)["webhookEndpointUpdate"]["userErrors"]
        assert [each["code"] for each in stolen] == ["FORBIDDEN"]
        for each in ends:
            hub.data(DELETE, {"id": each["webhookEndpoint"]["id"]})


def test_storefront_and_scopeless_tokens_are_kept_out(hub: Server) -> None:
    reader = hub.new_token(Wish(kind="app", name="reader", scopes=["webhooks:read", "catalogue:read"]))
    given = {"input": {"url": "https://erp.example.com/"}}
    assert hub.graphql(CREATE, given, token=reader)["errors"]
    stranger = hub.new_token(Wish(kind="app", name="stranger", scopes=["catalogue:read"]))
    assert hub.graphql("{ webhookEndpoints { id } }", token=stranger)["errors"]


def test_private_address_behind_a_name_is_refused_when_connecting(database_url: str, tmp_path: Path) -> None:
    closed = make_settings(database_url, tmp_path).model_copy(update={"webhook_allowed_networks": ()})
    with receiving() as receiver, serving(closed) as hub:
        port = receiver.url.rpartition(":")[2]
        with registered(hub, f"http://localhost:{port}/hooks") as endpoint:
            receiver.tell(secret=endpoint.secret)
            make_category(hub)
            wait_until(lambda: bool(endpoint.deliveries() and endpoint.deliveries()[0]["attempts"]))
            attempt = endpoint.deliveries()[0]["attempts"][0]
        assert (attempt["outcome"], attempt["status"]) == ("BLOCKED", None)
        assert "HUB_WEBHOOK_ALLOWED_NETWORKS" in attempt["error"]
        assert receiver.log() == []


@contextmanager
def relay(settings: Settings) -> Iterator[subprocess.Popen[str]]:
    """``hub relay`` as a process of its own."""
    environment = os.environ | {
        "HUB_VAR": str(settings.var),
        "HUB_DATABASE_URL": str(settings.database_url),
        "HUB_WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8",
    }
    with subprocess.Popen([sys.executable, "-m", "hub", "relay"], env=environment, text=True) as process:
        yield process
        process.terminate()
        process.wait(15)


def test_relay_killed_between_post_and_note_repeats_under_the_same_id(
    database_url: str, tmp_path: Path
) -> None:
    settings = make_settings(database_url, tmp_path)
    with serving(settings, relay=False) as hub, listening(hub) as (endpoint, receiver):
        with relay(settings) as doomed:
            receiver.tell(kill=doomed.pid)
            made = make_category(hub, "killed")["id"]
            rename(hub, "killed", 2)
            received(receiver, 1, 90)
            assert doomed.wait(10) == -9
            assert endpoint.deliveries()[-1]["state"] == "DUE"
            assert endpoint.deliveries()[-1]["attempts"] == []
        with relay(settings):
            log = received(receiver, 4, 90)
            wait_until(lambda: endpoint.now()["undelivered"] == 0)
    assert versions(log) == {made: [1, 1, 2, 3]}
    assert (log[0].id, log[0].raw) == (log[1].id, log[1].raw)
    assert all(each.verified for each in log)


def test_ready_and_metrics_speak_of_webhooks(hub: Server) -> None:
    with listening(hub) as (endpoint, receiver):
        make_category(hub)
        received(receiver, 1)
        wait_until(lambda: endpoint.now()["undelivered"] == 0)
        status, ready = hub.get("/ready")
        _, metrics = hub.get("/metrics")
    assert "webhooks" in json.loads(ready)["checks"], (status, ready)
    assert 'hub_webhook_attempts_total{outcome="delivered",status="2xx"}' in metrics
    assert f'hub_webhook_undelivered{{endpoint="{endpoint.id}"}} 0.0' in metrics
    assert "hub_webhook_delivery_seconds_bucket" in metrics
