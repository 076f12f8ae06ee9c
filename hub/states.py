"""The states of the hub's objects at one place of the feed, streamed in the order of their ids.

They are read in one or many snapshots of the database, which block nobody. What was committed after that place,
sequenced or not, is undone with the old values that its records keep: so the states and the feed from there on are the
database, whenever each of them is read, and nothing is counted twice. Memory holds one object and what the database
sends ahead, however many there are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa

from hub import capture, change, ids, registry, state
from hub.aggregate import Aggregate
from hub.channel import Channel, ChannelPriceList
from hub.db import Database, Json, raw
from hub.errors import Forbidden, NotFound
from hub.feed import Feed
from hub.flat import before
from hub.registry import Part
from hub.token import EVERY_SCOPE
from hub.viewer import Viewer

AHEAD = 500
"""Rows of each table that the database sends at one time."""

NOW = 2**63 - 1
"""As ``at``: the states as they are, whatever the feed has of it."""

FIRST, LAST = -(2**63), 2**63 - 1
"""Before all numbers, and behind them."""

EVERYTHING = Viewer(token_id=None, kind="staff", scopes=frozenset(EVERY_SCOPE))
"""The hub's own view, on the command line."""

Rows = dict[tuple[str, Any], Json]
"""The rows of one object as flat maps, by table and primary key."""


@dataclass(frozen=True)
class State:
    """One object. ``state``: its document (``hub.state``), null for one that is gone; ``version``: the one it shows.

    ``is_later``: whether it has changed since.
    """

    type: str
    number: int
    version: int
    state: Json | None
    is_later: bool = False

    @property
    def id(self) -> str:
        """Its global id."""
        return ids.encode(self.type, self.number)


@contextmanager
def snapshot(database: Database) -> Iterator[sa.Connection]:
    """A connection that sees one moment of the database until the block ends, and can write nothing."""
    with database.engine.connect().execution_options(isolation_level="REPEATABLE READ") as tx:
        tx.execute(sa.text("SET TRANSACTION READ ONLY"))
        # All rows are read, not the first few of them: sorting is as good as an index.
        tx.execute(sa.text("SET LOCAL cursor_tuple_fraction = 1"))
        tx.execute(sa.text("SET LOCAL timezone = 'UTC'"))
        yield tx


def nouns(viewer: Viewer, wanted: Sequence[str] | None) -> list[str]:
    """The nouns that are wanted, in the registry's order; null: all that the viewer may read.

    Raises ``NotFound`` for a noun that is none, ``Forbidden`` for one that is closed to the viewer.
    """
    if not viewer.sees_unlisted:
        raise Forbidden(
            "States and the feed are closed to storefronts and customers: use a staff or app token."
        )
    roots = {part.name: part for part in registry.roots()}
    for place, name in enumerate(wanted or ()):
        if name not in roots:
            raise NotFound(
                f'"{name}" is no type of object: name some of {", ".join(sorted(roots))}.', ("types", place)
            )
        viewer.require(roots[name].kept.scope, "read", ("types", place))
    chosen = wanted or [name for name, part in roots.items() if change.opens(viewer, part)]
    # SQLAlchemy's names are a kind of text that JSON does not take for a key.
    return [str(name) for name in roots if name in chosen]


def count(tx: sa.Connection, names: Sequence[str], since: int | None = None) -> int:
    """About how many objects ``stream`` will give; it does not look at what the viewer sees of them."""
    if since is None:
        there = sa.select(sa.func.count()).where(Aggregate.type.in_(names), Aggregate.deleted_at.is_(None))
    else:
        changed = sa.tuple_(Feed.aggregate, Feed.aggregate_id).distinct()
        there = sa.select(sa.func.count(changed)).where(Feed.aggregate.in_(names), Feed.sequence > since)
    return tx.scalar(there) or 0


@dataclass(frozen=True)
class Wanted:
    """Which objects of a noun, and as of when: after sequence ``at``, which the feed still holds.

    ``since``: only what changed after that sequence, also what is gone. Numbers: behind ``after``, up to ``through``.
    """

    noun: str
    at: int
    since: int | None = None
    after: int = FIRST
    through: int = LAST


def end_of(tx: sa.Connection, noun: str, after: int, count: int) -> int:
    """The number up to which there are so many objects behind ``after``, those that are gone included."""
    numbers = (
        sa.select(Aggregate.id).where(Aggregate.type == noun, Aggregate.id > after).order_by(Aggregate.id)
    )
    end = tx.scalar(numbers.offset(count - 1).limit(1))
    return LAST if end is None else end


def stream(tx: sa.Connection, viewer: Viewer, wanted: Wanted) -> Iterator[State]:
    """The objects that are wanted, as ``viewer`` sees them."""
    noun, since = wanted.noun, wanted.since
    reading = _Reading(tx, viewer, wanted)
    for found in reading.objects():
        if (noun, found.number) in found.rows:
            document = ((table, key, flat) for (table, key), flat in found.rows.items())
            shown = state.document(document, reading.hidden)
            yield State(noun, found.number, found.version, shown, found.is_later)
        elif since is not None and found.version:
            yield State(noun, found.number, found.version, None)


def of_parts(noun: str) -> list[Part]:
    """The tables that hold a noun's objects: its own, those that hang on it, and the external ids."""
    return [part for part in registry.parts() if part.kept.aggregate in (noun, None)]


@dataclass(frozen=True)
class Found:
    """An object's rows as they were, of which none may be left."""

    number: int
    version: int
    rows: Rows
    is_later: bool


