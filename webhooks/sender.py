"""The sender: takes what is due at the endpoints that this process holds, posts it, and notes what came of it.

Noting and taking is one short transaction, keeping the bodies another; requests run outside of any. A process that
dies leaves its endpoints to the others when its lease ends: what it sent without noting is repeated under the same
id, and nothing is lost.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections import Counter
from collections.abc import Callable, Collection, Coroutine, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from time import monotonic
from typing import Any

import sqlalchemy as sa

from hub.db import Database
from hub.wake import SEQUENCED
from webhooks import endpoint, lease, lot, schedule, standing, turn, verification
from webhooks.courier import Courier
from webhooks.delivery import Claimed, Tried
from webhooks.holder import Holder
from webhooks.lot import Lot, Rendered
from webhooks.maker import Maker
from webhooks.pace import Pace
from webhooks.post import Answer, Post, clean
from webhooks.rendering import Rendering
from webhooks.secret import Vault
from webhooks.transactions import Transactions, say
from webhooks.turn import Ask

TICK_SECONDS = 0.25
"""How late it is seen that an endpoint was changed, or told to hurry, by another process."""

GAP_SECONDS = 0.003
"""The pause between two turns, in which more comes together."""

DOWN_SECONDS = 1.0
LEAST = 64
MOST = 2_048
"""Requests under way at one time in this process; each busy endpoint has an equal share of them."""

LATE_SECONDS = 0.1
"""How late this process may be with its own work before it sends half as much at one time."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Ways:
    """How a sender works. ``lease``: seconds until others take over from one that died. ``delays``: the schedule.

    ``failing_days``: how long an endpoint may fail before it is disabled.
    """

    lease: float = 5.0
    delays: Sequence[float] = schedule.DELAYS
    failing_days: float = 5.0
    noted: Callable[[Tried], None] = lambda _: None


