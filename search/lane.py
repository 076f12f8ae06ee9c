"""The lane: follows the change feed and keeps the index in use true to it, in one process at a time.

The index is committed before the cursor moves. A crash between the two repeats work, which changes nothing. How far the
index has come is written in the index itself; the cursor in the database tells others what can be found already.
"""

from __future__ import annotations

import logging
from threading import Event

import sqlalchemy as sa

from hub import feed, wake
from hub.db import Database
from search import queue
from search.damage import BrokenIndexError, sound
from search.engine import Index, LostTurnError, Turn, UnavailableError
from search.follow import Follower
from search.rebuild import rebuild, unfit

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

log = logging.getLogger(__name__)


def run(database: Database, index: Index, stop: Event) -> None:
    """Index until ``stop`` is set. Waits while another process does; what goes down is waited for."""
    pause, failed = DOWN_SECONDS, False
    while not stop.is_set():
        try:
            with index.writing() as turn:
                if turn:
                    with sound():
                        _follow(database, index, turn, stop, failed=failed)
            pause, failed = DOWN_SECONDS, False
            stop.wait(TURN_SECONDS)
        except LostTurnError as error:
            log.warning("The search lane lost its turn: %s", error)
        except sa.exc.DBAPIError as error:
            log.warning("The search lane lost the database and tries again: %s", error.orig)
            stop.wait(DOWN_SECONDS)
        except UnavailableError as error:
            log.warning("The search lane waits %.0f seconds: %s", pause, error)
            stop.wait(pause)
            pause = min(pause * 2, LONGEST_AWAY_SECONDS)
        except Exception as error:  # whatever it is, the thread must go on and say what it fails at
            log.exception("The search lane failed and tries again in %.0f seconds.", pause)
            stop.wait(pause)
            pause, failed = min(pause * 2, LONGEST_DOWN_SECONDS), isinstance(error, BrokenIndexError)


def _follow(database: Database, index: Index, turn: Turn, stop: Event, *, failed: bool) -> None:
    """Work until ``stop`` is set or another generation is in use."""
    generation = usable(database, index, failed=failed)
    index.tidy()
    follower = Follower(database, index, generation, turn)
    try:
        if follower.state.filled is not None:
            follower.finish()
        with database.engine.begin() as tx:
            queue.forget(tx, generation)
        _work(database, index, follower, stop)
    finally:
        follower.close()


def _work(database: Database, index: Index, follower: Follower, stop: Event) -> None:
    told = -1
    while not stop.is_set() and index.current() == follower.generation:
        if index.is_spoilt(follower.generation):
            raise BrokenIndexError("A reader found the index damaged.")
        heard = wake.SEQUENCED.rings
        worked = follower.step()
        if follower.position != told:
            told = follower.position
            with database.engine.begin() as tx:
                feed.advance(tx, NAME, told)
        if not worked:
            wake.SEQUENCED.wait(heard, IDLE_SECONDS)
        elif worked < FEW:
            stop.wait(REST_SECONDS)


def usable(database: Database, index: Index, *, failed: bool = False) -> str:
    """The generation in use, built anew where that one cannot be carried on or ``failed`` at work."""
    generation = index.current()
    reason = "there is none" if generation is None else "it failed" if failed else problem(database, index)
    if reason:
        log.warning("The search index is built anew: %s.", reason)
        generation = rebuild(database, index)
    if generation is None:
        raise UnavailableError("Another process is building the search index: this one waits.")
    return generation


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
    return unfit(database, index, state)
