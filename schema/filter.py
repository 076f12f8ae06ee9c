"""Filters: for each noun a typed input with and, or, not, made from its declaration, and the conditions it means."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import Enum
from functools import cache
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
import strawberry
from strawberry.annotation import StrawberryAnnotation
from strawberry.types.base import has_object_definition

from hub import ids
from hub.errors import Invalid, Limit
from schema import rule, sql
from schema.declare import NOUNS, Noun
from schema.predicate import compare
from schema.scalar import Long
from schema.spec import Column, Many, One, Paged, Spec, Text

if TYPE_CHECKING:
    from hub.attribute_value import Definition
    from hub.viewer import Viewer
    from schema.context import Scope

DEEPEST = 10
"""How deep filters may stand inside each other."""

LARGEST_LIST = 100
"""How many values one list of a filter, or of ids, may have."""

MOST_CONDITIONS = 500
"""How many conditions a filter may have in all: lists within lists multiply."""

DESCRIPTIONS = {
    "eq": "Equal to it; null: without a value.",
    "ne": "Anything but it, also no value; null: with a value.",
    "in_": "One of these.",
    "not_in": "None of these, also no value.",
    "lt": "Less, or before.",
    "lte": "Less or equal, or not after.",
    "gt": "More, or after.",
    "gte": "More or equal, or not before.",
    "contains": "Contains this, whatever the case and accents.",
    "starts_with": "Starts with this, whatever the case and accents.",
    "is_empty": "True: without a value; false: with one.",
}
NAMES = {"in_": "in", "and_": "and", "or_": "or", "not_": "not"}


def _operators(title: str, type_: Any, names: tuple[str, ...], description: str) -> type[Any]:
    kinds = {"in_": list[type_], "not_in": list[type_], "is_empty": bool}
    return made(
        title,
        {name: (kinds.get(name, type_) | None, DESCRIPTIONS[name]) for name in names},
        description,
    )


def made(title: str, fields: Mapping[str, tuple[Any, str]], description: str) -> type[Any]:
    """An input type whose fields may all be left out: name → annotation and description."""
    namespace: dict[str, Any] = {"__annotations__": {}, "__module__": __name__}
    for name, (annotation, says) in fields.items():
        namespace["__annotations__"][name] = annotation
        namespace[name] = strawberry.field(name=NAMES.get(name), description=says, default=strawberry.UNSET)
    return strawberry.input(type(title, (), namespace), description=description)


EQUALITY = ("eq", "ne", "in_", "not_in", "is_empty")
ORDER = ("eq", "ne", "in_", "not_in", "lt", "lte", "gt", "gte", "is_empty")

IDFilter = made(
    "IDFilter",
    {"eq": (strawberry.ID | None, "This id."), "in_": (list[strawberry.ID] | None, "One of these ids.")},
    "Conditions on an id.",
)
StringFilter = _operators(
    "StringFilter", str, (*EQUALITY, "contains", "starts_with"), "Conditions on a text."
)
BY_TYPE: dict[Any, type[Any]] = {
    str: StringFilter,
    int: _operators("IntFilter", int, ORDER, "Conditions on a whole number."),
    Long: _operators("LongFilter", Long, ORDER, "Conditions on a whole number of up to 64 bits."),
    Decimal: _operators("DecimalFilter", Decimal, ORDER, "Conditions on a decimal number."),
    datetime: _operators("DateTimeFilter", datetime, ORDER, "Conditions on a moment."),
    bool: bool,
}
"""The input for a column's type; a boolean is given as it is."""


@cache
def _of_enum(enum: type[Enum]) -> type[Any]:
    return _operators(f"{enum.__name__}Filter", enum, EQUALITY, f"Conditions on {enum.__name__}.")


@cache
def input_of(noun: Noun) -> type[Any]:
    """``ProductFilter``. What stands beside each other in it must all hold."""
    own = f"{noun.title}Filter"
    fields: dict[str, tuple[Any, str]] = {
        "and_": (f"list[{own}] | None", "All of these hold."),
        "or_": (f"list[{own}] | None", "At least one of these holds."),
        "not_": (f"{own} | None", "This does not hold."),
        "id": (IDFilter | None, "By global id."),
    }
    for name, spec in noun.specs.items():
        if getattr(spec, "filter", False):
            fields[name] = (_annotation(noun, name, spec), f"By: {spec.description}")
    fields |= {name: (each.type | None, each.description) for name, each in noun.filters.items()}
    return made(own, fields, f"Which {noun.title} to take. Conditions beside each other must all hold.")


def _annotation(noun: Noun, name: str, spec: Spec) -> Any:
    if isinstance(spec, One | Many | Paged):
        return f"{spec.to}Filter | None"
    kind = str if isinstance(spec, Text) else plain_type(noun, name)
    return (_of_enum(kind) if isinstance(kind, type) and issubclass(kind, Enum) else BY_TYPE[kind]) | None


def plain_type(noun: Noun, name: str) -> Any:
    """The Python type of a column's field, without null."""
    annotation = noun.fields[name].type_annotation
    assert isinstance(annotation, StrawberryAnnotation)
    evaluated = annotation.evaluate()
    return next((each for each in getattr(evaluated, "__args__", ()) if each is not type(None)), evaluated)


def filterable() -> list[Noun]:
    """The nouns that have a filter: those with a list, and those that another filter looks into."""
    within = {
        spec.to
        for noun in NOUNS.values()
        for spec in noun.specs.values()
        if isinstance(spec, One | Many | Paged) and (spec.filter or isinstance(spec, Paged))
    }
    return [noun for noun in NOUNS.values() if noun.plural or noun.title in within]


