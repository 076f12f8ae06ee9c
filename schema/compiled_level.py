"""Levels: the statements that a compiled read is made of, each with the columns that the document needs.

A level makes its statement with the words of ``schema.sql``, once for each shape; values are bound when it runs.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from strawberry.types.base import has_object_definition

from hub.direct import Fragment, Row, bound
from hub.recent import Recent
from schema import sql
from schema.joined import Joined
from schema.ordinary import fixed_columns

if TYPE_CHECKING:
    from hub.attribute_value import Definition
    from hub.errors import HubError
    from hub.viewer import Viewer
    from schema.attribute_level import Known, Leaf
    from schema.compiled_argument import Arguments, Given
    from schema.compiled_search import Hits
    from schema.context import Scope
    from schema.declare import Noun
    from schema.opening import Check
    from schema.spec import Looked, LookUp, Many

NEAR = 32
"""Argument values whose statement a level remembers."""
FIRST_CELL = 2
"""Where the columns of a row begin: before them stand the level's number and the key of the parent."""

Shaped = tuple[Fragment, dict[str, Any]]
"""A statement, and the values that its shape leaves open."""
MADE: Recent[Hashable, Shaped] = Recent(1_000)
"""Statements of all levels by all that they are made with: making one takes longer than running most of them."""
SHAPES: Recent[Hashable, Fragment] = Recent(1_000)
"""Statements of all levels by their shapes, whatever values stand in them."""

Make = Callable[[Joined, "Scope"], sa.ColumnElement[Any]]
KeysFrom = Callable[["Reading"], dict[str, Any]]
"""Gives the keys of a level that no column holds, by parameter; an empty list of them means that nothing is read."""


@dataclass(frozen=True)
class Join:
    """A row of a noun joined by the column that holds its id. ``follows``: whoever sees the one sees the other."""

    via: str
    noun: Noun
    follows: bool


@dataclass
class Reading:
    """One root field as one request reads it.

    ``viewer`` stands for everyone of the permission class; who really asks is in ``rules``, the values of row rules.
    ``rows`` and ``index``: what each level gave, plain and by key. ``wrong``: what is wrong with a level's arguments.
    ``check``: what is held against an opening taken for granted, null where it was read. ``hits``: what a search found,
    null for all else.
    """

    viewer: Viewer
    scope: Scope
    arguments: Arguments
    rules: dict[str, Any]
    definitions: dict[str, Definition] = field(default_factory=dict)
    rows: dict[int, Sequence[Row]] = field(default_factory=dict)
    index: dict[int, Any] = field(default_factory=dict)
    turned: dict[int, Any] = field(default_factory=dict)
    check: Check | None = None
    known: dict[str, Known] = field(default_factory=dict)
    met: dict[int, Any] = field(default_factory=dict)
    leaves: dict[int, dict[str, list[Leaf]]] = field(default_factory=dict)
    wrong: dict[int, HubError] = field(default_factory=dict)
    wanted: Sequence[int] = ()
    keys: Sequence[int] = ()
    levels: Sequence[Level] = ()
    hits: Hits | None = None

    def empty(self, place: int) -> Any:
        """The page of a parent that has no rows, in the list of that place; null where its arguments are wrong."""
        return None if place in self.wrong else self.levels[place].empty(self)  # type: ignore[attr-defined]  # only lists are asked

    def cursor(self, place: int) -> Callable[[Row], str]:
        """What makes the cursors of the list of that place."""
        return str if place in self.wrong else self.levels[place].cursor(self)  # type: ignore[attr-defined]  # only lists are asked

    def first(self, place: int) -> Row | None:
        """The first row of a level; null without one."""
        return next(iter(self.rows[place]), None)


