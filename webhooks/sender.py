"""The sender: takes what is due, posts it, notes what came of it.

Taking is one short transaction and noting another; the request itself runs outside of any. A process that dies between
the two leaves a lease that ends by itself: the delivery is then repeated under the same id, and never lost.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic
from typing import Any, Concatenate, ParamSpec, TypeVar
from uuid import uuid4

import sqlalchemy as sa

from hub.db import HUB, Database
from webhooks import delivery, endpoint, lot, schedule
from webhooks.body import Render
from webhooks.delivery import Claimed, Tried
from webhooks.lot import Lot
from webhooks.post import Answer, Post, Target, clean
from webhooks.secret import Vault

T = TypeVar("T")
P = ParamSpec("P")

IDLE_SECONDS = 0.1
"""How late a delivery may be taken that another process made."""

DOWN_SECONDS = 1.0
THREADS = 4

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Ways:
    """How a sender works. ``lease``: seconds until others take over from one that died. ``delays``: the schedule."""

    lease: float = 5.0
    delays: Sequence[float] = schedule.DELAYS
    noted: Callable[[Tried], None] = lambda _: None


class Sender:
    """One process's share of sending."""

    def __init__(self, database: Database, vault: Vault, post: Post, render: Render, ways: Ways) -> None:
        self._database = database
        self._vault = vault
        self._post = post
        self._render = render
        self._ways = ways
        self._holder = uuid4()
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="webhooks")
        self._bell = asyncio.Event()
        self._held: set[int] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._outcomes: asyncio.Queue[Tried] = asyncio.Queue()

    def ring(self) -> None:
        """Say that something may be due."""
        self._bell.set()

    async def run(self, stop: asyncio.Event, grace: float = 5.0) -> None:
        """Send until ``stop`` is set; then wait ``grace`` seconds for answers, and give the rest back."""
        noting = asyncio.create_task(self._noting())
        await self._taking(stop)
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with suppress(TimeoutError):  # what cannot be noted is repeated
            await asyncio.wait_for(self._outcomes.join(), grace)
        noting.cancel()
        with suppress(sa.exc.SQLAlchemyError):
            await self._write(delivery.release, self._holder)
        self._threads.shutdown()

    async def _taking(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            self._bell.clear()
            taken = await self._taken()
            if taken is not None:
                self._held.update(each.id for each in taken.claimed)
                self._begin(self._lot(taken), taken.claimed)
            else:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._bell.wait(), IDLE_SECONDS)

    async def _taken(self) -> Lot | None:
        try:
            return await self._write(self._take)
        except Exception:
            log.exception("The sender cannot take what is due and tries again.")
            await asyncio.sleep(DOWN_SECONDS)
            return None

    def _take(self, tx: sa.Connection) -> Lot | None:
        claimed = delivery.claim(tx, self._holder, self._ways.lease)
        return lot.load(tx, self._vault, claimed) if claimed else None

    def _begin(self, work: Coroutine[Any, Any, None], claimed: Sequence[Claimed]) -> None:
        task = asyncio.create_task(self._surviving(work, claimed))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _surviving(self, work: Coroutine[Any, Any, None], claimed: Sequence[Claimed]) -> None:
        """What fails unforeseen is not held on to: its lease ends, and it is tried again."""
        try:
            await work
        except Exception:
            log.exception("Deliveries failed unforeseen and are tried again.")
            self._held.difference_update(each.id for each in claimed)

    async def _lot(self, taken: Lot) -> None:
        """Render what is missing, keep the bytes, and only then send."""
        started = datetime.now(UTC)
        rendered = await lot.render(taken, self._render)
        if rendered.new:
            await self._persist(delivery.keep_bodies, rendered.new)
        for each in rendered.ready:
            if each.endpoint_id in taken.targets:
                self._begin(self._send(taken.targets[each.endpoint_id], each), [each])
            else:
                self._end(each, started, Answer("blocked", error=taken.shut[each.endpoint_id]))
        for each, why in rendered.blocked:
            self._end(each, started, Answer("blocked", error=clean(why)))

    async def _send(self, target: Target, each: Claimed) -> None:
        started = datetime.now(UTC)
        self._end(each, started, await self._post.send(target, each.message, each.body or b""))

    def _end(self, each: Claimed, started: datetime, answer: Answer) -> None:
        taken = datetime.now(UTC) - started
        wait = None
        if answer.outcome != "delivered":
            wait = schedule.wait(each.attempts + 1, answer.retry_after, self._ways.delays)
        self._outcomes.put_nowait(
            Tried(
                delivery=each,
                started_at=started,
                milliseconds=round(taken.total_seconds() * 1000),
                outcome=answer.outcome,
                status=answer.status,
                error=answer.error,
                response=answer.response,
                wait=wait,
                gone=answer.gone,
            )
        )

    async def _noting(self) -> None:
        """Note outcomes as they come, many in one transaction, and renew the leases of what is still held."""
        renewed = monotonic()
        while True:
            tried = await self._outcomes_within(self._ways.lease / 3)
            if tried:
                await self._persist(self._note, tried)
                self._settle(tried)
            if self._held and monotonic() - renewed > self._ways.lease / 3:
                await self._persist(delivery.renew, self._holder, list(self._held), self._ways.lease)
                renewed = monotonic()

    async def _outcomes_within(self, seconds: float) -> list[Tried]:
        try:
            tried = [await asyncio.wait_for(self._outcomes.get(), seconds)]
        except TimeoutError:
            return []
        while not self._outcomes.empty():
            tried.append(self._outcomes.get_nowait())
        return tried

    def _note(self, tx: sa.Connection, tried: Sequence[Tried]) -> None:
        delivery.note(tx, self._holder, tried)
        for number in sorted({each.delivery.endpoint_id for each in tried if each.gone}):
            endpoint.disable(tx, number, "The receiver answered 410: it wants nothing more.")

    def _settle(self, tried: Sequence[Tried]) -> None:
        for each in tried:
            self._held.discard(each.delivery.id)
            self._ways.noted(each)
            self._outcomes.task_done()
        self.ring()

    async def _persist(
        self, work: Callable[Concatenate[sa.Connection, P], T], *args: P.args, **more: P.kwargs
    ) -> None:
        """Do it, however often the database has to be waited for."""
        while True:
            try:
                await self._write(work, *args, **more)
            except Exception:
                log.exception("The sender cannot note what it did and tries again.")
                await asyncio.sleep(DOWN_SECONDS)
            else:
                return

    async def _write(
        self, work: Callable[Concatenate[sa.Connection, P], T], *args: P.args, **more: P.kwargs
    ) -> T:
        """One short transaction in a thread."""

        def run() -> T:
            with self._database.write(HUB) as tx:
                return work(tx, *args, **more)

        return await asyncio.get_running_loop().run_in_executor(self._threads, run)
