"""What does not get through delays nothing else: delays with and without it, in turns within one run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import datetime
from statistics import median

import pytest
import sqlalchemy as sa

from tests.receiving import Receiver
from tests.running import Server, free_port, make_settings, serving, wait_until
from tests.test_webhooks import ERP, Endpoint, listening, make_category, registered

CHANGES = 60
ROUNDS = 3
SLACK = 0.15
"""Seconds that a busy machine may add to one of two equal figures."""


@pytest.fixture(scope="module")
def hub(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(make_settings(module_database_url, tmp_path_factory.mktemp("var"))) as server:
        yield server


def rename(hub: Server, code: str) -> None:
    with hub.database.write(ERP) as tx:
        tx.execute(sa.text("UPDATE category SET position = position + 1 WHERE code = :code"), {"code": code})


def p95(hub: Server, receiver: Receiver, codes: list[str], beside: Callable[[], None]) -> float:
    """Seconds from commit to arrival of changes of some objects, while something else happens beside."""
    before = len(receiver.log())
    entities = {make_category(hub, code)["id"] for code in codes}
    for place in range(CHANGES):
        rename(hub, codes[place % len(codes)])
        if place % 5 == 0:
            beside()
        time.sleep(0.005)

    def delays() -> list[float]:
        bodies = [(each.arrived, each.body) for each in receiver.log()[before:]]
        return [
            arrived - datetime.fromisoformat(body["timestamp"]).timestamp()
            for arrived, body in bodies
            if body["entity"]["id"] in entities and body["entity"]["version"] > 1
        ]

    wait_until(lambda: len(delays()) >= CHANGES, 60)
    return sorted(delays())[int(CHANGES * 0.95)]


def compared(measure: Callable[[str, bool], float]) -> tuple[float, float]:
    """The medians without and with what is wrong, measured in turns."""
    pairs = [(measure(f"{round_}-well", False), measure(f"{round_}-ill", True)) for round_ in range(ROUNDS)]
    well, ill = median(each for each, _ in pairs), median(each for _, each in pairs)
    print(f"p95 {well * 1000:.0f} ms without, {ill * 1000:.0f} ms with: {ill / well:.2f} times")
    return well, ill


def test_a_poison_object_does_not_delay_the_others(hub: Server) -> None:
    with listening(hub, eventTypes=["category.*"]) as (endpoint, receiver):
        bad = make_category(hub, "fair-poison")["id"]
        wait_until(lambda: len(receiver.log()) == 1)
        receiver.tell(poison=f'"{bad}"')

        def measure(name: str, ill: bool) -> float:
            codes = [f"poison-{name}-{place}" for place in range(10)]
            return p95(hub, receiver, codes, lambda: rename(hub, "fair-poison") if ill else None)

        well, ill = compared(measure)
        assert endpoint.now()["undelivered"] > 0
        assert ill < 2 * well + SLACK
        receiver.tell(poison="\0")
        settled(endpoint)


def test_a_dead_endpoint_does_not_delay_another(hub: Server) -> None:
    dead = f"http://127.0.0.1:{free_port()}/"
    with listening(hub, eventTypes=["category.*"]) as (_, receiver):

        def measure(name: str, ill: bool) -> float:
            codes = [f"dead-{name}-{place}" for place in range(10)]
            if not ill:
                return p95(hub, receiver, codes, lambda: None)
            with registered(hub, dead, eventTypes=["category.*"]) as endpoint:
                found = p95(hub, receiver, codes, lambda: None)
                assert endpoint.now()["undelivered"] > 0
                return found

        well, ill = compared(measure)
        assert ill < 2 * well + SLACK


def settled(endpoint: Endpoint) -> None:
    def done() -> bool:
        endpoint.back()
        return bool(endpoint.now()["undelivered"] == 0)

    wait_until(done, 30)
