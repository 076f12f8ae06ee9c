"""Sorting: for each noun the fields that it can be ordered by, and a direction."""

from __future__ import annotations

from enum import Enum
from functools import cache
from typing import TYPE_CHECKING, Any

import strawberry

from schema import sql
from schema.declare import Noun
from schema.spec import Column, Text

if TYPE_CHECKING:
    from schema.context import Scope


@strawberry.enum(description="Which end comes first.")
class SortDirection(Enum):
    """Which end comes first."""

    ASC = strawberry.enum_value("asc", description="Smallest, earliest or A first. Nulls come last.")
    DESC = strawberry.enum_value("desc", description="Largest, latest or Z first. Nulls come last.")


def sortable(noun: Noun) -> dict[str, Column | Text]:
    """The fields of a noun that it can be sorted by."""
    return {name: spec for name, spec in noun.specs.items() if isinstance(spec, Column | Text) and spec.sort}


@cache
def enum_of(noun: Noun) -> type[Enum]:
    """``ProductSortField``: one value for each field that sorts."""
    values = {"ID": "id"} | {name.upper(): name for name in sortable(noun)}
    described = {
        key: strawberry.enum_value(
            name, description=f"By `{name}`, in the reader's locale where it is a text."
        )
        for key, name in values.items()
    }
    made = Enum(f"{noun.title}SortField", described)  # type: ignore[misc]
    return strawberry.enum(made, description=f"What {noun.title} can be sorted by.")


@cache
def input_of(noun: Noun) -> type[Any]:
    """``ProductSort``: a field and a direction."""
    namespace = {
        "__annotations__": {"field": enum_of(noun), "direction": SortDirection},
        "__module__": __name__,
        "field": strawberry.field(description="What to sort by."),
        "direction": strawberry.field(description="Which end comes first.", default=SortDirection.ASC),
    }
    return strawberry.input(
        type(f"{noun.title}Sort", (), namespace), description=f"How to order {noun.title}."
    )


def ordering(frame: sql.Frame, scope: Scope, asked: Any) -> sql.Ordering:
    """The ordering that a sort input asks for; by id without one."""
    unique = sql.Key(frame.c.id, descending=_descends(asked))
    name = asked.field.value if asked else "id"
    if name == "id":
        return sql.Ordering(f"{frame.noun.name} id {_descends(asked):d}", (unique,))
    spec = sortable(frame.noun)[name]
    key = _key(frame, spec, name, scope, descending=_descends(asked))
    locales = ",".join(scope.locales) if isinstance(spec, Text) else ""
    return sql.Ordering(f"{frame.noun.name} {name} {_descends(asked):d} {locales}", (key, unique))


def _descends(asked: Any) -> bool:
    return bool(asked) and asked.direction is SortDirection.DESC


def _key(frame: sql.Frame, spec: Column | Text, name: str, scope: Scope, *, descending: bool) -> sql.Key:
    if isinstance(spec, Text):
        shown = sql.localised(frame.c[spec.name], scope.locales)
        return sql.Key(sql.sort_key(shown), descending=descending, nullable=True)
    expression = frame.column(spec, name)
    nullable = bool(getattr(expression, "nullable", True))
    return sql.Key(expression, descending=descending, nullable=nullable)
