"""The sequencer: gives committed changes their sequence, one at a time and without a gap.

Any number of processes may run it. Whoever locks the head moves a batch; the others wait and take over. One of them is
the first: it looks for changes so often that nobody waits for it, the others only so often that its death is no harm.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from datetime import timedelta
from threading import Event
from typing import Any, cast

import psycopg
import sqlalchemy as sa

from hub import audience
from hub.db import Database
from hub.feed import KEEP_DAYS, Feed, Head, is_partition
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

# Each statement of the function sees what was committed before it: after waiting for the head, what the holder before
# us has moved is gone. Only sequencers notify: the lock that this takes at their commit holds up no writer.
SEQUENCE = """
CREATE OR REPLACE FUNCTION hub_sequence(most integer, me text, OUT moved bigint, OUT last bigint) LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET enable_nestloop = off AS $$
BEGIN
    moved := 0;
    IF NOT EXISTS (SELECT FROM pending) THEN
        RETURN;
    END IF;
    SELECT sequence INTO last FROM head FOR UPDATE;
    WITH batch AS (
        DELETE FROM pending WHERE id = ANY (ARRAY(SELECT id FROM pending ORDER BY id LIMIT most)) RETURNING *
    ), heard AS (
        {heard}
    )
    INSERT INTO feed (sequence, type, aggregate, aggregate_id, version, kind, events, changes,
        actor, source, reason, occurred_at)
    SELECT last + row_number() OVER (ORDER BY id), type, aggregate, aggregate_id, version, kind, events, changes,
        actor, source, reason, occurred_at
    FROM batch;
    GET DIAGNOSTICS moved = ROW_COUNT;
    last := last + moved;
    UPDATE head SET sequence = last;
    PERFORM pg_notify('{channel}', me);
END $$;
"""

MOVE = "SELECT moved, last FROM hub_sequence(%s, %s)"


def statements() -> str:
    """The SQL function that moves a batch. It can be made again at any time."""
    return SEQUENCE.format(heard=audience.kept_from("batch"), channel=CHANNEL)


def step(tx: sa.Connection, batch: int = BATCH) -> int:
    """Move one batch of pending records into the feed; gives how many there were."""
    prepare(tx, batch)
    moved = tx.scalar(sa.text("SELECT moved FROM hub_sequence(:batch, :me)"), {"batch": batch, "me": ME})
    return cast("int", moved)


def run(database: Database, stop: Event) -> None:
    """Sequence until ``stop`` is set. A database that goes away is waited for."""
    mover = Mover(database)
    heard = COMMITTED.rings
    while not stop.is_set():
        try:
            moved, pause = mover.move(), mover.pause
        except (psycopg.Error, sa.exc.DBAPIError) as error:
            log.warning("The sequencer lost the database and tries again: %s", getattr(error, "orig", error))
            moved, pause = mover.lost()
        except Exception:
            # A pool without a free connection, or whatever else: without this thread the feed stands still.
            log.exception("The sequencer failed and tries again.")
            moved, pause = mover.lost()
        if moved:
            SEQUENCED.ring()
        if moved < BATCH:
            heard = COMMITTED.wait(heard, pause)
    mover.close()


class Mover:
    """Moves what waits, on a connection of its own, and has partitions ready for what comes."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection: psycopg.Connection[Any] | None = None
        self._is_first = False
        self._ready_through = 0

    @property
    def pause(self) -> float:
        """Seconds until the next look."""
        return FIRST_SECONDS if self._is_first else OTHERS_SECONDS

    def move(self) -> int:
        """Move a batch; gives how many records there were. One round trip, also where there is nothing to do."""
        if self._connection is None:
            self._connection = psycopg.connect(
                libpq(self._database.url), autocommit=True, application_name="hub sequencer"
            )
            self._make_ready()
        if not self._is_first:
            (self._is_first,) = self._ask("SELECT pg_try_advisory_lock(%s)", FIRST_LOCK)
        moved, last = self._ask(MOVE, BATCH, ME)
        if moved and last + BATCH > self._ready_through:
            self._make_ready()
        return cast("int", moved)

    def lost(self) -> tuple[int, float]:
        """Begin anew after a while."""
        self.close()
        return 0, DOWN_SECONDS

    def close(self) -> None:
        """Give the connection back, and the first place with it."""
        if self._connection is not None:
            with suppress(psycopg.Error):
                self._connection.close()
        self._connection, self._is_first = None, False

    def _make_ready(self) -> None:
        with self._database.engine.begin() as tx:
            self._ready_through = prepare(tx, BATCH)

    def _ask(self, question: str, *values: object) -> tuple[Any, ...]:
        assert self._connection is not None
        return cast("tuple[Any, ...]", self._connection.execute(question, values, prepare=True).fetchone())


def prepare(tx: sa.Connection, batch: int = BATCH) -> int:
    """Make the head and the next partitions where they are missing; gives the last sequence that has one."""
    tx.execute(sa.text("INSERT INTO head DEFAULT VALUES ON CONFLICT DO NOTHING"))
    head = tx.execute(sa.select(Head.sequence).with_for_update()).scalar_one()
    return _provide(tx, head + 1, head + batch)


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


def _provide(tx: sa.Connection, first: int, last: int) -> int:
    """Have a partition for every sequence from ``first`` to ``last``, and one more ahead; gives where that ends."""
    have = _partitions(tx)
    for start in range(_start(first), _start(last) + PARTITION + 1, PARTITION):
        if start not in have:
            _attach(tx, start)
    return _start(last) + 2 * PARTITION - 1


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
