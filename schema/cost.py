"""What a query costs, in objects: those it may ask for, those it got, and what its token has left.

A token's budget is a bucket that fills up again by itself, so that a burst is fine and a flood is not.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
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
    value_from_ast_untyped,
)

from hub.recent import Recent
from schema.connection import DEFAULT_PAGE
from schema.cost_facet import FACETS, PARTS, FacetSize

DEAREST = 2_000_000
"""Objects that one query may ask for."""
BUDGET = 20_000_000
"""Objects that a token has when its bucket is full."""
REFILL = 2_000_000
"""Objects that come back to a token each second."""
TOKENS = 100_000
"""Tokens whose budget is remembered: those used last. One that is forgotten has had time to fill up."""
PAGE = DEFAULT_PAGE
"""Objects of a page that names no size."""

CONNECTION = frozenset({"nodes", "edges"})


def requested(document: DocumentNode, operation: str | None, variables: Mapping[str, Any]) -> int:
    """How many objects the operation asks for at most, pages taken to be full."""
    return priced(document, operation)(variables)


def priced(document: DocumentNode, operation: str | None) -> Callable[[Mapping[str, Any]], int]:
    """What gives how many objects the operation asks for at most, by the variables: the document is walked once."""
    fragments = {
        each.name.value: each for each in document.definitions if isinstance(each, FragmentDefinitionNode)
    }
    for each in document.definitions:
        if isinstance(each, OperationDefinitionNode) and operation in (
            None,
            each.name.value if each.name else None,
        ):
            return _Counting(fragments).all(each)
    return lambda _: 0


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
        self._left: Recent[int | None, tuple[float, float]] = Recent(TOKENS)

    def left(self, token_id: int | None) -> int:
        """How many objects the token may ask for now."""
        left, at = self._left.find(token_id) or (BUDGET, 0.0)
        return int(min(BUDGET, left + (time.monotonic() - at) * REFILL))

    def spend(self, token_id: int | None, objects: int) -> int:
        """Take what was used; what is left then."""
        left = self.left(token_id) - objects
        self._left.keep(token_id, (left, time.monotonic()))
        return max(left, 0)


@dataclass(frozen=True)
class _Size:
    """The size of a page: the first of the arguments that is given, otherwise ``missing``."""

    given: tuple[Any, ...]
    missing: int
    defaults: Mapping[str, int]

    def __call__(self, variables: Mapping[str, Any]) -> int:
        for node in self.given:
            value = self._value(node, variables)
            if value is not None:
                return max(value, 0)
        return self.missing

    def _value(self, node: Any, variables: Mapping[str, Any]) -> int | None:
        """A page's size; null where none is given."""
        if isinstance(node, VariableNode):
            name = node.name.value
            given = variables[name] if name in variables else self.defaults.get(name)
        else:
            given = int(node.value) if isinstance(node, IntValueNode) else None
        # GraphQL takes 100.0 for a whole number too.
        return int(given) if isinstance(given, int | float) else None


Size = Callable[[Mapping[str, Any]], int]
"""How often something comes, by the variables."""


@dataclass(frozen=True, eq=False)
class _Sum:
    """How many objects there are: a number, and further sums, each times the size of a page (null for once).

    A sum may stand in many others, as a fragment does, so whoever adds up remembers each.
    ``apart``: facets that were met: the field above counts them, once for its page.
    """

    fixed: int = 0
    parts: tuple[tuple[Size | None, _Sum], ...] = ()
    apart: tuple[FieldNode, ...] = ()

    def __call__(self, variables: Mapping[str, Any]) -> int:
        return self.value(variables, {}) if self.parts else self.fixed

    def value(self, variables: Mapping[str, Any], known: dict[_Sum, int]) -> int:
        """The number, where those of some sums are known already."""
        if self not in known:
            known[self] = self.fixed + sum(
                (1 if size is None else size(variables)) * below.value(variables, known)
                for size, below in self.parts
            )
        return known[self]

    def __add__(self, other: _Sum) -> _Sum:
        return _Sum(self.fixed + other.fixed, self.parts + other.parts, self.apart + other.apart)


