"""What a query costs, in objects: those it may ask for, those it got, and what its token has left.

A token's budget is a bucket that fills up again by itself, so that a burst is fine and a flood is not.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    IntValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableNode,
)

from schema.connection import DEFAULT_PAGE

DEAREST = 2_000_000
"""Objects that one query may ask for."""
BUDGET = 20_000_000
"""Objects that a token has when its bucket is full."""
REFILL = 2_000_000
"""Objects that come back to a token each second."""
PAGE = DEFAULT_PAGE
"""Objects of a page that names no size."""

CONNECTION = frozenset({"nodes", "edges"})


def requested(document: DocumentNode, operation: str | None, variables: Mapping[str, Any]) -> int:
    """How many objects the operation asks for at most, pages taken to be full."""
    fragments = {
        each.name.value: each for each in document.definitions if isinstance(each, FragmentDefinitionNode)
    }
    counting = _Counting(fragments, variables)
    for each in document.definitions:
        if isinstance(each, OperationDefinitionNode) and operation in (
            None,
            each.name.value if each.name else None,
        ):
            return counting.all(each)
    return 0


def actual(data: Any) -> int:
    """How many objects an answer holds, not counting the answer itself."""
    return objects(data) - isinstance(data, dict)


def objects(value: Any) -> int:
    """How many objects a JSON value is made of."""
    count, waiting = 0, [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            count += 1
            waiting.extend(each for each in value.values() if isinstance(each, dict | list))
        elif isinstance(value, list):
            waiting.extend(each for each in value if isinstance(each, dict | list))
    return count


class Budgets:
    """What each token has left, in this process."""

    def __init__(self) -> None:
        self._left: dict[int | None, tuple[float, float]] = {}

    def left(self, token_id: int | None) -> int:
        """How many objects the token may ask for now."""
        left, at = self._left.get(token_id, (BUDGET, 0.0))
        return int(min(BUDGET, left + (time.monotonic() - at) * REFILL))

    def spend(self, token_id: int | None, objects: int) -> int:
        """Take what was used; what is left then."""
        left = self.left(token_id) - objects
        self._left[token_id] = (left, time.monotonic())
        return max(left, 0)


class _Counting:
    """Counts objects below a selection; a fragment is walked once."""

    def __init__(self, fragments: dict[str, FragmentDefinitionNode], variables: Mapping[str, Any]) -> None:
        self._fragments = fragments
        self._variables = variables
        self._defaults: Mapping[str, int] = {}
        self._known: dict[str, int] = {}
        self._paging: dict[str, bool] = {}

    def all(self, operation: OperationDefinitionNode) -> int:
        """The objects of an operation, whose variables may have defaults."""
        self._defaults = {
            each.variable.name.value: int(each.default_value.value)
            for each in operation.variable_definitions or ()
            if isinstance(each.default_value, IntValueNode)
        }
        return self.of(operation.selection_set)

    def of(self, selections: SelectionSetNode | None) -> int:
        if selections is None:
            return 0
        return sum(self._one(each) for each in selections.selections)

    def _one(self, node: Any) -> int:
        if isinstance(node, FragmentSpreadNode):
            return self._spread(node.name.value)
        below = self.of(node.selection_set)
        if not isinstance(node, FieldNode) or node.selection_set is None:
            return below
        return 1 + below * self._size(node, node.selection_set)

    def _size(self, node: FieldNode, selections: SelectionSetNode) -> int:
        for each in node.arguments or ():
            if each.name.value in ("first", "last"):
                value = self._value(each.value)
                if value is not None:
                    return max(value, 0)
        return PAGE if self._is_page(selections) else 1

    def _value(self, node: Any) -> int | None:
        """A page's size; null where none is given."""
        if isinstance(node, VariableNode):
            name = node.name.value
            given = self._variables[name] if name in self._variables else self._defaults.get(name)
        else:
            given = int(node.value) if isinstance(node, IntValueNode) else None
        # GraphQL takes 100.0 for a whole number too.
        return int(given) if isinstance(given, int | float) else None

    def _is_page(self, selections: SelectionSetNode | None) -> bool:
        """Whether a selection, or a fragment in it, reads a connection."""
        return selections is not None and any(self._pages(each) for each in selections.selections)

    def _pages(self, node: Any) -> bool:
        if isinstance(node, FieldNode):
            return node.name.value in CONNECTION
        if isinstance(node, InlineFragmentNode):
            return self._is_page(node.selection_set)
        name = node.name.value
        if name not in self._paging:
            self._paging[name] = False
            fragment = self._fragments.get(name)
            self._paging[name] = self._is_page(fragment.selection_set if fragment else None)
        return self._paging[name]

    def _spread(self, name: str) -> int:
        if name not in self._known:
            self._known[name] = 0
            fragment = self._fragments.get(name)
            self._known[name] = self.of(fragment.selection_set if fragment else None)
        return self._known[name]
