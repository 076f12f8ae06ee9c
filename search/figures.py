"""Figures of search for Prometheus, read when they are asked for."""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa
from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from hub.db import Database
from hub.health import UnreadyError
from search import app
from search.engine import Index

HEALTH = {"green": 1.0, "yellow": 0.5, "red": 0.0}


class SearchFigures(Collector):
    """How the index stands. A database that is away leaves the figures out: no figure beats a wrong one."""

    def __init__(self, database: Database, index: Index) -> None:
        self._database = database
        self._index = index

    def collect(self) -> Iterator[Metric]:
        """The gauges of this moment."""
        try:
            found = app.ready(self._database, self._index)
        except sa.exc.SQLAlchemyError:
            return
        yield _gauge("up", "Whether search can answer", found.problem is None)
        yield _gauge(
            "writable",
            "Whether the index is being written, or nothing keeps it from it",
            found.trouble is None,
        )
        yield _gauge(
            "stale_seconds", "Age of the oldest change that the index does not have", found.stale_seconds
        )
        yield _gauge("queued", "Products that wait because one change touched many", found.queued)
        yield _gauge("parked", "Documents that the engine refused", found.parked)
        if found.problem is None:
            yield _gauge("documents", "Documents that are searched", found.documents)
        if found.health:
            yield _gauge("engine_health", "The engine: 1 green, 0.5 yellow, 0 red", HEALTH[found.health])
        if found.build:
            yield _gauge("build_done", "Products in the index that is being built", found.build.done)
            yield _gauge("build_products", "Products that it will have", found.build.total)
            yield _gauge("build_still_seconds", "How long ago it last went on", found.build.still_seconds)


def _gauge(name: str, help_: str, value: float) -> Metric:
    return GaugeMetricFamily(f"hub_search_{name}", help_, value=float(value))


def check(database: Database, index: Index) -> str:
    """How search stands, in a sentence or two. Raises ``UnreadyError`` where it cannot answer."""
    found = app.ready(database, index)
    if found.problem:
        raise UnreadyError(found.problem)
    said = [f"Search answers from {found.documents} documents, {found.lag or 0} changes behind."]
    if found.stale_seconds >= 1:
        said.append(f"The oldest of them is {found.stale_seconds:.0f} s old.")
    if found.trouble:
        said.append(f"Nothing is indexed for {found.trouble.seconds:.0f} s: {found.trouble.reason}")
    if found.build:
        said.append(
            f"Another index is {found.build.stage}: {found.build.done} of {found.build.total} products."
        )
    return " ".join(said)
