"""Pages of a compiled read: the statement of a list, its count, and what its rows say about where the page stands."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from hub.direct import Row
from hub.recent import Recent
from schema import filter as filters
from schema import sort, sql
from schema.compiled_level import FIRST_CELL, Level, Reading, Shaped
from schema.compiled_value import moment
from schema.connection import ARGUMENTS as PAGING
from schema.connection import Counted, Paging, cursor, decode, mark
from schema.ordinary import nested, nested_ordering

if TYPE_CHECKING:
    from schema.compiled_argument import Given
    from schema.context import Scope
    from schema.declare import Noun
    from schema.joined import Joined
    from schema.spec import Paged

ORDERINGS: Recent[Hashable, sql.Ordering] = Recent(1_000)
"""The orderings of all lists, as far as cursors need them."""


@dataclass(slots=True)
class Shown:
    """One page: its rows, and whether others follow and precede them."""

    rows: Sequence[Row]
    has_next: bool
    has_previous: bool


@dataclass(frozen=True)
class Turned:
    """A list as one request asks for it. ``places``: which key values of the cursors are null, with the others' values."""

    paging: Paging
    filter: Any
    sort: Any
    ordering: sql.Ordering
    cursors: dict[str, tuple[Any, ...]]

    @property
    def outline(self) -> Hashable:
        """What the statement's text depends on, beside the filter."""
        nulls = tuple((name, *(value is None for value in values)) for name, values in self.cursors.items())
        return (self.paging.size, self.paging.last is not None, repr(self.sort), nulls)


class Listing(Level):
    """What pages and counts of one list share. ``spec``: of a nested list, null at the root."""

    def __init__(self, place: int, noun: Noun, given: Given, spec: Paged | None = None, **more: Any) -> None:
        super().__init__(place, noun, **more)
        self.given = given
        self.spec = spec
        self.key = "parent" if spec is not None else None

    def own(self) -> Hashable:
        """The relation; null at the root."""
        return self.spec

    @property
    def fixed(self) -> bool:
        """Whether it is always asked for alike. A filter may name attributes, which change."""
        return not self.given.variables and self.given.names.isdisjoint(("filter",))

    def conditions(self, reading: Reading, frame: sql.Frame, filter_: Any) -> list[Any]:
        """The filter's conditions."""
        where = filters.Where(reading.viewer, reading.scope, reading.definitions)
        return filters.conditions(frame, filter_, where)

    def context(self, reading: Reading, filter_: Any) -> Hashable:
        """What a filter's values depend on beside themselves."""
        return None if filter_ is None else (reading.scope, repr(filter_), repr(reading.definitions))


