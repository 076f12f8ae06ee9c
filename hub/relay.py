"""The hub's own part of the relay: it numbers changes, turns windows, runs jobs, and drops what need not
be kept.

Any number of processes may run it; what one holds, the others leave alone or wait for.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from threading import Event, Thread

import sqlalchemy as sa

from hub import (
    asset_upload,
    cart,
    idempotency,
    job_runner,
    migrations,
    pending_message,
    reservation,
    search_event,
    sequencer,
    triggers,
    wake,
    window,
)
from hub.config import Settings
from hub.db import HUB, Database
from hub.postgres import libpq

CLOCK_SECONDS = 0.5
"""How late a window may turn."""

GUARD_SECONDS = 10.0
"""How long a trigger that somebody dropped may be missing."""

HOUSEKEEPING_SECONDS = 3600.0
EXPIRY_SECONDS = 60.0
"""How late the result of a job may be removed, or a cart counted as left behind."""

LEARNING_SECONDS = 60.0
"""How late a query that several asked is offered to others."""

Stop = Callable[[], None]
"""Ends what was started, and returns when it has ended."""

log = logging.getLogger(__name__)


def hear(database: Database) -> Stop:
    """Hear of what other processes sequence, in a thread of its own: a server without a relay needs it too."""
    stop = Event()
    return _running(
        stop, [Thread(target=wake.listen, args=(libpq(database.url), stop), name="ears", daemon=True)]
    )


def start(database: Database, settings: Settings) -> Stop:
    """Run each task in a thread of its own."""
    stop = Event()
    threads = [
        Thread(target=sequencer.run, args=(database, stop), name="sequencer", daemon=True),
        Thread(target=_repeat, args=(_turn, database, CLOCK_SECONDS, stop), name="clock", daemon=True),
        Thread(target=_repeat, args=(_free, database, CLOCK_SECONDS, stop), name="promises", daemon=True),
        Thread(target=_repeat, args=(pending_message.deliver, database, CLOCK_SECONDS, stop), daemon=True),
        Thread(target=_repeat, args=(_guard, database, GUARD_SECONDS, stop), name="guard", daemon=True),
        Thread(target=_repeat, args=(_tidy(settings), database, HOUSEKEEPING_SECONDS, stop), daemon=True),
        Thread(target=_repeat, args=(_expire(settings), database, EXPIRY_SECONDS, stop), daemon=True),
        Thread(target=_repeat, args=(_abandon(settings), database, EXPIRY_SECONDS, stop), daemon=True),
        Thread(target=_repeat, args=(_give_up(settings), database, EXPIRY_SECONDS, stop), daemon=True),
        Thread(target=_repeat, args=(_learn(settings), database, LEARNING_SECONDS, stop), daemon=True),
        *job_runner.threads(database, settings, stop),
    ]
    return _running(stop, threads)


def _running(stop: Event, threads: Sequence[Thread]) -> Stop:
    for thread in threads:
        thread.start()

    def end() -> None:
        stop.set()
        for thread in threads:
            thread.join()

    return end


def _turn(database: Database) -> bool:
    with database.write(HUB) as tx:
        return window.turn(tx) > 0


def _free(database: Database) -> bool:
    """Promises whose time is over are free again."""
    with database.write(HUB) as tx:
        return reservation.expire(tx) > 0


def _abandon(settings: Settings) -> Callable[[Database], bool]:
    """Carts that nobody has come back to are told of."""

    def abandon(database: Database) -> bool:
        with database.write(HUB) as tx:
            return cart.abandon(tx, settings.cart_abandoned_minutes) > 0

    return abandon


def _give_up(settings: Settings) -> Callable[[Database], bool]:
    """Messages whose orders never came are told of."""

    def give_up(database: Database) -> bool:
        with database.write(HUB) as tx:
            return pending_message.expire(tx, settings.message_days) > 0

    return give_up


def _guard(database: Database) -> bool:
    """A relay of another version, that runs beside this one during an upgrade, leaves things as it finds them."""
    with database.read() as tx:
        ours = migrations.installed(tx)
    if ours:
        triggers.mend(database)
    return False


def _tidy(settings: Settings) -> Callable[[Database], bool]:
    def tidy(database: Database) -> bool:
        with database.write(HUB) as tx:
            sequencer.drop_old(tx, settings.feed_days)
            idempotency.purge(tx)
        asset_upload.forget(database)
        return False

    return tidy


def _learn(settings: Settings) -> Callable[[Database], bool]:
    """Offer what others ask, and forget old events."""

    def learn(database: Database) -> bool:
        with database.write(HUB) as tx:
            search_event.popularise(tx)
            return search_event.purge(tx, settings.search_event_days)

    return learn


def _expire(settings: Settings) -> Callable[[Database], bool]:
    def expire(database: Database) -> bool:
        job_runner.tidy(database, settings)
        return False

    return expire


def _repeat(task: Callable[[Database], bool], database: Database, pause: float, stop: Event) -> None:
    """Do the task until stopped; at once again where it says that there may be more."""
    while not stop.is_set():
        try:
            again = task(database)
        except sa.exc.DBAPIError as error:
            log.warning("The relay lost the database and tries again: %s", error.orig)
            again = False
        except Exception:  # a pool without a free connection, or whatever else: the thread must go on
            log.exception("The relay failed at a task and tries again.")
            again = False
        if not again:
            stop.wait(pause)
