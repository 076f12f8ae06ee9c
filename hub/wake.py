"""Wake signals inside one process: whoever waits for something that another thread does need not poll for it.

A bell says that there may be something, never what: those it wakes look for themselves. A ring that comes while
somebody looks is not lost, because a wait is for more rings than were heard before looking::

    heard = SEQUENCED.rings
    while not stop.is_set():
        work()
        heard = SEQUENCED.wait(heard, timeout=0.5)

In a coroutine it is ``heard = await SEQUENCED.heard(heard, timeout=0.5)``.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from threading import Condition, Event
from uuid import uuid4

import psycopg

log = logging.getLogger(__name__)

Sleeper = tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]


class Bell:
    """Something that may have happened. Any thread and any event loop may ring it and wait for it."""

    def __init__(self) -> None:
        self._rung = Condition()
        self._rings = 0
        self._sleepers: set[Sleeper] = set()

    @property
    def rings(self) -> int:
        """How often it has rung."""
        return self._rings

    def ring(self) -> None:
        """Wake all who wait."""
        with self._rung:
            self._rings += 1
            self._rung.notify_all()
            sleepers, self._sleepers = self._sleepers, set()
        for loop, sleeper in sleepers:
            with suppress(RuntimeError):  # a loop that has ended waits no more
                loop.call_soon_threadsafe(_wake, sleeper)

    def wait(self, heard: int, timeout: float) -> int:
        """Block until it has rung more than ``heard`` times, at most ``timeout`` seconds; gives how often it has."""
        with self._rung:
            self._rung.wait_for(lambda: self._rings > heard, timeout)
            return self._rings

    async def heard(self, heard: int, timeout: float) -> int:  # noqa: ASYNC109 - the same words as ``wait``
        """Do the same in a coroutine."""
        loop = asyncio.get_running_loop()
        sleeper = loop, loop.create_future()
        with self._rung:
            if self._rings > heard:
                return self._rings
            self._sleepers.add(sleeper)
        try:
            await asyncio.wait((sleeper[1],), timeout=timeout)
        finally:
            with self._rung:
                self._sleepers.discard(sleeper)
        return self._rings


def _wake(sleeper: asyncio.Future[None]) -> None:
    if not sleeper.done():
        sleeper.set_result(None)


COMMITTED = Bell()
"""Rings when this process has committed a write; what others commit is not heard here."""

SEQUENCED = Bell()
"""Rings when the feed has grown: in the process of the sequencer at once, in others when PostgreSQL tells them."""

CHANNEL = "hub_sequenced"
"""Where the sequencer notifies the other processes."""

ME = uuid4().hex
"""What this process puts into its notifications, to know them for its own."""

TURN_SECONDS = 0.5
DOWN_SECONDS = 1.0


def listen(url: str, stop: Event) -> None:
    """Ring ``SEQUENCED`` for what other processes sequence, until ``stop`` is set. ``url`` is libpq's.

    A database that goes away is waited for; then it rings once for whatever was missed.
    """
    while not stop.is_set():
        try:
            with psycopg.connect(url, autocommit=True, application_name="hub listener") as connection:
                connection.execute(f"LISTEN {CHANNEL}")
                SEQUENCED.ring()
                while not stop.is_set():
                    # All that came are read before it rings: many batches are one reason to look.
                    payloads = [
                        each.payload for each in connection.notifies(timeout=TURN_SECONDS, stop_after=1)
                    ]
                    if set(payloads) - {ME}:
                        SEQUENCED.ring()
        except psycopg.Error as error:
            log.warning("Other processes cannot be heard, which is tried again: %s", error)
            stop.wait(DOWN_SECONDS)
