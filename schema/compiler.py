"""The compiler: from what a document selects of a noun to levels, and to the Python source that puts their rows together.

It reads the same declarations as ``schema.ordinary``, and knows no error: what it does not know it refuses with
``Unknown``, and whatever goes wrong when a plan runs is answered by the ordinary executor.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from graphql import (
    FieldNode,
    GraphQLField,
    GraphQLLeafType,
    GraphQLObjectType,
    GraphQLOutputType,
    get_nullable_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
    is_object_type,
)

from hub.errors import Forbidden
from schema import rule
from schema.compiled_argument import Given
from schema.compiled_level import Join, Level, LookedUp
from schema.compiled_source import Source, mapping
from schema.compiled_value import NAMES, coerced
from schema.selection import Selections, Unknown
from schema.spec import Spec

if TYPE_CHECKING:
    import strawberry

    from hub.viewer import Viewer
    from schema.compiled_attribute import ValuesAt
    from schema.declare import Field, Noun
    from schema.joined import Joined

MOST_FIELDS = 3_000
"""Fields of one root field, fragments written out. Beyond that a plan costs more than it saves."""
MOST_JOINS = 6
"""Rows that are joined into one level."""


@dataclass(frozen=True)
class Asked:
    """One field as a document asks for it: the nodes that answer as one, and what the schema says of it."""

    nodes: Sequence[FieldNode]
    definition: GraphQLField

    @property
    def name(self) -> str:
        """Its name in the schema."""
        return self.nodes[0].name.value

    @property
    def type(self) -> GraphQLOutputType:
        """Its type, without the mark that it is never null."""
        return get_nullable_type(self.definition.type)  # type: ignore[return-value]

    @property
    def nullable(self) -> bool:
        """Whether it may be null."""
        return not is_non_null_type(self.definition.type)

    @property
    def field(self) -> Field:
        """Its declaration."""
        return self.definition.extensions["strawberry-definition"]  # type: ignore[no-any-return]

    def guarded(self, expression: str) -> str:
        """An expression that may be null, held against the type."""
        return expression if self.nullable else f"held({expression})"


@dataclass(frozen=True)
class Seat:
    """The rows of a noun within a level: the level's own, or those joined to them along ``path``."""

    level: Level
    noun: Noun
    path: tuple[Join, ...] = ()

    def cell(self, name: str) -> str:
        """The expression of a column of the noun's table."""
        return f"r[{self.place(name)}]"

    def place(self, name: str) -> int:
        """The place in a row of a column of the noun's table."""
        return self.level.cell(self.path, name, lambda frame, _: frame.c[name])

    def made(self, name: str, make: Callable[[Joined, Any], sa.ColumnElement[Any]], *, scoped: bool) -> str:
        """The expression of something else that the statement reads; ``scoped`` where it depends on the scope."""
        self.level.reads_scope = self.level.reads_scope or scoped
        return f"r[{self.level.cell(self.path, ('made', name), make)}]"

    def shows(self, noun: Noun, key: str | None, here: str) -> bool:
        """Whether everyone who sees these rows sees those of a noun whose ``key`` holds their ``here``."""
        by_rule = self.path or not isinstance(self.level, LookedUp)
        return bool(by_rule) and rule.follows(noun, key, self.noun, here)

    def held(self, name: str) -> sa.ColumnElement[Any]:
        """The column itself."""
        table = self.noun.table if self.path or self.level.source is None else self.level.source
        return table.c[name]


