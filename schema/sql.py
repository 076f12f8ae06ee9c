"""The statements that reads are made of. Nothing else in ``schema`` writes a SELECT for a declared noun.

Pages choose their ids first and fetch the rows after, so that sorting moves small rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from hub.aggregate import Aggregate
from schema.declare import Noun
from schema.spec import (
    Column,
    Computed,
    Looked,
    Many,
    One,
    Paged,
    Scoped,
    Text,
    TextLocale,
    Translations,
    Values,
)

if TYPE_CHECKING:
    from hub.viewer import Viewer

BIGINTS = ARRAY(sa.BigInteger)
COUNT_CAP = 10_000
"""Counting stops here: a count that says so is cheap, an exact one reads everything."""


class Frame:
    """A noun's table in one statement, under a name of its own, beside its aggregate's row."""

    def __init__(self, noun: Noun, source: sa.FromClause | None = None) -> None:
        self.noun = noun
        self.table = (noun.table if source is None else source).alias()
        self.aggregate = Aggregate.__table__.alias() if noun.aggregate else None

    @property
    def c(self) -> Any:
        """The columns of the table."""
        return self.table.c

    @property
    def id(self) -> sa.ColumnElement[int]:
        """The column of ids."""
        return self.table.c.id

    def joined(self) -> sa.FromClause:
        """The table with its aggregate's row; PostgreSQL drops the join where nothing reads from it."""
        return self.beside(self.table)

    def beside(self, start: sa.FromClause) -> sa.FromClause:
        """``start``, which holds the table, with the aggregate's row."""
        if self.aggregate is None or self.noun.aggregate is None:
            return start
        type_, column = self.noun.aggregate
        return start.outerjoin(
            self.aggregate, sa.and_(self.aggregate.c.type == type_, self.aggregate.c.id == self.c[column])
        )

    def column(self, spec: Column, name: str) -> sa.ColumnElement[Any]:
        """The column that a field names."""
        side = self.aggregate if spec.of == "aggregate" else self.table
        assert side is not None, (
            f"{self.noun.title}.{name} reads from an aggregate that its noun does not have."
        )
        return side.c[spec.name or name]

    def columns(self) -> list[sa.ColumnElement[Any]]:
        """Every column that the noun's fields read, each under the name that instances know it by."""
        found: dict[str, sa.ColumnElement[Any]] = {"id": self.c.id} if "id" in self.c else {}
        for name, spec in self.noun.specs.items():
            if isinstance(spec, Column):
                found[name] = self.column(spec, name)
            else:
                found |= {each: self.c[each] for each in reads(spec)}
        return [expression.label(name) for name, expression in found.items()]

    def seen_by(self, viewer: Viewer) -> list[sa.ColumnElement[bool]]:
        """The row rule for this viewer, as conditions."""
        rule = self.noun.rows(self.c, viewer) if self.noun.rows else None
        return [] if rule is None else [rule]


def reads(spec: Any) -> tuple[str, ...]:  # noqa: PLR0911 - one line for each kind of field
    """The columns of its own table that a field which is no plain column reads."""
    match spec:
        case Text() | TextLocale() | Translations():
            return (spec.name,)
        case Computed():
            return spec.columns
        case Scoped():
            return (spec.column, *spec.others)
        case One():
            return (spec.via,)
        case Many() | Paged() | Looked():
            return (spec.here,)
        case Values():
            return (*spec.own, *((spec.inherits,) if spec.inherits else ()))
        case _:
            return ()


@dataclass(frozen=True)
class Key:
    """One sort key. Nulls stand last in either direction."""

    expression: sa.ColumnElement[Any]
    descending: bool = False
    nullable: bool = False


@dataclass(frozen=True)
class Ordering:
    """Sort keys, the last of them unique. ``tag`` tells cursors of different orderings apart."""

    tag: str
    keys: tuple[Key, ...]

    def clauses(
        self, columns: Sequence[sa.ColumnElement[Any]], *, backward: bool
    ) -> list[sa.ColumnElement[Any]]:
        """ORDER BY over ``columns``, which hold the keys' values."""
        return [
            _directed(key, column, backward=backward) for key, column in zip(self.keys, columns, strict=True)
        ]


@dataclass(frozen=True)
class Window:
    """Which part of an ordered list: at most ``limit`` rows after and before key values; backward counts from the end."""

    limit: int | sa.ColumnElement[int]
    after: tuple[Any, ...] | None = None
    before: tuple[Any, ...] | None = None
    backward: bool = False


def _directed(key: Key, column: sa.ColumnElement[Any], *, backward: bool) -> sa.ColumnElement[Any]:
    directed = column.desc() if key.descending != backward else column.asc()
    if not key.nullable:
        return directed
    return directed.nulls_first() if backward else directed.nulls_last()


def beyond(ordering: Ordering, values: Sequence[Any], *, after: bool) -> sa.ColumnElement[bool]:
    """The rows strictly after (or before) the row with these key values."""
    alternatives = []
    for place, (key, value) in enumerate(zip(ordering.keys, values, strict=True)):
        same = [
            _equal(earlier.expression, old)
            for earlier, old in zip(ordering.keys[:place], values, strict=False)
        ]
        alternatives.append(sa.and_(*same, _strictly(key, value, after=after)))
    return sa.or_(*alternatives)


