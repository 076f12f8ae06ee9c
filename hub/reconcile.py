"""Reconciliation: what another system has, beside what the hub has, and who is right about each difference.

A file's records are written in batches as an import would, what changed is read back, and all of it is undone: so a
difference is what the hub itself takes for one. Nothing stays locked longer than a batch, and memory is that of one.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from hub import aggregate, change, field_owner, import_match, ownership, reading, registry
from hub.change import Changed
from hub.db import HUB, Database, Json, Writer, sign
from hub.errors import Required
from hub.field_owner import Rule
from hub.mapper import Mapper
from hub.mapping import Mapping
from hub.outbox import Pending
from hub.reading import Format, Record
from hub.save import Mode, Policy, Result, save

BATCH = 500
STOCK = ("sku", "location", "on_hand", "safety")
"""The columns of a file of levels: the first two name a level, the others are what it is."""

COUNTS = ("same", "different", "only_there", "refused")
"""What each record comes to; together they are all records."""


@dataclass(frozen=True)
class Difference:
    """One value on which the two sides differ, or an object that one of them lacks.

    ``kind``: ``differs``, ``only_there`` or ``only_here``; with ``refused`` the hub could not take the record, and
    ``there`` says why. ``right``: the system that owns the value; null where no rule says.
    """

    kind: str
    noun: str
    key: str
    path: str = ""
    here: Any = None
    there: Any = None
    right: str | None = None
    rule: str | None = None


@dataclass
class Total:
    """What became of the records; ``only_here`` and ``values`` are counted beside them."""

    records: int = 0
    same: int = 0
    different: int = 0
    only_there: int = 0
    refused: int = 0
    only_here: int = 0
    values: int = 0
    repaired: int = 0
    right: Counter[str] = field(default_factory=Counter)

    def check(self) -> None:
        """Raises ``ValueError`` where the records do not add up."""
        if self.records != sum(getattr(self, name) for name in COUNTS):
            raise ValueError(f"The total does not add up: {self}")


Row = tuple[str, Json | None, str | None]
"""A record: what it is known by, its input, or why it is none."""


class Source:
    """Records of another system, as inputs of a noun: by a mapping, or levels of stock by their columns."""

    def __init__(self, noun: str, mapping: Mapping | None, path: Path) -> None:
        if mapping is None and noun != "stock":
            raise Required(f"Records of {noun} are read by a mapping: name one with --mapping.")
        self.noun = noun
        self._mapping = mapping
        self._mapper = None if mapping is None else Mapper(mapping)
        kind: Any = "csv" if ".csv" in path.suffixes else "jsonl"
        self.form = Format(kind=kind) if mapping is None else mapping.form

    def rows(self, tx: sa.Connection, records: Sequence[Record]) -> list[Row]:
        """The inputs of a batch, each with the id of the object that it is about."""
        made = [self._row(record) for record in records]
        if self._mapping is not None:
            known = import_match.found(tx, self.noun, self._mapping.key, [key for key, row, _ in made if row])
            for key, row, _ in made:
                if row is not None and key in known:
                    row["id"] = known[key]
        return made

    def _row(self, record: Record) -> Row:
        if record.data is None:
            return f"record {record.number}", None, str(record.error)
        if self._mapper is None:
            return _level(record)
        row = self._mapper.row(record.data)
        why = "; ".join(each.message for each in row.refusals)
        return (
            str(row.key or f"record {record.number}"),
            row.data if row.is_good and row.key else None,
            why or None,
        )


def _level(record: Record) -> Row:
    data = record.data or {}
    missing = [name for name in STOCK[:2] if not data.get(name)]
    if missing:
        return f"record {record.number}", None, f"It has no {missing[0]}: name the level."
    row: Json = {"variant": {"key": str(data["sku"])}, "location": {"key": str(data["location"])}}
    row |= {name: data[name] for name in STOCK[2:] if data.get(name) not in (None, "")}
    for name in STOCK[2:]:
        if isinstance(row.get(name), str) and row[name].lstrip("-").isdigit():
            row[name] = int(row[name])
    return f"{data['sku']} at {data['location']}", row, None


def reconcile(
    database: Database,
    system: str,
    source: Source,
    path: Path,
    show: Callable[[Difference], None],
    *,
    repair: bool,
) -> Total:
    """Compare a file with the hub; with ``repair`` write what the other system owns. Gives the total."""
    total = Total()
    with database.engine.connect() as tx, tx.begin() as everything:
        sign(tx, HUB)
        # What is fixed of placed orders differs all the same, and is to be seen.
        tx.execute(sa.text("SELECT set_config('hub.order_way', 'edit', true)"))
        tx.execute(sa.text("CREATE TEMP TABLE reconciled (id bigint PRIMARY KEY) ON COMMIT DROP"))
        comparing = _Comparing(tx, database, system, source.noun, total, show)
        records = reading.records(path, source.form)
        while some := list(itertools.islice(records, BATCH)):
            rows = source.rows(tx, some)
            comparing.batch(rows)
            if repair:
                comparing.repair(rows)
        comparing.only_here()
        everything.rollback()
    total.check()
    return total


class _Comparing:
    """One comparison on its way through the file."""

    def __init__(
        self,
        tx: sa.Connection,
        database: Database,
        system: str,
        noun: str,
        total: Total,
        show: Callable[[Difference], None],
    ) -> None:
        self._tx, self._database, self._system, self._total, self._show = tx, database, system, total, show
        self._part = registry.part(noun)
        self._rules = field_owner.rules(tx, noun)

    def repair(self, rows: Sequence[Row]) -> None:
        """Write what the other system owns of some records, and nothing else of them.

        What is only there is made where that system owns the whole noun.
        """
        given = [deepcopy(row) for _, row, _ in rows if row is not None]
        mode = Mode.UPSERT if ownership.owns_all(self._rules, self._system) else Mode.UPDATE
        by = Writer(f"reconcile:{self._system}", self._system)
        with self._database.write(by) as tx, ownership.only_own(tx):
            results = save(tx, self._part.name, given, mode=mode, policy=Policy.SKIP_INVALID)
        self._total.repaired += sum(each.outcome in ("created", "updated") for each in results)

    def batch(self, rows: Sequence[Row]) -> None:
        """Compare some records."""
        good = [(key, row) for key, row, _ in rows if row is not None]
        self._total.records += len(rows)
        for key, row, why in rows:
            if row is None:
                self._tell(Difference("refused", self._part.name, key, there=why))
        with self._tx.begin_nested() as tried:
            results = save(
                self._tx,
                self._part.name,
                [deepcopy(row) for _, row in good],
                policy=Policy.SKIP_INVALID,
                mode=Mode.UPSERT,
            )
            changed = dict(self._changes())
            tried.rollback()
        self._remember(each.id for each in results if each.id is not None and each.outcome != "created")
        statuses = self._statuses([each.id for each in results if each.id is not None])
        for (key, _), result in zip(good, results, strict=True):
            self._compare(key, result, changed.get(result.id or 0, []), statuses.get(result.id or 0))

    def _compare(self, key: str, result: Result, changed: Sequence[Changed], status: str | None) -> None:
        noun = self._part.name
        if result.errors:
            self._tell(Difference("refused", noun, key, there=result.errors[0].message))
        elif result.outcome == "created":
            by = ownership.decides(self._rules, (), None, None)
            self._tell(Difference("only_there", noun, key, **_right(by)))
        elif not changed:
            self._total.same += 1
        else:
            self._total.different += 1
            for each in changed:
                by = self._right(each.path, status)
                self._total.values += 1
                self._total.right[by.system if by else "nobody"] += 1
                self._show(Difference("differs", noun, key, each.path, each.old, each.new, **_right(by)))

    def _tell(self, difference: Difference) -> None:
        setattr(self._total, difference.kind, getattr(self._total, difference.kind) + 1)
        self._show(difference)

    def _right(self, path: str, status: str | None) -> Rule | None:
        own = ownership.rule_path(path)
        return ownership.decides(self._rules, own, ownership.channel_of(own), status)

    def _changes(self) -> Iterator[tuple[int, list[Changed]]]:
        """What the transaction would change, by the object's id."""
        aggregate.flush(self._tx)
        own = Pending.token == sa.func.hub_token(type_=sa.Uuid)
        chosen = sa.select(Pending.aggregate_id, Pending.changes).where(
            own, Pending.aggregate == self._part.name
        )
        for number, changes in self._tx.execute(chosen):
            yield number, change.paths(changes)

    def _statuses(self, numbers: Sequence[int]) -> dict[int, str]:
        if self._part.name != "order":
            return {}
        table = self._part.table
        wanted = table.c.id == sa.any_(sa.cast(list(numbers), sa.ARRAY(sa.BigInteger)))
        return dict(self._tx.execute(sa.select(table.c.id, table.c.status).where(wanted)).all())

    def _remember(self, numbers: Iterable[int]) -> None:
        ids = sorted(set(numbers))
        self._tx.execute(
            sa.text("INSERT INTO reconciled SELECT unnest(CAST(:ids AS bigint[])) ON CONFLICT DO NOTHING"),
            {"ids": ids},
        )

    def only_here(self) -> None:
        """The hub's objects that the other system knows by an id of its own, or levels, that the file does not name."""
        named = {"noun": self._part.name, "system": self._system}
        for key in self._tx.execute(sa.text(_absent(self._part.name)), named).scalars():
            by = ownership.decides(self._rules, (), None, None)
            self._tell(Difference("only_here", self._part.name, key, **_right(by)))


def _right(rule: Rule | None) -> dict[str, str]:
    return {} if rule is None else {"right": rule.system, "rule": rule.code}


def _absent(noun: str) -> str:
    if noun == "stock":
        return (
            "SELECT v.sku || ' at ' || l.code FROM stock s JOIN variant v ON v.id = s.variant_id"
            " JOIN location l ON l.id = s.location_id"
            " WHERE s.id NOT IN (SELECT id FROM reconciled) AND s.location_id IN"
            " (SELECT t.location_id FROM stock t JOIN reconciled USING (id)) AND :noun = :noun AND :system = :system ORDER BY s.id"
        )
    return (
        "SELECT e.value FROM external_id e WHERE e.entity = :noun AND e.system = :system"
        " AND NOT EXISTS (SELECT FROM reconciled r WHERE r.id = e.entity_id) ORDER BY e.value"
    )