class Sender:
    """One process's share of sending."""

    def __init__(
        self, database: Database, vault: Vault, post: Post, rendering: Rendering, ways: Ways
    ) -> None:
        self._database = Transactions(database)
        self._vault = vault
        self._post = post
        self._maker = Maker(self._database, rendering, self._line_up, self._let_go)
        self._ways = ways
        self._loop = asyncio.get_running_loop()
        self._holder = Holder(database, ways.lease, self._hold)
        self._at_once = self._share = 4 * LEAST
        self._couriers: dict[int, Courier] = {}
        self._unnoted: set[int] = set()
        self._bell = asyncio.Event()
        self._flights: dict[asyncio.Task[None], Courier] = {}
        self._tried: list[Tried] = []
        self._stopping = False
        self._grown = True
        self._careful = False

    def ring(self) -> None:
        """Say, in the sender's own loop, that something may be due."""
        self._bell.set()

    def wake(self) -> None:
        """Say it from another thread."""
        self._loop.call_soon_threadsafe(self._bell.set)

    @property
    def endpoints(self) -> list[int]:
        """The endpoints that this process holds and sends to."""
        if not self._holder.remaining:
            return []
        return [number for number, courier in list(self._couriers.items()) if not courier.leaving]

    @property
    def in_flight(self) -> dict[int, int]:
        """Requests under way by endpoint."""
        return {number: courier.flying for number, courier in list(self._couriers.items())}

    async def run(self, stop: asyncio.Event, grace: float = 5.0) -> None:
        """Send until ``stop`` is set; then wait ``grace`` seconds for answers, and give the rest back."""
        self._holder.start()
        lasting = (self._guarding, self._watching, self._maker.rounds, self._maker.keep, self._hearing)
        loops = [asyncio.create_task(_lasting(each)) for each in lasting]
        try:
            await self._turns(stop, grace)  # what cannot be noted in time is repeated
        finally:
            await _cancel([*self._maker.work, *self._flights, *loops])
            await asyncio.to_thread(self._holder.leave)
            self._database.close()

    async def _hearing(self) -> None:
        """Ring when the feed has grown."""
        heard = SEQUENCED.rings
        while True:
            heard = await SEQUENCED.heard(heard, TICK_SECONDS)
            self._grown = True
            self.ring()

    # Holding: which endpoints are this process's.

    async def _watching(self) -> None:
        """Look after what changes by itself: settings, pauses that end, a lease that could not be renewed."""
        while True:
            woke = monotonic() + TICK_SECONDS
            await asyncio.sleep(TICK_SECONDS)
            late = monotonic() - woke
            self._at_once = (
                max(LEAST, self._at_once // 2) if late > LATE_SECONDS else min(MOST, self._at_once + LEAST)
            )
            await self._refresh()
            self.ring()

    async def _guarding(self) -> None:
        """See that nothing is sent once the lease is over. It asks the database nothing, which may be silent by then."""
        while True:
            await asyncio.sleep(TICK_SECONDS)
            if self._couriers and not self._holder.remaining:
                self._expired()

    def _expired(self) -> None:
        """Another process may hold the endpoints from now on: nothing of ours may be under way any more."""
        log.warning("The sender could not renew its lease: it sends nothing until it can.")
        self._couriers.clear()
        for flight in self._flights:
            flight.cancel()

    def _hold(self, held: lease.Held) -> None:
        with suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._match, held)

    def _match(self, held: lease.Held) -> None:
        for number in self._couriers.keys() - held.own:
            courier = self._couriers.pop(number)
            for flight in [task for task, each in self._flights.items() if each is courier]:
                flight.cancel()
        for number in held.own - self._couriers.keys():
            self._couriers[number] = Courier(number, Pace(monotonic()))
        for number, courier in self._couriers.items():
            courier.leaving = number in held.leaving
            if courier.leaving:
                courier.drop()
        self._holder.done = [
            number for number, each in self._couriers.items() if each.leaving and not each.taken
        ]
        self.ring()

    async def _refresh(self) -> None:
        """See what was changed about endpoints for which something waits here, or whose breaker is open."""
        read = monotonic()
        waiting = [
            number
            for number, each in self._couriers.items()
            if each.ready or each.way is None or each.breaker.state != "closed" or each.pace.resume > read
        ]
        if waiting:
            try:
                ways = await self._database.write(lot.ways, self._vault, waiting)
            except Exception as error:  # noqa: BLE001 - it must go on, whatever it was
                say("The sender cannot read its endpoints and tries again", error)
                return
            self._adopt(ways, read)

    def _adopt(self, ways: dict[int, lot.Way], read: float) -> None:
        now = monotonic()
        for number, way in ways.items():
            if number in self._couriers:
                self._couriers[number].adopt(way, read, now)
                self._pump(self._couriers[number])

    # Turns: what was sent is noted, what happened is told, what is due is taken.

    async def _turns(self, stop: asyncio.Event, grace: float) -> None:
        """Work until ``stop``, and then, ``grace`` seconds at most, until everything under way is noted."""
        until = math.inf
        while not stop.is_set() or ((self._flights or self._tried) and monotonic() < until):
            if stop.is_set() and until == math.inf:
                self._stopping, until = True, monotonic() + grace
            with suppress(TimeoutError):
                await asyncio.wait_for(self._bell.wait(), TICK_SECONDS)
            self._bell.clear()
            await self._turn()
            await asyncio.sleep(GAP_SECONDS)

    async def _turn(self) -> None:
        tried, self._tried = self._tried, []
        self._divide()
        try:
            await self._stand(tried)
            rooms = {number: room for number in self.endpoints if (room := self._room(number)) > 0}
            taken = self._unnoted.union(*(self._couriers[number].taken for number in rooms))
            among = self.endpoints if self._grown and not self._stopping else []
            self._grown = False
            read = monotonic()
            result = await self._database.write(
                turn.do, self._holder.id, self._vault, Ask(tried, among, rooms, taken, careful=self._careful)
            )
        except (sa.exc.DataError, sa.exc.IntegrityError):
            log.exception("Outcomes of %d deliveries cannot be stored together.", len(tried))
            for each in tried:
                await self._note_plainly(each)
        except Exception as error:  # noqa: BLE001 - it must go on, whatever it was
            say("The sender cannot reach its queue and tries again", error)
            self._tried = tried + self._tried
            self._grown = self._careful = True
            await asyncio.sleep(DOWN_SECONDS)
        else:
            self._careful = self._careful and (result.sick or not among)
            noted = {each.delivery.id for each in result.noted}
            self._tried = [each for each in tried if each.delivery.id not in noted] + self._tried
            self._settle(result.noted)
            if result.found and self._begin(result.found, read, rooms):
                self.ring()

    def _room(self, number: int) -> int:
        courier = self._couriers[number]
        return courier.room(monotonic(), self._share) if courier.way and not self._stopping else 0

    def _divide(self) -> None:
        """How many requests an endpoint may have under way, so that each busy one has as many."""
        busy = sum(1 for each in self._couriers.values() if each.taken)
        self._share = max(1, self._at_once // max(busy, 1))

    def _begin(self, found: Lot, read: float, rooms: dict[int, int]) -> bool:
        """Begin with what was taken; gives whether there may be more."""
        self._adopt(found.ways, read)
        ours = [each for each in found.claimed if each.endpoint_id in self._couriers]
        for each in ours:
            self._couriers[each.endpoint_id].taken.add(each.id)
        self._maker.make(replace(found, claimed=ours))
        counted = Counter(each.endpoint_id for each in ours)
        return any(count == rooms[number] for number, count in counted.items())

    def _let_go(self, claimed: Iterable[Claimed]) -> None:
        for each in claimed:
            if each.endpoint_id in self._couriers:
                self._couriers[each.endpoint_id].taken.discard(each.id)
        self.ring()

    # Sending.

    def _line_up(self, made: Rendered) -> None:
        started = datetime.now(UTC)
        for each, why in made.blocked:
            self._end(each, started, Answer("blocked", error=clean(why)))
        couriers: dict[int, Courier] = {}
        for each in made.ready:
            courier = self._couriers.get(each.endpoint_id)
            if courier is not None and each.id in courier.taken:
                courier.ready.append(each)
                couriers[each.endpoint_id] = courier
        for courier in couriers.values():
            self._pump(courier)

    def _pump(self, courier: Courier) -> None:
        """Send what may go now, and come back when more may."""
        courier.withhold()
        while courier.ready and courier.way is not None and not self._stopping:
            now = monotonic()
            wait = courier.wait(now, self._share) if self._holder.remaining else TICK_SECONDS
            if wait > 0:
                if wait < TICK_SECONDS:
                    asyncio.get_running_loop().call_later(wait, self._pump, courier)
                return
            probe = courier.breaker.state != "closed"
            if probe:
                courier.breaker.probe()
                courier.unsaved = True
            courier.flying += 1
            courier.pace.went()
            flight = asyncio.create_task(self._fly(courier, courier.ready.popleft(), probe=probe))
            self._flights[flight] = courier
            flight.add_done_callback(self._flights.pop)

    async def _fly(self, courier: Courier, each: Claimed, *, probe: bool) -> None:
        started = datetime.now(UTC)
        try:
            answer = await self._answer(courier, each, probe=probe)
        except asyncio.CancelledError:
            courier.breaker.abandon(monotonic())
            courier.taken.discard(each.id)
            raise
        except Exception as wrong:
            log.exception("A delivery failed unforeseen.")
            answer = Answer("failed", error=clean(repr(wrong)))
        finally:
            courier.flying -= 1
        courier.answered(answer, monotonic())
        self._end(each, started, answer, counted=not (probe and answer.outcome != "delivered"))
        self._pump(courier)

    async def _answer(self, courier: Courier, each: Claimed, *, probe: bool) -> Answer:
        way = courier.way
        assert way is not None
        if probe:
            await self._save([courier])
        if way.target is None:
            return Answer("blocked", error=way.shut)
        answer = await self._post.send(way.target, each.message, each.body or b"")
        return await self._verified(each, answer) if each.purpose == verification.PURPOSE else answer

    async def _verified(self, each: Claimed, answer: Answer) -> Answer:
        """A handshake is made with an answer that echoes its challenge."""
        if answer.outcome != "delivered":
            return answer
        if not verification.echoes(each.body or b"", answer.response):
            return replace(answer, outcome="refused", error="The answer does not echo the challenge.")
        await self._database.persist(verification.passed, each.endpoint_id, each.body or b"")
        return answer

    def _end(self, each: Claimed, started: datetime, answer: Answer, *, counted: bool = True) -> None:
        taken = datetime.now(UTC) - started
        wait = None
        if answer.outcome != "delivered":
            wait = schedule.wait(each.failures + 1, answer.retry_after, self._ways.delays) if counted else 0.0
        self._unnoted.add(each.id)
        self._tried.append(
            Tried(
                delivery=each,
                started_at=started,
                milliseconds=round(taken.total_seconds() * 1000),
                outcome=answer.outcome,
                status=answer.status,
                error=answer.error,
                response=answer.response,
                request=answer.request,
                wait=wait,
                counted=counted and answer.outcome != "delivered",
                gone=answer.gone,
            )
        )
        self.ring()

    # Standing: what outcomes say about the endpoint.

    async def _stand(self, tried: Sequence[Tried]) -> None:
        well = {each.delivery.endpoint_id for each in tried if each.outcome == "delivered"}
        for number in {each.delivery.endpoint_id for each in tried} & self._couriers.keys():
            self._couriers[number].judge(well=number in well, now=datetime.now(UTC))
        await self._save([each for each in self._couriers.values() if each.unsaved])
        for number in sorted({each.delivery.endpoint_id for each in tried if each.gone}):
            await self._database.write(
                endpoint.disable, number, "The receiver answered 410: it wants nothing more."
            )

    async def _save(self, couriers: Sequence[Courier]) -> None:
        """Store how endpoints stand. What their breaker held back flows at once when it has closed."""
        if not couriers:
            return
        now = monotonic()
        for courier in couriers:
            courier.unsaved = False
        closed = [
            each.endpoint_id
            for each in couriers
            if each.breaker.state == "closed" and each.way is not None and each.way.row["breaker"] != "closed"
        ]
        standings = [each.standing(now) for each in couriers]
        for courier in couriers:
            courier.saving += 1
        try:
            await self._database.persist(standing.save, standings, self._ways.failing_days, closed)
        finally:
            for courier in couriers:
                courier.saving -= 1
                courier.saved = monotonic()
        for courier in couriers:
            if courier.way is not None:
                courier.way.row["breaker"] = courier.breaker.state

    async def _note_plainly(self, each: Tried) -> None:
        """Note an outcome by itself, without its texts where PostgreSQL refuses them."""
        plain = replace(each, error="What came back cannot be stored.", response=None, request=None)
        for form in (each, plain):
            try:
                result = await self._database.persist(turn.do, self._holder.id, self._vault, Ask([form]))
            except sa.exc.DBAPIError:
                log.exception("An outcome cannot be stored.")
                continue
            if not result.noted:  # somebody else works on the lane at this moment
                self._tried.append(form)
                return
            break
        self._settle([each])

    def _settle(self, tried: Sequence[Tried]) -> None:
        for each in tried:
            self._unnoted.discard(each.delivery.id)
            self._ways.noted(each)
        self._let_go(each.delivery for each in tried)


async def _cancel(tasks: Collection[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _lasting(loop: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Begin a loop again that ended: the lease goes on without it, and its endpoints would stand still."""
    while True:
        try:
            await loop()
        except Exception:
            log.exception("A part of the sender ended unforeseen and begins again.")
            await asyncio.sleep(DOWN_SECONDS)
