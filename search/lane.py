"""The lane: follows the change feed and keeps the index true to it.

It commits the index before it moves its cursor. A crash between the two repeats work, which changes nothing. How far the
index has come is written in the index itself, in the same commit as the documents; the cursor in the database tells
others.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from threading import Event

import sqlalchemy as sa

from hub import feed
from hub.db import Database
from search import affected
from search.damage import BrokenIndexError, check, sound
from search.index import BROKEN, Index
from search.product import build
from search.rebuild import origin, rebuild
from search.tantivy_engine import Reader, State, Writer
from search.tantivy_schema import mapping

NAME = "search"
"""The lane's cursor on the feed."""

RECORDS = 2_000
PRODUCTS = 250
UNWRITTEN = 10_000
"""Changes of other things that may pass before the index notes that it has seen them: a commit costs a file."""

IDLE_SECONDS = 0.05
TURN_SECONDS = 0.5
DOWN_SECONDS = 1.0
LONGEST_DOWN_SECONDS = 60.0

log = logging.getLogger(__name__)


def run(database: Database, index: Index, stop: Event) -> None:
    """Index until ``stop`` is set. Waits while another process does; what goes down is waited for."""
    while not stop.is_set():
        with index.writing() as mine:
            if mine:
                _work(database, index, stop)
        stop.wait(TURN_SECONDS)


def _work(database: Database, index: Index, stop: Event) -> None:
    pause, failed = DOWN_SECONDS, False
    while not stop.is_set():
        try:
            with sound():
                _follow(database, index, stop, failed=failed)
            pause, failed = DOWN_SECONDS, False
        except sa.exc.DBAPIError as error:
            log.warning("The search lane lost the database and tries again: %s", error.orig)
            stop.wait(DOWN_SECONDS)
        except Exception as error:  # whatever it is, the thread must go on and say what it fails at
            log.exception("The search lane failed and tries again in %.0f seconds.", pause)
            stop.wait(pause)
            pause, failed = min(pause * 2, LONGEST_DOWN_SECONDS), isinstance(error, BrokenIndexError)


def _follow(database: Database, index: Index, stop: Event, *, failed: bool) -> None:
    lane = open_lane(database, index, failed=failed)
    try:
        lane.follow(stop)
    finally:
        lane.close()


def open_lane(database: Database, index: Index, *, failed: bool = False) -> Lane:
    """A lane on the index in use, built anew where that one cannot be carried on or ``failed`` at work."""
    folder = index.current()
    reason = "there is none" if folder is None else "it failed" if failed else _unfit(database, folder)
    if reason:
        log.warning("The search index is built anew: %s.", reason)
        folder = rebuild(database, index)
    if folder is None:
        raise RuntimeError("Another process is building the search index: this one waits.")
    index.tidy()
    return Lane(database, index, folder)


def _unfit(database: Database, folder: Path) -> str | None:
    """Why the feed cannot be followed from where an index stands; null where it can."""
    try:
        check(folder)
        with sound():
            state = Reader(folder).state()
    except BrokenIndexError as error:
        return f"it cannot be read ({error})"
    with database.read() as tx:
        if state.origin != origin(tx):
            return "it shows another database"
        try:
            feed.check(tx, state.sequence)
        except (feed.GoneError, feed.AheadError) as error:
            return f"the feed cannot be followed from it ({error})"
    return None if state.mapping == mapping() else "its documents were made by other rules"


class Lane:
    """The feed on one side, one generation of the index on the other."""

    def __init__(self, database: Database, index: Index, folder: Path) -> None:
        self._database = database
        self._index = index
        self._folder = folder
        self._writer = Writer(folder)
        self._written = Reader(folder).state()
        self._position = self._written.sequence

    def follow(self, stop: Event) -> None:
        """Work until ``stop`` is set or another generation is in use."""
        self._advance()
        while not stop.is_set() and self._index.current() == self._folder:
            if (self._folder / BROKEN).exists():
                raise BrokenIndexError("A reader found the index damaged.")
            self._answer()
            if self.step() < RECORDS:
                stop.wait(IDLE_SECONDS)

    def step(self) -> int:
        """Deal with the next records of the feed; gives how many there were."""
        with self._database.read() as tx:
            page = feed.page(self._position, limit=RECORDS)
            records = tx.execute(page.with_only_columns(*affected.columns())).mappings().all()
            product_ids = affected.products(tx, records)
        if records:
            self._position = records[-1]["sequence"]
            self._put(product_ids)
            self._advance()
        return len(records)

    def close(self) -> None:
        """Let another process write."""
        self._writer.close()

    def _put(self, product_ids: list[int], *, repair: bool = False) -> None:
        """Index the products as they are now; commit if that, or enough that passed, is worth it."""
        for start in range(0, len(product_ids), PRODUCTS):
            with self._database.read() as tx:
                self._writer.put(build(tx, product_ids[start : start + PRODUCTS]), repair=repair)
        if product_ids or self._position - self._written.sequence >= UNWRITTEN:
            self._commit(replace(self._written, sequence=self._position))

    def _commit(self, state: State) -> None:
        self._writer.commit(state)
        self._written = state

    def _advance(self) -> None:
        with self._database.engine.begin() as tx:
            feed.advance(tx, NAME, self._position)

    def _answer(self) -> None:
        """Index anew what ``hub search verify --repair`` found to be wrong."""
        for path, product_ids in self._index.requests().items():
            self._put(product_ids, repair=True)
            path.unlink()
