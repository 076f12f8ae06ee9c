"""The lane: follows the change feed and keeps the index in use true to it, in one process at a time.

The index is committed before the cursor moves. A crash between the two repeats work, which changes nothing. How far the
index has come is written in the index itself; the cursor in the database tells others what can be found already.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from threading import Event, Thread

import sqlalchemy as sa

from hub import feed, wake
from hub.db import Database
from search import queue, standing
from search.damage import BrokenIndexError, sound
from search.engine import Index, LostTurnError, MissingError, Turn, UnavailableError
from search.follow import Follower
from search.rebuild import OUTDATED, HaltedError, rebuild, unfit

NAME = "search"
"""The lane's cursor on the feed."""

IDLE_SECONDS = 0.25
"""How long it sleeps at most where no bell wakes it."""

FEW = 100
REST_SECONDS = 0.05
"""After a look that found fewer than ``FEW`` it rests, so that more come together: each look costs several statements."""

TURN_SECONDS = 0.5
DOWN_SECONDS = 1.0
LONGEST_DOWN_SECONDS = 60.0
LONGEST_AWAY_SECONDS = 5.0
"""How long it waits at most for an engine that is away: what was committed meanwhile waits, too."""

WELL_SECONDS = 60.0
"""After so long without trouble the next one is the first."""

FAILURES = 2
"""So often in a row an index has to fail at work before it is built anew, if no damage is found in it."""

RETRIED = 1_000
"""Products with a refused document that are tried again when the lane begins."""

PURGE_SECONDS = 3600.0
MARK_SECONDS = 86_400.0
"""How long the mark of a document that is gone stays: far longer than a stopped process may hold back its work."""

log = logging.getLogger(__name__)


def run(database: Database, index: Index, stop: Event) -> None:
    """Index until ``stop`` is set. Waits while another process does; what goes down is waited for."""
    pause, failures = DOWN_SECONDS / 2, 0
    while not stop.is_set():
        began = time.monotonic()
        try:
            with index.writing() as turn:
                while turn and not stop.is_set():
                    with sound():
                        _follow(database, index, turn, stop, failed=failures >= FAILURES)
                    pause, failures = DOWN_SECONDS / 2, 0
            stop.wait(TURN_SECONDS)
        except LostTurnError as error:
            log.warning("The search lane lost its turn: %s", error)
        except sa.exc.DBAPIError as error:
            log.warning("The search lane lost the database and tries again: %s", error.orig)
            stop.wait(DOWN_SECONDS)
        except HaltedError:
            continue
        except UnavailableError as error:
            pause = _longer(pause, began, LONGEST_AWAY_SECONDS)
            log.warning("The search lane waits %.0f seconds: %s", pause, error)
            _note(database, index, str(error))
            stop.wait(pause)
        except Exception as error:  # whatever it is, the thread must go on and say what it fails at
            pause = _longer(pause, began, LONGEST_DOWN_SECONDS)
            log.exception("The search lane failed and tries again in %.0f seconds.", pause)
            _note(database, index, f"Indexing failed: {type(error).__name__}. See the relay's log.")
            failures += isinstance(error, BrokenIndexError)
            stop.wait(pause)


def _longer(pause: float, began: float, longest: float) -> float:
    """The next pause: twice the last one, unless it went well for a while."""
    return DOWN_SECONDS if time.monotonic() - began > WELL_SECONDS else min(pause * 2, longest)


def _note(database: Database, index: Index, reason: str) -> None:
    """Let other processes know why nothing is indexed."""
    with suppress(sa.exc.SQLAlchemyError):
        standing.held_up(database, index.engine, reason)


def _follow(database: Database, index: Index, turn: Turn, stop: Event, *, failed: bool) -> None:
    """Work until ``stop`` is set or another generation is in use."""
    generation, outdated = usable(database, index, stop, failed=failed)
    with database.read() as tx:
        index.tidy([build.generation for build in standing.builds(tx)])
    follower = Follower(database, index, generation, turn)
    try:
        _begin(database, index, follower)
        with _rebuilding(database, index) if outdated else nullcontext():
            _work(database, index, follower, stop)
    finally:
        follower.close()


