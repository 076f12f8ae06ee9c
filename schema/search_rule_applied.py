"""How an answer of search tells which rules held, and where it leads."""

from __future__ import annotations

import strawberry

from hub import ids
from search.rule import Applied, Redirect


@strawberry.type(description="A rule that held for a query.")
class SearchRuleApplied:
    """A rule that held for a query."""

    set: str = strawberry.field(description="Its set's code.")
    kind: str = strawberry.field(description="Its kind: pins, buries, boosts or redirects.")
    place: int = strawberry.field(description="Its place in the list of that kind, from 0 on.")


@strawberry.type(description="Where a query leads instead of its hits: one of both.")
class SearchRedirect:
    """Where a query leads instead of its hits."""

    url: str | None = strawberry.field(description="An address; null where it is a category.")
    category: strawberry.ID | None = strawberry.field(
        description="A category's id; null where it is an address."
    )


def redirect(found: Redirect | None) -> SearchRedirect | None:
    """Where a query leads, as the API tells it."""
    if found is None:
        return None
    number = found.category_id
    category = None if number is None else strawberry.ID(ids.encode("category", number))
    return SearchRedirect(url=found.url, category=category)


def applied(found: Applied) -> SearchRuleApplied:
    """A rule that held, as the API tells it."""
    return SearchRuleApplied(set=found.set, kind=found.kind, place=found.place)
