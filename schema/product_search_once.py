"""Asking the index once for a request, whichever executor goes on with what it said."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from schema import product_search_answer as answers
from schema import rule
from schema.connection import Paging
from schema.declare import NOUNS
from schema.product_search_field import Search, Searched, Wanted
from schema.root import opened

if TYPE_CHECKING:
    from schema.context import Context


async def searched(
    context: Context, key: str | int, arguments: dict[str, Any], *, counting: bool
) -> tuple[Search, Searched]:
    """What the index says to the field that is called ``key`` in the answer. ``counting``: whether facets are read.

    The first outcome holds for the whole request, a refusal too: an executor that takes over from another asks nothing.
    """
    kept: dict[str | int, Any] = context.extras.setdefault("searched", {})
    if key not in kept:
        try:
            kept[key] = await _searched(context, arguments, counting=counting)
        except Exception as wrong:
            kept[key] = wrong
            raise
    if isinstance(kept[key], Exception):
        raise kept[key]
    return kept[key]  # type: ignore[no-any-return]


async def _searched(
    context: Context, arguments: dict[str, Any], *, counting: bool
) -> tuple[Search, Searched]:
    check(context, arguments)
    facets = arguments["facets"]
    if facets is None and not counting:
        facets = []
    wanted = Wanted(
        arguments["query"] or "",
        arguments["filter"],
        facets,
        arguments["sort"],
        Paging(first=arguments["first"], after=arguments["after"]),
        arguments["explain"],
        arguments["session"],
    )
    search = Search(context, await opened(context, arguments), wanted)
    return search, await search.searched()


def check(context: Context, arguments: dict[str, Any]) -> None:
    """Raises ``Forbidden`` for a token to which the search is closed, or what it asks of it."""
    rule.opened(context.viewer, NOUNS["Product"])
    if arguments["explain"]:
        answers.refuse_explaining(context.viewer)
