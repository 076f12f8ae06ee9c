"""Search as a part of the relay and of the server: started, stopped, and asked whether it is ready."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from threading import Event, Thread

import sqlalchemy as sa

from hub import feed
from hub.config import Settings
from hub.db import Database
from search import lane, queue
from search.engine import Index, UnavailableError
from search.tantivy_index import TantivyIndex


def opened(settings: Settings, database: Database) -> Index:
    """The index that these settings name; a process makes it once and shares it."""
    if settings.elasticsearch_url:
        from search.elasticsearch_index import of  # most small shops never need the client

        return of(settings, database)
    return TantivyIndex(settings.var / "search")


def start(database: Database, settings: Settings) -> Callable[[], None]:
    """Keep the index true to the feed in a thread of its own; gives what stops it and waits until it has.

    Any number of processes may start it: one works, the others take over when it ends.
    """
    stop = Event()
    thread = Thread(
        target=lane.run, args=(database, opened(settings, database), stop), name="search", daemon=True
    )
    thread.start()

    def end() -> None:
        stop.set()
        thread.join()

    return end


@dataclass(frozen=True)
class Readiness:
    """How search is. ``lag``: changes of the feed not yet dealt with; null where it never began.

    ``queued``: products that wait because one change touched many. ``parked``: documents that the engine refused.
    ``problem``: why it cannot answer; null where it can. ``stale``: whether its documents were made by other rules than
    this version's, so that it has to be built anew.
    """

    lag: int | None
    documents: int
    problem: str | None
    queued: int = 0
    parked: int = 0
    stale: bool = False


def ready(database: Database, index: Index) -> Readiness:
    """Whether search answers, from how many documents, and how far it is behind."""
    with database.read() as tx:
        lag = _lag(tx)
        parked = len(queue.parked(tx))
    try:
        with index.reading() as reader:
            with database.read() as tx:
                queued = queue.length(tx, reader.generation)
            stale = reader.state().mapping != index.mapping()
            return Readiness(lag, reader.count(), None, queued, parked, stale)
    except UnavailableError as error:
        return Readiness(lag, 0, str(error), parked=parked)


def _lag(tx: sa.Connection) -> int | None:
    position = feed.position(tx, lane.NAME)
    return None if position is None else max(feed.ends(tx)[1] - position, 0)
