"""Following: the feed on one side, one generation of the index on the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import sqlalchemy as sa

from hub import feed
from hub.db import Database
from search import affected, queue
from search.engine import Index, State, Turn
from search.product import build
from search.stocked import unchanged

RECORDS = 2_000
PRODUCTS = 250
MOST_AT_ONCE = 1_000
"""So many products that show what changed are taken up at once; more are worked off between the changes behind."""

UNWRITTEN = 10_000
"""Changes of other things that may pass before the index notes that it has seen them: a commit costs a file."""


class Follower:
    """Keeps one generation true to the feed. ``turn``: the right to write, asked after each page of the feed.

    A page that was read while the turn was held makes sure of this: whatever an earlier holder may still be writing is
    older than the feed's end when this one began. So up to there every document is written, also where it seems to be
    the same; beyond, what is the same is left alone.
    """

    def __init__(
        self, database: Database, index: Index, generation: str, turn: Turn, *, bulk: bool = False
    ) -> None:
        self.generation = generation
        self._database = database
        self._turn = turn
        self._writer = index.writer(generation, bulk=bulk)
        self._state = index.opened(generation).state()
        self.position = self._state.sequence
        with database.read() as tx:
            self._trusted_from = feed.ends(tx)[1]

    def check(self) -> None:
        """Raise ``LostTurnError`` where the right to write is lost."""
        self._turn.check()

    def step(self) -> int:
        """Deal with the next records of the feed and with some of what waits; gives how many there were."""
        with self._database.read() as tx:
            page = feed.page(self.position, limit=RECORDS)
            records = tx.execute(page.with_only_columns(*affected.columns())).mappings().all()
            self._turn.check()
            touched = affected.products(tx, records)
        if records:
            self._take_up(touched, records[-1]["sequence"])
        return len(records) + self._work_off()

    def _take_up(self, touched: affected.Touched, position: int) -> None:
        later = touched.showing if len(touched.showing) > MOST_AT_ONCE else []
        if later:
            with self._database.engine.begin() as tx:
                queue.add(tx, self.generation, later)
        trusting = position > self._trusted_from
        at_once = touched.own if later else sorted({*touched.own, *touched.showing})
        self.put(at_once, trusting=trusting)
        self._restock(touched.stocked, trusting=trusting)
        self.position = position
        if at_once or touched.stocked or position - self._state.sequence >= UNWRITTEN:
            self.commit()

    def _restock(self, product_ids: Sequence[int], *, trusting: bool) -> None:
        """Index products of which only the stock changed, where that shows."""
        for start in range(0, len(product_ids), PRODUCTS):
            some = product_ids[start : start + PRODUCTS]
            if trusting:
                with self._database.read() as tx:
                    same = unchanged(tx, self._writer, some)
                some = [each for each in some if each not in same]
            self.put(some, trusting=trusting)

    def _work_off(self) -> int:
        with self._database.read() as tx:
            waiting = queue.first(tx, self.generation, PRODUCTS)
        if waiting.product_ids:
            self.put(waiting.repair, repair=True)
            self.put(sorted({*waiting.product_ids} - {*waiting.repair}))
            self.commit()
            with self._database.engine.begin() as tx:
                queue.done(tx, self.generation, waiting)
        return len(waiting.product_ids)

    def put(
        self, product_ids: Sequence[int], *, repair: bool = False, trusting: bool = True, new: bool = False
    ) -> None:
        """Index products as they are now; what the engine refuses is parked."""
        for start in range(0, len(product_ids), PRODUCTS):
            some = product_ids[start : start + PRODUCTS]
            with self._database.read() as tx:
                batch = build(tx, some)
            written = self._writer.put(batch, repair=repair, trusting=trusting, new=new)
            with self._database.engine.begin() as tx:
                queue.park(tx, some, written.refused)

    def commit(self, *, filled: int | None = None) -> None:
        """Make what was put findable. ``filled``: while it is built, the last product that is in it."""
        self._state = replace(self._state, sequence=self.position, filled=filled or self._state.filled)
        self._writer.commit(self._state)

    def purge(self, before: int) -> int:
        """Forget the marks of what was gone before a sequence; gives how many there were."""
        purged = self._writer.purge(before)
        if purged:
            self.commit()
        return purged

    def finish(self) -> None:
        """Say that the generation is whole."""
        self._state = replace(self._state, filled=None)
        self.commit()

    @property
    def state(self) -> State:
        """What the generation says of itself since the last commit."""
        return self._state

    def waiting(self, tx: sa.Connection) -> int:
        """How many changes and queued products are not dealt with."""
        return feed.ends(tx)[1] - self.position + queue.length(tx, self.generation)

    def close(self) -> None:
        """Let another process write."""
        self._writer.close()
