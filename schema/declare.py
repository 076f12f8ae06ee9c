"""How a noun says what can be asked of it: each field once, with its description and where its value comes from.

A noun is a class under ``@noun(table, …)``; its fields are specifiers (``column``, ``text``, ``one``, ``many`` …) given
as default values. Whoever executes reads the ``schema.spec.Spec`` of each field.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self, TypeVar, dataclass_transform

import sqlalchemy as sa
import strawberry
from strawberry.annotation import StrawberryAnnotation
from strawberry.types.arguments import StrawberryArgument
from strawberry.types.base import has_object_definition
from strawberry.types.field import StrawberryField

from hub.errors import Invalid
from hub.registry import KeptModel
from schema.spec import (
    Argument,
    Column,
    Computed,
    FilterSpec,
    Identity,
    Looked,
    LookUp,
    Many,
    One,
    Paged,
    Rows,
    Scoped,
    Search,
    Spec,
    Text,
    TextLocale,
    Translations,
    Values,
)

T = TypeVar("T")


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
        self.missing: dict[str, Any] = {}
        if resolver is not None:
            self.init = self.compare = self.repr = False
        if spec is not None:
            self.description = spec.description

    def __copy__(self) -> Self:
        made = super().__copy__()
        made.spec, made.resolver, made.missing = self.spec, self.resolver, self.missing
        return made

    @property
    def is_basic_field(self) -> bool:
        """Whether it is read from the instance without more ado."""
        return self.resolver is None and super().is_basic_field

    def get_result(self, source: Any, info: Any, args: list[Any], kwargs: Any) -> Any:
        """The value, or what will give it."""
        if self.resolver is None:
            return super().get_result(source, info, args, kwargs)
        if kwargs:
            check_storable(kwargs)
        return self.resolver(source, info, self.missing | kwargs)

    def take(self, arguments: Mapping[str, Argument], names: dict[str, Any]) -> None:
        """Set the arguments; ``names`` are the types that their annotations name."""
        self.arguments = [_argument(name, each, names) for name, each in arguments.items()]
        self.missing = {
            name: each.default for name, each in arguments.items() if each.default is not strawberry.UNSET
        }


def check_storable(given: Any) -> None:
    """Raises ``Invalid`` where a text holds what PostgreSQL cannot: such a text would fail in the database."""
    if isinstance(given, str):
        if "\0" in given:
            raise Invalid(f"{given!r} holds the character U+0000, which no text here can hold.")
    elif isinstance(given, dict):
        check_storable(list(given.values()))
    elif isinstance(given, list):
        for each in given:
            check_storable(each)
    elif has_object_definition(given):
        check_storable(list(vars(given).values()))


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
    others: tuple[str, ...] = (),
    arguments: Mapping[str, Argument] | None = None,
    requires: str | None = None,
) -> Any:
    """What ``function(value, scope, **others, **arguments)`` makes of one column and ``others``."""
    return Field(
        spec=Scoped(
            description=description,
            column=column,
            function=function,
            others=others,
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


def _argument(name: str, declared: Argument, namespace: dict[str, Any]) -> StrawberryArgument:
    return StrawberryArgument(
        python_name=name,
        graphql_name=declared.name,
        type_annotation=StrawberryAnnotation(declared.type, namespace=namespace),
        description=declared.description,
        # A null that stands for a missing argument is no default worth printing.
        default=strawberry.UNSET if declared.default is None else declared.default,
    )


def by_name(noun_name: str) -> Noun | None:
    """The noun that ids call so, or null."""
    return next((each for each in NOUNS.values() if each.name == noun_name), None)
