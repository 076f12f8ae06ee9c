"""Bodies: made for each endpoint by itself, so that a slow document delays its own endpoint only, and stored together."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from webhooks import due, lot
from webhooks.body import Render
from webhooks.delivery import Claimed
from webhooks.lot import Lot, Rendered
from webhooks.transactions import Transactions

RENDER_SECONDS = 20.0
RENDERS = 8
"""Endpoints whose bodies are made at one time: more would only make each take longer."""

DOWN_SECONDS = 1.0

log = logging.getLogger(__name__)


class Maker:
    """``line_up`` is given what is stored and may be sent; ``let_go`` what is not to be sent now. ``work``: its tasks."""

    def __init__(
        self,
        database: Transactions,
        render: Render,
        line_up: Callable[[Rendered], None],
        let_go: Callable[[Iterable[Claimed]], None],
    ) -> None:
        self.work: set[asyncio.Task[None]] = set()
        self._database = database
        self._render = render
        self._line_up = line_up
        self._let_go = let_go
        self._rendered: asyncio.Queue[Rendered] = asyncio.Queue()
        self._making = asyncio.Semaphore(RENDERS)

    def make(self, part: Lot) -> None:
        """Begin to make the bodies that one endpoint's deliveries lack."""
        if all(each.body is not None for each in part.claimed):
            self._rendered.put_nowait(Rendered(part.claimed))
            return
        task = asyncio.create_task(self._surviving(part))
        self.work.add(task)
        task.add_done_callback(self.work.discard)

    async def _surviving(self, part: Lot) -> None:
        """What fails unforeseen is not held on to: it is tried again."""
        try:
            await self._make(part)
        except Exception:
            log.exception("Bodies could not be made and are made again.")
            await asyncio.sleep(DOWN_SECONDS)
            self._let_go(part.claimed)

    async def _make(self, part: Lot) -> None:
        async with self._making, asyncio.timeout(RENDER_SECONDS):
            made = await lot.render(part, self._render)
        self._rendered.put_nowait(made)

    async def keep(self) -> None:
        """Store bodies as they are made, many in one transaction, and only then send."""
        while True:
            made = await _all(self._rendered)
            try:
                await self._store(made)
            except Exception:
                log.exception("Bodies could not be stored and are made again.")
                await asyncio.sleep(DOWN_SECONDS)
                self._let_go(delivery for each in made for delivery in each.all)

    async def _store(self, made: Sequence[Rendered]) -> None:
        fresh = [delivery for each in made for delivery in each.ready if delivery.id in each.new]
        kept = await self._database.persist(due.keep_bodies, fresh) if fresh else set()
        # What was erased while its body was made would show too much: it is taken and made again.
        stale = {each.id for each in fresh} - kept
        self._let_go(each for each in fresh if each.id in stale)
        filtered = [delivery for each in made for delivery in each.filtered]
        if filtered:
            await self._database.persist(due.settle, filtered, "filtered")
            self._let_go(filtered)
        for each in made:
            self._line_up(replace(each, ready=[ready for ready in each.ready if ready.id not in stale]))


async def _all(queue: asyncio.Queue[Rendered]) -> list[Rendered]:
    """What is in a queue, once there is something."""
    found = [await queue.get()]
    while not queue.empty():
        found.append(queue.get_nowait())
    return found
