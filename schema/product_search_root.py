"""``productSearch``: the root field, with its arguments.

Both executors begin with ``product_search_once.searched``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import strawberry
from strawberry.types.nodes import SelectedField, Selection

from schema import saved_search
from schema.connection import ARGUMENTS
from schema.declare import resolved
from schema.product_search_answer import ProductSearchConnection
from schema.product_search_field import ProductSearchSort
from schema.product_search_once import check, searched
from schema.root import SCOPE
from schema.search_facet import SearchFacetInput
from schema.search_filter import ProductSearchFilter
from schema.spec import Argument

if TYPE_CHECKING:
    from schema.context import Context

ASKED = {
    "query": Argument(
        type=str | None,
        description="Words, or a number such as a SKU or GTIN, at most 1,000 characters; null or empty: all products.",
    ),
    "filter": Argument(type=ProductSearchFilter | None, description="Which products to take; null for all."),
    "facets": Argument(
        type=list[SearchFacetInput] | None,
        description="What to count the hits by, at most 50; null: what tells something of these hits.",
    ),
    "sort": Argument(type=ProductSearchSort | None, description="Their order; null: the best first."),
    "first": Argument(
        type=int | None,
        description="Hits of the page: 0 to 100; 20 without. With 0 only counts are told.",
    ),
    "after": ARGUMENTS["after"],
    "saved_search": Argument(
        type=strawberry.ID | None,
        description="Id of a saved search whose channel, locale, query and sort stand in for missing ones, and whose filter "
        "holds too. For staff and apps.",
    ),
    "session": Argument(
        type=str | None,
        description="Anything that is the same during a visit and says nothing of the visitor, so that reports count "
        "visits; only a keyed hash is kept.",
    ),
    "explain": Argument(
        type=bool,
        description="Whether to tell what each score is made of. For staff and apps.",
        default=False,
    ),
}
"""What a search is asked, beside its scope."""


async def _answer(_: Any, info: Any, arguments: dict[str, Any]) -> ProductSearchConnection:
    context: Context = info.context
    if arguments["saved_search"] is not None:
        check(context, arguments)
        arguments = await saved_search.merged(info, arguments["saved_search"], arguments)
    counting = _selects(info.selected_fields, "facets")
    search, found = await searched(context, info.path.key, arguments, counting=counting)
    return await search.answer(found)


def _selects(selections: Sequence[Selection], name: str) -> bool:
    """Whether a field is selected right below the field that is resolved."""
    for root in selections:
        waiting = list(root.selections)
        while waiting:
            each = waiting.pop()
            if isinstance(each, SelectedField):
                if each.name == name:
                    return True
            else:
                waiting += each.selections
    return False


FIELD: Any = resolved(
    "Search for products: by words in the locale of the query, by filters, or both, with counts by facet. A storefront "
    "searches what is on offer in its channel; staff and apps search everything, and with filter: {listed: true} what a "
    "storefront finds.",
    _answer,
    **ASKED,
    **SCOPE,
)
FIELD.take(FIELD.spec.arguments, {})
"""The root field, which the query takes in."""
