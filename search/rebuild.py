"""Rebuilding: another generation of the index, filled from the database beside the one in use.

It is filled as of a sequence of the feed, catches up from there, is compared with the database and only then taken into
use. Writes and questions go on all the while. One that was killed goes on where it stopped.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from threading import Event

import sqlalchemy as sa

from hub import feed
from hub.channel import Channel
from hub.db import Database
from hub.listing import Listing
from hub.outbox import Pending
from hub.product import Product
from search import queue, standing
from search.compare import Fault, faults_of
from search.damage import BrokenIndexError, sound
from search.engine import Index, MissingError, Reader, State, UnavailableError
from search.follow import Follower

BATCH = 500
BETWEEN_COMMITS = 5_000
"""Products after which a build notes how far it has come."""

SAMPLE = 200
"""Products that are compared with the database before a generation is taken into use."""

TOLD_SECONDS = 1.0
"""How often other processes are told how far a build is."""

TRIES = 5
"""How often count and sample are compared while writes go on."""

OUTDATED = "its documents were made by other rules"
"""Such an index can be followed while another is built, where it admits these rules' documents."""

Progress = Callable[[int, int], None]
"""Told how many products are done, and how many there are."""

log = logging.getLogger(__name__)


class RebuildError(Exception):
    """A generation that was built does not say what the database says, and is not taken into use."""


class HaltedError(Exception):
    """A build was told to stop. The next one goes on where it stopped."""


def rebuild(
    database: Database, index: Index, progress: Progress | None = None, stop: Event | None = None
) -> str | None:
    """Fill another generation and take it into use; null where another process is building one already.

    Raises ``RebuildError``, ``UnavailableError`` where the engine is away, and ``HaltedError`` once ``stop`` is set.
    """
    with index.building() as turn:
        if turn is None:
            return None
        generation, new = _begun(database, index)
        follower = Follower(database, index, generation, turn, bulk=True)
        tell = _Teller(database, generation, progress, stop or Event())
        try:
            if follower.state.filled is not None:
                _fill(database, follower, tell, new=new)
            _catch_up(database, index, follower, stop or Event())
            follower.finish()
        finally:
            follower.close()
        turn.check()
        # Until it is in use it stands among the builds, so that one that dies before this line is carried on.
        index.adopt(generation)
        with database.engine.begin() as tx:
            standing.built(tx)
        return generation


class _Teller:
    """Tells how far a build is, here and to other processes, and stops it when it is to."""

    def __init__(self, database: Database, generation: str, progress: Progress | None, stop: Event) -> None:
        self._database, self._generation = database, generation
        self._progress, self._stop = progress, stop
        self._told_at = 0.0

    def __call__(self, done: int, total: int) -> None:
        if self._stop.is_set():
            raise HaltedError("The build of the search index was stopped.")
        if done == total or time.monotonic() - self._told_at >= TOLD_SECONDS:
            stage: standing.Stage = "catching up" if done == total else "filling"
            standing.building(self._database, self._generation, stage, done, total)
            self._told_at = time.monotonic()
        if self._progress:
            self._progress(done, total)


def origin(tx: sa.Connection) -> str:
    """What tells this database from every other one: an index of another one is worthless.

    One that was taken back to an older state counts as another: its feed has another epoch.
    """
    row = tx.execute(
        sa.text(
            "SELECT system_identifier, oid, epoch FROM pg_control_system(), pg_database, head"
            " WHERE datname = current_database()"
        )
    ).one()
    return f"{row.system_identifier}/{row.oid}/{row.epoch.hex}"


def _begun(database: Database, index: Index) -> tuple[str, bool]:
    """A generation to fill, and whether it is empty; one that was begun and can be carried on goes first."""
    with database.read() as tx:
        begun = {build.generation for build in standing.builds(tx)}
    for generation in index.unfinished():
        state = _carried_on(database, index, generation) if generation in begun else None
        if state:
            log.warning("The build of search index %s goes on after product %s.", generation, state.filled)
            return generation, False
    with database.read() as tx:
        state = State(feed.ends(tx)[1], origin(tx), index.mapping(), filled=0)
    generation = index.create(state)
    standing.building(database, generation, "filling", 0, 0)
    return generation, True


