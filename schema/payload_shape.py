"""The JSON Schema of what a payload document answers, read from the document and the GraphQL schema.

``required`` names what is always there: a field that a directive or a fragment on another type may leave out is not.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLEnumType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
)

from hub.db import Json

SCALARS: dict[str, Json] = {
    "ID": {"type": "string"},
    "String": {"type": "string"},
    "Boolean": {"type": "boolean"},
    "Int": {"type": "integer"},
    "Long": {"type": "integer"},
    "Float": {"type": "number"},
    "Decimal": {"type": "string", "format": "decimal", "pattern": r"^-?[0-9]+(\.[0-9]+)?$"},
    "DateTime": {"type": "string", "format": "date-time"},
}
"""How scalars look in JSON. One that is not here may be anything."""

ANY: Json = {}
Owner = GraphQLObjectType | GraphQLInterfaceType


def shape(document: DocumentNode, schema: GraphQLSchema) -> Json:
    """The JSON Schema of the answer to the document's one operation. The document is valid."""
    operation = next(each for each in document.definitions if isinstance(each, OperationDefinitionNode))
    fragments = {
        each.name.value: each for each in document.definitions if isinstance(each, FragmentDefinitionNode)
    }
    assert schema.query_type is not None
    return _Shaping(schema, fragments).object(schema.query_type, [operation.selection_set])


class _Shaping:
    def __init__(self, schema: GraphQLSchema, fragments: dict[str, FragmentDefinitionNode]) -> None:
        self._schema = schema
        self._fragments = fragments

    def object(self, owner: Owner, selections: list[SelectionSetNode]) -> Json:
        """An object: its fields are those of all selections of it."""
        fields: dict[str, tuple[FieldNode, Owner, list[SelectionSetNode]]] = {}
        always: dict[str, None] = {}
        for node, within, sure in (
            each for one in selections for each in self._fields(owner, one, sure=True)
        ):
            key = node.alias.value if node.alias else node.name.value
            below = fields.setdefault(key, (node, within, []))[2]
            if node.selection_set is not None:
                below.append(node.selection_set)
            if sure:
                always[key] = None
        return {
            "type": "object",
            "properties": {key: self._field(*found) for key, found in fields.items()},
            "required": list(always),
        }

    def _fields(
        self, owner: Owner, selected: SelectionSetNode, *, sure: bool
    ) -> Iterator[tuple[FieldNode, Owner, bool]]:
        """The fields of a selection, each with the type that it stands in and whether it is always there."""
        for node in selected.selections:
            here = sure and not node.directives
            if isinstance(node, FieldNode):
                yield node, owner, here
                continue
            within, below = self._fragment(owner, node)
            if within is not None:
                yield from self._fields(within, below, sure=here and self._is(owner, within))

    def _fragment(self, owner: Owner, node: Any) -> tuple[Owner | None, SelectionSetNode]:
        fragment = self._fragments[node.name.value] if isinstance(node, FragmentSpreadNode) else node
        assert isinstance(fragment, InlineFragmentNode | FragmentDefinitionNode)
        condition = fragment.type_condition
        within = owner if condition is None else self._schema.type_map[condition.name.value]
        return (within if isinstance(within, Owner) else None), fragment.selection_set

    def _is(self, owner: Owner, other: Owner) -> bool:
        """Whether everything of the one type is of the other."""
        return owner is other or (
            isinstance(other, GraphQLInterfaceType) and self._schema.is_sub_type(other, owner)
        )

    def _field(self, node: FieldNode, owner: Owner, below: list[SelectionSetNode]) -> Json:
        if node.name.value == "__typename":
            return {"type": "string", "description": "The GraphQL type."}
        field = owner.fields[node.name.value]
        found = self._type(field.type, below)
        return {"description": field.description, **found} if field.description else found

    def _type(self, type_: Any, below: list[SelectionSetNode]) -> Json:
        if isinstance(type_, GraphQLNonNull):
            return self._present(type_.of_type, below)
        return nullable(self._present(type_, below))

    def _present(self, type_: Any, below: list[SelectionSetNode]) -> Json:
        if isinstance(type_, GraphQLList):
            return {"type": "array", "items": self._type(type_.of_type, below)}
        if isinstance(type_, GraphQLEnumType):
            return {"type": "string", "enum": list(type_.values)}
        if isinstance(type_, Owner):
            return self.object(type_, below)
        return dict(SCALARS.get(type_.name, ANY))


def nullable(found: Json) -> Json:
    """The same, or null."""
    if "type" not in found:
        return found
    with_null = {**found, "type": [found["type"], "null"]}
    if "enum" in found:
        with_null["enum"] = [*found["enum"], None]
    return with_null