class _Counting:
    """Counts objects below a selection; a fragment is walked once."""

    def __init__(self, fragments: dict[str, FragmentDefinitionNode]) -> None:
        self._fragments = fragments
        self._defaults: Mapping[str, int] = {}
        self._given: Mapping[str, Any] = {}
        self._known: dict[str, _Sum] = {}
        self._paging: dict[str, bool] = {}

    def all(self, operation: OperationDefinitionNode) -> _Sum:
        """The objects of an operation, whose variables may have defaults."""
        self._defaults = {
            each.variable.name.value: int(each.default_value.value)
            for each in operation.variable_definitions or ()
            if isinstance(each.default_value, IntValueNode)
        }
        self._given = {
            each.variable.name.value: value_from_ast_untyped(each.default_value)
            for each in operation.variable_definitions or ()
            if each.default_value is not None
        }
        return self.of(operation.selection_set)

    def of(self, selections: SelectionSetNode | None) -> _Sum:
        found = _Sum()
        for each in selections.selections if selections else ():
            found += self._one(each)
        return found

    def _one(self, node: Any) -> _Sum:
        if isinstance(node, FragmentSpreadNode):
            return self._spread(node.name.value)
        if isinstance(node, FieldNode) and node.name.value == FACETS and node.selection_set is not None:
            return _Sum(apart=(node,))
        below = self.of(node.selection_set)
        if not isinstance(node, FieldNode) or node.selection_set is None:
            return below
        found = self._times(self._size(node, node.selection_set), below)
        for each in below.apart:
            found += self._facets(node, each)
        return found

    def _times(self, size: _Size, below: _Sum) -> _Sum:
        """A page with what is on it."""
        if below.parts or any(isinstance(each, VariableNode) for each in size.given):
            return _Sum(1, ((size, _Sum(below.fixed, below.parts)),))
        return _Sum(1 + size({}) * below.fixed)

    def _facets(self, node: FieldNode, facets: FieldNode) -> _Sum:
        """The facets below a field, as many as its argument asks for, with their values and ranges."""
        given = next((each.value for each in node.arguments or () if each.name.value == FACETS), None)
        own, lists = self._split(facets.selection_set)
        parts = ((None, _Sum(1) + own), *lists.items())
        return _Sum(0, tuple((FacetSize(part, given, self._given), each) for part, each in parts))

    def _split(self, selections: SelectionSetNode | None) -> tuple[_Sum, dict[str, _Sum]]:
        """What is selected of each facet, and what of each of its values and ranges."""
        own, lists = _Sum(), dict[str, _Sum]()
        for each in selections.selections if selections else ():
            if isinstance(each, FieldNode):
                if each.name.value in PARTS:
                    lists[each.name.value] = lists.get(each.name.value, _Sum()) + self._one(each)
                else:
                    own += self._one(each)
                continue
            more, further = self._split(self._inside(each))
            own += more
            for name, found in further.items():
                lists[name] = lists.get(name, _Sum()) + found
        return own, lists

    def _inside(self, node: Any) -> SelectionSetNode | None:
        """What a fragment selects."""
        if isinstance(node, FragmentSpreadNode):
            node = self._fragments.get(node.name.value)
        return node.selection_set if node is not None else None

    def _size(self, node: FieldNode, selections: SelectionSetNode) -> _Size:
        given = tuple(each.value for each in node.arguments or () if each.name.value in ("first", "last"))
        return _Size(given, PAGE if self._is_page(selections) else 1, self._defaults)

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

    def _spread(self, name: str) -> _Sum:
        if name not in self._known:
            self._known[name] = _Sum()
            fragment = self._fragments.get(name)
            self._known[name] = self.of(fragment.selection_set if fragment else None)
        known = self._known[name]
        return _Sum(0, ((None, known),), known.apart) if known.parts else known
