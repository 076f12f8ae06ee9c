"""Figures of the webhooks for Prometheus and for ``/ready``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from prometheus_client import Counter, Histogram, Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from hub import ids
from hub.db import Database
from hub.health import UnreadyError
from webhooks.delivery import Tried
from webhooks.endpoint import NOUN

SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0, 600.0, 3600.0)
MOST = 500
"""Endpoints that have figures of their own; those registered later are left out, so that series stay few."""

MOST_COUNTED = 100_000
"""Undelivered deliveries of an endpoint that are counted: a million would take a second at every look."""

NEAR = 500
"""Deliveries at either end of an endpoint's queue among which the oldest is looked for."""

STATES = {"closed": 0.0, "half_open": 0.5, "open": 1.0}

# Whatever is undelivered is due or parked, or waits behind an earlier one that is: the oldest is among the former.
STANDING = sa.text(
    f"""
    SELECT e.id, e.disabled_at IS NOT NULL AS disabled, e.breaker, head.sequence - c.sequence AS behind,
        waiting.count AS undelivered, given_up.count AS parked,
        extract(epoch FROM now() - least(soonest.oldest, latest.oldest, given_up.oldest, untold.occurred_at)) AS oldest
    FROM (SELECT * FROM webhook_endpoint ORDER BY id LIMIT {MOST}) e
    JOIN cursor c ON c.name = 'webhook:' || e.id CROSS JOIN head
    LEFT JOIN feed untold ON untold.sequence = c.sequence + 1
    CROSS JOIN LATERAL (SELECT count(*) FROM (SELECT FROM webhook_delivery d
        WHERE d.endpoint_id = e.id AND d.delivered_at IS NULL LIMIT {MOST_COUNTED}) w) waiting
    CROSS JOIN LATERAL (SELECT count(*), min(p.occurred_at) AS oldest FROM (SELECT occurred_at FROM webhook_delivery d
        WHERE d.endpoint_id = e.id AND d.parked_at IS NOT NULL LIMIT {MOST_COUNTED}) p) given_up
    CROSS JOIN LATERAL (SELECT min(s.occurred_at) AS oldest FROM (SELECT occurred_at FROM webhook_delivery d
        WHERE d.endpoint_id = e.id AND d.due_at IS NOT NULL ORDER BY d.due_at, d.sequence LIMIT {NEAR}) s) soonest
    CROSS JOIN LATERAL (SELECT min(l.occurred_at) AS oldest FROM (SELECT occurred_at FROM webhook_delivery d
        WHERE d.endpoint_id = e.id AND d.due_at IS NOT NULL ORDER BY d.due_at DESC, d.sequence DESC LIMIT {NEAR}) l) latest
    ORDER BY e.id
    """
)

# A receiver may be slow, throttled or away as long as it likes: only what nobody works on is the hub's own fault.
NEGLECTED = sa.text(
    """
    SELECT count(*) AS endpoints, count(*) FILTER (WHERE relay.id IS NULL AND EXISTS (
            SELECT FROM webhook_delivery d
            WHERE d.endpoint_id = e.id AND d.due_at <= now() - make_interval(secs => :seconds))) AS alone,
        count(*) FILTER (WHERE untold.sequenced_at < now() - make_interval(secs => :seconds)
            AND c.moved_at < now() - make_interval(secs => :seconds)) AS untold
    FROM webhook_endpoint e
    JOIN cursor c ON c.name = 'webhook:' || e.id
    LEFT JOIN feed untold ON untold.sequence = c.sequence + 1
    LEFT JOIN webhook_line line ON line.endpoint_id = e.id
    LEFT JOIN webhook_relay relay ON relay.id = line.holder AND relay.until > now()
    WHERE e.disabled_at IS NULL AND (NOT e.verify OR e.verified_at IS NOT NULL)
    """
)


class Figures(Collector):
    """Attempts that this process made, and what stands undelivered in the database when asked.

    ``in_flight`` gives the requests that are under way by endpoint, once this process sends. ``faults``: how many the
    last counter check found here.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._attempts = Counter(
            "hub_webhook_attempts", "Attempts to deliver", ["outcome", "status"], registry=None
        )
        self._seconds = Histogram(
            "hub_webhook_delivery_seconds", "From commit to delivered", registry=None, buckets=SECONDS
        )
        self.in_flight: Callable[[], Mapping[int, int]] = dict
        self.faults = 0

    def note(self, tried: Tried) -> None:
        """Count one attempt."""
        self._attempts.labels(tried.outcome, _class(tried.status)).inc()
        if tried.outcome == "delivered":
            self._seconds.observe((datetime.now(UTC) - tried.delivery.occurred_at).total_seconds())

    def collect(self) -> Iterator[Metric]:
        """The figures of this moment. A database that is away leaves out what it would say."""
        yield from self._attempts.collect()
        yield from self._seconds.collect()
        yield GaugeMetricFamily("hub_webhook_faults", "Faults that the counter check found", self.faults)
        flying = sorted(self.in_flight().items())[:MOST]
        yield _gauge("hub_webhook_in_flight", "Requests of this process under way", flying)
        try:
            with self._database.read() as tx:
                rows = tx.execute(STANDING).mappings().all()
        except sa.exc.SQLAlchemyError:
            return
        for name, help_, column in GAUGES:
            yield _gauge(name, help_, [(row["id"], row[column]) for row in rows])
        states = [(row["id"], STATES[row["breaker"]]) for row in rows]
        yield _gauge("hub_webhook_breaker", "0 closed, 0.5 a probe is under way, 1 open", states)


GAUGES = (
    ("hub_webhook_behind", "Changes not yet looked at for the endpoint", "behind"),
    ("hub_webhook_undelivered", f"Deliveries not yet there, {MOST_COUNTED} at most", "undelivered"),
    ("hub_webhook_parked", "Deliveries given up, waiting to be resent", "parked"),
    ("hub_webhook_oldest_seconds", "Age of the oldest change that is not there yet", "oldest"),
    ("hub_webhook_disabled", "Whether the endpoint is disabled", "disabled"),
)


def check(database: Database, seconds: float) -> Callable[[], str]:
    """Make the check for ``/ready``: somebody works on every endpoint. Slow receivers do not make the hub unready."""

    def worked_on() -> str:
        with database.read() as tx:
            row = tx.execute(NEGLECTED, {"seconds": seconds}).one()
        if row.alone or row.untold:
            raise UnreadyError(
                f"{max(row.alone, row.untold)} of {row.endpoints} endpoints have waited for more than {seconds:g} s"
                " for somebody who sends: see that hub relay runs."
            )
        return f"{row.endpoints} endpoints are sent to."

    return worked_on


def _class(status: int | None) -> str:
    """The class of a status, so that a receiver cannot make series as it likes."""
    if status is None:
        return "none"
    return f"{status // 100}xx" if 100 <= status < 600 else "other"  # noqa: PLR2004 - what HTTP gives out


def _gauge(name: str, help_: str, values: Sequence[tuple[int, Any]]) -> GaugeMetricFamily:
    gauge = GaugeMetricFamily(name, help_, labels=["endpoint"])
    for number, value in values:
        gauge.add_metric([ids.encode(NOUN, number)], float(value or 0))
    return gauge
