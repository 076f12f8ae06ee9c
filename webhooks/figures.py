"""Figures of the webhooks for Prometheus and for ``/ready``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
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

UNDELIVERED = sa.text(
    """
    SELECT e.id, e.disabled_at IS NOT NULL AS disabled,
        count(d.id) AS undelivered,
        count(d.parked_at) AS parked,
        extract(epoch FROM now() - min(d.occurred_at)) AS oldest
    FROM webhook_endpoint e LEFT JOIN webhook_delivery d ON d.endpoint_id = e.id AND d.delivered_at IS NULL
    GROUP BY e.id ORDER BY e.id
    """
)

OVERDUE = sa.text(
    """
    SELECT count(*) AS waiting, coalesce(extract(epoch FROM now() - min(d.due_at)), 0) AS seconds
    FROM webhook_delivery d JOIN webhook_endpoint e ON e.id = d.endpoint_id
    WHERE d.due_at <= now() AND e.disabled_at IS NULL
    """
)


class Figures(Collector):
    """Attempts that this process made, and what stands undelivered in the database when asked."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._attempts = Counter("hub_webhook_attempts", "Attempts to deliver", ["outcome"], registry=None)
        self._seconds = Histogram(
            "hub_webhook_delivery_seconds", "From commit to delivered", registry=None, buckets=SECONDS
        )

    def note(self, tried: Tried) -> None:
        """Count one attempt."""
        self._attempts.labels(tried.outcome).inc()
        if tried.outcome == "delivered":
            self._seconds.observe((datetime.now(UTC) - tried.delivery.occurred_at).total_seconds())

    def collect(self) -> Iterator[Metric]:
        """The figures of this moment. A database that is away leaves out what it would say."""
        yield from self._attempts.collect()
        yield from self._seconds.collect()
        try:
            with self._database.read() as tx:
                rows = tx.execute(UNDELIVERED).mappings().all()
        except sa.exc.SQLAlchemyError:
            return
        yield _gauge("hub_webhook_undelivered", "Deliveries not yet there", rows, "undelivered")
        yield _gauge("hub_webhook_parked", "Deliveries given up, waiting to be resent", rows, "parked")
        yield _gauge("hub_webhook_oldest_seconds", "Age of the oldest undelivered change", rows, "oldest")
        yield _gauge("hub_webhook_disabled", "Whether the endpoint is disabled", rows, "disabled")


def check(database: Database, seconds: float) -> Callable[[], str]:
    """Make the check for ``/ready``: deliveries that are due are taken. Slow receivers do not make the hub unready."""

    def taken() -> str:
        with database.read() as tx:
            row = tx.execute(OVERDUE).one()
        if row.seconds > seconds:
            raise UnreadyError(
                f"{row.waiting} deliveries are due, the oldest for {row.seconds:.0f} s, more than {seconds:g} s:"
                " see that hub relay runs."
            )
        return f"{row.waiting} deliveries are due."

    return taken


def _gauge(name: str, help_: str, rows: Any, column: str) -> GaugeMetricFamily:
    gauge = GaugeMetricFamily(name, help_, labels=["endpoint"])
    for row in rows:
        gauge.add_metric([ids.encode(NOUN, row["id"])], float(row[column] or 0))
    return gauge
