"""Webhook endpoints for tests: registered over GraphQL, heard by a receiver of its own process, judged by their schema."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import jsonschema

from tests.receiving import Received, Receiver, receiving
from tests.running import Server, wait_until
from tests.shop import all_rows

CREATE = """mutation ($input: WebhookEndpointInput!) { webhookEndpointCreate(input: $input) {
    webhookEndpoint { id } secret publicKey userErrors { field code message } } }"""
UPDATE = """mutation ($id: ID!, $input: WebhookEndpointInput!) { webhookEndpointUpdate(id: $id, input: $input) {
    webhookEndpoint { id status } secret publicKey userErrors { field code message } } }"""
DELETE = "mutation ($id: ID!) { webhookEndpointDelete(id: $id) { userErrors { message } } }"
ENDPOINT = """query ($id: ID!) { webhookEndpoint(id: $id) {
    url description status eventTypes channel document thin filter ignoreSources scopes headerNames signing timeout rate
    inFlight ordered verify verifiedAt enabled disabledReason sequence undelivered parked publicKeys
    health { lagEvents lagSeconds oldestUndelivered attemptsLastHour successRateLastHour breaker nextProbeAt failingSince }
} }"""
DELIVERIES = """query ($endpoint: ID, $filter: WebhookDeliveryFilter, $order: WebhookDeliveryOrder! = NEWEST,
    $first: Int = 100, $after: String) {
    webhookDeliveries(endpoint: $endpoint, filter: $filter, order: $order, first: $first, after: $after) {
        nodes { id messageId purpose sequence type events state entityType entityId deliveredAt settledAt body
            attempts { number outcome status error response request { url headers { name value } } } }
        pageInfo { endCursor hasNextPage } } }"""
SCHEMA = "query ($id: ID!, $type: String!) { webhookEndpoint(id: $id) { bodySchema(type: $type) } }"


@dataclass(frozen=True)
class Endpoint:
    """A registered endpoint, and the hub that it is registered with."""

    hub: Server
    id: str
    secret: str | None
    public_key: str | None = None

    def now(self) -> Any:
        """How it stands."""
        return self.hub.data(ENDPOINT, {"id": self.id})["webhookEndpoint"]

    def update(self, **given: Any) -> Any:
        """Change it; the refusals, or nothing."""
        answer = self.hub.data(UPDATE, {"id": self.id, "input": given})["webhookEndpointUpdate"]
        return answer["userErrors"]

    def deliveries(self, **more: Any) -> list[Any]:
        """Its deliveries; the latest first."""
        nodes: list[Any] = self.page(**more)["nodes"]
        return nodes

    def page(self, **more: Any) -> Any:
        """A page of its deliveries."""
        return self.hub.data(DELIVERIES, {"endpoint": self.id, **more})["webhookDeliveries"]

    def judge(self, bodies: list[Any]) -> None:
        """Fails where a body is not as the endpoint's published schema says, for each event that it means."""
        schemas: dict[str, Any] = {}
        for body in bodies:
            for event in body["events"]:
                if event not in schemas:
                    found = self.hub.data(SCHEMA, {"id": self.id, "type": event})
                    schemas[event] = found["webhookEndpoint"]["bodySchema"]
                jsonschema.Draft202012Validator(schemas[event]).validate(body)


def create(hub: Server, token: str | None = None, **given: Any) -> Any:
    """The answer to a registration."""
    return hub.data(CREATE, {"input": given}, token=token)["webhookEndpointCreate"]


@contextmanager
def registered(hub: Server, url: str, token: str | None = None, **given: Any) -> Iterator[Endpoint]:
    """An endpoint that goes when the block ends."""
    answer = create(hub, token, url=url, **given)
    assert answer["userErrors"] == []
    endpoint = Endpoint(hub, answer["webhookEndpoint"]["id"], answer["secret"], answer["publicKey"])
    yield endpoint
    assert hub.data(DELETE, {"id": endpoint.id})["webhookEndpointDelete"]["userErrors"] == []


@contextmanager
def listening(hub: Server, token: str | None = None, **given: Any) -> Iterator[tuple[Endpoint, Receiver]]:
    """An endpoint with its receiver. All that it got of the feed is held against its schema at the end."""
    with (
        receiving() as receiver,
        registered(hub, f"{receiver.url}/hooks", token, **given) as endpoint,
    ):
        if endpoint.secret is not None:
            receiver.tell(secret=endpoint.secret)
        yield endpoint, receiver
        endpoint.judge([each.body for each in receiver.log() if each.body["sequence"] is not None])


def received(receiver: Receiver, number: int, seconds: float = 15) -> list[Received]:
    """The first so many requests, once they are there."""
    wait_until(lambda: len(receiver.log()) >= number, seconds)
    return receiver.log()


def quiet(endpoint: Endpoint, sequence: int = 0) -> None:
    """Wait until the endpoint was told of everything up to a sequence, and nothing is under way."""

    def done() -> bool:
        now = endpoint.now()
        return bool(now["sequence"] >= sequence and now["undelivered"] == 0)

    wait_until(done)


def last(hub: Server) -> int:
    """The feed's last sequence, once everything that is committed has one."""
    wait_until(lambda: all_rows(hub.database, "SELECT count(*) FROM pending") == [(0,)])
    return int(all_rows(hub.database, "SELECT sequence FROM head")[0][0])
