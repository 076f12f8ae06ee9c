"""How many objects the facets of a search may be: they come once for a page, and each has its own values or ranges."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from graphql import ValueNode, value_from_ast_untyped

from search.facet import DEFAULT_VALUES, MOST_VALUES

DEFAULTS = 44
"""Facets that are counted where none are asked for, at most: those of the shop itself and 40 attributes."""

FACETS = "facets"
PARTS = ("values", "ranges")
"""Lists that a facet holds: it has one of them."""


@dataclass(frozen=True)
class FacetSize:
    """How many there are of ``part``: of the facets themselves (null), of all their values or ranges.

    ``given``: the argument that asks for facets; null where none is. ``defaults``: variables that have one.
    """

    part: str | None
    given: ValueNode | None
    defaults: Mapping[str, Any]

    def __call__(self, variables: Mapping[str, Any]) -> int:
        """The number, by the variables of a request."""
        said = value_from_ast_untyped(self.given, {**self.defaults, **variables}) if self.given else None
        if said is None:
            return {None: DEFAULTS, "values": DEFAULTS * DEFAULT_VALUES}.get(self.part, 0)
        wishes = said if isinstance(said, list) else [said]
        return sum(self._of(each if isinstance(each, Mapping) else {}) for each in wishes)

    def _of(self, wish: Mapping[str, Any]) -> int:
        ranges = _ranges(wish)
        if self.part is None:
            return 1
        if self.part == "ranges":
            return ranges
        return 0 if ranges or wish.get("by") == "PRICE" else _number(wish.get("first"), DEFAULT_VALUES)


def _ranges(wish: Mapping[str, Any]) -> int:
    given = wish.get("ranges")
    if given:
        return len(given) if isinstance(given, list) else 1
    if wish.get("interval") is not None:
        return MOST_VALUES + 1
    return _number(wish.get("buckets"), 0)


def _number(said: Any, missing: int) -> int:
    """A number that was given; what is none, is refused where it is read."""
    return max(int(said), 0) if isinstance(said, int | float) else missing
