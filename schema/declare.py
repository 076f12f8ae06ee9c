"""How a noun says what can be asked of it: each field once, with its description and where its value comes from.

A noun is a class under ``@noun(table, …)``; its fields are specifiers (``column``, ``text``, ``one``, ``many`` …) given
as default values. This module knows no SQL and no resolver: whoever executes reads the ``Spec`` of each field.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self, TypeVar, dataclass_transform

import sqlalchemy as sa
import strawberry
from strawberry.annotation import StrawberryAnnotation
from strawberry.types.arguments import StrawberryArgument
from strawberry.types.field import StrawberryField

from hub.registry import KeptModel

if TYPE_CHECKING:
    from hub.viewer import Viewer

T = TypeVar("T")

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
    """A function of a stored value, the scope and the field's arguments: no statement of its own.

    ``function(value, scope, **arguments)``.
    """

    column: str
    function: Callable[..., Any]


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
    """A way to find one row at the root: the argument's type, and the select of ids for its value."""

    type: Any
    description: str
    select: Callable[[Any], sa.Select[Any]]


@dataclass(frozen=True, eq=False, kw_only=True)
class Search:
    """A search over a noun's list: ``page(listed, text)`` gives its page, ``listed`` being the asked list."""

    description: str
    page: Callable[[Any, str], Awaitable[Any]]


@dataclass(eq=False)
class Noun:
    """One declared noun.

    ``name``: its name in ids; ``scope``: the token scope that opens it, null for what is only part of something else;
    ``aggregate``: its aggregate's type and the column that holds the aggregate's id.
    """

    type: type[Any]
    name: str
    table: sa.FromClause
    scope: str | None
    description: str
    aggregate: tuple[str, str] | None
    rows: Rows | None
    single: str | None
    plural: str | None
    look_ups: Mapping[str, LookUp]
    filters: Mapping[str, FilterSpec]
    search: Search | None
    requires: str | None
    specs: dict[str, Spec] = field(default_factory=dict)
    fields: dict[str, Field] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """Its GraphQL type's name."""
        return self.type.__name__


NOUNS: dict[str, Noun] = {}
"""Every declared noun by its GraphQL name, in the order of declaration."""

Resolver = Callable[[Any, Any, dict[str, Any]], Any]


class Field(StrawberryField):
    """A GraphQL field that carries its ``Spec``; the executor gives it its resolver before the schema is built.

    Without a resolver it reads the attribute of its name, which every instance has from its row.
    """

    def __init__(self, *, spec: Spec | None = None, resolver: Resolver | None = None, **options: Any) -> None:
        options.pop("permission_classes", None)
        super().__init__(**options)
        self.resolver = resolver
        self.spec = spec
        if resolver is not None:
            self.init = self.compare = self.repr = False
        if spec is not None:
            self.description = spec.description

    def __copy__(self) -> Self:
        made = super().__copy__()
        made.spec, made.resolver = self.spec, self.resolver
        return made

    @property
    def is_basic_field(self) -> bool:
        """Whether it is read from the instance without more ado."""
        return self.resolver is None and super().is_basic_field

    def get_result(self, source: Any, info: Any, args: list[Any], kwargs: Any) -> Any:
        """The value, or what will give it."""
        if self.resolver is None:
            return super().get_result(source, info, args, kwargs)
        return self.resolver(source, info, kwargs)


def resolved(description: str, resolver: Resolver, **arguments: Argument) -> Any:
    """A field that is no noun's: ``resolver(source, info, arguments)`` makes it."""
    return Field(spec=Spec(description=description, arguments=arguments), resolver=resolver)


def column(
    description: str,
    *,
    name: str | None = None,
    of: str = "own",
    filter: bool = False,  # noqa: A002 - the word that the declaration reads by
    sort: bool = False,
    requires: str | None = None,
) -> Any:
    """A value as it stands in a column."""
    return Field(
        spec=Column(description=description, name=name, of=of, filter=filter, sort=sort, requires=requires)
    )


def identity(description: str) -> Any:
    """The global id of the row."""
    return Field(spec=Identity(description=description))


def text(
    description: str,
    *,
    name: str = "",
    filter: bool = False,  # noqa: A002 - the word that the declaration reads by
    sort: bool = False,
) -> Any:
    """A text in the reader's locale, falling back along the chain; null without one in any of its locales."""
    return Field(spec=Text(description=description, name=name, filter=filter, sort=sort))


def computed(description: str, function: Callable[..., Any], *, requires: str | None = None) -> Any:
    """What ``function`` makes of the columns that its parameters are named after."""
    return Field(spec=Computed(description=description, function=function, requires=requires))


def scoped(
    description: str,
    column: str,
    function: Callable[..., Any],
    *,
    arguments: Mapping[str, Argument] | None = None,
    requires: str | None = None,
) -> Any:
    """What ``function(value, scope, **arguments)`` makes of one column."""
    return Field(
        spec=Scoped(
            description=description,
            column=column,
            function=function,
            arguments=arguments or {},
            requires=requires,
        )
    )


def one(
    to: str,
    description: str,
    *,
    via: str,
    filter: bool = False,  # noqa: A002 - the word that the declaration reads by
    requires: str | None = None,
    same_rule: bool = False,
) -> Any:
    """The one row of another noun that a column names."""
    spec = One(description=description, to=to, via=via, filter=filter, requires=requires, same_rule=same_rule)
    return Field(spec=spec)


