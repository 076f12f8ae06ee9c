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
            return counting.of(each.selection_set)
    return 0


def actual(data: Any) -> int:
    """How many objects an answer holds."""
    count, waiting = 0, [data]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            count += 1
            waiting.extend(each for each in value.values() if isinstance(each, dict | list))
        elif isinstance(value, list):
            waiting.extend(each for each in value if isinstance(each, dict | list))
    return count - 1 if isinstance(data, dict) else count


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
        self._known: dict[str, int] = {}

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
                if isinstance(value, int):
                    return max(value, 0)
        names = {each.name.value for each in selections.selections if isinstance(each, FieldNode)}
        return PAGE if names & CONNECTION else 1

    def _value(self, node: Any) -> Any:
        if isinstance(node, VariableNode):
            return self._variables.get(node.name.value)
        return int(node.value) if isinstance(node, IntValueNode) else None

    def _spread(self, name: str) -> int:
        if name not in self._known:
            self._known[name] = 0
            fragment = self._fragments.get(name)
            self._known[name] = self.of(fragment.selection_set if fragment else None)
        return self._known[name]
