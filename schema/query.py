"""The query type: a look-up and a list for every noun, and any object by id."""

from __future__ import annotations

from typing import Any

import strawberry

from schema import attribute_value, nouns, root
from schema.connection import Connection
from schema.declare import NOUNS, Field, Noun
from schema.node import Node


def _fields() -> dict[str, tuple[Any, Field]]:
    found: dict[str, tuple[Any, Field]] = {
        "node": (Node | None, root.node()),
        "nodes": (list[Node | None], root.nodes()),
    }
    for noun in nouns.load().values():
        found |= _of(noun)
    return found


def _of(noun: Noun) -> dict[str, tuple[Any, Field]]:
    own: dict[str, tuple[Any, Field]] = {}
    if noun.single:
        own[noun.single] = (noun.type | None, root.single(noun))
    if noun.plural:
        own[noun.plural] = (Connection[noun.type] | None, root.plural(noun))  # type: ignore[name-defined]
    return own


def build(title: str = "Query") -> type[Any]:
    """The query type."""
    fields = _fields()
    for field in (each for _, each in fields.values()):
        assert field.spec is not None
        names = _names()
        field.take(field.spec.arguments, names)
    namespace: dict[str, Any] = {
        "__annotations__": {name: annotation for name, (annotation, _) in fields.items()},
        "__module__": __name__,
        **{name: field for name, (_, field) in fields.items()},
    }
    return strawberry.type(type(title, (), namespace), description="What can be asked of the hub.")


def _names() -> dict[str, Any]:
    return {title: noun.type for title, noun in NOUNS.items()}


Query = build()
"""The query type, for the schema."""

TYPES: list[type[Any]] = [*attribute_value.TYPES.values(), *(noun.type for noun in NOUNS.values())]
"""Types that no field names: they are reached through interfaces."""