@dataclass(frozen=True)
class Where:
    """What filters are read with: who asks, in which scope, and the attributes that they name."""

    viewer: Viewer
    scope: Scope
    definitions: Mapping[str, Definition] = field(default_factory=dict)


def given(filter_: Any) -> Iterator[tuple[str, Any]]:
    """The conditions of a filter input that were given."""
    for name, value in vars(filter_).items():
        if value is strawberry.UNSET or (value is None and name not in ("eq", "ne")):
            continue
        if isinstance(value, list) and len(value) > LARGEST_LIST:
            raise too_many(name, len(value))
        yield name, value


def attribute_codes(filter_: Any) -> set[str]:
    """The attributes that a filter names. Raises ``Limit`` where it is too deep or has too many conditions."""
    named: set[str] = set()
    for count, part in enumerate(_parts(filter_, 0)):
        if count > MOST_CONDITIONS:
            raise Limit(f"The filter has more than {MOST_CONDITIONS} conditions: ask in parts.", ("filter",))
        if type(part).__name__ == "AttributeValueFilter":
            named.add(vars(part)["code"])
    return named


def _parts(filter_: Any, depth: int) -> Iterator[Any]:
    """Every input object of a filter, itself first."""
    if depth > DEEPEST:
        raise Limit(f"The filter is more than {DEEPEST} levels deep: flatten it.", ("filter",))
    if isinstance(filter_, list):
        for each in filter_:
            yield from _parts(each, depth)
    elif has_object_definition(filter_):
        yield filter_
        for _, value in given(filter_):
            yield from _parts(value, depth + 1)


def too_many(name: str, count: int) -> Limit:
    """The refusal of a list that is too long, told by its name in GraphQL: ``in``, not ``in_``."""
    told = name.rstrip("_")
    return Limit(f"{told} has {count} entries: at most {LARGEST_LIST} are allowed.", (told,))


def conditions(frame: sql.Frame, filter_: Any, where: Where) -> list[sa.ColumnElement[bool]]:
    """The conditions that a filter input means. Raises ``Forbidden`` for a field that the viewer may not see."""
    if filter_ is None:
        return []
    return [_condition(frame, name, value, where) for name, value in given(filter_)]


def _all(frame: sql.Frame, filter_: Any, where: Where) -> sa.ColumnElement[bool]:
    return sa.and_(sa.true(), *conditions(frame, filter_, where))


def _condition(frame: sql.Frame, name: str, value: Any, where: Where) -> sa.ColumnElement[bool]:
    match name:
        case "and_":
            return sa.and_(sa.true(), *(_all(frame, each, where) for each in value))
        case "or_":
            return sa.or_(sa.false(), *(_all(frame, each, where) for each in value))
        case "not_":
            return sa.not_(sa.func.coalesce(_all(frame, value, where), sa.false()))
        case "id":
            return _id(frame, value)
        case _:
            return _field(frame, name, value, where)


def _id(frame: sql.Frame, value: Any) -> sa.ColumnElement[bool]:
    named = [numbers if isinstance(numbers, list) else [numbers] for _, numbers in given(value)]
    # Nothing is without an id: a null, which asks for those without a value, finds none.
    wanted = [[each for each in some if each is not None] for some in named]
    return sa.and_(
        sa.true(),
        *(
            frame.id == sa.any_(sa.literal([number_of(each, frame.noun) for each in some], sql.BIGINTS))
            for some in wanted
        ),
    )


def number_of(global_id: str, noun: Noun) -> int:
    """The number behind the global id of a noun. Raises ``Invalid`` for any other text."""
    try:
        name, number = ids.decode(global_id)
    except ValueError as wrong:
        raise Invalid(str(wrong)) from wrong
    if name != noun.name or number >= 2**63:
        raise Invalid(f'"{global_id}" is the id of a {name}: give the id of a {noun.name}.')
    return number


def _field(frame: sql.Frame, name: str, value: Any, where: Where) -> sa.ColumnElement[bool]:
    special = frame.noun.filters.get(name)
    if special is not None:
        return special.predicate(frame, value, where)
    spec = frame.noun.specs[name]
    rule.passed(where.viewer, spec.requires, name)
    match spec:
        case Column():
            return _compared(frame.column(spec, name), value)
        case Text():
            return _compared(sql.localised(frame.c[spec.name], where.scope.locales), value)
        case One() | Many() | Paged():
            return _related(frame, spec, value, where)
        case _:
            raise TypeError(f"{frame.noun.title}.{name} has no filter.")


def _compared(held: sa.ColumnElement[Any], value: Any) -> sa.ColumnElement[bool]:
    if isinstance(value, bool):
        return held.is_(value)
    return sa.and_(sa.true(), *(compare(held, name, _plain(each)) for name, each in given(value)))


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value.value if isinstance(value, Enum) else value


def _related(frame: sql.Frame, spec: One | Many | Paged, value: Any, where: Where) -> sa.ColumnElement[bool]:
    """At least one related row that the viewer sees meets the filter."""
    target = NOUNS[spec.to]
    rule.opened(where.viewer, target)
    other = sql.Frame(target, spec.source if isinstance(spec, Many) else None)
    met = [*other.seen_by(where.viewer), *conditions(other, value, where)]
    if isinstance(spec, One):
        return sa.exists(
            sa.select(1).select_from(other.joined()).where(other.c.id == frame.c[spec.via], *met)
        )
    if isinstance(spec, Paged) and spec.through is not None:
        link = spec.through.table.alias()
        met += [link.c[spec.through.there] == other.c.id, link.c[spec.through.here] == frame.c[spec.here]]
        return sa.exists(sa.select(1).select_from(other.joined()).join(link, sa.true()).where(*met))
    key = spec.key or "id"
    return sa.exists(sa.select(1).select_from(other.joined()).where(other.c[key] == frame.c[spec.here], *met))