def _begin(database: Database, index: Index, follower: Follower) -> None:
    """Prove that it can be written, and take up what was left when it last could not."""
    follower.commit()
    with database.engine.begin() as tx:
        standing.goes_on(tx, index.engine)
        standing.built(tx, follower.generation)
        queue.forget(tx, [follower.generation, *index.unfinished()])
        # What was refused because of the engine's state is taken now; what is refused again stays parked.
        queue.retry(tx, follower.generation, limit=RETRIED)


def _work(database: Database, index: Index, follower: Follower, stop: Event) -> None:
    told, purged_at = -1, -PURGE_SECONDS
    while not stop.is_set():
        heard = wake.SEQUENCED.rings
        worked = follower.step()
        if index.current() != follower.generation:
            return
        if index.is_spoilt(follower.generation):
            raise BrokenIndexError("A reader found the index damaged.")
        if follower.position != told:
            told = follower.position
            with database.engine.begin() as tx:
                feed.advance(tx, NAME, told)
        if not worked:
            if time.monotonic() - purged_at >= PURGE_SECONDS:
                purged_at = time.monotonic()
                _purge(database, follower)
            wake.SEQUENCED.wait(heard, IDLE_SECONDS)
        elif worked < FEW:
            stop.wait(REST_SECONDS)


def _purge(database: Database, follower: Follower) -> None:
    """Forget what was gone long ago: no process can still be about to write what it read before then."""
    with database.read() as tx:
        last = feed.sequence_before(tx, MARK_SECONDS)
    purged = follower.purge(min(last, follower.position) + 1)
    if purged:
        log.info("Search forgot %s documents that were gone by sequence %s.", purged, last)


@contextmanager
def _rebuilding(database: Database, index: Index) -> Iterator[None]:
    """Build another generation in a thread of its own, while the one in use is followed."""
    stop = Event()
    thread = Thread(target=_rebuild, args=(database, index, stop), name="search rebuild", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _rebuild(database: Database, index: Index, stop: Event) -> None:
    """Build until another generation is in use."""
    pause = DOWN_SECONDS
    while not stop.is_set():
        try:
            with sound():
                # Where another process builds one already, it is waited for.
                if rebuild(database, index, stop=stop):
                    return
        except HaltedError:
            return
        except UnavailableError as error:
            log.warning("The search index could not be built anew, which is tried again: %s", error)
        except Exception:  # the index in use serves and is followed: the other one is tried again
            log.exception("The search index could not be built anew, which is tried again.")
        stop.wait(pause)
        pause = min(pause * 2, LONGEST_DOWN_SECONDS)


def usable(database: Database, index: Index, stop: Event, *, failed: bool = False) -> tuple[str, bool]:
    """The generation in use, and whether it is to be replaced because other rules made it.

    One that cannot be carried on, or ``failed`` at work, is built anew first.
    """
    generation = index.current()
    reason = "it failed" if failed and generation else problem(database, index)
    if reason == OUTDATED and generation and index.admits(generation):
        log.warning("The search index is built anew beside the one in use: %s.", reason)
        return generation, True
    if reason:
        log.warning("The search index is built anew: %s.", reason)
        generation = rebuild(database, index, stop=stop)
    if generation is None:
        raise UnavailableError("Another process is building the search index: this one waits.")
    return generation, False


def problem(database: Database, index: Index) -> str | None:
    """Why the index in use cannot be carried on; null where it can. Raises ``UnavailableError`` for an engine that is away."""
    generation = index.current()
    if generation is None:
        return "there is none"
    try:
        with sound():
            reader = index.opened(generation)
            reader.check()
            state = reader.state()
    except BrokenIndexError as error:
        return f"it cannot be read ({error})"
    except MissingError:
        return "it does not say how far it has come"
    if index.is_spoilt(generation):
        return "a reader found it damaged"
    return unfit(database, index, state)
