"""The sequencer: gives committed changes their sequence, one at a time and without a gap.

Any number of processes may run it. Whoever locks the head moves a batch; the others wait and take over. One of them is
the first: it looks for changes so often that nobody waits for it, the others only so often that its death is no harm.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from datetime import timedelta
from functools import cache
from threading import Event
from typing import Any, cast

import psycopg
import sqlalchemy as sa

from hub import audience
from hub.db import Database
from hub.feed import KEEP_DAYS, Feed, Head, is_partition
from hub.outbox import Pending
from hub.postgres import libpq
from hub.wake import CHANNEL, COMMITTED, ME, SEQUENCED

BATCH = 5_000
PARTITION = 250_000
"""Sequences in one partition of the feed."""

FIRST_SECONDS = 0.005
"""How often the first one looks. A commit of this process rings besides; one in ``psql`` waits half of it on average."""
OTHERS_SECONDS = 0.05
DOWN_SECONDS = 1.0

FIRST_LOCK = 4_823_002
"""The advisory lock that the first one holds, as long as its connection lives."""

log = logging.getLogger(__name__)

# The head is locked by a statement of its own: the next one sees what the holder before us has committed.
MOVE = """
    WITH batch AS (
        DELETE FROM pending WHERE id = ANY (ARRAY(SELECT id FROM pending ORDER BY id LIMIT :batch)) RETURNING *
    ), heard AS (
        {heard}
    )
    INSERT INTO feed (sequence, type, aggregate, aggregate_id, version, kind, events, changes,
        actor, source, reason, occurred_at)
    SELECT :head + row_number() OVER (ORDER BY id), type, aggregate, aggregate_id, version, kind, events, changes,
        actor, source, reason, occurred_at
    FROM batch
"""


def step(tx: sa.Connection, batch: int = BATCH) -> int:
    """Move one batch of pending records into the feed; gives how many there were."""
    if tx.scalar(sa.select(Pending.id).limit(1)) is None:
        return 0
    head = tx.execute(sa.select(Head.sequence).with_for_update()).scalar_one()
    _provide(tx, head + 1, head + batch)
    moved = tx.execute(_move(), {"batch": batch, "head": head}).rowcount
    # Only sequencers notify: the lock that this takes at their commit holds up no writer.
    told = sa.func.pg_notify(CHANNEL, ME)
    tx.execute(sa.update(Head).values(sequence=head + moved).returning(told))
    return moved


@cache
def _move() -> sa.TextClause:
    return sa.text(MOVE.format(heard=audience.kept_from("batch")))


def run(database: Database, stop: Event) -> None:
    """Sequence until ``stop`` is set. A database that goes away is waited for."""
    watch = Watch(database.url)
    heard = COMMITTED.rings
    while not stop.is_set():
        try:
            moved = _moved(database) if watch.sees_any() else 0
            pause = watch.pause
        except (psycopg.Error, sa.exc.DBAPIError) as error:
            log.warning("The sequencer lost the database and tries again: %s", getattr(error, "orig", error))
            watch.close()
            moved, pause = 0, DOWN_SECONDS
        except Exception:
            # A pool without a free connection, or whatever else: without this thread the feed stands still.
            log.exception("The sequencer failed and tries again.")
            moved, pause = 0, DOWN_SECONDS
        if moved < BATCH:
            heard = COMMITTED.wait(heard, pause)
    watch.close()


def _moved(database: Database) -> int:
    with database.engine.begin() as tx:
        moved = step(tx)
    if moved:
        SEQUENCED.ring()
    return moved


class Watch:
    """Looks whether anything waits, on a connection of its own: a look costs a tenth of a transaction."""

    def __init__(self, url: str) -> None:
        self._url = libpq(url)
        self._connection: psycopg.Connection[Any] | None = None
        self._is_first = False

    @property
    def pause(self) -> float:
        """Seconds until the next look."""
        return FIRST_SECONDS if self._is_first else OTHERS_SECONDS

    def sees_any(self) -> bool:
        """Whether a committed change has no sequence yet."""
        if self._connection is None:
            self._connection = psycopg.connect(self._url, autocommit=True, application_name="hub sequencer")
        if not self._is_first:
            self._is_first = self._ask("SELECT pg_try_advisory_lock(%s)", FIRST_LOCK)
        return self._ask("SELECT EXISTS (SELECT FROM pending)")

    def close(self) -> None:
        """Give the connection back, and the first place with it."""
        if self._connection is not None:
            with suppress(psycopg.Error):
                self._connection.close()
        self._connection, self._is_first = None, False

    def _ask(self, question: str, *values: object) -> bool:
        assert self._connection is not None
        row = self._connection.execute(question, values or None, prepare=True).fetchone()
        return cast("tuple[bool]", row)[0]


def prepare(tx: sa.Connection) -> None:
    """Make the head and the first partitions where they are missing."""
    tx.execute(sa.text("INSERT INTO head DEFAULT VALUES ON CONFLICT DO NOTHING"))
    head = tx.execute(sa.select(Head.sequence).with_for_update()).scalar_one()
    _provide(tx, head + 1, head + BATCH)


def drop_old(tx: sa.Connection, days: float = KEEP_DAYS) -> int:
    """Drop the partitions whose records are all older; gives how many. The partition in use always stays.

    Waits a second at most for readers of the feed, and raises then: try again later.
    """
    tx.execute(sa.text("SET LOCAL lock_timeout = '1s'"))
    head = tx.execute(sa.select(Head.sequence).with_for_update()).scalar_one()
    dropped = 0
    for start in sorted(_partitions(tx)):
        end = start + PARTITION - 1
        if end > head or _is_young(tx, end, days):
            break
        tx.execute(sa.text(f"DROP TABLE {_name(start)}"))
        tx.execute(sa.update(Head).values(first=end + 1))
        dropped += 1
    return dropped


def _is_young(tx: sa.Connection, last: int, days: float) -> bool:
    limit = sa.func.now() - timedelta(days=days)
    return tx.scalar(sa.select(Feed.sequenced_at >= limit).where(Feed.sequence == last)) is not False


def _provide(tx: sa.Connection, first: int, last: int) -> None:
    """Have a partition for every sequence from ``first`` to ``last``, and one more ahead."""
    have = _partitions(tx)
    for start in range(_start(first), _start(last) + PARTITION + 1, PARTITION):
        if start not in have:
            _attach(tx, start)


def _attach(tx: sa.Connection, start: int) -> None:
    """Made apart and then attached: readers of the feed need not wait for it."""
    name = _name(start)
    tx.execute(sa.text(f"CREATE TABLE {name} (LIKE feed INCLUDING ALL)"))
    tx.execute(
        sa.text(
            f"ALTER TABLE feed ATTACH PARTITION {name} FOR VALUES FROM ({start}) TO ({start + PARTITION})"
        )
    )


def _partitions(tx: sa.Connection) -> set[int]:
    names = tx.scalars(
        sa.text(
            "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'feed'::regclass"
        )
    )
    return {int(name.removeprefix("feed_")) for name in names if is_partition(name)}


def _start(sequence: int) -> int:
    return (sequence - 1) // PARTITION * PARTITION + 1


def _name(start: int) -> str:
    return f"feed_{start:012d}"
