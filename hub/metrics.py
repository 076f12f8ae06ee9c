"""Figures for Prometheus: requests, and how far the relay is."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from typing import Any

import sqlalchemy as sa
from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from hub import feed, health
from hub.db import Database

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
PATHS = frozenset({"/graphql", "/health", "/ready", "/metrics"})
"""Paths that are counted by name; any other is counted as one, so that guessing makes no new series."""


class Relay(Collector):
    """Reads the feed's figures when asked. A database that is away leaves them out: no figure beats a wrong one."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The gauges of this moment."""
        try:
            now = health.lag(self.database)
            behind = self._behind(now.head)
        except sa.exc.SQLAlchemyError:
            return
        yield _gauge("hub_feed_head", "Last sequence given out", now.head)
        yield _gauge("hub_feed_pending", "Committed changes without a sequence", now.pending)
        yield _gauge("hub_relay_lag_seconds", "Age of the oldest change without a sequence", now.seconds)
        yield behind

    def _behind(self, head: int) -> GaugeMetricFamily:
        """How many changes each consumer has not dealt with."""
        gauge = GaugeMetricFamily("hub_consumer_behind", "Changes not dealt with", labels=["consumer"])
        with self.database.read() as tx:
            for name, sequence in tx.execute(sa.select(feed.Cursor.name, feed.Cursor.sequence)):
                gauge.add_metric([name], max(head - sequence, 0))
        return gauge


def _gauge(name: str, help_: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, help_, value=value)


class Metrics:
    """One server's figures. ``more``: collectors that others bring."""

    def __init__(self, database: Database, *more: Collector) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "hub_requests", "Requests answered", ["method", "path", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "hub_request_seconds", "Time to answer", ["path"], registry=self.registry, buckets=SECONDS
        )
        ProcessCollector(registry=self.registry)
        for collector in (Relay(database), *more):
            self.registry.register(collector)

    def text(self) -> bytes:
        """All figures in Prometheus' text format."""
        return generate_latest(self.registry)

    def note(self, method: str, path: str, status: int, seconds: float) -> None:
        """Count one request."""
        known = path if path in PATHS else "other"
        self.requests.labels(method, known, str(status)).inc()
        self.seconds.labels(known).observe(seconds)


class Measured:
    """An ASGI application whose requests are counted. A request that fails unanswered counts as 500."""

    def __init__(self, app: App, metrics: Metrics) -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request and note its status and time."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, status = time.perf_counter(), 500

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, noting)
        finally:
            self.metrics.note(scope["method"], scope["path"], status, time.perf_counter() - started)
