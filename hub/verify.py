"""Prove the feed: undo it record by record, from the database as it is now back to the empty one.

Every record must find the values that it claims to have written, and every aggregate's versions must count down to
one. Going backwards works as well when old records were dropped: then the proof ends where the feed starts.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from typing import Any

import sqlalchemy as sa

from hub import capture, feed, triggers
from hub.aggregate import Aggregate
from hub.db import Database, Json
from hub.feed import Feed
from hub.flat import before, captured, split
from hub.outbox import Pending
from hub.registry import Part, parts

SHOWN = 100
"""More faults than this are counted, but not told one by one."""

Place = tuple[str, int, str, str]
"""A row's aggregate type, aggregate id, table and primary key."""

ERASED = object()
"""Stands for a value that was erased with a person: it may have been any."""

_parse = partial(json.loads, parse_float=Decimal)


@dataclass
class Report:
    """What was compared, and what was wrong. ``first`` is the sequence at which the feed starts."""

    first: int = 1
    records: int = 0
    rows: int = 0
    aggregates: int = 0
    wrong: int = 0
    faults: list[str] = field(default_factory=list)

    def fault(self, text: str) -> None:
        """Note that something is wrong."""
        self.wrong += 1
        if len(self.faults) < SHOWN:
            self.faults.append(text)


def verify(database: Database, progress: Callable[[int, int], object] = lambda _done, _all: None) -> Report:
    """Compare the whole feed with the database, in one snapshot. ``progress`` hears of records done and to do."""
    with database.engine.connect().execution_options(isolation_level="REPEATABLE READ") as tx:
        tx.execute(sa.text("SET TRANSACTION READ ONLY"))
        tx.execute(sa.text("SET LOCAL timezone = 'UTC'"))
        return _Unwinding(tx).run(progress)


class _Unwinding:
    """The state of the database as it was before the records undone so far."""

    def __init__(self, tx: sa.Connection) -> None:
        self.tx = tx
        self.parts = {part.name: part for part in parts()}
        self.columns = {name: {column.name for column in captured(part)} for name, part in self.parts.items()}
        self.report = Report()
        self.rows: dict[Place, Json] = {}
        self.versions: dict[tuple[str, int], int] = {}

    def run(self, progress: Callable[[int, int], object]) -> Report:
        first, last = feed.ends(self.tx)
        self.report.first = first
        for fault in triggers.faults(self.tx):
            self.report.fault(fault)
        self._load()
        expected = last
        for record in self._records():
            if record.sequence is not None:
                self._sequence(expected, record.sequence)
                expected = record.sequence - 1
            self._undo(record)
            self.report.records += 1
            progress(self.report.records, last - first + 1)
        self._sequence(expected, first - 1)
        if first == 1:
            self._empty()
        return self.report

    def _load(self) -> None:
        for part in self.parts.values():
            for type_, id_, key, row in self.tx.execute(_rows(part)):
                self.rows[type_, id_, part.name, key] = _parse(row)
        self.report.rows = len(self.rows)
        roots = {part.name for part in self.parts.values() if part.is_root}
        for row in self.tx.execute(
            sa.select(Aggregate.type, Aggregate.id, Aggregate.version, Aggregate.deleted_at)
        ):
            self.versions[row.type, row.id] = row.version
            there = (row.type, row.id, row.type, str(row.id)) in self.rows
            if row.type in roots and there != (row.deleted_at is None):
                self.report.fault(
                    f"{_subject(row.type, row.id)} {'exists' if there else 'is gone'}, but not to its version."
                )
        self.report.aggregates = len(self.versions)

    def _records(self) -> Iterator[Any]:
        """All records, the last one first; those that wait for their sequence have none."""
        for table, order in ((Pending, Pending.id), (Feed, Feed.sequence)):
            statement = sa.select(
                (Feed.sequence if table is Feed else sa.null()).label("sequence"),
                table.aggregate,
                table.aggregate_id,
                table.version,
                sa.cast(table.changes, sa.Text).label("changes"),
            ).order_by(order.desc())
            yield from self.tx.execute(statement, execution_options={"yield_per": 1000})

    def _sequence(self, expected: int, found: int) -> None:
        if found < expected:
            self.report.fault(f"Sequences {found + 1} to {expected} are missing in the feed.")
        elif found > expected:
            self.report.fault(f"Sequence {found} is in the feed, but its head says {expected}.")

    def _undo(self, record: Any) -> None:
        subject = _subject(record.aggregate, record.aggregate_id)
        where = f"{subject} version {record.version}"
        expected = self.versions.get((record.aggregate, record.aggregate_id), 0)
        if record.version != expected:
            self.report.fault(f"{subject} has a record of version {record.version} where {expected} belongs.")
        self.versions[record.aggregate, record.aggregate_id] = record.version - 1
        changes = _parse(record.changes)
        if not changes:
            self.report.fault(f"{where} has a record without a change.")
        for change in reversed(changes):
            if change["t"] in self.parts:
                self._undo_row(where, record, change)

    def _undo_row(self, where: str, record: Any, change: Json) -> None:
        place = (record.aggregate, record.aggregate_id, change["t"], _key(change["k"]))
        what = f"{where}: {change['t']} {place[3]}"
        old, new = self._known(change, "o"), self._known(change, "n")
        now = self.rows.get(place)
        if (now is None) != (new is None):
            self.report.fault(f"{what} {'is gone' if now is None else 'is there'}, against the record.")
        elif now is not None and new is not None:
            self._compare(what, now, new, whole=change["op"] == "I")
        was = before(now, change["op"], old)
        if was is None:
            self.rows.pop(place, None)
        else:
            self.rows[place] = was

    def _compare(self, what: str, now: Json, new: Json, *, whole: bool) -> None:
        """A column that was added later is in no older record; of keys in a column a whole row names every one."""
        paths = {*new, *(path for path in now if "/" in path)} if whole else set(new)
        for path in sorted(paths):
            if ERASED not in (now.get(path), new.get(path)) and now.get(path) != new.get(path):
                self.report.fault(
                    f"{what} has {path} = {now.get(path)!r}, and {new.get(path)!r} by the record."
                )

    def _known(self, change: Json, side: str) -> Json | None:
        """One side of a change; what was erased of it is not known."""
        flat, columns = change[side], self.columns[change["t"]]
        if flat is None:
            return None
        known = {path: value for path, value in flat.items() if split(path)[0] in columns}
        return known | {path: ERASED for path in change.get("x", ()) if path in known}

    def _empty(self) -> None:
        """Before the first record there was nothing."""
        for type_, id_, table, key in self.rows:
            self.report.fault(
                f"{_subject(type_, id_)}: {table} {key} is in the database, but no record made it."
            )
        for (type_, id_), version in self.versions.items():
            if version:
                self.report.fault(f"{_subject(type_, id_)} has no records of its versions 1 to {version}.")


def _rows(part: Part) -> sa.TextClause:
    type_, id_ = capture.owner(part, "n")
    key, row = capture.key(part, "n"), capture.row(part, "n")
    return sa.text(f'SELECT {type_}, {id_}, CAST({key} AS text), CAST({row} AS text) FROM "{part.name}" n')


def _key(key: Any) -> str:
    return json.dumps(key, ensure_ascii=False)


def _subject(type_: str, id_: int) -> str:
    return f"{type_.replace('_', ' ').capitalize()} {id_}"
