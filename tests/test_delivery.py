"""How deliveries are sent: with relays as processes of their own, and receivers that are slow, throttled or away."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from hub import ids, postgres
from hub.config import Settings
from hub.db import Database
from tests.hooking import Endpoint, listening, received, registered
from tests.receiving import Received, Receiver
from tests.running import Server, free_port, make_settings, serving, wait_until
from tests.shop import all_rows

numbers = count(1)


@pytest.fixture(scope="module")
def hub(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with the relay in it."""
    with serving(make_settings(module_database_url, tmp_path_factory.mktemp("var"))) as server:
        yield server


@pytest.fixture
def alone(database_url: str, tmp_path: Path) -> Iterator[Server]:
    """A server without a relay: tests start their own."""
    with serving(make_settings(database_url, tmp_path), relay=False) as server:
        yield server


@contextmanager
def relay(settings: Settings, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """``hub relay`` as a process of its own."""
    environment = os.environ | {
        "HUB_VAR": str(settings.var),
        "HUB_DATABASE_URL": str(settings.database_url),
        "HUB_WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8",
    }
    command = [sys.executable, "-m", "hub", "relay", *arguments]
    with subprocess.Popen(command, env=environment, text=True) as process:
        try:
            yield process
        finally:
            process.terminate()
            process.wait(30)


def objects(hub: Server, number: int) -> list[str]:
    """So many new objects, made in one transaction; their codes."""
    codes = [f"delivery-{next(numbers)}" for _ in range(number)]
    with hub.database.engine.begin() as tx:
        tx.execute(
            sa.text("INSERT INTO category (code) SELECT unnest(CAST(:codes AS text[]))"), {"codes": codes}
        )
    return codes


def move(hub: Server, codes: Sequence[str]) -> None:
    """One more version of each."""
    with hub.database.engine.begin() as tx:
        statement = "UPDATE category SET position = position + 1 WHERE code = ANY (:codes)"
        tx.execute(sa.text(statement), {"codes": list(codes)})


def number(endpoint: Endpoint) -> int:
    return ids.decode(endpoint.id)[1]


def delivered(receiver: Receiver) -> list[Received]:
    return [each for each in receiver.log() if each.status == 204]


def settled(endpoint: Endpoint, seconds: float = 60) -> None:
    wait_until(lambda: endpoint.now()["undelivered"] == 0, seconds)


def answered(endpoint: Endpoint, receiver: Receiver) -> int:
    """How many requests there were, when the hub has noted the answers to all that were on their way."""
    noted = "SELECT coalesce(sum(attempts), 0) FROM webhook_delivery WHERE endpoint_id = :endpoint"
    latest: list[int] = []

    def quiet() -> bool:
        time.sleep(0.5)
        latest.append(len(receiver.log()))
        return latest[-1:] == latest[-2:-1] and rows(endpoint, noted)[0][0] == latest[-1]

    wait_until(quiet)
    return latest[-1]


def rows(endpoint: Endpoint, statement: str, **values: Any) -> list[tuple[Any, ...]]:
    return all_rows(endpoint.hub.database, statement, endpoint=number(endpoint), **values)


def holders(database: Database) -> list[Any]:
    return [row[0] for row in all_rows(database, "SELECT holder FROM webhook_line ORDER BY endpoint_id")]


def test_rate_holds_in_every_second(hub: Server) -> None:
    with listening(hub, rate=20, eventTypes=["category.*"]) as (endpoint, receiver):
        objects(hub, 50)
        moments = [each.arrived for each in received(receiver, 50, 60)]
        settled(endpoint)
    busiest = max(sum(start <= each < start + 1 for each in moments) for start in moments)
    assert busiest <= 24  # a second's worth, a tenth ahead, and what the machine delayed
    assert moments[-1] - moments[0] >= 2.2


def test_in_flight_is_never_exceeded_by_two_relays(alone: Server) -> None:
    with ExitStack() as stack:
        slow = [
            stack.enter_context(listening(alone, inFlight=2, eventTypes=["category.*"])) for _ in range(2)
        ]
        for _, receiver in slow:
            receiver.tell(delay=0.05)
        for _ in range(2):
            stack.enter_context(relay(alone.settings))
        wait_until(lambda: len({each for each in holders(alone.database) if each}) == 2, 90)
        objects(alone, 40)
        for endpoint, receiver in slow:
            moments = [each.arrived for each in received(receiver, 40, 60)]
            settled(endpoint)
            assert max(sum(start <= each < start + 0.05 for each in moments) for start in moments) <= 2
            assert len({each.id for each in receiver.log()}) == len(receiver.log()) == 40


def test_relays_share_the_endpoints_and_one_that_stops_gives_its_own_back(alone: Server) -> None:
    with ExitStack() as stack:
        heard = [stack.enter_context(listening(alone, eventTypes=["category.*"])) for _ in range(4)]
        with relay(alone.settings):
            wait_until(lambda: None not in holders(alone.database) and len(holders(alone.database)) == 4, 90)
            first = set(holders(alone.database))
            assert len(first) == 1
            with relay(alone.settings):
                wait_until(lambda: [holders(alone.database).count(each) for each in first] == [2], 90)
                wait_until(lambda: None not in holders(alone.database))
                objects(alone, 10)
            wait_until(lambda: set(holders(alone.database)) == first)
            objects(alone, 10)
            for endpoint, receiver in heard:
                log = received(receiver, 20, 60)
                settled(endpoint)
                assert len({each.id for each in log}) == len(receiver.log()) == 20


def test_a_relay_that_is_told_to_stop_finishes_what_is_under_way(alone: Server) -> None:
    with listening(alone, eventTypes=["category.*"]) as (endpoint, receiver):
        receiver.tell(delay=1.0)
        with relay(alone.settings) as process:
            wait_until(lambda: any(holders(alone.database)), 90)
            objects(alone, 10)
            received(receiver, 10)
            process.terminate()
            assert process.wait(20) == 0
        outcomes = rows(
            endpoint,
            "SELECT a.outcome, count(*) FROM webhook_attempt a JOIN webhook_delivery d ON d.id = a.delivery_id"
            " WHERE d.endpoint_id = :endpoint GROUP BY 1",
        )
        assert outcomes == [("delivered", 10)]
        assert holders(alone.database) == [None]
        assert len(receiver.log()) == 10


def test_what_a_killed_relay_held_goes_to_another(alone: Server) -> None:
    with listening(alone, eventTypes=["category.*"]) as (endpoint, receiver), relay(alone.settings) as doomed:
        wait_until(lambda: any(holders(alone.database)), 90)
        codes = objects(alone, 20)
        received(receiver, 20)
        with relay(alone.settings):
            time.sleep(1)
            doomed.send_signal(signal.SIGKILL)
            killed = time.monotonic()
            for _ in range(5):
                move(alone, codes)
            wait_until(lambda: len({each.id for each in receiver.log()}) == 120, 60)
            assert time.monotonic() - killed < 60
            settled(endpoint)
        versions: dict[str, list[int]] = {}
        for each in receiver.log():
            versions.setdefault(each.body["entity"]["id"], []).append(each.body["entity"]["version"])
    assert all(found == sorted(found) for found in versions.values())


def test_an_outage_of_the_database_repeats_each_delivery_once_at_most(alone: Server) -> None:
    with listening(alone, eventTypes=["category.*"], inFlight=8) as (endpoint, receiver):
        receiver.tell(delay=0.02)
        with relay(alone.settings):
            wait_until(lambda: any(holders(alone.database)), 90)
            objects(alone, 200)
            received(receiver, 20)
            without_database(alone, 9)
            wait_until(lambda: len({each.id for each in receiver.log()}) == 200, 90)
            waiting = (
                "SELECT count(*) FROM webhook_delivery WHERE endpoint_id = :endpoint AND delivered_at IS NULL"
            )
            wait_until(lambda: rows(endpoint, waiting) == [(0,)], 90)
        wait_until(lambda: all(is_back(alone) for _ in range(10)))
        log = receiver.log()
    times = {each.id: [other.id for other in log].count(each.id) for each in log}
    assert max(times.values()) <= 2
    assert len(log) <= 200 + 2 * 8


def without_database(hub: Server, seconds: float) -> None:
    """Nobody reaches the database for so long."""
    address = sa.make_url(str(hub.settings.database_url))
    name = address.database
    admin = postgres.libpq(address.set(database="postgres").render_as_string(hide_password=False))
    hub.database.close()
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
        )
        time.sleep(seconds)
        connection.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')


