"""Where the value of a field comes from: what a declaration says, and every executor reads.

This module knows no SQL statement and no resolver.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

if TYPE_CHECKING:
    from hub.viewer import Viewer

Rows = Callable[[Any, "Viewer"], sa.ColumnElement[bool] | None]
"""A row rule: the columns of a noun's table and who asks give what they may see; null for all of it."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Argument:
    """An argument of a field. ``default``: what stands for a missing one; ``strawberry.UNSET`` for none."""

    type: Any
    description: str
    default: Any = None
    name: str | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class Spec:
    """Where the value of a field comes from.

    ``requires``: the field rule, a name in ``schema.rule.FIELD_RULES``; null for whoever sees the row.
    """

    description: str
    requires: str | None = None
    arguments: Mapping[str, Argument] = field(default_factory=dict)


@dataclass(frozen=True, eq=False, kw_only=True)
class Column(Spec):
    """A column of the noun's table, or of its aggregate's row (``of="aggregate"``)."""

    name: str | None = None
    of: str = "own"
    filter: bool = False
    sort: bool = False


@dataclass(frozen=True, eq=False, kw_only=True)
class Identity(Spec):
    """The global id."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Text(Spec):
    """A text per locale, the JSONB column ``name``: ``{locale: text}``.

    It makes three fields: the text, ``…Locale`` that it came from, and ``…Translations`` with all of them.
    """

    name: str = ""
    filter: bool = False
    sort: bool = False


@dataclass(frozen=True, eq=False, kw_only=True)
class TextLocale(Spec):
    """The locale that the text of column ``name`` came from."""

    name: str


@dataclass(frozen=True, eq=False, kw_only=True)
class Translations(Spec):
    """Every text of column ``name``."""

    name: str


@dataclass(frozen=True, eq=False, kw_only=True)
class Computed(Spec):
    """A function whose parameter names are columns."""

    function: Callable[..., Any]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that the function reads."""
        return tuple(inspect.signature(self.function).parameters)


@dataclass(frozen=True, eq=False, kw_only=True)
class Scoped(Spec):
    """A function of stored values, the scope and the field's arguments: no statement of its own.

    ``function(value, scope, **others, **arguments)``: ``others`` are further columns, given by their names.
    """

    column: str
    function: Callable[..., Any]
    others: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False, kw_only=True)
class One(Spec):
    """The row of noun ``to`` whose id stands in column ``via``. ``filter``: offer the other's filter here.

    ``same_rule``: whoever sees the one sees the other, although their row rules read differently.
    """

    to: str
    via: str
    filter: bool = False
    same_rule: bool = False


@dataclass(frozen=True, eq=False, kw_only=True)
class Many(Spec):
    """All rows of noun ``to`` whose column ``key`` holds this row's ``here``, in ``order``.

    ``source``: another selectable with the same columns to read them from. ``where``: column → fixed value.
    ``match``: argument → column that it must equal.
    """

    to: str
    key: str
    here: str = "id"
    order: tuple[str, ...] = ("id",)
    source: sa.FromClause | None = None
    where: Mapping[str, Any] = field(default_factory=dict)
    match: Mapping[str, str] = field(default_factory=dict)
    filter: bool = False


@dataclass(frozen=True, eq=False, kw_only=True)
class Through:
    """A link table: ``here`` holds this row's id, ``there`` the other's."""

    table: sa.FromClause
    here: str
    there: str


@dataclass(frozen=True, eq=False, kw_only=True)
class Paged(Spec):
    """A connection of noun ``to``: by its column ``key``, or through a link table.

    ``order``: columns (of the link table, where there is one) that order it unless a sort is asked for.
    """

    to: str
    key: str | None = None
    here: str = "id"
    through: Through | None = None
    order: tuple[str, ...] = ()
    filter: bool = False


@dataclass(frozen=True, eq=False, kw_only=True)
class Looked(Spec):
    """What a set-based select finds for each key: a row of noun ``to``, or the plain value in column ``value``.

    ``select(viewer, scope, **arguments)`` gives a select over ``:keys`` with a column ``key`` and at most one row for
    each, or null where there is nothing to look up. ``here``: the column of this row that holds its key.
    ``missing``: the value of a key that has no row.
    """

    select: Callable[..., sa.Select[Any] | None]
    to: str | None = None
    value: str | None = None
    here: str = "id"
    missing: Any = None


@dataclass(frozen=True, eq=False, kw_only=True)
class Values(Spec):
    """The attribute values of a row: see ``schema.attribute_value``. ``single``: only the one asked for."""

    single: bool = False
    own: tuple[str, ...] = ("attributes",)
    inherits: str | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class FilterSpec:
    """A filter that is not simply a column's: its input type, and the predicate that it makes.

    ``predicate(table, value, where)`` with ``where`` a ``schema.filter.Where``.
    """

    type: Any
    description: str
    predicate: Callable[..., sa.ColumnElement[bool]]


@dataclass(frozen=True, eq=False, kw_only=True)
class LookUp:
    """A way to find one row at the root: the argument's type, and the select of ids for its value.

    ``read`` checks what was given and brings it to the form that is kept; ``select`` takes what it gives, or parameters
    that stand for that. It may raise ``hub.errors.HubError``.
    """

    type: Any
    description: str
    select: Callable[[Any], sa.Select[Any]]
    read: Callable[[Any], Any] = lambda given: given


@dataclass(frozen=True, eq=False, kw_only=True)
class Search:
    """A search over a noun's list: ``page(listed, text)`` gives its page, ``listed`` being the asked list."""

    description: str
    page: Callable[[Any, str], Awaitable[Any]]
