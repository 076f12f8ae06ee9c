"""How a connection is compiled, at the root and below many parents."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from graphql import FieldNode, GraphQLObjectType, get_named_type

from schema.compiled_page import Count, Page
from schema.compiler import Asked, Builder, Seat
from schema.selection import Unknown

if TYPE_CHECKING:
    from schema.declare import Noun

Row = Callable[[Builder, Seat, Any], str]
"""Gives the function that makes the dictionary of a row."""


def connection(builder: Builder, noun: Noun, asked: Asked, key: str, row: Row, below: dict[str, Any]) -> str:
    """The connection that a field asks for. ``key``: the parent's key; ``below``: how the list hangs on its parents."""
    given = builder.arguments(asked)
    level = builder.level(
        ("page", given.place, *_hangs(below)), lambda place: Page(place, noun, given, **below)
    )
    assert isinstance(level, Page)
    made = _Connection(builder, level, row, below)
    type_ = _object(asked.type)
    page = builder.object("k, p", type_, asked.nodes, made.field)
    index = builder.index(level)
    empty = builder.named(f"E{level.place}", f"v.empty({level.place})")
    return f"{page}({key}, {index}.get({key}, {empty}))"


def _hangs(below: dict[str, Any]) -> tuple[Any, ...]:
    """Where a list hangs."""
    return (below["parent"].place, below["via"]) if below else ()


def _object(type_: Any) -> GraphQLObjectType:
    named = get_named_type(type_)
    assert isinstance(named, GraphQLObjectType)
    return named


class _Connection:
    """Compiles the fields of one connection, in terms of ``k``, the parent's key, and ``p``, its page."""

    def __init__(self, builder: Builder, level: Page, row: Row, below: dict[str, Any]) -> None:
        self._builder = builder
        self._level = level
        self._row = row
        self._below = below

    def field(self, asked: Asked) -> str:
        """The expression of one field."""
        compile_ = {
            "nodes": self._nodes,
            "edges": self._edges,
            "pageInfo": self._page_info,
            "totalCount": self._total,
            "totalCountCapped": self._total,
        }.get(asked.name)
        if compile_ is None:
            raise Unknown(f"field {asked.name}")
        return compile_(asked)

    def _node(self, nodes: Sequence[FieldNode]) -> str:
        seat = Seat(self._level, self._level.noun)
        return self._row(self._builder, seat, nodes)

    def _nodes(self, asked: Asked) -> str:
        return f"list(map({self._node(asked.nodes)}, p.rows))"

    def _edges(self, asked: Asked) -> str:
        edge = self._builder.object("r", _object(asked.type), asked.nodes, self._edge)
        return f"list(map({edge}, p.rows))"

    def _edge(self, asked: Asked) -> str:
        return f"{self._cursor()}(r)" if asked.name == "cursor" else f"{self._node(asked.nodes)}(r)"

    def _cursor(self) -> str:
        self._level.marks = True
        return self._builder.named(f"M{self._level.place}", f"v.cursor({self._level.place})")

    def _page_info(self, asked: Asked) -> str:
        return f"{self._builder.object('k, p', _object(asked.type), asked.nodes, self._place)}(k, p)"

    def _place(self, asked: Asked) -> str:
        if asked.name in ("startCursor", "endCursor"):
            end = 0 if asked.name == "startCursor" else -1
            return f"({self._cursor()}(p.rows[{end}]) if p.rows else None)"
        return {"hasNextPage": "p.has_next", "hasPreviousPage": "p.has_previous"}[asked.name]

    def _total(self, asked: Asked) -> str:
        level = self._builder.level(
            ("count", self._level.given.place, *_hangs(self._below)),
            lambda place: Count(place, self._level.noun, self._level.given, **self._below),
        )
        name = "count" if asked.name == "totalCount" else "capped"
        return f"{self._builder.index(level)}[k].{name}"
