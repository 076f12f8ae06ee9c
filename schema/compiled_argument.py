"""The arguments of a field in a document: read once where they are constant, otherwise from each request's variables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from graphql import FieldNode, GraphQLField, ValueNode, VariableNode
from graphql.execution.values import VariableValues, get_argument_values
from strawberry.types.arguments import convert_arguments

from schema.declare import check_storable

if TYPE_CHECKING:
    import strawberry

    from schema.declare import Field

NOTHING = VariableValues({}, {})
"""The variables of a document that has none."""


class Given:
    """What a document gives as the arguments of one field. ``place``: its place among those of its root field."""

    def __init__(
        self, schema: strawberry.Schema, place: int, definition: GraphQLField, node: FieldNode
    ) -> None:
        self.place = place
        self._schema = schema
        self._definition = definition
        self._node = node
        self._field: Field = definition.extensions["strawberry-definition"]
        self.variables = frozenset(_variables(node))
        self._constant = None if self.variables else self._read(NOTHING)

    def read(self, variables: VariableValues) -> dict[str, Any]:
        """The arguments, as a resolver gets them. Raises what the ordinary executor answers with."""
        return self._read(variables) if self._constant is None else self._constant

    def _read(self, variables: VariableValues) -> dict[str, Any]:
        coerced = get_argument_values(self._definition, self._node, variables)
        given = convert_arguments(
            coerced,
            self._field.arguments,
            scalar_registry=self._schema.schema_converter.scalar_registry,
            config=self._schema.config,
        )
        check_storable(given)
        return self._field.missing | given


class Arguments:
    """What a request gives as the arguments of each field, read when somebody asks: they may be wrong."""

    def __init__(self, given: Sequence[Given], variables: VariableValues) -> None:
        self._given = given
        self._variables = variables
        self._known: dict[int, dict[str, Any]] = {}

    def __getitem__(self, place: int) -> dict[str, Any]:
        """The arguments of the field at a place. Raises what the ordinary executor answers with."""
        if place not in self._known:
            self._known[place] = self._given[place].read(self._variables)
        return self._known[place]


def _variables(node: FieldNode) -> list[str]:
    """The variables that the arguments of a field name, at any depth."""
    found = []
    waiting: list[ValueNode] = [each.value for each in node.arguments or ()]
    while waiting:
        value = waiting.pop()
        if isinstance(value, VariableNode):
            found.append(value.name.value)
        waiting += getattr(value, "values", ())
        waiting += [each.value for each in getattr(value, "fields", ())]
    return found
