"""Prove a file of states: a snapshot, or the mirror that any consumer keeps.

Forwards, the feed is replayed over the file by the published rule (``hub.state.put``) and compared with the database as
it is. Backwards, the database is taken back to the file's place in the feed and compared with the file. The two ways
share no step, so that what one of them gets wrong the other one shows.
"""

from __future__ import annotations

import json
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import orjson
import sqlalchemy as sa

from hub import change, feed, ids, snapshot_file, state, states
from hub.channel import Channel
from hub.db import Database, Json, raw
from hub.errors import Invalid
from hub.feed import Ends
from hub.snapshot_file import Contents
from hub.states import NOW, State, Wanted
from hub.verify import Report
from hub.viewer import Viewer

BATCH = 1_000
MOST_PATHS = 10
"""Values of one object that are told to differ; one that is wrong throughout is told in so many."""

Versioned = tuple[int, Json]
"""An object's version and document."""

Tell = Callable[[int, int], object]


def snapshot(database: Database, path: Path, tell: Tell = lambda _done, _all: None) -> Report:
    """Replay the feed over a snapshot's states and compare them with the database as it is.

    Raises ``hub.errors.HubError`` where the file is no snapshot, or its cursor leads nowhere.
    """
    return _Proof(database, path, forwards=True).run(tell)


def mirror(database: Database, path: Path, tell: Tell = lambda _done, _all: None) -> Report:
    """Compare a consumer's mirror with the database at the mirror's cursor, or as it is where it names none."""
    return _Proof(database, path, forwards=False).run(tell)


class _Proof:
    """One file beside one moment of the database."""

    def __init__(self, database: Database, path: Path, *, forwards: bool) -> None:
        self.database, self.path, self.forwards = database, path, forwards
        self.report = Report()
        self.is_bound = False

    def run(self, tell: Tell) -> Report:
        with _held() as held:
            contents = snapshot_file.read(self.path, self.report.fault, whole=self.forwards)
            self._fill(held, contents)
            with states.snapshot(self.database) as tx:
                self._compare(tx, held, contents, tell)
        return self.report

    def _fill(self, held: sqlite3.Connection, contents: Contents) -> None:
        """The file's objects go into a table on disk: a mirror may have them in any order, and in any number."""
        while batch := list(islice(contents.objects, BATCH)):
            held.executemany("INSERT INTO held VALUES (?, ?, ?, ?)", batch)
            self.report.rows += len(batch)
        held.execute("CREATE INDEX place ON held (type, number)")
        twice = "SELECT type, number, count(*) FROM held GROUP BY type, number HAVING count(*) > 1"
        for type_, number, count in held.execute(twice):
            self.report.fault(f"{_subject(type_, number)} is in the file {count} times.")
        held.execute("DELETE FROM held WHERE state IS NULL")

    def _compare(self, tx: sa.Connection, held: sqlite3.Connection, contents: Contents, tell: Tell) -> None:
        ends = feed.read_ends(tx)
        at = _place(contents, ends)
        viewer = _viewer(tx, contents)
        self.is_bound = viewer.channel_ids is not None
        names = states.nouns(viewer, contents.types)
        total = states.count(tx, names)
        for (name,) in held.execute("SELECT DISTINCT type FROM held"):
            if name not in names:
                self.report.fault(f'The file holds objects of the type "{name}", which it does not announce.')
        for name in names:
            there = states.stream(tx, viewer, Wanted(name, NOW if self.forwards else at))
            changes = _changes(tx, viewer, name, at) if self.forwards else iter(())
            for number, mine, later, theirs in _beside(_of_type(held, name), changes, there):
                if self.report.aggregates % BATCH == 0:
                    tell(self.report.aggregates, max(total, self.report.aggregates))
                self.report.aggregates += theirs is not None
                self._object(name, number, self._replayed(viewer, name, number, mine, later), theirs)

    def _replayed(
        self, viewer: Viewer, name: str, number: int, mine: Versioned | None, later: Sequence[Any]
    ) -> Versioned | None:
        """The file's object after the changes that followed, by the published rule."""
        self.report.records += len(later)
        for version, kind, changes in later:
            what = f"{_subject(name, number)} version {version}"
            if not self.is_bound and mine is not None and version != mine[0] + 1:
                self.report.fault(
                    f"{what} follows version {mine[0]}: what lies between is missing in the feed."
                )
            if kind == "DELETED":
                mine = None
            elif mine is not None or kind == "CREATED":
                mine = version, {} if mine is None or kind == "CREATED" else mine[1]
                self._apply(viewer, what, mine[1], changes)
        return mine

    def _apply(self, viewer: Viewer, what: str, document: Json, changes: list[Json]) -> None:
        for each in change.seen(changes, viewer):
            try:
                state.put(document, each.path, each.new)
            except ValueError as wrong:
                self.report.fault(f"{what}: {wrong}")

    def _object(self, name: str, number: int, mine: Versioned | None, theirs: State | None) -> None:
        subject = _subject(name, number)
        if mine is None and theirs is not None:
            # What is listed in a channel only later comes into the view of those who are bound to it.
            if not (self.is_bound and (self.forwards or theirs.is_later)):
                self.report.fault(f"{subject} is in the database, and missing in the file.")
        elif mine is not None and theirs is None:
            self.report.fault(f"{subject} is in the file, and not in the database.")
        elif mine is not None and theirs is not None:
            if mine[0] != theirs.version and not (self.is_bound and mine[0] < theirs.version):
                self.report.fault(
                    f"{subject} is at version {mine[0]} by the file, at {theirs.version} in the database."
                )
            for path, old, new in islice(differences(mine[1], theirs.state), MOST_PATHS):
                self.report.fault(
                    f"{subject}: {path} is {_shown(old)} by the file, {_shown(new)} in the database."
                )