class Level:
    """The rows of one noun at one place of a document, read in one statement for all their parents.

    ``via``: the parent's column with the keys of this level, null where they come from elsewhere. ``key``: the column
    of its own statement that holds the parent's key, null for a list at the root. ``follows``: whoever sees a parent
    sees its rows here.
    """

    key: str | None = "parent"
    last = False
    """Whether it reads from other levels of its statement than its parent."""

    def __init__(
        self,
        place: int,
        noun: Noun,
        *,
        parent: Level | None = None,
        via: int | None = None,
        source: sa.FromClause | None = None,
        wave: int = 0,
        follows: bool = False,
    ) -> None:
        self.place = place
        self.noun = noun
        self.parent = parent
        self.via = via
        self.source = source
        self.wave = wave
        self.follows = follows
        self.reads_scope = False
        self.reads_aggregate = False
        self.keys_from: KeysFrom | None = None
        self._cells: dict[Hashable, tuple[int, tuple[Join, ...], Make]] = {}
        self._near: Recent[Hashable, Shaped] = Recent(NEAR)

    def cell(self, path: tuple[Join, ...], name: Hashable, make: Make) -> int:
        """The place in a row of a column; ``path`` leads to the joined row that it is of."""
        key = (tuple(join.via for join in path), name)
        if key not in self._cells:
            self._cells[key] = (len(self._cells) + FIRST_CELL, path, make)
        return self._cells[key][0]

    @property
    def fixed(self) -> bool:
        """Whether the statement, with all that its shape leaves open, depends on nothing of a request but the scope."""
        return True

    def columns(self, _: Reading) -> list[str]:
        """The columns of the statement, as far as rows hold them."""
        return [f"c{place}" for place in range(len(self._cells))]

    def frame(self, reading: Reading) -> Joined:
        """The noun's table with what is read of it."""
        top = Joined(self.noun, reading.viewer, self.source)
        columns = []
        for _, path, make in self._cells.values():
            frame = top
            for join in path:
                frame = frame.one(join.via, join.noun, follows=join.follows)
            columns.append(make(frame, reading.scope))
        top.choose(columns)
        return top

    def fragment(self, reading: Reading) -> Shaped | None:
        """The statement, and the values that its shape leaves open; null where there is nothing to ask."""
        near = reading.scope if self.fixed else self._shape(reading)
        known = self._near.find(near)
        if known is None:
            whole = (self._signature(reading), self._shape(reading))
            known = MADE.find(whole) or MADE.keep(whole, self._made(reading))
            self._near.keep(near, known)
        return known

    def _shape(self, reading: Reading) -> Hashable:
        return (self._scope(reading), self.shape(reading))

    def _signature(self, reading: Reading) -> Hashable:
        """What tells its statements from those of other levels: one that reads the same asks the same."""
        cells = tuple(self._cells)
        return (type(self), self.noun.title, reading.viewer, self.follows, self.key, cells, self.own())

    def own(self) -> Hashable:
        """What of its kind the statement depends on."""
        return None

    def _scope(self, reading: Reading) -> Hashable:
        return reading.scope.locales if self.reads_scope else None

    def shape(self, _: Reading) -> Hashable:
        """What the statement's text and open values depend on, beside the columns."""
        return None

    def late(self, _: Reading) -> dict[str, Any]:
        """The values that are bound by name."""
        return {}

    def _made(self, reading: Reading) -> Shaped:
        return Fragment.of(self.statement(reading, self.frame(reading))), {}

    def seen(self, reading: Reading, frame: sql.Frame) -> list[sa.ColumnElement[bool]]:
        """The row rule, where it does not follow from that of the parents."""
        return [] if self.follows else frame.seen_by(reading.viewer)

    def statement(self, reading: Reading, rows: Joined) -> sa.Select[Any]:
        """The statement."""
        raise NotImplementedError

    def _shaped(
        self,
        reading: Reading,
        open_part: sa.ClauseElement,
        outline: Hashable,
        make: Callable[[], sa.Select[Any]],
    ) -> Shaped:
        """A statement whose ``open_part`` differs from request to request only in its values, as a rule."""
        key = open_part._generate_cache_key()  # noqa: SLF001 - what SQLAlchemy's own cache of statements goes by
        binds = [bind for bind in key.bindparams if not bind.required] if key is not None else []
        if key is None or any(bind.expanding for bind in binds):
            return Fragment.of(make()), {}
        values = {f"given_{place}": bound(bind) for place, bind in enumerate(binds)}
        whole = (self._signature(reading), outline, key.key)
        known = SHAPES.find(whole)
        if known is None:
            late = {bind: f"given_{place}" for place, bind in enumerate(binds)}
            known = SHAPES.keep(whole, Fragment.of(make(), late))
        return known, values

    def keys(self, _: Reading, column: int, name: str) -> str:
        """The text of a select of the keys in a column, where the statement stands under ``name``."""
        return f"SELECT DISTINCT c{column - FIRST_CELL} FROM {name}"

    def inlined(self, reading: Reading, names: Mapping[int, str]) -> dict[str, str]:
        """The text of parameters that are read from other levels of the statement, by the names that those have there."""
        if self.parent is None or self.via is None or self.parent.place not in names:
            return {}
        keys = self.parent.keys(reading, self.via, names[self.parent.place])
        return {"keys": f"ARRAY({keys})"}

    def arrange(self, reading: Reading, rows: Sequence[Row]) -> Sequence[Row]:
        """Put the rows by their key; gives those that are shown."""
        reading.index[self.place] = {row[1]: row for row in rows}
        return rows

    def nothing(self) -> Any:
        """What stands for the index where nothing was asked."""
        return {}


class ById(Level):
    """Rows by their ids."""

    def statement(self, reading: Reading, rows: Joined) -> sa.Select[Any]:
        """By ``:keys``."""
        return sql.by_keys(rows, "id", self.seen(reading, rows))


class _Grouped(Level):
    """A level that may have several rows for a key."""

    def arrange(self, reading: Reading, rows: Sequence[Row]) -> Sequence[Row]:
        """Put the rows by the keys of their parents."""
        found: dict[Any, list[Row]] = {}
        for row in rows:
            if row[1] in found:
                found[row[1]].append(row)
            else:
                found[row[1]] = [row]
        reading.index[self.place] = found
        return rows


