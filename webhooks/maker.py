"""Bodies: made for all endpoints in rounds, which read what several need once, and stored together.

Rounds come one after another: what is asked for meanwhile makes the next one larger, and cheaper for each. An endpoint
whose documents take long is made by itself, so that it delays its own deliveries only.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict, deque
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from time import monotonic

from webhooks import due, lot
from webhooks.delivery import Claimed
from webhooks.lot import Lot, Rendered
from webhooks.rendering import Rendering
from webhooks.transactions import Transactions

RENDER_SECONDS = 20.0
ROUND_SECONDS = 0.5
"""How long a round may take; what is in one that takes longer is made by endpoint."""

ROUND = 50
"""Deliveries in one round, shared evenly by the endpoints in it."""

APART = 8
"""Endpoints that are made by themselves at one time: more would only make each take longer."""

DOWN_SECONDS = 1.0

log = logging.getLogger(__name__)


class Maker:
    """``line_up`` is given what is stored and may be sent; ``let_go`` what is not to be sent now. ``work``: its tasks."""

    def __init__(
        self,
        database: Transactions,
        rendering: Rendering,
        line_up: Callable[[Rendered], None],
        let_go: Callable[[Iterable[Claimed]], None],
    ) -> None:
        self.work: set[asyncio.Task[None]] = set()
        self._database = database
        self._rendering = rendering
        self._line_up = line_up
        self._let_go = let_go
        self._asked: deque[Lot] = deque()
        self._bell = asyncio.Event()
        self._rendered: asyncio.Queue[Rendered] = asyncio.Queue()
        self._apart = asyncio.Semaphore(APART)
        self._slow: set[int] = set()

    def make(self, found: Lot) -> None:
        """Begin to make the bodies that deliveries lack."""
        ready = [each for each in found.claimed if each.body is not None]
        if ready:
            self._rendered.put_nowait(Rendered(ready))
        missing = [each for each in found.claimed if each.body is None]
        for number, some in _by_endpoint(missing, self._slow).items():
            self._begin(number, replace(found, claimed=some))
        together = [each for each in missing if each.endpoint_id not in self._slow]
        if together:
            self._asked.append(replace(found, claimed=together))
            self._bell.set()

    async def rounds(self) -> None:
        """Make what is asked for, round by round."""
        while True:
            await self._bell.wait()
            self._bell.clear()
            while self._asked:
                await self._round(self._next())

    def _next(self) -> Lot:
        """What comes first, and no more of one endpoint than its share where there is more than a round takes."""
        asked = [*self._asked]
        self._asked.clear()
        whole = _joined(asked)
        if len(whole.claimed) <= ROUND:
            return whole
        by_endpoint = _by_endpoint(whole.claimed)
        share = max(1, ROUND // len(by_endpoint))
        first = [each for some in by_endpoint.values() for each in some[:share]]
        rest = [each for some in by_endpoint.values() for each in some[share:]]
        self._asked.append(replace(whole, claimed=first[ROUND:] + rest))
        return replace(whole, claimed=first[:ROUND])

    async def _round(self, asked: Lot) -> None:
        try:
            async with asyncio.timeout(ROUND_SECONDS):
                made = await lot.render(asked, self._rendering)
        except Exception as wrong:
            if not isinstance(wrong, TimeoutError):
                log.exception("A round of bodies could not be made: they are made by endpoint.")
            for number, some in _by_endpoint(asked.claimed).items():
                self._begin(number, replace(asked, claimed=some))
        else:
            self._rendered.put_nowait(made)

    def _begin(self, number: int, part: Lot) -> None:
        """Make one endpoint's by themselves."""
        task = asyncio.create_task(self._surviving(number, part))
        self.work.add(task)
        task.add_done_callback(self.work.discard)

    async def _surviving(self, number: int, part: Lot) -> None:
        """What fails unforeseen is not held on to: it is tried again."""
        try:
            await self._alone(number, part)
        except Exception:
            log.exception("Bodies could not be made and are made again.")
            await asyncio.sleep(DOWN_SECONDS)
            self._let_go(part.claimed)

    async def _alone(self, number: int, part: Lot) -> None:
        self._slow.add(number)
        async with self._apart, asyncio.timeout(RENDER_SECONDS):
            began = monotonic()
            made = await lot.render(part, self._rendering)
        if monotonic() - began < ROUND_SECONDS:
            self._slow.discard(number)
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


def _by_endpoint(claimed: Iterable[Claimed], only: Collection[int] | None = None) -> dict[int, list[Claimed]]:
    found: dict[int, list[Claimed]] = defaultdict(list)
    for each in claimed:
        if only is None or each.endpoint_id in only:
            found[each.endpoint_id].append(each)
    return found


def _joined(lots: Sequence[Lot]) -> Lot:
    """Several as one; an endpoint stands as it was read last."""
    if len(lots) == 1:
        return lots[0]
    whole = Lot([], {}, {})
    for each in lots:
        whole.claimed.extend(each.claimed)
        whole.ways.update(each.ways)
        whole.records.update(each.records)
    return whole
