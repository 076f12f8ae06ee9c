"""Following the feed: pages of what somebody wants of it, and waiting for more without a connection.

All who wait in one event loop are woken by one reader. It reads what the feed grew by once, and only those look for
themselves whom one of the new changes may concern.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

import sqlalchemy as sa

from hub import audience, feed
from hub.db import Database
from hub.feed import Ends, Feed, Head, Position
from hub.wake import SEQUENCED, Bell

SCAN = 20_000
"""Records that one statement looks at. A rare event does not make it long: the reader goes on from where it ended."""

SCAN_SECONDS = 2.0
"""How long a page goes on looking for what it wants."""

REMEMBERED = 5_000
"""The newest records, of which the followers know what they mean."""

AT_ONCE = 4
"""Pages read at one time for those who follow: the other connections are for everybody else."""

GATHER_SECONDS = 0.002
"""After news, the reader waits this long for more of it."""
LOOK_SECONDS = 1.0
"""How often it looks unasked."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Mark:
    """What followers know of a new record."""

    sequence: int
    type: str
    aggregate: str
    events: Sequence[str]


@dataclass(frozen=True)
class Wanted:
    """What somebody reads of the feed.

    ``nouns``: the aggregates that they may read. ``types``: events, or ``order.*`` for all of a noun; null for all.
    ``channels``: whose view it is (``hub.audience``); null for all.
    """

    nouns: frozenset[str]
    types: tuple[str, ...] | None = None
    channels: tuple[int, ...] | None = None

    def may_be(self, mark: Mark) -> bool:
        """Whether a record can be one of them. Its channels are not looked at."""
        if mark.aggregate not in self.nouns:
            return False
        every = f"{mark.type.partition('.')[0]}.*"
        return self.types is None or every in self.types or not set(self.types).isdisjoint(mark.events)

    def page(self, after: int | None, limit: int) -> sa.Select[Any]:
        """Select the ends of the feed with the next records, all as of one moment; one row without a record if none.

        ``after``: null for the beginning. Looks at ``SCAN`` records at most, from ``begin`` on.
        """
        head = Head.__table__
        begin = sa.func.coalesce(sa.cast(sa.literal(after), sa.BigInteger), head.c.first - 1)
        record = self._records(Feed.__table__, begin, head.c.sequence, limit)
        return (
            sa.select(
                head.c.epoch, head.c.first, head.c.sequence.label("last"), begin.label("begin"), *record.c
            )
            .select_from(head)
            .outerjoin(record, sa.true())
            .order_by(record.c.sequence)
        )

    def _records(self, table: sa.FromClause, begin: Any, last: Any, limit: int) -> Any:
        within = (
            table.c.sequence > begin,
            table.c.sequence <= sa.func.least(begin + SCAN, last),
            table.c.aggregate.in_(self.nouns),
            *feed.meaning(self.types, table.c.events),
        )
        plain = [column for column in table.c if column.name not in ("events", "changes")]
        if self.channels is None:
            chosen = sa.select(*plain, table.c.events, table.c.changes).where(*within)
        else:
            shown = audience.view(table, list(self.channels))
            chosen = (
                sa.select(*plain, shown.c.events, shown.c.changes)
                .select_from(table.join(shown, sa.true()))
                .where(*within, shown.c.changes.is_not(None), *feed.meaning(self.types, shown.c.events))
            )
        return chosen.order_by(table.c.sequence).limit(limit).lateral("record")


@dataclass(frozen=True)
class Page:
    """Records in their order. ``begin``: what they follow. ``end``: where to read on. ``ends``: of the whole feed."""

    rows: Sequence[sa.RowMapping]
    begin: int
    end: int
    ends: Ends

    @property
    def is_last(self) -> bool:
        """Whether nothing follows yet."""
        return self.end >= self.ends.last