def is_back(hub: Server) -> bool:
    try:
        return "errors" not in hub.graphql("{ webhookEndpoints { id } }")
    except json.JSONDecodeError:
        return False


def test_a_breaker_stops_sending_and_burns_no_attempts(hub: Server) -> None:
    with listening(hub, eventTypes=["category.*"], inFlight=16) as (endpoint, receiver):
        receiver.tell(status=500)
        objects(hub, 60)
        wait_until(lambda: endpoint.now()["health"]["breaker"] == "OPEN")
        tried = answered(endpoint, receiver)
        assert 10 <= tried <= 40
        objects(hub, 60)
        wait_until(lambda: endpoint.now()["undelivered"] == 120)
        time.sleep(1)
        assert len(receiver.log()) - tried <= 1  # a probe
        untouched = "SELECT count(*) FROM webhook_delivery WHERE endpoint_id = :endpoint AND failures = 0"
        assert rows(endpoint, untouched)[0][0] >= 120 - tried
        wait_until(lambda: endpoint.now()["health"]["nextProbeAt"] is None or len(receiver.log()) > tried, 15)
        receiver.tell(status=204)
        settled(endpoint, 40)
        assert endpoint.now()["health"]["breaker"] == "CLOSED"
        assert endpoint.now()["health"]["failingSince"] is None
        assert len(delivered(receiver)) == 120