class Found(_Grouped):
    """The one row that a look-up at the root finds."""

    key = None

    def __init__(self, place: int, noun: Noun, way: LookUp, name: str, given: Given) -> None:
        super().__init__(place, noun)
        self.cell(
            (), "id", lambda frame, _: frame.c.id
        )  # a statement needs a column, also where nothing is asked for
        self._way = way
        self._name = name
        self._given = given

    @property
    def fixed(self) -> bool:
        """What is looked up may say itself how."""
        return False

    def own(self) -> Hashable:
        """The way it is found by."""
        return self._name

    def late(self, reading: Reading) -> dict[str, Any]:
        """What is looked up, read as the way to find it wants."""
        value = self._way.read(reading.arguments[self._given.place][self._name])
        return dict(vars(value)) if has_object_definition(value) else {"given": value}

    def shape(self, reading: Reading) -> Hashable:
        """The names of what is looked up."""
        return tuple(self.late(reading))

    def statement(self, reading: Reading, rows: Joined) -> sa.Select[Any]:
        """By what the look-up selects."""
        names = {name: sa.bindparam(name, type_=sa.Text) for name in self.late(reading)}
        given = names["given"] if "given" in names else SimpleNamespace(**names)
        return sql.chosen_by(rows, self._way.select(given), rows.seen_by(reading.viewer))


class ManyOf(_Grouped):
    """All related rows of each parent."""

    def __init__(self, place: int, noun: Noun, spec: Many, owner: Noun, given: Given, **more: Any) -> None:
        super().__init__(place, noun, source=spec.source, **more)
        self._spec = spec
        self._owner = owner
        self._given = given

    @property
    def fixed(self) -> bool:
        """Whether the columns that must match are always the same."""
        return not self._given.variables

    def _asked(self, reading: Reading) -> dict[str, Any]:
        return {
            name: value for name, value in reading.arguments[self._given.place].items() if value is not None
        }

    def own(self) -> Hashable:
        """The relation, and whose it is."""
        return (self._spec, self._owner.title)

    def shape(self, reading: Reading) -> Hashable:
        """Which columns must match."""
        return tuple(self._asked(reading))

    def late(self, reading: Reading) -> dict[str, Any]:
        """What they must match."""
        return {f"match_{name}": value for name, value in self._asked(reading).items()}

    def statement(self, reading: Reading, rows: Joined) -> sa.Select[Any]:
        """By ``:keys`` of the parents."""
        asked = {name: sa.bindparam(f"match_{name}", type_=sa.Text) for name in self._asked(reading)}
        fixed = sql.equal_to(rows, fixed_columns(self._owner, self._spec, asked))
        return sql.by_keys(rows, self._spec.key, [*self.seen(reading, rows), *fixed], self._spec.order)


class LookedUp(Level):
    """What a set-based select finds for each parent: a row, or the value ``spec.value``."""

    def __init__(self, place: int, noun: Noun, spec: Looked, given: Given, **more: Any) -> None:
        super().__init__(place, noun, **more)
        self.spec = spec
        self._given = given

    @property
    def fixed(self) -> bool:
        """Whether the select is always made with the same."""
        return not self._given.variables

    def _select(self, reading: Reading) -> sa.Select[Any] | None:
        return self.spec.select(reading.viewer, reading.scope, **reading.arguments[self._given.place])

    def own(self) -> Hashable:
        """What is looked up."""
        return self.spec

    def shape(self, reading: Reading) -> Hashable:
        """All that the select is made with: what it does with the scope is its own affair."""
        return (reading.scope, repr(reading.arguments[self._given.place]))

    def fragment(self, reading: Reading) -> Shaped | None:
        """The statement; null where there is nothing to look up."""
        found = super().fragment(reading)
        return found if found and found[0].pieces else None

    def nothing(self) -> Any:
        """Null for values: without a look-up there is none, not even the one that stands for a missing row."""
        return {} if self.spec.to else None

    def _made(self, reading: Reading) -> Shaped:
        select = self._select(reading)
        if select is None:
            return Fragment((), (), {}), {}
        return self._shaped(reading, select, self._scope(reading), lambda: self._read(reading, select))

    def _read(self, reading: Reading, select: sa.Select[Any]) -> sa.Select[Any]:
        self.source = select.subquery("looked")
        if self.spec.value is not None:
            return sa.select(self.source.c[self.spec.value].label("c0"), self.source.c.key.label("parent"))
        rows = self.frame(reading)
        return sa.select(*rows.columns(), rows.c.key.label("parent")).select_from(rows.joined())


class Options(Level):
    """The options of choices, by attribute and code."""

    key = None

    def __init__(self, place: int, noun: Noun, **more: Any) -> None:
        super().__init__(place, noun, **more)
        self._attribute = self.cell((), "attribute_id", lambda frame, _: frame.c.attribute_id)
        self._code = self.cell((), "code", lambda frame, _: frame.c.code)

    def arrange(self, reading: Reading, rows: Sequence[Row]) -> Sequence[Row]:
        """Put the rows by attribute and code."""
        reading.index[self.place] = {(row[self._attribute], row[self._code]): row for row in rows}
        return rows

    def statement(self, _: Reading, rows: Joined) -> sa.Select[Any]:
        """By ``:attributes`` and ``:codes``."""
        return sql.options(rows)
