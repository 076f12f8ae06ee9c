"""Imports: a file of any length through a mapping into the hub, batch by batch.

A batch is one transaction: objects, what was refused, and how far the run has come. What they need (types, options,
pictures, customers) is made just before; making it again changes nothing. A run that was killed goes on after its last
batch.
"""

from __future__ import annotations

import gc
import itertools
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa

from hub import (
    identity_estimate,
    import_check,
    import_match,
    import_order,
    import_run,
    reading,
    refusal,
    source_record_add,
)
from hub.db import Database, Writer
from hub.errors import Conflict, Duplicate, HubError, Required
from hub.import_batch import Batch, gtins
from hub.import_ground import Known, Needs, lay
from hub.import_run import COUNTS, ImportReject, ImportRun, ImportSeen
from hub.mapper import Mapper, Refusal, Row
from hub.mapper import refusal as refused
from hub.mapping import Mapping
from hub.reading import Position, Record
from hub.save import Mode, Policy, Result, save
from hub.source_record import NOUN

BATCH = 500
COLLECTED_EVERY = 4
"""Batches between two collections of garbage: each looks at all that is alive."""

LANES = 2
"""Batches that are written at once: while the database writes one, Python prepares the other."""

ATTEMPTS = 5
"""How often a batch is tried that others' writes get in the way of."""

LOCK = 4_823_002
WAIT_SECONDS = 15
"""How long a run waits for the one before it on the same file: a killed one's transaction may take a moment to end."""

Made = TypeVar("Made")
Transaction = Callable[[], AbstractContextManager[sa.Connection]]


@dataclass(frozen=True)
class Progress:
    """How far a run is. ``offset`` of ``size`` unpacked bytes."""

    offset: int
    size: int
    number: int


@dataclass(frozen=True)
class Summary:
    """What a run did. ``refused`` values stand beside the records: theirs were imported without them."""

    run: int
    read: int
    created: int
    updated: int
    unchanged: int
    skipped: int
    refused: int
    made: dict[str, int]
    resumed: int

    def __post_init__(self) -> None:
        if self.read != self.created + self.updated + self.unchanged + self.skipped:
            raise ValueError(f"The summary does not add up: {self}")


def run(
    database: Database,
    path: Path,
    mapping: Mapping,
    tell: Callable[[Progress], None],
    batch: int = BATCH,
    *,
    secret: str = "",
) -> Summary:
    """Import a file, or go on with the run of it that was cut short. Raises ``HubError`` where none of it can be.

    ``secret``: the hub's; records of people need it (``hub.source_record_add.add``).
    """
    found = import_check.check(path, mapping)
    named = what(path, mapping, found)
    with _alone(database, named):
        with database.engine.begin() as tx:
            stored = import_run.resume(tx, **named)
        writer = Writer(actor=f"import:{stored['id']}", source=mapping.system)
        running = Run(partial(database.write, writer), path, mapping, stored, batch, secret=secret)
        running.go(found.size, tell)
        if mapping.noun == NOUN:
            with database.write(writer) as tx:
                identity_estimate.refresh(tx)
        return running.summary(database)


def finish(database: Database, run_id: int) -> None:
    """Close a run, once its rejects are in the hands of whoever asked for it."""
    with database.engine.begin() as tx:
        tx.execute(sa.delete(ImportSeen).where(ImportSeen.run_id == run_id))
        tx.execute(sa.update(ImportRun).where(ImportRun.id == run_id).values(finished_at=sa.func.now()))


def what(path: Path, mapping: Mapping, found: reading.Measure) -> dict[str, Any]:
    """What tells one run from another: the file, the mapping, where it lists and in which language."""
    return {
        "file": path.name,
        "file_hash": found.sha256,
        "mapping": mapping.name,
        "mapping_hash": mapping.hash,
        "channel": None if mapping.channel is None else mapping.channel.code,
        "locale": mapping.locale,
    }


@contextmanager
def _alone(database: Database, named: dict[str, Any]) -> Iterator[None]:
    """Keep a second run of the same file out. PostgreSQL lets go of the lock when this process dies."""
    key = {"lock": LOCK, "name": f"{named['file_hash']} {named['mapping_hash']}"}
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as guard:
        guard.execute(sa.text(f"SET lock_timeout = '{WAIT_SECONDS}s'"))
        try:
            guard.execute(sa.text("SELECT pg_advisory_lock(:lock, hashtext(:name))"), key)
        except sa.exc.OperationalError as wrong:
            raise Conflict(f'Another import of "{named["file"]}" is running: wait until it ends.') from wrong
        try:
            yield
        finally:
            guard.execute(sa.text("SELECT pg_advisory_unlock(:lock, hashtext(:name))"), key)
            guard.execute(sa.text("RESET lock_timeout"))


