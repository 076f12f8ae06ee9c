"""Asking without waiting for ever: questions have threads of their own, a place in the queue or none, and a breaker.

An engine that is slow would otherwise take the threads and the patience of everything else that the server does.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from prometheus_client import Counter, Histogram, Metric
from prometheus_client.registry import Collector

from search.engine import UnavailableError

T = TypeVar("T")

THREADS = 8
WAITING = 100
"""Questions that may wait for a thread."""

SECONDS = 10.0
"""How long a question may take, with waiting. A request to the engine has less: ``elasticsearch_client``."""

SLOW_SECONDS = 1.0
"""A failure that took so long speaks of an engine that hangs; a quick one costs nothing and breaks nothing."""

FAILURES = 5
"""Slow failures in a row after which the engine is left alone."""

PAUSE_SECONDS = 5.0

BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Asking(Collector):
    """The questions of one process on their way to the engine, and their figures for Prometheus."""

    def __init__(
        self,
        *,
        threads: int = THREADS,
        waiting: int = WAITING,
        seconds: float = SECONDS,
        slow_seconds: float = SLOW_SECONDS,
        pause_seconds: float = PAUSE_SECONDS,
    ) -> None:
        self._pool = ThreadPoolExecutor(threads, "search")
        self._most = threads + waiting
        self._seconds = seconds
        self._slow_seconds = slow_seconds
        self._pause_seconds = pause_seconds
        self._lock = threading.Lock()
        self._inside = 0
        self._failures = 0
        self._shut_until = 0.0
        self._took = Histogram(
            "hub_search_seconds", "Time of a search, by who took it", ["part"], registry=None, buckets=BUCKETS
        )
        self._refused = Counter(
            "hub_search_refused", "Searches that were not answered, by cause", ["cause"], registry=None
        )

    async def ask(self, work: Callable[[], T]) -> T:
        """What ``work`` gives, done in a thread of the search. Raises ``UnavailableError`` when that takes too long."""
        self._admit()
        began = time.perf_counter()
        future = self._pool.submit(self._done, work, began)
        future.add_done_callback(self._left)
        try:
            return await asyncio.wait_for(asyncio.wrap_future(future), self._seconds)
        except TimeoutError:
            self._refused.labels("timeout").inc()
            self._failed(time.perf_counter() - began)
            raise UnavailableError(
                f"Search did not answer within {self._seconds:g} seconds: try again."
            ) from None

    def _admit(self) -> None:
        with self._lock:
            now = time.monotonic()
            if now < self._shut_until:
                self._refused.labels("broken").inc()
                raise UnavailableError("The search engine hangs and is left alone for a moment: try again.")
            if self._inside >= self._most:
                self._refused.labels("crowded").inc()
                raise UnavailableError(f"{self._inside} searches are waiting already: try again.")
            if self._failures >= FAILURES:
                # One goes ahead; the others wait for what becomes of it.
                self._shut_until = now + self._pause_seconds
            self._inside += 1

    def _left(self, _: Future[T]) -> None:
        with self._lock:
            self._inside -= 1

    def _done(self, work: Callable[[], T], asked: float) -> T:
        began = time.perf_counter()
        try:
            found = work()
        except UnavailableError:
            self._refused.labels("unavailable").inc()
            self._failed(time.perf_counter() - began)
            raise
        took = time.perf_counter() - began
        if took < self._seconds:
            self._answered()
        engine = getattr(found, "engine_seconds", None) or 0.0
        way = getattr(found, "transport_seconds", 0.0)
        parts = {
            "waiting": began - asked,
            "engine": engine,
            "transport": way,
            "hub": took - engine - way,
        }
        for part, seconds in parts.items():
            self._took.labels(part).observe(max(seconds, 0.0))
        return found

    def _failed(self, seconds: float) -> None:
        if seconds < self._slow_seconds:
            return
        with self._lock:
            self._failures += 1
            if self._failures >= FAILURES:
                self._shut_until = time.monotonic() + self._pause_seconds

    def _answered(self) -> None:
        with self._lock:
            self._failures = 0
            self._shut_until = 0.0

    def collect(self) -> Iterator[Metric]:
        """The figures of this moment."""
        yield from self._took.collect()
        yield from self._refused.collect()


ASKING = Asking()
"""One for the process: what it spares are the process's threads."""
