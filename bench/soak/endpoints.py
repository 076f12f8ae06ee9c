"""The endpoints of a soak, each with a receiver that is unwell in its own way."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.soak import journal
from bench.soak.api_writer import Api
from bench.soak.ground import Ground, free_port
from bench.soak.judge import Receipt
from hub import ids

CREATE = """mutation ($input: WebhookEndpointInput!) { webhookEndpointCreate(input: $input) {
    webhookEndpoint { id sequence } secret userErrors { message } } }"""
BACK = """mutation ($id: ID!) { webhookEndpointUpdate(id: $id, input: { enabled: true }) {
    userErrors { message } } }"""
RESEND = """mutation ($id: ID!) { webhookResend(endpoint: $id, state: PARKED) {
    count userErrors { message } } }"""
STANDS = "query ($id: ID!) { webhookEndpoint(id: $id) { sequence undelivered parked } }"

RECEIVER = Path(__file__).with_name("receiver.py")
POISON_PRODUCT = 7
DOCUMENT = "query ($id: ID!) { product(id: $id) { slug version } }"


@dataclass(frozen=True)
class Plan:
    """``mood``: how its receiver is unwell. ``late``: from which part of the attack on it is there at all."""

    name: str
    mood: str
    types: tuple[str, ...] | None = None
    late: float = 0.0
    dies: bool = False
    given: dict[str, Any] = field(default_factory=dict)


PLANS = (
    Plan("all", "slow"),
    Plan("filtered", "failing", ("price.changed", "product.deleted", "category.*")),
    Plan("dying", "slow", ("product.*",), dies=True, given={"document": DOCUMENT}),
    Plan("hanging", "hanging", ("category.*", "product.created")),
    Plan("dead", "slow", late=0.6),
    Plan("poisoned", "poisoned", ("product.*",)),
)


class Registered:
    """An endpoint and the process that it posts to."""

    def __init__(self, ground: Ground, api: Api, plan: Plan) -> None:
        self.plan, self.api, self.ground = plan, api, ground
        self.port = free_port()
        given = {
            "url": f"http://127.0.0.1:{self.port}/",
            "timeout": 1,
            "eventTypes": plan.types,
            **plan.given,
        }
        made = api.insist(CREATE, input=given)["webhookEndpointCreate"]
        assert not made["userErrors"], made["userErrors"]
        self.id, self.secret = made["webhookEndpoint"]["id"], made["secret"]
        self.since = made["webhookEndpoint"]["sequence"]
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def number(self) -> int:
        """Its number in the database."""
        return ids.decode(self.id)[1]

    def start(self) -> None:
        """Start its receiver, where it does not run."""
        if self.process is None or self.process.poll() is not None:
            well, poison = self.ground.folder / "well", ids.encode("product", POISON_PRODUCT)
            words = (self.port, self.secret, self._path, self.plan.mood, well, poison)
            self.process = subprocess.Popen([sys.executable, str(RECEIVER), *map(str, words)])  # noqa: S603

    def kill(self) -> None:
        """Kill its receiver."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def back(self) -> None:
        """Say that the receiver is back, as its operator would, and send what was given up."""
        self.api.insist(BACK, id=self.id)
        if self.stands()["parked"]:
            self.api.insist(RESEND, id=self.id)

    def stands(self) -> dict[str, int]:
        """Its cursor, what is undelivered and what is parked."""
        found: dict[str, int] = self.api.insist(STANDS, id=self.id)["webhookEndpoint"]
        return found

    def receipts(self) -> Iterator[Receipt]:
        """What reached it."""
        for line in journal.read(self._path):
            taken = line["status"] < 300 and not line["hung"]  # noqa: PLR2004 - 2xx
            yield Receipt(line["id"], line["verified"], taken, line["body"])

    @property
    def _path(self) -> Path:
        return self.ground.journal(f"endpoint {self.plan.name}")