@dataclass
class Follower:
    """Reads pages for those who follow the feed, and wakes them; one for an event loop."""

    database: Database
    bell: Bell = SEQUENCED
    _recent: deque[Mark] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    _last: int = 0
    _waiting: set[asyncio.Future[None]] = field(default_factory=set)
    _reader: asyncio.Task[None] | None = None
    _turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    async def read(self, wanted: Wanted, after: Position | None, limit: int) -> Page:
        """Read the next records, ``limit`` at most; fewer, even none, where it took too long to find more.

        Raises ``hub.feed.GoneError`` or ``hub.feed.AheadError`` for a position that leads nowhere.
        """
        deadline = monotonic() + SCAN_SECONDS
        page = await self._read(wanted, after, limit)
        begin = page.begin
        while not (page.rows or page.is_last or monotonic() > deadline):
            page = await self._read(wanted, Position(page.end), limit)
        return Page(page.rows, begin, page.end, page.ends)

    async def _read(self, wanted: Wanted, after: Position | None, limit: int) -> Page:
        statement = wanted.page(None if after is None else after.sequence, limit + 1)
        async with self._turns:
            rows = await self.database.rows(statement)
        ends = Ends(rows[0]["epoch"], rows[0]["first"], rows[0]["last"])
        if after is not None:
            ends.check(after)
        begin = rows[0]["begin"]
        found = [row for row in rows if row["sequence"] is not None]
        more = len(found) > limit
        end = found[limit - 1]["sequence"] if more else min(begin + SCAN, ends.last)
        return Page(found[:limit], begin, end, ends)

    async def news(self, wanted: Wanted, after: int, seconds: float) -> int | None:
        """Wait until a record after ``after`` may be wanted; gives where to read on, null where the time was up."""
        deadline = monotonic() + seconds
        while (left := deadline - monotonic()) > 0:
            if self._is_running() and after >= self._forgotten():
                if any(wanted.may_be(mark) for mark in self._since(after)):
                    return after
                after = max(after, self._last)
            elif self._is_running():
                return after
            await self._growth(left)
        return None

    def _is_running(self) -> bool:
        return self._reader is not None and not self._reader.done() and self._last > 0

    def _forgotten(self) -> int:
        """The last record of which nothing is known."""
        return self._recent[0].sequence - 1 if self._recent else self._last

    def _since(self, after: int) -> list[Mark]:
        found = []
        for mark in reversed(self._recent):
            if mark.sequence <= after:
                break
            found.append(mark)
        return found

    async def _growth(self, seconds: float) -> None:
        news = asyncio.get_running_loop().create_future()
        self._waiting.add(news)
        if self._reader is None or self._reader.done():
            self._reader = asyncio.create_task(self._follow())
        try:
            await asyncio.wait((news,), timeout=seconds)
        finally:
            self._waiting.discard(news)

    async def _follow(self) -> None:
        """Read what is new, as long as somebody waits."""
        self._recent.clear()
        self._last, heard, alone = 0, self.bell.rings, 0
        while alone <= 1:  # those who have just been woken come back in a moment
            if await self._looked():
                self._wake()
                await asyncio.sleep(GATHER_SECONDS)
            else:
                heard = await self.bell.heard(heard, LOOK_SECONDS)
                alone = 0 if self._waiting else alone + 1

    async def _looked(self) -> bool:
        try:
            return await self._look()
        except Exception:  # whatever it is: those who wait would sleep through everything
            log.exception("The feed cannot be followed, which is tried again.")
            await asyncio.sleep(LOOK_SECONDS)
            return False

    async def _look(self) -> bool:
        """Whether the feed has grown."""
        if not self._last:
            self._last = max((await self.database.rows(feed.ENDS))[0]["last"], 0)
            return self._last > 0
        table = Feed.__table__
        newer = sa.select(table.c.sequence, table.c.type, table.c.aggregate, table.c.events)
        rows = await self.database.rows(
            newer.where(table.c.sequence > self._last).order_by(table.c.sequence).limit(REMEMBERED)
        )
        self._recent.extend(Mark(**row) for row in rows)
        self._last = rows[-1]["sequence"] if rows else self._last
        return bool(rows)

    def _wake(self) -> None:
        for news in self._waiting:
            with suppress(asyncio.InvalidStateError):
                news.set_result(None)