def differences(mine: Any, theirs: Any, place: str = "") -> Iterator[tuple[str, Any, Any]]:
    """The paths at which two documents differ. A number is what it is worth: 1.0 is 1."""
    if isinstance(mine, dict) and isinstance(theirs, dict):
        for key in dict.fromkeys((*mine, *theirs)):
            yield from differences(mine.get(key), theirs.get(key), place + change.pointer(key))
    elif isinstance(mine, list) and isinstance(theirs, list) and len(mine) == len(theirs):
        for position, (one, other) in enumerate(zip(mine, theirs, strict=True)):
            yield from differences(one, other, place + change.pointer(position))
    elif mine != theirs or isinstance(mine, bool) is not isinstance(theirs, bool):
        yield place, mine, theirs


def _of_type(held: sqlite3.Connection, name: str) -> Iterator[tuple[int, Versioned]]:
    statement = "SELECT number, version, state FROM held WHERE type = ? ORDER BY number"
    for number, version, document in held.execute(statement, [name]):
        yield number, (version, orjson.loads(document))


def _changes(tx: sa.Connection, viewer: Viewer, name: str, after: int) -> Iterator[tuple[int, Any]]:
    """What followed, object by object, that which has no sequence yet included."""
    cursor = raw(tx).cursor(name=f"later_{name}")
    cursor.itersize = states.AHEAD
    cursor.execute(FOLLOWING.encode(), {"noun": name, "after": after, **states.bound(tx, viewer)})
    for number, *rest in cursor:
        yield number, rest
    cursor.close()


FOLLOWING = """
    SELECT aggregate_id, version, kind, shown.changes
    FROM (
        SELECT aggregate, aggregate_id, type, events, version, kind, changes FROM feed
        WHERE aggregate = %(noun)s AND sequence > %(after)s
        UNION ALL
        SELECT aggregate, aggregate_id, type, events, version, kind, changes FROM pending WHERE aggregate = %(noun)s
    ) AS later
    CROSS JOIN LATERAL hub_view(aggregate, aggregate_id, type, events, changes, %(channels)s) AS shown
    WHERE shown.changes IS NOT NULL ORDER BY aggregate_id, version
"""


def _beside(
    mine: Iterator[tuple[int, Versioned]], changes: Iterator[tuple[int, Any]], theirs: Iterator[State]
) -> Iterator[tuple[int, Versioned | None, list[Any], State | None]]:
    """File, feed and database side by side, object by object in the order of their numbers."""
    own, later, there = next(mine, None), next(changes, None), next(theirs, None)
    while own or later or there:
        heads = [each[0] for each in (own, later) if each]
        number = min([*heads, *([there.number] if there else [])])
        found: Versioned | None = None
        followed: list[Any] = []
        same: State | None = None
        if own and own[0] == number:
            found, own = own[1], next(mine, None)
        while later and later[0] == number:
            followed.append(later[1])
            later = next(changes, None)
        if there and there.number == number:
            same, there = there, next(theirs, None)
        yield number, found, followed, same


def _place(contents: Contents, ends: Ends) -> int:
    """The file's place in the feed. Raises ``hub.errors.HubError`` for a cursor that leads nowhere."""
    if contents.cursor is None:
        return NOW
    try:
        position = feed.decode(contents.cursor)
    except ValueError as wrong:
        raise Invalid(str(wrong)) from wrong
    ends.check(position)
    return position.sequence


def _viewer(tx: sa.Connection, contents: Contents) -> Viewer:
    """Whoever made the file saw no more than its first line says, and neither does the comparison."""
    if contents.scopes is None:
        return states.EVERYTHING
    bound = None
    if contents.channels is not None:
        own = sa.select(Channel.id).where(Channel.code.in_(contents.channels))
        bound = frozenset(tx.scalars(own))
    return Viewer(token_id=None, kind="app", scopes=frozenset(contents.scopes), channel_ids=bound)


@contextmanager
def _held() -> Iterator[sqlite3.Connection]:
    """A table on disk, gone afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        held = sqlite3.connect(Path(folder, "held"), isolation_level=None)
        try:
            held.executescript(
                "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;"
                "CREATE TABLE held (type TEXT, number INTEGER, version INTEGER, state BLOB)"
            )
            held.execute("BEGIN")
            yield held
        finally:
            held.close()


def _subject(name: str, number: int) -> str:
    return f"{name.replace('_', ' ').capitalize()} {ids.encode(name, number)}"


def _shown(value: Any) -> str:
    return "nothing" if value is None else json.dumps(value, ensure_ascii=False)[:200]
