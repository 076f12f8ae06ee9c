"""Search as a part of the relay and of the server: started, stopped, and asked whether it is ready."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from threading import Event, Thread

import sqlalchemy as sa

from hub import feed
from hub.config import Settings
from hub.db import Database
from search import lane, queue, standing
from search.engine import Health, Index, UnavailableError
from search.standing import Build, Trouble
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

    ``stale_seconds``: how old the oldest of them is. ``queued``: products that wait because one change touched many.
    ``parked``: documents that the engine refused. ``problem``: why it cannot answer; null where it can.
    ``outdated``: whether its documents were made by other rules than this version's, so that it is built anew.
    ``build``: another generation that is being built. ``trouble``: why nothing is written at the moment; null where
    all is well. ``health``: what the engine says of itself; null where it says nothing.
    """

    engine: str
    generation: str | None = None
    lag: int | None = None
    stale_seconds: float = 0.0
    documents: int = 0
    problem: str | None = None
    queued: int = 0
    parked: int = 0
    outdated: bool = False
    build: Build | None = None
    trouble: Trouble | None = None
    health: Health | None = None


def ready(database: Database, index: Index) -> Readiness:
    """Whether search answers, from how many documents, how far it is behind, and what goes on."""
    with database.read() as tx:
        lag, seconds = _lag(tx)
        found = Readiness(
            index.engine,
            lag=lag,
            stale_seconds=seconds,
            parked=queue.parked_count(tx),
            build=next(iter(standing.builds(tx)), None),
            trouble=standing.trouble(tx, index.engine),
        )
    try:
        health = index.health()
        with index.reading() as reader:
            generation = reader.generation
            with database.read() as tx:
                queued = queue.length(tx, generation)
            return replace(
                found,
                generation=generation,
                documents=reader.count(),
                queued=queued,
                outdated=reader.state().mapping != index.mapping(),
                health=health,
            )
    except UnavailableError as error:
        return replace(found, problem=str(error))


def _lag(tx: sa.Connection) -> tuple[int | None, float]:
    """How many changes are not dealt with, and for how many seconds the oldest of them has been committed."""
    position = feed.position(tx, lane.NAME)
    if position is None:
        return None, 0.0
    age = sa.func.extract("epoch", sa.func.now() - feed.Feed.occurred_at)
    oldest = tx.scalar(sa.select(age).where(feed.Feed.sequence == position + 1))
    return max(feed.ends(tx)[1] - position, 0), max(float(oldest or 0), 0.0)