def test_a_breaker_that_is_being_stored_stays_open(hub: Server) -> None:
    with listening(hub, eventTypes=["category.*"], inFlight=16) as (endpoint, receiver):
        receiver.tell(status=500)
        objects(hub, 1)
        wait_until(lambda: endpoint.now()["health"]["failingSince"] is not None)
        with hub.database.engine.begin() as tx:
            tx.execute(
                sa.text("SELECT 1 FROM webhook_endpoint WHERE id = :id FOR NO KEY UPDATE"),
                {"id": number(endpoint)},
            )
            objects(hub, 60)
            received(receiver, 10)
            time.sleep(2)
            assert len(receiver.log()) <= 26  # those under way, and one for each answer before the tenth
        wait_until(lambda: endpoint.now()["health"]["breaker"] == "OPEN")


def test_a_failed_probe_uses_up_no_attempt(hub: Server) -> None:
    with listening(hub, eventTypes=["category.*"], inFlight=16) as (endpoint, receiver):
        receiver.tell(status=500)
        objects(hub, 40)
        wait_until(lambda: endpoint.now()["health"]["breaker"] == "OPEN")
        tried = "SELECT sum(attempts), sum(failures) FROM webhook_delivery WHERE endpoint_id = :endpoint"
        wait_until(lambda: rows(endpoint, tried)[0][0] > rows(endpoint, tried)[0][1], 20)
        assert endpoint.now()["status"] == "FAILING"
        receiver.tell(status=204)
        endpoint.update(enabled=True)
        settled(endpoint)
        assert endpoint.now()["health"]["breaker"] == "CLOSED"


def test_an_endpoint_that_fails_for_days_is_disabled_and_loses_nothing(hub: Server) -> None:
    with listening(hub, eventTypes=["category.*"]) as (endpoint, receiver):
        receiver.tell(status=500)
        codes = objects(hub, 1)
        received(receiver, 1)
        wait_until(lambda: endpoint.now()["health"]["failingSince"] is not None)
        aged(endpoint, "6 days", "1 hour")
        move(hub, objects(hub, 1))
        wait_until(lambda: endpoint.now()["status"] == "DISABLED", 30)
        assert "for 5 days" in endpoint.now()["disabledReason"]
        before = endpoint.now()["sequence"]
        move(hub, codes)
        time.sleep(0.7)
        assert endpoint.now()["sequence"] == before
        receiver.tell(status=204)
        assert endpoint.update(enabled=True) == []
        settled(endpoint)
        wait_until(lambda: len(delivered(receiver)) == 4)
        assert endpoint.now()["health"]["failingSince"] is None


def test_a_failure_long_after_the_last_begins_a_new_spell(hub: Server) -> None:
    with listening(hub, eventTypes=["category.*"]) as (endpoint, receiver):
        receiver.tell(status=500)
        objects(hub, 1)
        received(receiver, 1)
        wait_until(lambda: endpoint.now()["health"]["failingSince"] is not None)
        aged(endpoint, "30 days", "29 days")
        tried = len(receiver.log())
        objects(hub, 1)
        received(receiver, tried + 1)
        since = "SELECT failing_since > now() - interval '1 hour' FROM webhook_endpoint WHERE id = :endpoint"
        wait_until(lambda: rows(endpoint, since) == [(True,)])
        assert endpoint.now()["enabled"]
        receiver.tell(status=204)
        endpoint.update(enabled=True)
        settled(endpoint)