def _carried_on(database: Database, index: Index, generation: str) -> State | None:
    """Its state, where the same rules made it and the feed still reaches it; others are removed."""
    try:
        with sound():
            state = index.opened(generation).state()
    except (BrokenIndexError, MissingError):
        index.drop(generation)
        return None
    except UnavailableError as error:
        # It may be read again some day; to wait for that would be to wait for ever where it is lost.
        log.warning("Search index %s, which was begun, is left alone: %s", generation, error)
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
    return None if state.mapping == index.mapping() else OUTDATED


def _fill(database: Database, follower: Follower, tell: Progress, *, new: bool) -> None:
    """``new``: nobody else can have written to it, so nothing has to be looked up there."""
    last = follower.state.filled or 0
    # What is made later comes with the feed: else a build would run after an import.
    newest = _newest(database)
    done, left = (
        _counted(database, Product.id <= last),
        _counted(database, Product.id.between(last + 1, newest)),
    )
    committed = done
    tell(done, done + left)
    for ids in product_ids(database, BATCH, after=last):
        if ids[0] > newest:
            break
        follower.check()
        follower.put(ids, trusting=new, new=new)
        last, done, left = ids[-1], done + len(ids), max(left - len(ids), 0)
        if done - committed >= BETWEEN_COMMITS:
            follower.commit(filled=last)
            committed = done
            # Products come and go meanwhile.
            left = _counted(database, Product.id.between(last + 1, newest))
        tell(done, done + left)
    follower.commit(filled=max(last, 1))
    tell(done, done)


def _newest(database: Database) -> int:
    with database.read() as tx:
        return tx.scalar(sa.select(sa.func.max(Product.id))) or 0


def _counted(database: Database, which: sa.ColumnElement[bool]) -> int:
    with database.read() as tx:
        return tx.scalar(sa.select(sa.func.count()).select_from(Product).where(which)) or 0


def _catch_up(database: Database, index: Index, follower: Follower, stop: Event) -> None:
    """Follow the feed to its end, until the generation holds as many documents as it should, and a sample is right."""
    problem = ""
    for _ in range(TRIES):
        _follow(follower, stop)
        problem = _differing(database, index.opened(follower.generation), follower, stop)
        if not problem:
            # Comparing took a while: what was changed meanwhile must not be missing from what is taken into use.
            _follow(follower, stop)
            return
        log.info("%s It is looked at again from sequence %s.", problem, follower.position)
    raise RebuildError(
        f"{problem} The index in use stays: run it again, and hub search verify if it goes on."
    )


def _follow(follower: Follower, stop: Event) -> None:
    while follower.step():
        if stop.is_set():
            raise HaltedError("The build of the search index was stopped.")


def _differing(database: Database, reader: Reader, follower: Follower, stop: Event) -> str:
    """What differs between the database and a generation, in a sentence; empty where nothing does."""
    reader.refresh()
    found = reader.count()
    with database.read() as tx:
        wanted, slack = _documents(tx), _slack(tx, follower)
        sample = sorted(tx.scalars(sa.select(Product.id).order_by(sa.func.random()).limit(SAMPLE)))
    if abs(found - wanted) > slack:
        return f"The new index holds {found} documents, the database calls for {wanted}."
    faults = faults_of(database, reader, sample)
    for _ in range(TRIES):
        faults = without_parked(database, faults)
        if not faults:
            return ""
        # Writes go on: what was changed after the sample was taken is compared again.
        _follow(follower, stop)
        reader.refresh()
        faults = faults_of(database, reader, sorted({fault.key[0] for fault in faults}))
    return f"Of {len(sample)} products that were compared {len(faults)} documents differ from the database."


def _slack(tx: sa.Connection, follower: Follower) -> int:
    """By how many documents the numbers may differ: what was refused, and what the changes not dealt with make or take."""
    pending = tx.scalar(sa.select(sa.func.count()).select_from(Pending)) or 0
    channels = tx.scalar(sa.select(sa.func.count()).select_from(Channel)) or 0
    behind = feed.ends(tx)[1] - follower.position
    return queue.parked_count(tx) + (behind + pending) * (channels + 1)


def without_parked(database: Database, faults: list[Fault]) -> list[Fault]:
    """The faults without those of documents that the engine refuses: they are missing, and known."""
    if not faults:
        return faults
    products = {fault.key[0] for fault in faults}
    with database.read() as tx:
        parked = queue.parked_of(tx, products)
    return [fault for fault in faults if fault.key not in parked]


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