@contextmanager
def _collecting_by_hand() -> Iterator[None]:
    """Collect garbage between batches only: within one, the collector finds nothing and takes a third of the time."""
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.unfreeze()


def _batches(records: Iterator[Record], size: int) -> Iterator[list[Record]]:
    while some := list(itertools.islice(records, size)):
        yield some


class Run:
    """One run on its way through a file.

    ``in_lanes``: a batch may be written while the next one is made ready and, where both may, written; each has a
    transaction of its own then.
    """

    def __init__(
        self,
        transaction: Transaction,
        path: Path,
        mapping: Mapping,
        stored: sa.RowMapping,
        batch: int = BATCH,
        *,
        in_lanes: bool = True,
        secret: str = "",
    ) -> None:
        self.id: int = stored["id"]
        self.made: dict[str, int] = {}
        self._transaction = transaction
        self._path = path
        self._mapping = mapping
        self._mapper = Mapper(mapping)
        self._start = Position(stored["offset"], stored["number"], stored["line"])
        self._batch = batch
        self._secret = secret
        # Orders draw their numbers from one row, which a batch holds until it is written: one after the other.
        self._in_lanes = in_lanes and mapping.noun == "product"

    def go(self, size: int, tell: Callable[[Progress], None]) -> None:
        """Take the file from where the run stands to its end."""
        with self._transaction() as tx:
            self.made = lay(tx, self._mapping)
            self._known = Known(tx, self._mapping)
        records = reading.records(self._path, self._mapping.form, self._start)
        tell(Progress(self._start.offset, size, self._start.number))
        with _collecting_by_hand():
            self._take_all(records, lambda last: tell(Progress(last.end.offset, size, last.number)))
        tell(Progress(size, size, self._start.number))

    def summary(self, database: Database) -> Summary:
        """The counts of the whole run, also of what it did before it was cut short."""
        with database.read() as tx:
            return self.summed(tx)

    def summed(self, tx: sa.Connection) -> Summary:
        """The same, read in a transaction of the run's own."""
        columns = [ImportRun.__table__.c[name] for name in (*COUNTS, "refused")]
        counts = tx.execute(sa.select(*columns).where(ImportRun.id == self.id)).mappings().one()
        return Summary(run=self.id, **counts, made=self.made, resumed=self._start.number)

    def _take_all(self, records: Iterator[Record], tell: Callable[[Record], None]) -> None:
        """Batch after batch. One is made ready while the one before it is written; two at once where they may."""
        ahead: deque[tuple[Batch, Future[None]]] = deque()
        with ThreadPoolExecutor(LANES) as lanes:
            for number, some in enumerate(_batches(records, self._batch)):
                batch = _retried(partial(self._ready, some))
                while ahead and (len(ahead) == LANES or not ahead[-1][0].is_apart_from(batch)):
                    _wait(ahead, tell)
                before = ahead[-1][1] if ahead else None
                ahead.append((batch, lanes.submit(self._write, batch, before)))
                if not self._in_lanes:
                    _wait(ahead, tell)
                if number % COLLECTED_EVERY == 0:
                    gc.collect()
            while ahead:
                _wait(ahead, tell)

    def _ready(self, records: Sequence[Record]) -> Batch:
        """A batch with its rows, and with what they need made. Doing it again, also after a crash, changes nothing."""
        batch = Batch(records)
        self._map(batch)
        with self._transaction() as tx:
            if self._mapping.repeats == "number":
                self._number_repeats(tx, batch)
            else:
                self._refuse_repeats(tx, batch)
            self._find(tx, batch)
            import_order.finish(tx, self._mapping, [row.data for _, row in batch.rows])
            needs = self._known.missing(Needs.of(row for _, row in batch.rows))
            self._known.make(tx, needs)
        self._known.learn(needs)
        return batch

    def _write(self, batch: Batch, before: Future[None] | None) -> None:
        """Write a batch and how far the run is, in one commit that comes after that of the batch before it."""
        ready = [batch]

        def write() -> None:
            # Writing changes the batch: another attempt starts from its records.
            current = ready.pop() if ready else _retried(partial(self._ready, batch.records))
            with self._transaction() as tx:
                self._refuse_taken_numbers(tx, current)
                self._save(tx, current)
                if before is not None:
                    before.result()
                self._note(tx, current)

        _retried(write)

    def _map(self, batch: Batch) -> None:
        for record in batch.records:
            if record.data is None:
                assert record.error is not None
                batch.skip(record.number, refused(record.error, None, None))
                continue
            row = self._mapper.row(record.data)
            if row.key is None and row.is_good:
                row.refusals.append(refused(_keyless(self._mapping), self._mapping.key, None))
            if row.is_good:
                batch.rows.append((record.number, row))
                batch.refusals += [(record.number, each) for each in row.refusals]
            else:
                batch.skip(record.number, *row.refusals)

    def _number_repeats(self, tx: sa.Connection, batch: Batch) -> None:
        """A second record with the same key becomes an object of its own, known by its place among them: ``key-2``."""
        waiting = list(batch.rows)
        place = 1
        while waiting:
            first: dict[str, int] = {}
            for number, row in waiting:
                first.setdefault(_nth(row, place), number)
            before = import_run.see(tx, self.id, first)
            later = []
            for number, row in waiting:
                name = _nth(row, place)
                if before.get(name, first[name]) == number:
                    _rename(row, self._mapping.key, name)
                else:
                    later.append((number, row))
            waiting, place = later, place + 1

    def _refuse_repeats(self, tx: sa.Connection, batch: Batch) -> None:
        """A second record about the same object is refused: which of them were right?"""
        first: dict[str, int] = {}
        bad: dict[int, Refusal] = {}
        for number, row in batch.rows:
            if first.setdefault(str(row.key), number) != number:
                bad[number] = self._repeat(row, first[str(row.key)])
        before = import_run.see(tx, self.id, first)
        for number, row in batch.rows:
            if number not in bad and (earlier := before.get(str(row.key), number)) != number:
                bad[number] = self._repeat(row, earlier)
        batch.drop(bad)

    def _repeat(self, row: Row, earlier: int) -> Refusal:
        wrong = Duplicate(
            f'Record {earlier} of the file has {self._mapping.key} "{row.key}" too: leave one of them out.'
        )
        return refused(wrong, self._mapper.source_of(self._mapping.key), row.key)

    def _find(self, tx: sa.Connection, batch: Batch) -> None:
        """Give rows the id of the object that has their key, so that a slug or a SKU may change."""
        keys = [str(row.key) for _, row in batch.rows]
        known = import_match.found(tx, self._mapping.noun, self._mapping.key, keys)
        for _, row in batch.rows:
            if (number := known.get(str(row.key))) is not None:
                row.data["id"] = number

    def _refuse_taken_numbers(self, tx: sa.Connection, batch: Batch) -> None:
        """A GTIN that another variant has stays there; here it is refused, and the product goes in without it."""
        source = next(
            (each for each in self._mapping.fields if each.to == "variants[].identifiers[gtin]"), None
        )
        if source is None or source.refuse != "value":
            return
        owners = import_match.owners(tx, [one["value"] for _, row in batch.rows for one in gtins(row)])
        for number, row in batch.rows:
            sku = row.data["variants"][0].get("sku")
            for one in gtins(row):
                owner = owners.setdefault(one["value"], sku)
                if owner != sku:
                    row.data["variants"][0]["identifiers"].remove(one)
                    wrong = Duplicate(
                        f'GTIN "{one["value"]}" belongs to variant "{owner}": remove it there first.'
                    )
                    field_ = ", ".join(source.source)
                    batch.refusals.append((number, refused(wrong, field_, one["value"], imported=True)))

    def _save(self, tx: sa.Connection, batch: Batch) -> None:
        if self._mapping.noun == NOUN:
            self._add_records(tx, batch)
            return
        for mode in (Mode.UPDATE, Mode.CREATE):
            chosen = [
                (number, row) for number, row in batch.rows if ("id" in row.data) == (mode is Mode.UPDATE)
            ]
            again = self._save_some(tx, batch, chosen, mode) if chosen else []
            if again:
                self._save_some(tx, batch, again, mode)

    def _save_some(
        self, tx: sa.Connection, batch: Batch, rows: Sequence[tuple[int, Row]], mode: Mode
    ) -> list[tuple[int, Row]]:
        """Save rows; gives those that are good once the values are out that may be refused alone."""
        results = save(
            tx, self._mapping.noun, [row.data for _, row in rows], mode=mode, policy=Policy.SKIP_INVALID
        )
        again = []
        for (number, row), result in zip(rows, results, strict=True):
            if result.outcome != "refused":
                batch.outcomes[result.outcome] = batch.outcomes.get(result.outcome, 0) + 1
            elif self._lighten(batch, number, row, result):
                again.append((number, row))
            else:
                batch.skip(number, *(self._of(error, row) for error in result.errors))
        return again

    def _add_records(self, tx: sa.Connection, batch: Batch) -> None:
        """Keep the records as they came; what is wrong in a field that may be refused alone is left out of what is read."""
        came = {record.number: record.data for record in batch.records}
        tolerant = {each.to.partition("[")[0] for each in self._mapping.fields if each.refuse == "value"}
        rows = [(number, row) for number, row in batch.rows]
        for number, row in rows:
            row.data |= {"payload": came[number], "system": self._mapping.system, "external_id": row.key}
            row.data.pop("external_ids", None)
        while rows:
            results = source_record_add.add(
                tx, [row.data for _, row in rows], secret=self._secret, policy=Policy.SKIP_INVALID
            )
            again = []
            for (number, row), result in zip(rows, results, strict=True):
                if not result.errors:
                    batch.outcomes[result.outcome] = batch.outcomes.get(result.outcome, 0) + 1
                elif {str(error.path[0]) for error in result.errors if error.path} <= tolerant:
                    batch.refusals += [
                        (number, self._of(error, row, imported=True)) for error in result.errors
                    ]
                    for error in result.errors:
                        row.data.pop(str(error.path[0]), None)
                    again.append((number, row))
                else:
                    batch.skip(number, *(self._of(error, row) for error in result.errors))
            rows = again

    def _lighten(self, batch: Batch, number: int, row: Row, result: Result) -> bool:
        """Take the attribute values out that are wrong, if each of them may be refused alone."""
        places = [_attribute_place(error) for error in result.errors]
        attributes = row.data.get("attributes", [])
        if (
            None in places
            or not {attributes[place]["code"] for place in places if place is not None}
            <= self._mapper.tolerant
        ):
            return False
        batch.refusals += [(number, self._of(error, row, imported=True)) for error in result.errors]
        row.data["attributes"] = [one for place, one in enumerate(attributes) if place not in places]
        return True

    def _of(self, error: HubError, row: Row, *, imported: bool = False) -> Refusal:
        source = self._mapper.source(error.path, row.data)
        return refused(error, source, _at(row.data, error.path), imported=imported)

    def _note(self, tx: sa.Connection, batch: Batch) -> None:
        """Write down what was refused and how far the run is, with the same commit."""
        if batch.refusals:
            tx.execute(sa.insert(ImportReject), [self._reject(*each) for each in batch.refusals])
        counted = {name: ImportRun.__table__.c[name] + count for name, count in batch.outcomes.items()}
        values = sum(each.imported for _, each in batch.refusals)
        end = batch.records[-1].end
        tx.execute(
            sa.update(ImportRun)
            .where(ImportRun.id == self.id)
            .values(
                **counted,
                read=ImportRun.read + len(batch.records),
                refused=ImportRun.refused + values,
                offset=end.offset,
                number=end.number,
                line=end.line,
            )
        )

    def _reject(self, number: int, each: Refusal) -> dict[str, Any]:
        return {
            "run_id": self.id,
            "number": number,
            "code": each.code,
            "field": each.field,
            "value": each.value,
            "message": each.message,
            "imported": each.imported,
        }