def aged(endpoint: Endpoint, since: str, last: str) -> None:
    """Let its failures lie in the past."""
    with endpoint.hub.database.engine.begin() as tx:
        values = {"id": number(endpoint), "since": since, "last": last}
        failing = (
            "UPDATE webhook_endpoint SET failing_since = now() - CAST(:since AS interval) WHERE id = :id"
        )
        tx.execute(sa.text(failing), values)
        line = "UPDATE webhook_line SET failed_at = now() - CAST(:last AS interval) WHERE endpoint_id = :id"
        tx.execute(sa.text(line), values)


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_puts_off_the_whole_endpoint(hub: Server, status: int) -> None:
    with listening(hub, eventTypes=["category.*"]) as (endpoint, receiver):
        receiver.tell(status=status, headers={"retry-after": "2"})
        objects(hub, 1)
        asked = received(receiver, 1)[0].arrived
        receiver.tell(status=204, headers={})
        objects(hub, 5)
        first = min(each.arrived for each in received(receiver, 6, 30)[1:])
        assert first >= asked + 1.9
        endpoint.update(enabled=True)
        settled(endpoint)


def test_a_receiver_that_never_answers_delays_no_other(hub: Server) -> None:
    with listening(hub, eventTypes=["category.*"]) as (well, receiver), ExitStack() as stack:
        for _ in range(5):
            mute, hearing = stack.enter_context(listening(hub, eventTypes=["category.*"], timeout=2))
            hearing.tell(delay=4)
            del mute
        objects(hub, 100)
        began = time.time()
        log = received(receiver, 100, 20)
        settled(well)
        assert max(each.arrived for each in log) - began < 8


def test_a_million_waiting_elsewhere_cost_nothing(hub: Server) -> None:
    with registered(hub, f"http://127.0.0.1:{free_port()}/", eventTypes=["company.*"]) as crowded:
        crowd(crowded, 200_000)
        with listening(hub, eventTypes=["category.*"]) as (endpoint, receiver):
            objects(hub, 5)
            received(receiver, 5)
            began = time.time()
            objects(hub, 20)
            log = received(receiver, 25)
            settled(endpoint)
            assert max(each.arrived for each in log) - began < 5
        plan = "\n".join(row[0] for row in looked(crowded))
        assert "Seq Scan on webhook_delivery" not in plan
        assert "ix_webhook_delivery_due" in plan
        status, metrics = hub.get("/metrics")
        assert status == 200
        assert f'hub_webhook_undelivered{{endpoint="{crowded.id}"}} 100000.0' in metrics


def crowd(endpoint: Endpoint, waiting: int) -> None:
    """Let deliveries to it be due, each about an object of its own."""
    with endpoint.hub.database.engine.begin() as tx:
        tx.execute(
            sa.text(
                "INSERT INTO webhook_delivery (endpoint_id, sequence, type, aggregate, aggregate_id, occurred_at, due_at,"
                " body) SELECT :endpoint, -n, 'company.updated', 'company', n, now(), now(), '{}'"
                " FROM generate_series(1, :waiting) AS n"
            ),
            {"endpoint": number(endpoint), "waiting": waiting},
        )
    with psycopg.connect(
        postgres.libpq(str(endpoint.hub.settings.database_url)), autocommit=True
    ) as connection:
        connection.execute("ANALYZE webhook_delivery")


def looked(endpoint: Endpoint) -> list[tuple[Any, ...]]:
    """How PostgreSQL looks for what is due."""
    from webhooks.due import LOOK

    with endpoint.hub.database.engine.connect() as tx:
        (holder,) = rows(endpoint, "SELECT holder FROM webhook_line WHERE endpoint_id = :endpoint")[0]
        given = {"endpoints": [number(endpoint)], "rooms": [64], "taken": [], "holder": holder}
        return [tuple(row) for row in tx.execute(sa.text(f"EXPLAIN ANALYZE {LOOK}"), given)]


