"""This process's word that it lives, given from a thread of its own: however busy the sender is, it is not taken for dead."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from threading import Event, Thread
from time import monotonic
from uuid import UUID, uuid4

import sqlalchemy as sa

from hub.db import Database
from webhooks import lease
from webhooks.lease import Held

TICK_SECONDS = 0.25
"""How late it is seen that an endpoint was added, or that another process came or went."""

DOWN_SECONDS = 1.0
MARGIN = 0.9
"""The part of the lease after which this process sends nothing more: what is under way must end before another begins."""


log = logging.getLogger(__name__)


class Holder:
    """``seconds``: how long the word holds. ``held`` is called, in the thread, with the endpoints after each renewal.

    ``done``: endpoints that it is to give back.
    """

    def __init__(self, database: Database, seconds: float, held: Callable[[Held], None]) -> None:
        self.id: UUID = uuid4()
        self.done: Collection[int] = ()
        self._database = database
        self._seconds = seconds
        self._held = held
        self._until = 0.0
        self._stop = Event()
        self._thread = Thread(target=self._run, name="lease", daemon=True)

    @property
    def remaining(self) -> float:
        """Seconds for which the word still holds; zero when another process may hold the endpoints."""
        return max(self._until - monotonic(), 0.0)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def leave(self) -> None:
        """Give back everything: the others need not wait for the lease to end."""
        self._stop.set()
        self._thread.join()
        try:
            with self._database.engine.begin() as tx:
                lease.leave(tx, self.id)
        except sa.exc.SQLAlchemyError as error:
            log.warning("The lease could not be given back, and ends by itself: %s", error)

    def _run(self) -> None:
        pause = 0.0
        while not self._stop.wait(pause):
            pause = TICK_SECONDS
            started = monotonic()
            try:
                with self._database.engine.begin() as tx:
                    held = lease.hold(tx, self.id, self._seconds, self.done)
            except sa.exc.OperationalError as error:
                log.warning("The sender cannot renew its lease and tries again: %s", error.orig)
                pause = DOWN_SECONDS
            except Exception:  # the thread must go on, whatever it was
                log.exception("The sender cannot renew its lease and tries again.")
                pause = DOWN_SECONDS
            else:
                self._until = started + MARGIN * self._seconds
                self._held(held)
