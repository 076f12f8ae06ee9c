"""Verifying: the index against the database, document by document, and mending what differs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from hub import feed
from hub.db import Database
from search import queue
from search.compare import BATCH, Fault, faults_between, faults_of
from search.engine import Index, Reader, UnavailableError
from search.follow import Follower
from search.lane import NAME
from search.product import build
from search.rebuild import Progress, product_ids, rebuild, without_parked

PATIENCE_SECONDS = 30.0
PAUSE_SECONDS = 0.1


@dataclass(frozen=True)
class Report:
    """What was compared, what was wrong, and how many of the faults remain after a repair.

    ``parked``: documents that the engine refuses: they are missing, known, and no fault of the index.
    """

    products: int
    documents: int
    faults: tuple[Fault, ...]
    remaining: int
    parked: int = 0


def verify(
    database: Database, index: Index, *, repair: bool = False, progress: Progress | None = None
) -> Report:
    """Compare every document. What the lane was about to write anyway is no fault, if a lane is at work.

    Raises ``UnavailableError`` for an index that is not there or damaged, which a repair builds anew, and
    ``TimeoutError`` where another process writes and does not take the repair up.
    """
    if repair and not _is_readable(index):
        rebuild(database, index)
    compared, documents, faults = 0, 0, list[Fault]()
    with index.reading() as reader:
        reader.check()
        reader.refresh()
        total = reader.count()
        for between, ids in _ranges(database, reader):
            with database.read() as tx:
                batch = build(tx, ids)
            reader.refresh()
            faults += faults_between(batch, reader.scan(*between), reader)
            compared, documents = compared + len(ids), documents + len(batch.documents)
            if progress:
                progress(documents, max(documents, total))
    faults = without_parked(database, _settled(database, index, faults))
    with database.read() as tx:
        parked = queue.parked_count(tx)
    remaining = len(faults)
    if repair and faults:
        mend(database, index, sorted({fault.key[0] for fault in faults}))
        remaining = len(without_parked(database, _settled(database, index, faults)))
    return Report(compared, documents, tuple(faults), remaining, parked)


def _is_readable(index: Index) -> bool:
    try:
        with index.reading() as reader:
            reader.check()
    except UnavailableError:
        return False
    return True


def _ranges(database: Database, reader: Reader) -> Iterator[tuple[tuple[int, int], list[int]]]:
    """Ranges of product ids without a gap between them, and the products that there are in each."""
    low = 1
    for ids in product_ids(database, BATCH):
        yield (low, ids[-1]), ids
        low = ids[-1] + 1
    if (newest := reader.newest()) >= low:
        yield (low, newest), []


def _settled(database: Database, index: Index, faults: list[Fault]) -> list[Fault]:
    """The faults that remain once the lane has dealt with every change there was when they were found."""
    with database.read() as tx:
        last = feed.ends(tx)[1]
    deadline = time.monotonic() + PATIENCE_SECONDS
    while faults:
        behind = _is_behind(database, index, last)
        with index.reading() as reader:
            reader.refresh()
            faults = faults_of(database, reader, sorted({fault.key[0] for fault in faults}))
        if not behind or time.monotonic() > deadline:
            return faults
        time.sleep(PAUSE_SECONDS)
    return faults


def _is_behind(database: Database, index: Index, last: int) -> bool:
    """Whether a lane is at work and has not come so far yet."""
    with index.writing() as mine:
        if mine:
            return False
    with database.read() as tx:
        return (feed.position(tx, NAME) or 0) < last or queue.length(tx, index.current() or "") > 0


def mend(database: Database, index: Index, ids: list[int]) -> None:
    """Index products anew, here or by the process whose turn it is to write.

    Raises ``TimeoutError`` where that one does not do it in time.
    """
    generation = index.current()
    assert generation is not None
    with index.writing() as turn:
        if turn:
            follower = Follower(database, index, generation, turn)
            try:
                follower.put(ids, repair=True)
                follower.commit()
            finally:
                follower.close()
            return
    with database.engine.begin() as tx:
        queue.add(tx, generation, ids, repair=True)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while _waits(database, generation):
        if time.monotonic() > deadline:
            raise TimeoutError(
                f"The relay holds the search index and did not mend {len(ids)} products within"
                f" {PATIENCE_SECONDS:.0f} seconds: they stay in its queue; look at its log."
            )
        time.sleep(PAUSE_SECONDS)


def _waits(database: Database, generation: str) -> bool:
    with database.read() as tx:
        return bool(queue.first(tx, generation, 1).repair)