class _Reading:
    """All that is read for one noun: a stream for each of its tables, their versions, and what is to be undone."""

    def __init__(self, tx: sa.Connection, viewer: Viewer, wanted: Wanted) -> None:
        self.tx, self.noun = tx, wanted.noun
        self.parts = [part for part in of_parts(wanted.noun) if change.opens(viewer, part)]
        self.hidden = {part.name: change.hidden(viewer, part) for part in self.parts}
        self._values = {**asdict(wanted), **bound(tx, viewer)}
        only = BETWEEN if wanted.since is None else BETWEEN + CHANGED
        is_bound = viewer.channel_ids is not None
        self._tables = [self._rows(_select(part, only, is_bound=is_bound), part.name) for part in self.parts]
        self._versions = self._rows(VERSIONS.format(only=only.format(column="id")), "version")
        # Without a place in the feed nothing is later than it.
        self._later = self._rows(LATER if wanted.at != NOW else NOTHING, "later")

    def objects(self) -> Iterator[Found]:
        """Every object that concerns the viewer, as it was at the place in the feed."""
        streams = [*self._tables, self._versions, self._later]
        while heads := [each.head for each in streams if each.head is not None]:
            number = min(heads)
            rows = {
                (part.name, _place(key)): flat
                for part, table in zip(self.parts, self._tables, strict=True)
                for key, flat in table.take(number)
            }
            version, concerns = next(iter(self._versions.take(number)), (0, True))
            later = self._later.take(number)
            for of, changes in later:
                self._undo(rows, changes)
                version = of - 1
            if concerns:
                yield Found(number, version, rows, bool(later))

    def _undo(self, rows: Rows, changes: list[Json]) -> None:
        for each in reversed(changes):
            if each["t"] in self.hidden:
                place = each["t"], _place(each["k"])
                was = before(rows.pop(place, None), each["op"], each["o"])
                if was is not None:
                    rows[place] = was

    def _rows(self, statement: str, name: str) -> _Stream:
        cursor = raw(self.tx).cursor(name=f"states_{self.noun}_{name}")
        cursor.itersize = AHEAD
        cursor.execute(statement.encode(), self._values)
        return _Stream(iter(cursor), cursor.close)


class _Stream:
    """Rows that begin with an object's number, in the order of those numbers."""

    def __init__(self, rows: Iterator[Sequence[Any]], close: Callable[[], None]) -> None:
        self._rows, self._close = rows, close
        self._advance()

    def _advance(self) -> None:
        self._next = next(self._rows, None)
        self.head: int | None = None if self._next is None else self._next[0]
        if self._next is None:
            self._close()

    def take(self, number: int) -> list[Sequence[Any]]:
        """What the rows of that object say after its number."""
        taken = []
        while self._next is not None and self.head == number:
            taken.append(self._next[1:])
            self._advance()
        return taken


BETWEEN = " AND {column} > %(after)s AND {column} <= %(through)s"
CHANGED = """ AND {column} IN (
    SELECT aggregate_id FROM feed WHERE aggregate = %(noun)s AND sequence > %(since)s AND sequence <= %(at)s)"""
VERSIONS = """
    SELECT id, version, hub_concerns(type, id, NULL, %(channels)s) FROM aggregate WHERE type = %(noun)s{only} ORDER BY id
"""
LATER = """
    SELECT aggregate_id, version, coalesce(
        (hub_view(aggregate, aggregate_id, type, events, changes, %(channels)s)).changes, '[]')
    FROM (
        SELECT aggregate, aggregate_id, type, events, version, changes FROM pending
        UNION ALL
        SELECT aggregate, aggregate_id, type, events, version, changes FROM feed WHERE sequence > %(at)s
    ) AS later
    WHERE aggregate = %(noun)s AND aggregate_id > %(after)s AND aggregate_id <= %(through)s
    ORDER BY aggregate_id, version DESC
"""
NOTHING = "SELECT 0 WHERE false"


def bound(tx: sa.Connection, viewer: Viewer) -> dict[str, Any]:
    """The channels that the viewer is bound to, their codes, and the price lists that they sell by; null for all."""
    if viewer.channel_ids is None:
        return {"channels": None, "codes": None, "lists": None}
    channels = sorted(viewer.channel_ids)
    codes = sa.select(Channel.code).where(Channel.id.in_(channels))
    lists = sa.select(ChannelPriceList.price_list_id).where(ChannelPriceList.channel_id.in_(channels))
    return {"channels": channels, "codes": list(tx.scalars(codes)), "lists": list(tx.scalars(lists))}


def _select(part: Part, only: str, *, is_bound: bool) -> str:
    """SQL for the rows of a table; for a viewer bound to channels only what ``hub.audience`` leaves of them."""
    type_, id_ = capture.owner(part, "n")
    key, row = capture.key(part, "n"), capture.row(part, "n")
    where = f"{type_} = %(noun)s" if part.kept.aggregate is None else "true"
    if is_bound and part.kept.within is not None:
        within = f"""jsonb_build_object('{part.kept.within}', n."{part.kept.within}")"""
        where += f" AND hub_is_own('{part.name}', {within}, %(channels)s, %(lists)s)"
    if is_bound and "attributes" in part.kept.deep:
        row = f"hub_own_values({row}, %(codes)s, NULL)"
    return (
        f'SELECT {id_}, {key}, {row} FROM "{part.name}" n'
        f" WHERE {where}{only.format(column=id_)} ORDER BY {id_}"
    )


def _place(key: Any) -> Any:
    """A primary key of several columns is a list."""
    return tuple(key) if isinstance(key, list) else key
