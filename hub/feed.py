"""The feed: every committed change, numbered without a gap, in the order in which it happened to each aggregate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, insert
from sqlalchemy.orm import Mapped, mapped_column

from hub import ids
from hub.db import Base
from hub.errors import Gone, Invalid

KEEP_DAYS = 90

WAY_BACK = "begin anew from a snapshot (hub export --snapshot, or the mutation bulkExport) and go on from its cursor."
"""What a consumer does whose cursor leads nowhere."""


class Feed(Base):
    """One aggregate's change by one transaction. Partitioned by sequence; old partitions are dropped by age.

    ``changes`` lists the changed rows: ``t`` table, ``k`` primary key, ``op`` I, U or D, ``o`` and ``n`` the old and
    new values as flat maps (``hub.flat``), null where there is none.
    """

    __tablename__ = "feed"
    __table_args__ = (
        sa.Index(None, "aggregate", "aggregate_id", "sequence"),
        {"postgresql_partition_by": "RANGE (sequence)"},
    )

    sequence: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    type: Mapped[str]
    aggregate: Mapped[str]
    aggregate_id: Mapped[int]
    version: Mapped[int]
    kind: Mapped[str]
    events: Mapped[list[str]] = mapped_column(ARRAY(sa.Text))
    changes: Mapped[list[Any]] = mapped_column(JSONB)
    actor: Mapped[str]
    source: Mapped[str]
    reason: Mapped[str | None]
    occurred_at: Mapped[datetime] = mapped_column(sa.DateTime(timezone=True))
    sequenced_at: Mapped[datetime] = mapped_column(
        sa.DateTime(timezone=True), server_default=sa.func.clock_timestamp()
    )


class Head(Base):
    """The feed's two ends: ``first`` is the oldest sequence still kept, ``sequence`` the last one given out.

    ``epoch`` tells this feed from every other one, so that a cursor of another database is not taken for one of this.
    """

    __tablename__ = "head"
    __table_args__ = (sa.CheckConstraint("one", name="one"),)

    one: Mapped[bool] = mapped_column(primary_key=True, server_default="true")
    first: Mapped[int] = mapped_column(server_default="1")
    sequence: Mapped[int] = mapped_column(server_default="0")
    epoch: Mapped[UUID] = mapped_column(server_default=sa.func.gen_random_uuid())


class Cursor(Base):
    """How far a consumer of the feed has come: the last sequence that it has dealt with."""

    __tablename__ = "cursor"

    name: Mapped[str] = mapped_column(primary_key=True)
    sequence: Mapped[int]
    moved_at: Mapped[datetime] = mapped_column(sa.DateTime(timezone=True), server_default=sa.func.now())


class GoneError(Gone):
    """The feed no longer holds what follows a position."""


class AheadError(Invalid):
    """A position that this feed never reached: it is from another database, or from a future that was undone."""


@dataclass(frozen=True)
class Position:
    """A place in a feed. ``epoch`` is null in cursors from before feeds had one."""

    sequence: int
    epoch: UUID | None = None


@dataclass(frozen=True)
class Ends:
    """What the feed holds now: from ``first`` to ``last``; ``last`` is smaller while nothing has happened."""

    epoch: UUID
    first: int
    last: int

    def check(self, at: Position) -> None:
        """Raise ``GoneError`` or ``AheadError`` where reading on from there would miss changes."""
        if at.epoch is not None and at.epoch != self.epoch:
            raise AheadError(f"The cursor is of another database's feed: {WAY_BACK}")
        if at.sequence > self.last:
            raise AheadError(
                f"The feed ends at sequence {self.last}, {at.sequence} was never given out by this hub: {WAY_BACK}"
            )
        if at.sequence < self.first - 1:
            raise GoneError(
                f"The feed starts at sequence {self.first} now, what follows {at.sequence} is gone: {WAY_BACK}"
            )

    def cursor(self, sequence: int) -> str:
        """The opaque cursor after a sequence of this feed."""
        return encode(Position(sequence, self.epoch))


def is_partition(table: str) -> bool:
    """Whether a table is a partition of the feed, which the sequencer makes and migrations leave alone."""
    return table.startswith("feed_") and table.removeprefix("feed_").isdigit()


def ends(tx: sa.Connection) -> tuple[int, int]:
    """The oldest sequence kept and the last one given out; ``(1, 0)`` while nothing has happened."""
    now = read_ends(tx)
    return now.first, now.last


ENDS = sa.select(Head.epoch, Head.first, Head.sequence.label("last"))
"""Select what ``Ends`` is made of."""


def read_ends(tx: sa.Connection) -> Ends:
    """What the feed holds now, and its epoch."""
    return Ends(**tx.execute(ENDS).mappings().one())


def renew(tx: sa.Connection) -> Ends:
    """Give the feed another epoch, so that every cursor from before is refused.

    For a database that was taken back to an older state: consumers have seen changes that it no longer knows.
    """
    tx.execute(sa.update(Head).values(epoch=sa.func.gen_random_uuid()))
    return read_ends(tx)


def page(
    after: int,
    *,
    types: Sequence[str] | None = None,
    aggregates: Sequence[tuple[str, int]] | None = None,
    limit: int = 100,
) -> sa.Select[Any]:
    """Select the records after a sequence, in order.

    ``types``: events to keep (``product.updated``, ``price.changed``), or all of a noun (``order.*``); null: all.
    ``aggregates``: types and ids to keep; null: all.
    """
    statement = sa.select(Feed.__table__).where(Feed.sequence > after).order_by(Feed.sequence).limit(limit)
    statement = statement.where(*meaning(types))
    if aggregates is not None:
        statement = statement.where(sa.tuple_(Feed.aggregate, Feed.aggregate_id).in_(list(aggregates)))
    return statement


def meaning(types: Sequence[str] | None, events: Any = Feed.events) -> list[sa.ColumnElement[bool]]:
    """The condition that a record means one of these events, or one of a noun (``order.*``); none where null."""
    if types is None:
        return []
    exact = [name for name in types if not name.endswith(".*")]
    nouns = [name.removesuffix("*") for name in types if name.endswith(".*")]
    named = events.op("&&", is_comparison=True)(sa.literal(exact, ARRAY(sa.Text)))
    return [sa.or_(named, *(Feed.type.startswith(noun, autoescape=True) for noun in nouns))]


def check(tx: sa.Connection, after: int) -> None:
    """Raise ``GoneError`` or ``AheadError`` where reading on after ``after`` would miss changes."""
    read_ends(tx).check(Position(after))


def encode(at: Position) -> str:
    """The opaque cursor of a position."""
    return ids.encode("change" if at.epoch is None else f"change@{at.epoch.hex}", at.sequence)


CURSORS = "Take the endCursor of a page, the cursor of a change, or one of feed."
"""What may be given for a cursor."""


def decode(cursor: str) -> Position:
    """The position of a cursor. Raises ``ValueError`` for a text that is none."""
    noun, sequence = ids.decode(cursor)
    name, _, epoch = noun.partition("@")
    if name != "change" or sequence < 0:
        raise ValueError(f'"{cursor}" is not a cursor of the feed.')
    try:
        return Position(sequence, UUID(hex=epoch) if epoch else None)
    except ValueError as wrong:
        raise ValueError(f'"{cursor}" is not a cursor of the feed.') from wrong


def position(tx: sa.Connection, name: str) -> int | None:
    """The last sequence that a consumer has dealt with; null for one that never began."""
    return tx.scalar(sa.select(Cursor.sequence).where(Cursor.name == name))


def sequence_before(tx: sa.Connection, seconds: float) -> int:
    """The last sequence that was given out at least so long ago; 0 where there is none.

    Numbers and times ascend together, so the place is found by halving.
    """
    first, last = ends(tx)
    limit = tx.execute(sa.select(sa.func.now() - timedelta(seconds=seconds))).scalar_one()
    low, high = first - 1, last
    while low < high:
        middle = (low + high + 1) // 2
        at = tx.scalar(sa.select(Feed.sequenced_at).where(Feed.sequence == middle))
        if at is not None and at < limit:
            low = middle
        else:
            high = middle - 1
    return max(low, 0)


def advance(tx: sa.Connection, name: str, sequence: int) -> None:
    """Move a consumer, making it if need be. Its work and this belong in one transaction."""
    moved = insert(Cursor).values(name=name, sequence=sequence)
    tx.execute(
        moved.on_conflict_do_update(
            index_elements=[Cursor.name],
            set_={"sequence": moved.excluded.sequence, "moved_at": sa.func.now()},
        )
    )