def _bound(expression: sa.ColumnElement[Any], value: Any) -> sa.ColumnElement[Any]:
    return value if isinstance(value, sa.BindParameter) else sa.literal(value, expression.type)


def _equal(expression: sa.ColumnElement[Any], value: Any) -> sa.ColumnElement[bool]:
    return expression.is_(None) if value is None else expression == _bound(expression, value)


def _strictly(key: Key, value: Any, *, after: bool) -> sa.ColumnElement[bool]:
    expression = key.expression
    if value is None:
        return sa.false() if after else expression.is_not(None)
    bound = _bound(expression, value)
    further = expression > bound if after != key.descending else expression < bound
    return sa.or_(further, expression.is_(None)) if after and key.nullable else further


def _limits(ordering: Ordering, window: Window) -> list[sa.ColumnElement[bool]]:
    found = []
    if window.after is not None:
        found.append(beyond(ordering, window.after, after=True))
    if window.before is not None:
        found.append(beyond(ordering, window.before, after=False))
    return found


def _key_columns(ordering: Ordering) -> list[sa.ColumnElement[Any]]:
    return [key.expression.label(f"key_{place}") for place, key in enumerate(ordering.keys)]


def _chosen(
    frame: Frame,
    source: sa.FromClause,
    conditions: Sequence[sa.ColumnElement[bool]],
    ordering: Ordering,
    window: Window,
) -> sa.Select[Any]:
    expressions = [key.expression for key in ordering.keys]
    return (
        sa.select(frame.c.id.label("chosen"), *_key_columns(ordering))
        .select_from(source)
        .where(*conditions, *_limits(ordering, window))
        .order_by(*ordering.clauses(expressions, backward=window.backward))
        .limit(window.limit)
    )


def page(
    frame: Frame,
    conditions: Sequence[sa.ColumnElement[bool]],
    ordering: Ordering,
    window: Window,
    rows: Frame | None = None,
) -> sa.Select[Any]:
    """One page of a noun, each row with its key values ``key_0`` …; in reading order from either end.

    ``rows``: what is read of the chosen rows, null for all that the noun's fields need.
    """
    chosen = _chosen(frame, frame.joined(), conditions, ordering, window).subquery("page")
    return _hydrated(rows or Frame(frame.noun), chosen, ordering, window)


def _hydrated(
    rows: Frame, chosen: sa.FromClause, ordering: Ordering, window: Window, *extra: sa.ColumnElement[Any]
) -> sa.Select[Any]:
    keys = [chosen.c[f"key_{place}"] for place in range(len(ordering.keys))]
    return (
        sa.select(*rows.columns(), *keys, *extra)
        .select_from(rows.beside(chosen.join(rows.table, rows.c.id == chosen.c.chosen)))
        .order_by(*ordering.clauses(keys, backward=window.backward))
    )


def ids(frame: Frame, conditions: Sequence[sa.ColumnElement[bool]]) -> sa.Select[Any]:
    """The ids of all rows that meet the conditions."""
    return sa.select(frame.id.label("id")).select_from(frame.joined()).where(*conditions)


@dataclass(frozen=True)
class Nest:
    """How a connection hangs on its parents: the source to read, and the column that holds the parent's key."""

    source: sa.FromClause
    parent: sa.ColumnElement[Any]


def nested_page(
    frame: Frame,
    nest: Nest,
    conditions: Sequence[sa.ColumnElement[bool]],
    ordering: Ordering,
    window: Window,
    rows: Frame | None = None,
) -> sa.Select[Any]:
    """A page for each of ``:keys``, each row with its ``parent``."""
    keys = _keys()
    chosen = _chosen(frame, nest.source, [nest.parent == keys.c.parent, *conditions], ordering, window)
    lateral = chosen.correlate(keys).lateral("page")
    both = sa.select(keys.c.parent, lateral).select_from(keys.join(lateral, sa.true())).subquery("pages")
    return _hydrated(rows or Frame(frame.noun), both, ordering, window, both.c.parent)


def nested_rows(
    frame: Frame,
    nest: Nest,
    conditions: Sequence[sa.ColumnElement[bool]],
    ordering: Ordering,
    window: Window,
) -> sa.Select[Any]:
    """As ``nested_page``, where a row is so small that it may be sorted whole."""
    keys = _keys()
    expressions = [key.expression for key in ordering.keys]
    rows = (
        sa.select(*frame.columns(), *_key_columns(ordering))
        .select_from(nest.source)
        .where(nest.parent == keys.c.parent, *conditions, *_limits(ordering, window))
        .order_by(*ordering.clauses(expressions, backward=window.backward))
        .limit(window.limit)
    )
    lateral = rows.correlate(keys).lateral("page")
    columns = [lateral.c[f"key_{place}"] for place in range(len(ordering.keys))]
    return (
        sa.select(lateral, keys.c.parent)
        .select_from(keys.join(lateral, sa.true()))
        .order_by(*ordering.clauses(columns, backward=window.backward))
    )


