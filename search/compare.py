"""Comparing: documents as the database calls for them with those that the index holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from hub.db import Database
from search.document import Batch, Document, Key
from search.engine import Held, Reader
from search.product import build

Kind = Literal["missing", "extra", "different", "doubled"]

BATCH = 500


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


def faults_of(database: Database, reader: Reader, product_ids: Sequence[int]) -> list[Fault]:
    """The faults of some products, given in ascending order; the reader shows what it showed last."""
    faults = list[Fault]()
    for start in range(0, len(product_ids), BATCH):
        some = product_ids[start : start + BATCH]
        wanted = set(some)
        with database.read() as tx:
            batch = build(tx, some)
        held = [each for each in reader.scan(some[0], some[-1]) if each.key[0] in wanted]
        faults += faults_between(batch, held, reader)
    return faults


def faults_between(batch: Batch, held: Iterable[Held], reader: Reader) -> Iterator[Fault]:
    """What differs between a batch and what is held of its products."""
    entries = list(held)
    wanted = {document.key: document for document in batch.documents}
    there = {entry.key: entry for entry in entries}
    yield from (Fault(key, "missing") for key in sorted(wanted.keys() - there.keys(), key=_order))
    yield from (Fault(key, "extra") for key in sorted(there.keys() - wanted.keys(), key=_order))
    times = Counter(entry.key for entry in entries)
    yield from (Fault(key, "doubled") for key, number in times.items() if number > 1)
    for key in sorted(wanted.keys() & there.keys(), key=_order):
        if wanted[key].hash != there[key].hash:
            yield Fault(key, "different", _parts(wanted[key], reader.content(key)))


def _order(key: Key) -> tuple[int, int]:
    return key[0], key[1] or 0


def _parts(wanted: Document, held: dict[str, Any] | None) -> tuple[str, ...]:
    is_, was = orjson.loads(wanted.content), held or {}
    return tuple(sorted(name for name in is_.keys() | was.keys() if is_.get(name) != was.get(name)))
