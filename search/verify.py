"""Verifying: the index against the database, document by document, and mending what differs."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import orjson

from hub import feed
from hub.db import Database
from search.damage import check
from search.document import Batch, Document, Key
from search.index import Index, UnavailableError
from search.lane import NAME
from search.product import build
from search.rebuild import BATCH, Progress, product_ids, rebuild
from search.tantivy_engine import Entry, Reader, Writer

Kind = Literal["missing", "extra", "different", "doubled"]

PATIENCE_SECONDS = 30.0
PAUSE_SECONDS = 0.1


@dataclass(frozen=True)
class Fault:
    """A document that is not as the database says. ``parts`` names what differs in it, or is empty."""

    key: Key
    kind: Kind
    parts: tuple[str, ...] = ()

    def __str__(self) -> str:
        product, channel = self.key
        place = "for staff" if channel is None else f"in channel {channel}"
        found = f"differs in {', '.join(self.parts)}" if self.parts else f"is {self.kind}"
        return f"The document of product {product} {place} {found}."


@dataclass(frozen=True)
class Report:
    """What was compared, what was wrong, and how many of the faults remain after a repair."""

    products: int
    documents: int
    faults: tuple[Fault, ...]
    remaining: int


def verify(
    database: Database, index: Index, *, repair: bool = False, progress: Progress | None = None
) -> Report:
    """Compare every document. What the lane was about to write anyway is no fault, if a lane is at work.

    Raises ``UnavailableError`` for an index that is not there or damaged, which a repair builds anew, and ``TimeoutError`` where another
    process writes and does not take the repair up.
    """
    if repair and not _is_readable(index):
        rebuild(database, index)
    compared, documents, faults = 0, 0, list[Fault]()
    with index.reading() as reader:
        check(reader.folder)
        total = reader.count()
        for between, ids in _ranges(database, reader):
            batch, entries = _both(database, reader, ids, between)
            compared, documents = compared + len(ids), documents + len(batch.documents)
            faults += _compare(batch.documents, entries)
            if progress:
                progress(documents, max(documents, total))
    faults = _settled(database, index, faults)
    remaining = len(faults)
    if repair and faults:
        mend(database, index, sorted({fault.key[0] for fault in faults}))
        remaining = len(_settled(database, index, faults))
    return Report(compared, documents, tuple(faults), remaining)


def _is_readable(index: Index) -> bool:
    try:
        with index.reading() as reader:
            check(reader.folder)
    except UnavailableError:
        return False
    return True


def _ranges(database: Database, reader: Reader) -> Iterator[tuple[tuple[int, int], list[int]]]:
    """Ranges of product ids without a gap between them, and the products that there are in each."""
    low = 1
    for ids in product_ids(database, BATCH):
        yield (low, ids[-1]), ids
        low = ids[-1] + 1
    if (newest := reader.newest()) >= low:
        yield (low, newest), []


def _both(
    database: Database, reader: Reader, ids: Iterable[int], between: tuple[int, int]
) -> tuple[Batch, list[Entry]]:
    with database.read() as tx:
        batch = build(tx, ids)
    reader.refresh()
    return batch, list(reader.entries(*between))


def _compare(documents: Sequence[Document], entries: Sequence[Entry]) -> Iterator[Fault]:
    wanted = {document.key: document for document in documents}
    held = {entry.key: entry for entry in entries}
    yield from (Fault(key, "missing") for key in wanted.keys() - held.keys())
    yield from (Fault(key, "extra") for key in held.keys() - wanted.keys())
    yield from (
        Fault(key, "doubled") for key, times in Counter(entry.key for entry in entries).items() if times > 1
    )
    for key in wanted.keys() & held.keys():
        if wanted[key].hash != held[key].hash:
            yield Fault(key, "different", _parts(wanted[key].content, held[key].content))


def _parts(wanted: bytes, held: bytes) -> tuple[str, ...]:
    is_, was = orjson.loads(wanted), orjson.loads(held)
    return tuple(sorted(name for name in is_.keys() | was.keys() if is_.get(name) != was.get(name)))


def _settled(database: Database, index: Index, faults: list[Fault]) -> list[Fault]:
    """The faults that remain once the lane has dealt with every change there was when they were found."""
    with database.read() as tx:
        last = feed.ends(tx)[1]
    deadline = time.monotonic() + PATIENCE_SECONDS
    while faults:
        behind = _is_behind(database, index, last)
        faults = _again(database, index, sorted({fault.key[0] for fault in faults}))
        if not behind or time.monotonic() > deadline:
            return faults
        time.sleep(PAUSE_SECONDS)
    return faults


def _is_behind(database: Database, index: Index, last: int) -> bool:
    """Whether a lane is at work and has not come so far yet."""
    with index.writing() as mine:
        if mine:
            return False
    with database.read() as tx:
        return (feed.position(tx, NAME) or 0) < last


def _again(database: Database, index: Index, ids: Sequence[int]) -> list[Fault]:
    faults = list[Fault]()
    with index.reading() as reader:
        for start in range(0, len(ids), BATCH):
            some = ids[start : start + BATCH]
            batch, entries = _both(database, reader, some, (some[0], some[-1]))
            faults += _compare(batch.documents, [entry for entry in entries if entry.key[0] in set(some)])
    return faults


def mend(database: Database, index: Index, ids: list[int]) -> None:
    """Index products anew, here or by the process whose turn it is to write.

    Raises ``TimeoutError`` where that one does not do it in time.
    """
    with index.writing() as mine:
        if mine:
            _mend(database, index, ids)
            return
    request = index.request(ids)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while request.exists():
        if time.monotonic() > deadline:
            request.unlink(missing_ok=True)
            raise TimeoutError(
                f"The relay holds the search index and did not mend {len(ids)} products within"
                f" {PATIENCE_SECONDS:.0f} seconds: look at its log, or stop it and repair again."
            )
        time.sleep(PAUSE_SECONDS)


def _mend(database: Database, index: Index, ids: Sequence[int]) -> None:
    with index.reading() as reader:
        state = reader.state()
    writer = Writer(reader.folder)
    for start in range(0, len(ids), BATCH):
        with database.read() as tx:
            writer.put(build(tx, ids[start : start + BATCH]), repair=True)
    writer.commit(state)
    writer.close()