def _keys() -> sa.TableValuedAlias:
    return (
        sa.func.unnest(sa.bindparam("keys", type_=BIGINTS))
        .table_valued(sa.column("parent", sa.BigInteger), name="keys")
        .render_derived()
    )


def count(frame: Frame, conditions: Sequence[sa.ColumnElement[bool]]) -> sa.Select[Any]:
    """How many rows there are, counted up to one more than ``COUNT_CAP``."""
    some = (
        sa.select(sa.literal(1))
        .select_from(frame.joined())
        .where(*conditions)
        .limit(COUNT_CAP + 1)
        .subquery()
    )
    return sa.select(sa.func.count().label("count")).select_from(some)


def nested_count(nest: Nest, conditions: Sequence[sa.ColumnElement[bool]]) -> sa.Select[Any]:
    """How many rows each of ``:keys`` has, capped like ``count``."""
    keys = _keys()
    some = (
        sa.select(sa.literal(1))
        .select_from(nest.source)
        .where(nest.parent == keys.c.parent, *conditions)
        .limit(COUNT_CAP + 1)
        .correlate(keys)
        .subquery()
    )
    counted = sa.select(sa.func.count().label("count")).select_from(some).lateral("counted")
    return sa.select(keys.c.parent, counted.c.count).select_from(keys.join(counted, sa.true()))


def by_keys(
    frame: Frame,
    column: str,
    conditions: Sequence[sa.ColumnElement[bool]] = (),
    order: Sequence[str] = (),
) -> sa.Select[Any]:
    """The rows whose ``column`` is one of ``:keys``, each with that column as ``parent``.

    The id of one that was merged into another finds the other.
    """
    if column == "id" and MERGED in frame.noun.table.c:
        return _by_ids(frame, conditions)
    return (
        sa.select(*frame.columns(), frame.c[column].label("parent"))
        .select_from(frame.joined())
        .where(frame.c[column] == sa.any_(sa.bindparam("keys", type_=BIGINTS)), *conditions)
        .order_by(*(frame.c[each] for each in order))
    )


MERGED = "merged_into_id"
"""The column that names what a row was merged into."""


def _by_ids(frame: Frame, conditions: Sequence[sa.ColumnElement[bool]]) -> sa.Select[Any]:
    asked = frame.noun.table.alias("asked")
    shown = sa.func.coalesce(asked.c[MERGED], asked.c.id)
    return (
        sa.select(*frame.columns(), asked.c.id.label("parent"))
        .select_from(frame.beside(sa.join(asked, frame.table, frame.c.id == shown)))
        .where(asked.c.id == sa.any_(sa.bindparam("keys", type_=BIGINTS)), *conditions)
    )


def chosen_by(
    frame: Frame, ids: sa.Select[Any], conditions: Sequence[sa.ColumnElement[bool]]
) -> sa.Select[Any]:
    """The rows whose ids a select gives."""
    return (
        sa.select(*frame.columns())
        .select_from(frame.joined())
        .where(frame.c.id.in_(ids), *conditions)
        .order_by(frame.c.id)
    )


def by_codes(
    table: sa.FromClause, columns: Sequence[str], lists: Sequence[str] = ("codes",)
) -> sa.Select[Any]:
    """These columns of the rows of a table whose code is in one of the named lists."""
    wanted = [sa.bindparam(name, type_=ARRAY(sa.Text)) for name in lists]
    named = sa.or_(sa.false(), *(table.c.code == sa.any_(each) for each in wanted))
    return sa.select(*(table.c[name] for name in columns)).where(named)


def options(frame: Frame) -> sa.Select[Any]:
    """The options of the attributes and codes that stand at the same places in ``:attributes`` and ``:codes``."""
    wanted = (
        sa.func.unnest(sa.bindparam("attributes", type_=BIGINTS), sa.bindparam("codes", type_=ARRAY(sa.Text)))
        .table_valued(sa.column("attribute_id", sa.BigInteger), sa.column("code", sa.Text), name="wanted")
        .render_derived()
    )
    own = sa.tuple_(frame.c.attribute_id, frame.c.code)
    return (
        sa.select(*frame.columns())
        .select_from(frame.joined())
        .where(own.in_(sa.select(wanted.c.attribute_id, wanted.c.code)))
    )


def equal_to(frame: Frame, fixed: Mapping[str, Any]) -> list[sa.ColumnElement[bool]]:
    """Columns that must hold fixed values."""
    return [frame.c[name] == value for name, value in fixed.items()]


def localised(column: sa.ColumnElement[Any], locales: Sequence[str]) -> sa.ColumnElement[str]:
    """The text of the first locale of the chain that has one."""
    texts = (column[locale].astext for locale in locales)
    return sa.func.coalesce(*texts, sa.null(), type_=sa.Text)


def sort_key(text: Any) -> sa.ColumnElement[str]:
    """What texts are sorted and compared by: without case and accents."""
    return sa.func.sort_key(text, type_=sa.Text)
