"""Rebuilding: another generation of the index, filled from the database beside the one in use.

It is filled as of a sequence of the feed, catches up from there, is compared with the database and only then taken into
use. Writes and questions go on all the while. One that was killed goes on where it stopped.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

import sqlalchemy as sa

from hub import feed
from hub.db import Database
from hub.listing import Listing
from hub.product import Product
from search import queue
from search.compare import faults_of
from search.damage import BrokenIndexError
from search.engine import Index, Reader, State, UnavailableError
from search.follow import Follower

BATCH = 500
BETWEEN_COMMITS = 5_000
"""Products after which a build notes how far it has come."""

SAMPLE = 200
"""Products that are compared with the database before a generation is taken into use."""

TRIES = 5
"""How often count and sample are compared while writes go on."""

Progress = Callable[[int, int], None]
"""Told how many products are done, and how many there are."""

log = logging.getLogger(__name__)


class RebuildError(Exception):
    """A generation that was built does not say what the database says, and is not taken into use."""


def rebuild(database: Database, index: Index, progress: Progress | None = None) -> str | None:
    """Fill another generation and take it into use; null where another process is building one already.

    Raises ``RebuildError``, and ``UnavailableError`` where the engine is away.
    """
    with index.building() as turn:
        if turn is None:
            return None
        generation = _begun(database, index)
        follower = Follower(database, index, generation, turn, bulk=True)
        try:
            _fill(database, follower, progress)
            _catch_up(database, index, follower)
            follower.finish()
        finally:
            follower.close()
        turn.check()
        index.adopt(generation)
        return generation


def origin(tx: sa.Connection) -> str:
    """What tells this database from every other one: an index of another one is worthless."""
    row = tx.execute(
        sa.text(
            "SELECT system_identifier, oid FROM pg_control_system(), pg_database WHERE datname = current_database()"
        )
    ).one()
    return f"{row.system_identifier}/{row.oid}"


def _begun(database: Database, index: Index) -> str:
    """A generation to fill: one that was begun and can be carried on, or an empty one."""
    for generation in index.unfinished():
        state = _carried_on(database, index, generation)
        if state:
            log.warning("The build of search index %s goes on after product %s.", generation, state.filled)
            return generation
    with database.read() as tx:
        return index.create(State(feed.ends(tx)[1], origin(tx), index.mapping(), filled=0))


def _carried_on(database: Database, index: Index, generation: str) -> State | None:
    """Its state, where it was begun by the same rules and the feed still reaches it; others are removed."""
    try:
        state = index.opened(generation).state()
    except (BrokenIndexError, UnavailableError, ValueError):
        index.drop(generation)
        return None
    if state.filled is None:
        return None
    if unfit(database, index, state):
        index.drop(generation)
        return None
    return state


def unfit(database: Database, index: Index, state: State) -> str | None:
    """Why the feed cannot be followed from where a generation stands; null where it can."""
    with database.read() as tx:
        if state.origin != origin(tx):
            return "it shows another database"
        try:
            feed.check(tx, state.sequence)
        except (feed.GoneError, feed.AheadError) as error:
            return f"the feed cannot be followed from it ({error})"
    return None if state.mapping == index.mapping() else "its documents were made by other rules"


def _fill(database: Database, follower: Follower, progress: Progress | None) -> None:
    last = follower.state.filled or 0
    with database.read() as tx:
        total = tx.scalar(sa.select(sa.func.count()).select_from(Product)) or 0
        done = tx.scalar(sa.select(sa.func.count()).select_from(Product).where(Product.id <= last)) or 0
    committed = done
    for ids in product_ids(database, BATCH, after=last):
        follower.put(ids, trusting=False)
        done += len(ids)
        if done - committed >= BETWEEN_COMMITS:
            follower.commit(filled=ids[-1])
            committed = done
        if progress:
            progress(done, max(total, done))
    follower.commit(filled=max(last, newest(database), 1))


def newest(database: Database) -> int:
    """The highest product id; 0 where there is none."""
    with database.read() as tx:
        return tx.scalar(sa.select(sa.func.max(Product.id))) or 0


def _catch_up(database: Database, index: Index, follower: Follower) -> None:
    """Follow the feed to its end, until the generation holds as many documents as it should, and a sample is right."""
    problem = ""
    for _ in range(TRIES):
        while follower.step():
            pass
        with database.read() as tx:
            before = feed.ends(tx)[1]
            problem = _differing(database, tx, index.opened(follower.generation))
            if not problem:
                return
            log.info("%s It is looked at again at sequence %s.", problem, before)
    raise RebuildError(
        f"{problem} The index in use stays: run it again, and hub search verify if it goes on."
    )


def _differing(database: Database, tx: sa.Connection, reader: Reader) -> str:
    """What differs between the database and a generation, in a sentence; empty where nothing does."""
    reader.refresh()
    found, wanted = reader.count(), _documents(tx) - len(queue.parked(tx))
    if found != wanted:
        return f"The new index holds {found} documents, the database calls for {wanted}."
    sample = sa.select(Product.id).order_by(sa.func.random()).limit(SAMPLE)
    faults = faults_of(database, reader, sorted(tx.scalars(sample)))
    return f"{len(faults)} of {SAMPLE} products differ from the database." if faults else ""


def _documents(tx: sa.Connection) -> int:
    """One for each product, and one for each channel that it is listed in now or will be."""
    places = sa.select(Listing.product_id, Listing.channel_id).where(
        sa.or_(Listing.open, Listing.turns_at.is_not(None))
    )
    listed = sa.select(sa.func.count()).select_from(places.distinct().subquery())
    return (tx.scalar(sa.select(sa.func.count()).select_from(Product)) or 0) + (tx.scalar(listed) or 0)


def product_ids(database: Database, size: int, *, after: int = 0) -> Iterator[list[int]]:
    """The ids of all products in ascending order, by lists of ``size``."""
    last = after
    while True:
        statement = sa.select(Product.id).where(Product.id > last).order_by(Product.id).limit(size)
        with database.read() as tx:
            ids = list(tx.scalars(statement))
        if not ids:
            return
        yield ids
        last = ids[-1]