@dataclass
class Builder:
    """What is put together for one root field.

    ``whole``: read whole rows, so that other documents read the same; each level is then a statement of its own.
    """

    schema: strawberry.Schema
    selections: Selections
    viewer: Viewer
    whole: bool = False
    levels: list[Level] = field(default_factory=list)
    given: list[Given] = field(default_factory=list)
    values: list[ValuesAt] = field(default_factory=list)
    source: Source = field(default_factory=lambda: Source(NAMES))
    _fields: int = 0
    _named: set[str] = field(default_factory=set)
    _arguments: dict[int, Given] = field(default_factory=dict)
    _known: dict[Any, Level] = field(default_factory=dict)

    def type(self, name: str) -> GraphQLObjectType:
        """An object type of the schema."""
        found = self.selections.schema.type_map[name]
        assert isinstance(found, GraphQLObjectType)
        return found

    def level(self, key: Any, make: Callable[[int], Level]) -> Level:
        """The level of a key; ``make`` gets its place the first time."""
        if key not in self._known:
            self._known[key] = made = make(len(self.levels))
            self.levels.append(made)
        return self._known[key]

    def arguments(self, asked: Asked) -> Given:
        """The arguments of a field."""
        node = asked.nodes[0]
        if id(node) not in self._arguments:
            made = Given(self.schema, len(self.given), asked.definition, node)
            self._arguments[id(node)] = made
            self.given.append(made)
        return self._arguments[id(node)]

    def index(self, level: Level) -> str:
        """The name of what a level found, by key."""
        return self.named(f"I{level.place}", f"v.index[{level.place}]")

    def named(self, name: str, expression: str) -> str:
        """A name for an expression that is the same throughout."""
        if name not in self._named:
            self._named.add(name)
            self.source.line(f"{name} = {expression}")
        return name

    def object(
        self,
        parameters: str,
        type_: GraphQLObjectType,
        nodes: Sequence[FieldNode],
        compile_field: Callable[[Asked], str],
    ) -> str:
        """The function that makes the dictionary of an object type's selected fields, in terms of its parameters."""
        entries = {}
        for key, each in self.selections.below(nodes, type_).items():
            self._fields += 1
            if self._fields > MOST_FIELDS:
                raise Unknown("too many fields")
            entries[key] = (
                repr(type_.name)
                if each[0].name.value == "__typename"
                else compile_field(Asked(each, type_.fields[each[0].name.value]))
            )
        return self.source.function(parameters, mapping(entries), objects=1)

    def permitted(self, spec: Spec, name: str) -> None:
        """Raises ``Unknown`` for a field that is closed to the viewer's class: refusing it takes an error."""
        try:
            rule.passed(self.viewer, spec.requires, name)
        except Forbidden as closed:
            raise Unknown("forbidden") from closed

    def opened(self, noun: Noun) -> None:
        """Raises ``Unknown`` for a noun that is closed to the viewer's class."""
        try:
            rule.opened(self.viewer, noun)
        except Forbidden as closed:
            raise Unknown("forbidden") from closed

    def plain(self, type_: GraphQLOutputType, nodes: Sequence[FieldNode], expression: str) -> str:
        """What makes JSON of a Python value of any output type: a scalar, an object of plain attributes, a list of them."""
        nullable = not is_non_null_type(type_)
        bare: Any = get_nullable_type(type_)
        if str(bare) == "String":
            return f"text({expression})" if nullable else f"held_text({expression})"
        if str(bare) == "JSON":
            return f"json({expression})" if nullable else f"held(json({expression}))"
        converted = self.source.function("o", self._plain(bare, nodes))
        return self._nullable(f"{converted}({{}})", expression, nullable=nullable)

    def _nullable(self, pattern: str, expression: str, *, nullable: bool) -> str:
        absent = "None" if nullable else "bail()"
        chosen = self.source.function("o", f"{absent} if o is None else {pattern.format('o')}")
        return f"{chosen}({expression})"

    def _plain(self, bare: Any, nodes: Sequence[FieldNode]) -> str:
        if is_list_type(bare):
            item = self.source.function("o", self.plain(bare.of_type, nodes, "o"))
            return f"list(map({item}, o))"
        if is_leaf_type(bare):
            leaf: GraphQLLeafType = bare
            return f"{self.source.constant(coerced(leaf))}(o)"
        if not is_object_type(bare):
            raise Unknown(f"type {bare}")
        return f"{self.object('o', bare, nodes, self._attribute)}(o)"

    def _attribute(self, asked: Asked) -> str:
        if not asked.field.is_basic_field:
            raise Unknown(f"field {asked.name}")
        return self.plain(asked.definition.type, asked.nodes, f"o.{asked.field.python_name}")
