"""The arguments of a field in a document: read once where they are constant, otherwise from each request's variables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from graphql import FieldNode, GraphQLField, ValueNode, VariableNode
from graphql.execution.values import VariableValues, get_argument_values
from strawberry.types.arguments import convert_arguments

from hub.recent import Recent
from schema.declare import check_storable

if TYPE_CHECKING:
    import strawberry

    from schema.declare import Field

PLAIN = ("String", "ID", "Int", "Boolean")
"""Types of arguments that may be null, and whose values resolvers get as they are."""
MET = 32
"""Values of lists and objects that are remembered as resolvers get them: a page asks for the same facets every time."""

HEAVIEST = 100_000
"""Characters of all that is remembered."""

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
        self._met: Recent[tuple[str, str], dict[str, Any]] = Recent(MET, HEAVIEST)
        self.variables = frozenset(_variables(node))
        self.names = frozenset(each.name.value for each in node.arguments or ())
        self._constant = None if self.variables else self._read(NOTHING)
        self._plain = self._split() if self.variables else None

    def read(self, variables: VariableValues) -> dict[str, Any]:
        """The arguments, as a resolver gets them. Raises what the ordinary executor answers with."""
        if self._constant is not None:
            return self._constant
        return self._read(variables) if self._plain is None else self._filled(*self._plain, variables)

    def _split(self) -> tuple[dict[str, Any], list[tuple[str, str]]] | None:
        """The constant arguments, and those that are variables of plain scalars; null where others are among them."""
        names = {
            self._schema.config.name_converter.from_argument(each): each for each in self._field.arguments
        }
        given = [each for each in self._node.arguments or () if isinstance(each.value, VariableNode)]
        if any(str(self._definition.args[each.name.value].type) not in PLAIN for each in given):
            return None
        others = tuple(each for each in self._node.arguments or () if each not in given)
        if any(_variables_in(each.value) for each in others):
            return None
        constant = self._read(NOTHING, replace(self._node, arguments=others))
        pairs = [(each.value, names[each.name.value].python_name) for each in given]
        return constant, [
            (value.name.value, python) for value, python in pairs if isinstance(value, VariableNode)
        ]

    def _filled(
        self, constant: dict[str, Any], given: list[tuple[str, str]], variables: VariableValues
    ) -> dict[str, Any]:
        """The arguments, of which the variables need no conversion."""
        found = dict(constant)
        for name, python_name in given:
            if name in variables.coerced:
                found[python_name] = value = variables.coerced[name]
                if isinstance(value, str) and "\0" in value:
                    check_storable(value)
        return found

    def _read(self, variables: VariableValues, node: FieldNode | None = None) -> dict[str, Any]:
        coerced = get_argument_values(self._definition, node or self._node, variables)
        found = dict(self._field.missing)
        plain = {name: value for name, value in coerced.items() if not isinstance(value, dict | list)}
        found |= self._converted(plain)
        for name in coerced.keys() - plain.keys():
            said = (name, repr(coerced[name]))
            known = self._met.find(said)
            if known is None:
                known = self._met.keep(said, self._converted({name: coerced[name]}), len(said[1]))
            found |= known
        return found

    def _converted(self, coerced: dict[str, Any]) -> dict[str, Any]:
        given = convert_arguments(
            coerced,
            self._field.arguments,
            scalar_registry=self._schema.schema_converter.scalar_registry,
            config=self._schema.config,
        )
        check_storable(given)
        return given


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
    """The variables that the arguments of a field name."""
    return [name for each in node.arguments or () for name in _variables_in(each.value)]


def _variables_in(node: ValueNode) -> list[str]:
    """The variables that a value names, at any depth."""
    found, waiting = [], [node]
    while waiting:
        value = waiting.pop()
        if isinstance(value, VariableNode):
            found.append(value.name.value)
        waiting += getattr(value, "values", ())
        waiting += [each.value for each in getattr(value, "fields", ())]
    return found