def _wait(ahead: deque[tuple[Batch, Future[None]]], tell: Callable[[Record], None]) -> None:
    """Wait for the first of the batches that are being written."""
    batch, written = ahead.popleft()
    written.result()
    tell(batch.records[-1])


def _retried(work: Callable[[], Made]) -> Made:
    """Do it, and again where someone else wrote the same objects at the same moment."""
    for _ in range(1, ATTEMPTS):
        try:
            return work()
        except sa.exc.DBAPIError as error:
            if not refusal.retryable(error):
                raise
    return work()


def _attribute_place(error: HubError) -> int | None:
    """Which of a row's attribute values an error is about; null for something else."""
    match error.path:
        case ("attributes", int(place), *_):
            return place
    return None


def _nth(row: Row, place: int) -> str:
    return str(row.key) if place == 1 else f"{row.key}-{place}"


def _rename(row: Row, target: str, name: str) -> None:
    """Let a row be known by another key."""
    system = target.removeprefix("external_ids.")
    for external in row.data.get("external_ids", ()):
        if external["system"] == system and external["id"] == row.key:
            external["id"] = name
    if target == "number":
        row.data["number"] = name
    row.key = name


def _keyless(mapping: Mapping) -> HubError:
    return Required(
        f'The record has no value for {mapping.key}, by which mapping "{mapping.name}" knows it: give it.'
    )


def _at(data: Any, path: Sequence[str | int]) -> Any:
    """The value at a path of a row; null where the path leads nowhere."""
    for step in path:
        try:
            data = data[step]
        except (KeyError, IndexError, TypeError):
            return None
    return data["value"] if isinstance(data, dict) and "value" in data else data