class Page(Listing):
    """A page of a list, for each parent or at the root. ``marks``: whether anyone asks for cursors."""

    marks = False

    def turned(self, reading: Reading) -> Turned:
        """How the list is asked for. Raises ``hub.errors.HubError`` for arguments that make no page."""
        known: Turned | None = reading.turned.get(self.place)
        if known is None:
            known = reading.turned[self.place] = self._turned(reading)
        return known

    def _turned(self, reading: Reading) -> Turned:
        given = reading.arguments[self.given.place]
        paging = Paging(**{name: given.get(name) for name in PAGING})
        asked = given.get("sort")
        key = (self.noun.title, self.spec, reading.scope.locales, repr(asked))
        ordering = ORDERINGS.find(key) or ORDERINGS.keep(key, self._ordering(reading.scope, asked))
        cursors = {
            name: decode(text, ordering, name)
            for name in ("after", "before")
            if (text := given.get(name)) is not None
        }
        return Turned(paging, given.get("filter"), asked, ordering, cursors)

    def _ordering(self, scope: Scope, asked: Any) -> sql.Ordering:
        """What cursors need to know of the ordering."""
        frame = sql.Frame(self.noun)
        if self.spec is None:
            found = sort.ordering(frame, scope, asked)
        else:
            found = nested_ordering(frame, self.spec, nested(frame, self.spec)[1], scope, asked)
        keys = (replace(key, expression=sa.column("key", key.expression.type)) for key in found.keys)
        return sql.Ordering(found.tag, tuple(keys))

    def columns(self, reading: Reading) -> list[str]:
        """The cells, then the keys of the ordering where cursors are asked for."""
        keys = range(len(self.turned(reading).ordering.keys)) if self.marks else ()
        return [*super().columns(reading), *(f"key_{place}" for place in keys)]

    def shape(self, reading: Reading) -> Hashable:
        """The outline and all that the filter says."""
        turned = self.turned(reading)
        return (reading.scope.locales, turned.outline, self.context(reading, turned.filter))

    def late(self, reading: Reading) -> dict[str, Any]:
        """The values of the cursors."""
        return {
            f"{name}_{place}": value
            for name, values in self.turned(reading).cursors.items()
            for place, value in enumerate(values)
            if value is not None
        }

    def _made(self, reading: Reading) -> Shaped:
        turned, rows = self.turned(reading), self.frame(reading)
        frame = rows if self._small(rows) else sql.Frame(self.noun)
        conditions = self.conditions(reading, frame, turned.filter)

        def make() -> sa.Select[Any]:
            return self._statement(reading, rows, frame, conditions)

        outline = (reading.scope.locales, turned.outline)
        return self._shaped(reading, sa.and_(sa.true(), *conditions), outline, make)

    def _small(self, rows: Joined) -> bool:
        """Whether rows are read while they are chosen: below parents, where nothing has to be joined to them."""
        return self.spec is not None and rows.alone and not self.reads_aggregate

    def _statement(
        self, reading: Reading, rows: Joined, frame: sql.Frame, conditions: Sequence[Any]
    ) -> sa.Select[Any]:
        turned = self.turned(reading)
        met = [*self.seen(reading, frame), *conditions]
        if self.spec is None:
            ordering = sort.ordering(frame, reading.scope, turned.sort)
            return sql.page(frame, met, ordering, self._window(turned), rows)
        nest, order = nested(frame, self.spec)
        ordering = nested_ordering(frame, self.spec, order, reading.scope, turned.sort)
        if frame is rows:
            return sql.nested_rows(rows, nest, met, ordering, self._window(turned))
        return sql.nested_page(frame, nest, met, ordering, self._window(turned), rows)

    def _window(self, turned: Turned) -> sql.Window:
        limit: Any = sa.literal_column(str(turned.paging.size + 1), sa.Integer)
        named = {
            name: tuple(
                None if value is None else sa.bindparam(f"{name}_{place}", type_=key.expression.type)
                for place, (value, key) in enumerate(zip(values, turned.ordering.keys, strict=True))
            )
            for name, values in turned.cursors.items()
        }
        return sql.Window(limit=limit, backward=turned.paging.last is not None, **named)

    def own(self) -> Hashable:
        """The relation, and whether it shows cursors."""
        return (self.spec, self.marks)

    def keys(self, reading: Reading, column: int, name: str) -> str:
        """As for any level, without the row at the root that only says that more follow."""
        if self.spec is not None:
            return super().keys(reading, column, name)
        own = f"c{column - FIRST_CELL}"
        return f"SELECT DISTINCT {own} FROM (SELECT {own} FROM {name} LIMIT {self.turned(reading).paging.size}) AS shown"

    def arrange(self, reading: Reading, rows: Sequence[Row]) -> Sequence[Row]:
        """Put the rows by their parents, without those that only say that more follow; gives the rows that are shown."""
        paging = self.turned(reading).paging
        found: dict[Any, list[Row]] = defaultdict(list)
        for row in rows:
            found[row[1]].append(row)
        pages = {key: Shown(*paging.shown(some)) for key, some in found.items()}
        reading.index[self.place] = pages
        return [row for page in pages.values() for row in page.rows]

    def empty(self, reading: Reading) -> Shown:
        """The page of a parent that has no rows."""
        return Shown(*self.turned(reading).paging.shown([]))

    def cursor(self, reading: Reading) -> Callable[[Row], str]:
        """What makes a row's cursor."""
        ordering, start = self.turned(reading).ordering, FIRST_CELL + len(self._cells)
        own = mark(ordering)
        plain = [_plain(key.expression.type) for key in ordering.keys]
        places = list(enumerate(plain, start))

        def made(row: Row) -> str:
            return cursor(own, [None if row[at] is None else read(row[at]) for at, read in places])

        return made


def _plain(type_: sa.types.TypeEngine[Any]) -> Callable[[str], Any]:
    """What makes the value of a cursor, as ``connection.encode`` has it, of a key's text."""
    held = type_.python_type
    if held is datetime:
        return lambda text: moment(text).isoformat()
    if held is Decimal:
        return lambda text: str(Decimal(text))
    return int if held is int else str


class Count(Listing):
    """How many rows a list has, without its page."""

    def columns(self, _: Reading) -> list[str]:
        """The number alone."""
        return ["count"]

    def shape(self, reading: Reading) -> Hashable:
        """All that the filter says."""
        return self.context(reading, reading.arguments[self.given.place].get("filter"))

    def _made(self, reading: Reading) -> Shaped:
        frame = sql.Frame(self.noun)
        conditions = self.conditions(reading, frame, reading.arguments[self.given.place].get("filter"))
        met = [*self.seen(reading, frame), *conditions]

        def make() -> sa.Select[Any]:
            if self.spec is None:
                return sql.count(frame, met)
            return sql.nested_count(nested(frame, self.spec)[0], met)

        return self._shaped(reading, sa.and_(sa.true(), *conditions), None, make)

    def arrange(self, reading: Reading, rows: Sequence[Row]) -> Sequence[Row]:
        """Put the counts by the parents."""
        reading.index[self.place] = {row[1]: Counted.of(int(row[FIRST_CELL])) for row in rows}
        return rows
