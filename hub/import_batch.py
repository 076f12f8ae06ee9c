"""A batch: some records of a file on their way into the hub together."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from hub.db import Json
from hub.mapper import Refusal, Row
from hub.reading import Record


@dataclass
class Batch:
    """The rows that are good so far, by their record's number, and what was refused."""

    records: Sequence[Record]
    rows: list[tuple[int, Row]] = field(default_factory=list)
    refusals: list[tuple[int, Refusal]] = field(default_factory=list)
    outcomes: dict[str, int] = field(default_factory=dict)

    def skip(self, number: int, *why: Refusal) -> None:
        """Refuse a record."""
        self.outcomes["skipped"] = self.outcomes.get("skipped", 0) + 1
        self.refusals += [(number, each) for each in why]

    def drop(self, bad: dict[int, Refusal]) -> None:
        """Refuse rows by their record's number."""
        for number, _ in self.rows:
            if number in bad:
                self.skip(number, bad[number])
        self.rows = [(number, row) for number, row in self.rows if number not in bad]

    def is_apart_from(self, other: Batch) -> bool:
        """Whether both may be written at once: all of their products are new, and they share no name of anything."""
        return self._is_new and other._is_new and self._names.isdisjoint(other._names)

    @cached_property
    def _is_new(self) -> bool:
        return all("id" not in row.data for _, row in self.rows)

    @cached_property
    def _names(self) -> frozenset[Hashable]:
        return frozenset(name for _, row in self.rows for name in _names(row.data))


def gtins(row: Row) -> list[Json]:
    """The GTINs that a row gives its variants."""
    variants = row.data.get("variants", [])
    return [one for variant in variants for one in variant.get("identifiers", ()) if one["type"] == "gtin"]


def _names(data: Json) -> Iterator[Hashable]:
    """What no two products or variants may share."""
    yield "slug", data.get("slug")
    for external in data.get("external_ids", ()):
        yield "external", external["system"], external["id"]
    for variant in data.get("variants", ()):
        yield "sku", variant.get("sku")
        for external in variant.get("external_ids", ()):
            yield "variant", external["system"], external["id"]
        for one in variant.get("identifiers", ()):
            if one["type"] == "gtin":
                yield "gtin", one["value"]
