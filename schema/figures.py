"""Figures of the two executors for Prometheus: who answered how much, and why the compiled one gave up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector


class Figures(Collector):
    """Counts the queries of one server by who answered them."""

    def __init__(self) -> None:
        self.answered: Counter[str] = Counter()
        self.bailed: Counter[str] = Counter()
        self.needless = 0
        self.reopened: Counter[str] = Counter()
        """Requests that were taken for a known token's and went the whole way after all, by cause."""

    def note(self, executor: str, bailed: str | None = None, *, needless: bool = False) -> None:
        """Count one query. ``bailed``: why the compiled executor gave up; ``needless``: although nothing was wrong."""
        self.answered[executor] += 1
        if bailed is not None:
            self.bailed[bailed] += 1
        self.needless += needless

    def collect(self) -> Iterator[CounterMetricFamily]:
        """The counters of this moment."""
        answered = CounterMetricFamily(
            "hub_graphql_answered", "Queries by the executor that answered them", labels=["executor"]
        )
        for executor, count in self.answered.items():
            answered.add_metric([executor], count)
        bailed = CounterMetricFamily(
            "hub_graphql_bailed", "Queries that the compiled executor gave up, by cause", labels=["cause"]
        )
        for cause, count in self.bailed.items():
            bailed.add_metric([cause], count)
        reopened = CounterMetricFamily(
            "hub_graphql_reopened",
            "Requests whose remembered opening did not answer them, by cause",
            labels=["cause"],
        )
        for cause, count in self.reopened.items():
            reopened.add_metric([cause], count)
        yield answered
        yield bailed
        yield reopened
        yield CounterMetricFamily(
            "hub_graphql_bailed_needlessly",
            "Queries that the compiled executor gave up and the ordinary one answered without error",
            value=self.needless,
        )