def many(
    to: str, description: str, *, key: str, match: Mapping[str, str] | None = None, **options: Any
) -> Any:
    """All rows of another noun that belong to this one: small collections that are read whole."""
    arguments = {
        name: Argument(type=str | None, description=f"Only those whose {name} is this.")
        for name in match or {}
    }
    spec = Many(description=description, to=to, key=key, match=match or {}, arguments=arguments, **options)
    return Field(spec=spec)


def connection(to: str, description: str, **options: Any) -> Any:
    """Pages of rows of another noun."""
    return Field(spec=Paged(description=description, to=to, **options))


def looked(to: str, description: str, select: Callable[..., sa.Select[Any] | None], **options: Any) -> Any:
    """The row of another noun that a set-based select finds for this one."""
    return Field(spec=Looked(description=description, to=to, select=select, **options))


def found(
    description: str,
    select: Callable[..., sa.Select[Any] | None],
    *,
    value: str,
    missing: Any,
    **options: Any,
) -> Any:
    """A plain value that a set-based select finds for this row."""
    spec = Looked(description=description, select=select, value=value, missing=missing, **options)
    return Field(spec=spec)


def every_value(
    description: str, *, own: tuple[str, ...] = ("attributes",), inherits: str | None = None
) -> Any:
    """The attribute values of the row; ``inherits``: the column that names the product to inherit from."""
    codes = Argument(
        type=list[str] | None,
        description="Only the attributes of these codes, in this order; null for all that have a value.",
    )
    return Field(spec=Values(description=description, own=own, inherits=inherits, arguments={"codes": codes}))


def one_value(
    description: str, *, own: tuple[str, ...] = ("attributes",), inherits: str | None = None
) -> Any:
    """One attribute value of the row, by the code that the query gives."""
    code = Argument(type=str, description="The attribute's code.", default=strawberry.UNSET)
    return Field(
        spec=Values(
            description=description, own=own, inherits=inherits, single=True, arguments={"code": code}
        )
    )


@dataclass_transform(
    kw_only_default=True,
    field_specifiers=(
        column,
        identity,
        text,
        computed,
        scoped,
        one,
        many,
        connection,
        looked,
        found,
        every_value,
        one_value,
    ),
)
def noun(  # noqa: PLR0913 - a declaration says all that is particular about its noun, by name
    model: type[KeptModel] | sa.FromClause,
    description: str,
    *,
    name: str | None = None,
    scope: str | None = None,
    aggregate: tuple[str, str] | None = None,
    rows: Rows | None = None,
    single: str | None = None,
    plural: str | None = None,
    look_ups: Mapping[str, LookUp] | None = None,
    filters: Mapping[str, FilterSpec] | None = None,
    search: Search | None = None,
    requires: str | None = None,
) -> Callable[[type[T]], type[T]]:
    """Make a class the declaration of a noun.

    ``scope`` opens what is no kept table of its own.
    ``single`` and ``plural`` name its root fields; a noun without them is only reached through others.
    ``requires``: the field rule of its root fields; ``search``: what answers the argument search of its list.
    """

    def declare(cls: type[T]) -> type[T]:
        _spread_texts(cls)
        made = strawberry.type(cls, description=description)
        kept = getattr(model, "__kept__", None)
        table: Any = getattr(model, "__table__", model)
        root = kept is not None and kept.collection is None
        declared = Noun(
            type=made,
            name=name or table.name,
            table=table,
            scope=kept.scope if kept is not None and kept.aggregate is not None else scope,
            description=description,
            aggregate=aggregate or ((table.name, "id") if root else None),
            rows=rows,
            single=single,
            plural=plural,
            look_ups=look_ups or {},
            filters=filters or {},
            search=search,
            requires=requires,
        )
        _read_specs(declared)
        NOUNS[cls.__name__] = declared
        made.__noun__ = declared  # type: ignore[attr-defined]
        return made

    return declare


def _spread_texts(cls: type[Any]) -> None:
    """Add the two fields that go with each localised text."""
    for name, declared in list(vars(cls).items()):
        spec = declared.spec if isinstance(declared, Field) else None
        if not isinstance(spec, Text):
            continue
        column_name = spec.name or name
        declared.spec = replace(spec, name=column_name)
        locale = TextLocale(
            description=f"The locale that `{name}` came from; null where it is null.", name=column_name
        )
        every = Translations(
            description=f"`{name}` in every locale that has one, by locale.", name=column_name
        )
        for extra, annotation, added in (
            (f"{name}_locale", "str | None", locale),
            (f"{name}_translations", "list[Translation]", every),
        ):
            setattr(cls, extra, Field(spec=added))
            cls.__annotations__[extra] = annotation


def _read_specs(declared: Noun) -> None:
    for each in declared.type.__strawberry_definition__.fields:
        if isinstance(each, Field) and each.spec is not None:
            declared.specs[each.python_name] = each.spec
            declared.fields[each.python_name] = each


def argument(name: str, declared: Argument, namespace: dict[str, Any]) -> StrawberryArgument:
    """The argument as Strawberry takes it."""
    return StrawberryArgument(
        python_name=name,
        graphql_name=declared.name,
        type_annotation=StrawberryAnnotation(declared.type, namespace=namespace),
        description=declared.description,
        default=declared.default,
    )


def by_name(noun_name: str) -> Noun | None:
    """The noun that ids call so, or null."""
    return next((each for each in NOUNS.values() if each.name == noun_name), None)
