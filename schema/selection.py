"""What a document selects of a type, written out: fragments opened, ``@skip`` and ``@include`` decided."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from graphql import (
    BooleanValueNode,
    DirectiveNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
    ValueNode,
    VariableNode,
    is_abstract_type,
)


class Unknown(Exception):
    """Something that the compiled executor leaves to the ordinary one."""


class Selections:
    """The selections of one operation. ``variables``: the values of those that stand in ``@skip`` and ``@include``."""

    def __init__(self, schema: GraphQLSchema, document: DocumentNode, variables: Mapping[str, Any]) -> None:
        self.schema = schema
        self._variables = variables
        self._fragments = {
            each.name.value: each for each in document.definitions if isinstance(each, FragmentDefinitionNode)
        }

    def of(
        self, sets: Iterable[SelectionSetNode | None], type_: GraphQLObjectType
    ) -> dict[str, list[FieldNode]]:
        """The fields selected of an object type by response key, in the order of the answer."""
        found: dict[str, list[FieldNode]] = {}
        opened: set[str] = set()
        for each in sets:
            for node in self._fields(each, type_, opened):
                key = node.alias.value if node.alias else node.name.value
                found.setdefault(key, []).append(node)
        return found

    def below(self, nodes: Sequence[FieldNode], type_: GraphQLObjectType) -> dict[str, list[FieldNode]]:
        """The fields selected below fields that answer as one."""
        return self.of((each.selection_set for each in nodes), type_)

    def _fields(
        self, selections: SelectionSetNode | None, type_: GraphQLObjectType, opened: set[str]
    ) -> Iterator[FieldNode]:
        for node in selections.selections if selections else ():
            if not self._included(node):
                continue
            if isinstance(node, FieldNode):
                yield node
            elif (within := self._within(node, type_, opened)) is not None:
                yield from self._fields(within, type_, opened)

    def _within(
        self, node: SelectionNode, type_: GraphQLObjectType, opened: set[str]
    ) -> SelectionSetNode | None:
        """What a fragment selects of a type; null where it is not for that type, or stood here before."""
        fragment: InlineFragmentNode | FragmentDefinitionNode
        if isinstance(node, FragmentSpreadNode):
            if node.name.value in opened:
                return None
            opened.add(node.name.value)
            fragment = self._fragments[node.name.value]
        else:
            assert isinstance(node, InlineFragmentNode)
            fragment = node
        return fragment.selection_set if self._fits(fragment, type_) else None

    def _fits(self, fragment: InlineFragmentNode | FragmentDefinitionNode, type_: GraphQLObjectType) -> bool:
        if fragment.type_condition is None:
            return True
        wanted = self.schema.type_map[fragment.type_condition.name.value]
        return wanted is type_ or (is_abstract_type(wanted) and self.schema.is_sub_type(wanted, type_))

    def _included(self, node: SelectionNode) -> bool:
        decided = True
        for each in node.directives or ():
            if each.name.value not in ("skip", "include"):
                raise Unknown(f"directive {each.name.value}")
            decided = decided and self._condition(each) is (each.name.value == "include")
        return decided

    def _condition(self, directive: DirectiveNode) -> bool:
        (argument,) = directive.arguments or ()
        if isinstance(argument.value, VariableNode):
            return bool(self._variables[argument.value.name.value])
        assert isinstance(argument.value, BooleanValueNode)
        return argument.value.value


def conditions(document: DocumentNode) -> frozenset[str]:
    """The variables that stand in ``@skip`` and ``@include`` anywhere in a document."""
    return frozenset(
        argument.value.name.value
        for node in _every(document)
        for directive in node.directives or ()
        for argument in directive.arguments or ()
        if isinstance(argument.value, VariableNode)
    )


def found_by_ids(document: DocumentNode) -> tuple[FieldNode, ...]:
    """The fields ``node(id)`` and ``nodes(ids)`` anywhere in a document."""
    return tuple(
        node
        for node in _every(document)
        if isinstance(node, FieldNode) and node.name.value in ("node", "nodes") and node.arguments
    )


def introspects(document: DocumentNode) -> bool:
    """Whether ``__schema`` or ``__type`` stands anywhere in a document."""
    return any(
        isinstance(node, FieldNode) and node.name.value in ("__schema", "__type") for node in _every(document)
    )


def channels(document: DocumentNode) -> tuple[tuple[ValueNode, ...], bool]:
    """What stands for ``channel`` anywhere in a document, and whether a field at the root may go without."""
    named = tuple(
        argument.value
        for node in _every(document)
        if isinstance(node, FieldNode)
        for argument in node.arguments or ()
        if argument.name.value == "channel"
    )
    roots = [
        node
        for each in document.definitions
        if isinstance(each, OperationDefinitionNode)
        for node in each.selection_set.selections
    ]
    return named, len(named) < len(roots) or not all(isinstance(node, FieldNode) for node in roots)


def _every(document: DocumentNode) -> Iterator[SelectionNode]:
    waiting: list[SelectionSetNode] = [
        each.selection_set
        for each in document.definitions
        if isinstance(each, OperationDefinitionNode | FragmentDefinitionNode)
    ]
    while waiting:
        for node in waiting.pop().selections:
            yield node
            below: SelectionSetNode | None = getattr(node, "selection_set", None)
            if below is not None:
                waiting.append(below)
