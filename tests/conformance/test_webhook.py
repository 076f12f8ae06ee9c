"""Every noun's changes are told: rendered, signed and posted."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from standardwebhooks import Webhook

from hub.registry import Part
from tests.conformance.sample import ROOTS, Sampler, title
from tests.running import wait_until

EVERY_NOUN = pytest.mark.parametrize("part", ROOTS.values(), ids=ROOTS)


@dataclass
class Heard:
    """What was posted: headers and body."""

    url: str
    secret: str = ""
    posts: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    def of(self, entity_id: str) -> list[dict[str, Any]]:
        """The verified bodies about one object. Raises where a signature is wrong."""
        verifier = Webhook(self.secret)
        bodies = [verifier.verify(body, headers) for headers, body in list(self.posts)]
        return [body for body in bodies if body["entity"]["id"] == entity_id]


@pytest.fixture(scope="module")
def heard(sampler: Sampler) -> Iterator[Heard]:
    posts: list[tuple[dict[str, str], bytes]] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            posts.append(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=listening.serve_forever)
    thread.start()
    found = Heard(f"http://127.0.0.1:{listening.server_port}/", posts=posts)
    found.secret = subscribed(sampler, found.url)
    yield found
    listening.shutdown()
    thread.join()
    listening.server_close()


def subscribed(sampler: Sampler, url: str) -> str:
    """The secret of an endpoint that hears of everything."""
    shown = " ".join(f"... on {title(part)} {{ id version }}" for part in ROOTS.values())
    document = f"query($id: ID!) {{ node(id: $id) {{ __typename {shown} }} }}"
    text = """mutation($input: WebhookEndpointInput!) {
        webhookEndpointCreate(input: $input) { secret userErrors { message } } }"""
    answer = sampler.server.data(text, {"input": {"url": url, "document": document}})["webhookEndpointCreate"]
    assert answer["userErrors"] == []
    secret: str = answer["secret"]
    return secret


@EVERY_NOUN
def test_a_change_is_delivered_signed(sampler: Sampler, heard: Heard, part: Part) -> None:
    made = sampler.create(part)
    sampler.send(part.name, "update", sampler.changed(made))
    wait_until(lambda: len(heard.of(made.id)) >= 2)
    created, updated = heard.of(made.id)
    name = part.name.replace("_", "")
    assert (created["type"], updated["type"]) == (f"{name}.created", f"{name}.updated")
    assert [each["entity"] for each in (created, updated)] == [
        {"type": part.name, "id": made.id, "version": version} for version in (1, 2)
    ]
    assert updated["data"]["node"] == {"__typename": title(part), "id": made.id, "version": 2}
    assert updated["changed"]
    assert created["sequence"] < updated["sequence"]


@EVERY_NOUN
def test_a_deletion_is_delivered_without_data(sampler: Sampler, heard: Heard, part: Part) -> None:
    made = sampler.create(part, full=False)
    assert sampler.delete(made) == []
    wait_until(lambda: len(heard.of(made.id)) >= 2)
    told = heard.of(made.id)[-1]
    assert told["type"] == f"{part.name.replace('_', '')}.deleted"
    assert told["entity"]["version"] == 2
    assert not json.loads(json.dumps(told["data"] or {})).get("node")