def verify(settings: Settings) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {
        "HUB_VAR": str(settings.var),
        "HUB_DATABASE_URL": str(settings.database_url),
    }
    command = [sys.executable, "-m", "hub", "webhooks", "verify"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_the_counter_check_finds_what_is_missing_and_what_is_stuck(hub: Server) -> None:
    with listening(hub, eventTypes=["category.*"]) as (endpoint, receiver):
        codes = objects(hub, 5)
        move(hub, codes)
        received(receiver, 10)
        settled(endpoint)
        well = verify(hub.settings)
        assert (well.returncode, well.stderr) == (0, "")
        assert f"{endpoint.id}: sequences" in well.stdout
        assert "10 matching, 10 deliveries." in well.stdout
        lost = rows(endpoint, "SELECT max(sequence) FROM webhook_delivery WHERE endpoint_id = :endpoint")[0][
            0
        ]
        with hub.database.engine.begin() as tx:
            values = {"endpoint": number(endpoint), "lost": lost}
            tx.execute(
                sa.text("DELETE FROM webhook_delivery WHERE sequence = :lost AND endpoint_id = :endpoint"),
                values,
            )
            stuck = tx.execute(
                sa.text(
                    "UPDATE webhook_delivery SET delivered_at = NULL WHERE id = (SELECT max(id) FROM webhook_delivery"
                    " WHERE endpoint_id = :endpoint) RETURNING id"
                ),
                values,
            ).scalar_one()
        ill = verify(hub.settings)
        assert ill.returncode == 1
        assert f"has no delivery of sequence {lost}," in ill.stderr
        assert f"has delivery {stuck}, which waits for nothing" in ill.stderr
        assert ill.stdout.endswith("Faults: 2.\n")


def test_changed_settings_are_counted_from_where_they_hold(hub: Server) -> None:
    with listening(hub, eventTypes=["category.*"]) as (endpoint, receiver):
        objects(hub, 3)
        received(receiver, 3)
        settled(endpoint)
        assert endpoint.update(eventTypes=["company.*"]) == []
        assert verify(hub.settings).returncode == 0
        objects(hub, 3)
        assert endpoint.update(eventTypes=["category.created"]) == []
        objects(hub, 2)
        wait_until(lambda: endpoint.now()["health"]["lagEvents"] == 0)
        found = verify(hub.settings)
        assert found.returncode == 0, found.stderr


def test_a_relay_alone_answers_for_itself(alone: Server) -> None:
    port = free_port()
    with (
        relay(alone.settings, "--metrics-port", str(port)),
        listening(alone, eventTypes=["category.*"]) as (endpoint, receiver),
    ):
        wait_until(lambda: answers(f"http://127.0.0.1:{port}/health"), 90)
        objects(alone, 3)
        received(receiver, 3, 60)
        settled(endpoint)
        metrics = asked(f"http://127.0.0.1:{port}/metrics")
        ready = json.loads(asked(f"http://127.0.0.1:{port}/ready"))
    assert 'hub_webhook_attempts_total{outcome="delivered",status="2xx"} 3.0' in metrics
    for name in ("behind", "undelivered", "parked", "oldest_seconds", "disabled", "breaker", "in_flight"):
        assert f'hub_webhook_{name}{{endpoint="{endpoint.id}"}} 0.0' in metrics
    assert "hub_webhook_faults 0.0" in metrics
    assert "hub_search_up " in metrics
    assert ready["checks"]["webhooks"]["detail"] == "1 endpoints are sent to."


def answers(url: str) -> bool:
    try:
        asked(url)
    except OSError:
        return False
    return True


def asked(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as response:
        text: str = response.read().decode()
    return text


def test_nobody_sending_makes_the_hub_unready(database_url: str, tmp_path: Path) -> None:
    settings = make_settings(database_url, tmp_path).model_copy(update={"relay_lag_seconds": 1.0})
    with serving(settings, relay=False) as hub, listening(hub, eventTypes=["category.*"]) as (endpoint, _):
        with hub.database.engine.begin() as tx:
            tx.execute(
                sa.text(
                    "INSERT INTO webhook_delivery (endpoint_id, type, purpose, aggregate, aggregate_id, occurred_at, due_at)"
                    " VALUES (:id, 'webhook.test', 'test', 'webhook_endpoint', :id, now(), now())"
                ),
                {"id": number(endpoint)},
            )
        wait_until(lambda: "waited for more than 1 s" in hub.get("/ready")[1])
