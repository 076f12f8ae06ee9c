"""The desk: where those sit who wait for changes. It counts them, wakes them, and sends away whose token has ended."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import asynccontextmanager, contextmanager
from enum import Enum
from typing import Literal

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from hub import token
from hub.db import Database
from hub.errors import Limit
from hub.follow import Follower

MOST_WAITERS = 20
MOST_CONNECTIONS = 100
"""Of one token, at one time, in one process."""

CHECK_SECONDS = 2.0
"""How often the tokens of open connections are looked at."""

log = logging.getLogger(__name__)


class Seats:
    """How many of something each token holds. ``what``: how a refusal calls them."""

    def __init__(self, most: int, what: str) -> None:
        self.most = most
        self._what = what
        self._taken: Counter[int | None] = Counter()

    @property
    def count(self) -> int:
        """How many are taken by all tokens together."""
        return self._taken.total()

    @contextmanager
    def taken(self, token_id: int | None) -> Iterator[None]:
        """Take one for the length of a block. Raises ``Limit`` where the token has as many as it may have."""
        if self._taken[token_id] >= self.most:
            raise Limit(
                f"This token has {self.most} {self._what}, the most at one time: end one of them first."
            )
        self._taken[token_id] += 1
        try:
            yield
        finally:
            self._taken[token_id] -= 1
            self._taken += Counter()  # forgets those who have none


class End(Enum):
    """Why a connection ends from here."""

    REVOKED = "The token was revoked or has expired."
    CLOSING = "The server restarts: connect again."


Ending = asyncio.Future[Literal[End.REVOKED, End.CLOSING]]


class Desk(Collector):
    """The waiting requests and the open connections of one server."""

    def __init__(self, database: Database) -> None:
        self.follower = Follower(database)
        self.waiters = Seats(MOST_WAITERS, "requests that wait for changes")
        self.connections = Seats(MOST_CONNECTIONS, "connections for subscriptions")
        self.closing = asyncio.Event()
        self._database = database
        self._open: dict[Ending, int | None] = {}
        self._checking: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def connected(self, token_id: int | None) -> AsyncIterator[Ending]:
        """Hold a connection open; what comes back is done when it has to end. Raises ``Limit``."""
        ending: Ending = asyncio.get_running_loop().create_future()
        with self.connections.taken(token_id):
            self._open[ending] = token_id
            if self.closing.is_set():
                ending.set_result(End.CLOSING)
            elif self._checking is None or self._checking.done():
                self._checking = asyncio.create_task(self._check())
            try:
                yield ending
            finally:
                del self._open[ending]

    def close(self) -> None:
        """End what is open, so that the server can stop. To be called in the server's event loop."""
        self.closing.set()
        self._end(set(self._open.values()), End.CLOSING)

    def collect(self) -> Iterator[Metric]:
        """How many wait and listen."""
        yield GaugeMetricFamily("hub_feed_waiters", "Requests that wait for changes", self.waiters.count)
        yield GaugeMetricFamily("hub_feed_subscribers", "Open connections", self.connections.count)

    async def _check(self) -> None:
        while self._open:
            await asyncio.sleep(CHECK_SECONDS)
            held = {each for each in self._open.values() if each is not None}
            try:
                rows = await self._database.rows(token.valid(held))
            except Exception:  # a database that is away must not end the connections, nor this look at them
                log.exception("The tokens of open connections cannot be looked at, which is tried again.")
            else:
                self._end(held - {row["id"] for row in rows}, End.REVOKED)

    def _end(self, token_ids: Collection[int | None], why: Literal[End.REVOKED, End.CLOSING]) -> None:
        for ending, holder in self._open.items():
            if holder in token_ids and not ending.done():
                ending.set_result(why)
