"""``searchSuggest``: what somebody may be typing, while they type."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any
from weakref import WeakKeyDictionary

import sqlalchemy as sa
import strawberry
from graphql import GraphQLError
from strawberry.types import Info

from hub import ids, search_event
from hub.category import Category as CategoryTable
from hub.errors import Invalid, Limit
from schema import product_search, rule, search_facet_brand
from schema.declare import NOUNS
from schema.loader import by_id
from schema.product_search_attribute import label
from search import language, suggest
from search.asking import ASKING
from search.engine import Index, UnavailableError
from search.identifier import normal
from search.suggest import Name, Names, Seen, Typed

if TYPE_CHECKING:
    from hub.db import Database
    from schema.context import Context, Scope
    from schema.product import Product  # noqa: TC004 - strawberry loads it by PRODUCT

PRODUCT = strawberry.lazy("schema.product")

LARGEST = 20
DEFAULT = 5
KEPT_SECONDS = 10.0
"""How long names of categories, makers and queries are held: so much later a new one is suggested."""

MOST_HELD = 200

_held: WeakKeyDictionary[Database, dict[Any, tuple[float, dict[str, Names]]]] = WeakKeyDictionary()

FIELDS = {"category": "categories", "brand": "brands"}
"""What is suggested where something in it may be seen → the field of the index that counts it."""


@strawberry.type(description="A product that may be meant.")
class SearchProductSuggestion:
    """A product that may be meant."""

    text: str = strawberry.field(description="Its name.")
    highlighted: str = strawberry.field(description="HTML that is safe to show: what was typed in <mark>.")
    product: Annotated[Product, PRODUCT] = strawberry.field(description="The product.")


@strawberry.type(description="A category that may be meant, with something on offer in it or below.")
class SearchCategorySuggestion:
    """A category that may be meant."""

    text: str = strawberry.field(description="Its name.")
    highlighted: str = strawberry.field(description="HTML that is safe to show: what was typed in <mark>.")
    id: strawberry.ID = strawberry.field(description="The category's id.")
    code: str = strawberry.field(description="The category's code.")
    count: int = strawberry.field(description="How many products are in it or below.")


@strawberry.type(description="A maker that may be meant, with something on offer.")
class SearchBrandSuggestion:
    """A maker that may be meant."""

    text: str = strawberry.field(description="The name.")
    highlighted: str = strawberry.field(description="HTML that is safe to show: what was typed in <mark>.")
    count: int = strawberry.field(description="How many products are of it.")


@strawberry.type(description="A query that others asked, and that had results.")
class SearchQuerySuggestion:
    """A query that others asked."""

    text: str = strawberry.field(description="The query.")
    highlighted: str = strawberry.field(description="HTML that is safe to show: what was typed in <mark>.")


@strawberry.type(description="What may be meant by what was typed, the likeliest of each kind first.")
class SearchSuggestions:
    """What may be meant by what was typed."""

    queries: list[SearchQuerySuggestion] = strawberry.field(description="Queries that others asked.")
    categories: list[SearchCategorySuggestion] = strawberry.field(description="Categories.")
    brands: list[SearchBrandSuggestion] = strawberry.field(description="Makers.")
    products: list[SearchProductSuggestion] = strawberry.field(description="Products.")
    corrected: str | None = strawberry.field(
        description="What the last word was taken for, where nothing begins as it was typed; null: it was taken as it is."
    )


@dataclass(frozen=True)
class _Found:
    typed: Typed
    products: Sequence[int]
    names: Mapping[str, Sequence[Name]]
    counts: Mapping[str, Mapping[str, int]]


async def search_suggest(
    info: Info,
    text: Annotated[
        str, strawberry.argument(description="What was typed so far; its last word may be begun.")
    ],
    channel: Annotated[
        str | None, strawberry.argument(description="Code of the channel; null: the token's own.")
    ] = None,
    locale: Annotated[
        str | None, strawberry.argument(description="BCP 47 tag of the locale; null: the token's own.")
    ] = None,
    first: Annotated[
        int | None,
        strawberry.argument(description=f"How many of each kind: 1 to {LARGEST}; {DEFAULT} if null."),
    ] = None,
) -> SearchSuggestions:
    """What may be meant. Raises ``Forbidden``, ``Invalid`` or ``Limit``."""
    context: Context = info.context
    rule.opened(context.viewer, NOUNS["Product"])
    size = _size(first)
    scope = await context.scope(channel, locale)
    asked = suggest.typed(text)
    if asked is None:
        return SearchSuggestions(queries=[], categories=[], brands=[], products=[], corrected=None)
    channel_id = scope.channel.id if scope.channel else None
    seen = Seen(
        None if channel_id is None or context.viewer.sees_unlisted else channel_id,
        language.of(product_search.locale(scope)),
        product_search.locale(scope),
        scope.as_of,
    )
    names = await _names(context, scope)
    try:
        found = await ASKING.ask(lambda: _find(context.extras["search"], asked, seen, names, size))
    except UnavailableError as down:
        raise GraphQLError(str(down), extensions={"code": "SEARCH_UNAVAILABLE"}) from down
    return await _told(context, scope, found, size)


FIELD = strawberry.field(
    resolver=search_suggest,
    description="What may be meant by what somebody is typing: queries that others asked, categories, makers and products"
    " whose names have all the words, the last one only begun. Only what the reader may see.",
)
"""The root field, which the query takes in."""


def _size(first: int | None) -> int:
    size = DEFAULT if first is None else first
    if size < 1:
        raise Invalid(f"first is {size}: give 1 to {LARGEST}.", ("first",))
    if size > LARGEST:
        raise Limit(f"first is {size}: at most {LARGEST} of each kind are suggested.", ("first",))
    return size


def _find(index: Index, asked: Typed, seen: Seen, names: Mapping[str, Names], size: int) -> _Found:
    """What begins so; where nothing does, what begins nearly so."""
    with index.reading() as reader:
        matched = {kind: each.beginning(asked.sought) for kind, each in names.items()}
        found = suggest.products(reader, asked, seen, size)
        if not found and not any(matched.values()):
            close = suggest.corrected(reader, asked, seen, list(names.values()))
            if close is not None:
                asked = close
                matched = {kind: each.beginning(asked.sought) for kind, each in names.items()}
                found = suggest.products(reader, asked, seen, size)
        keys = {field: [name.key for name in matched[kind]] for kind, field in FIELDS.items()}
        return _Found(asked, found, matched, suggest.counted(index, reader, seen, keys))


async def _told(context: Context, scope: Scope, found: _Found, size: int) -> SearchSuggestions:
    def mark(text: str) -> dict[str, str]:
        return {"text": text, "highlighted": suggest.marked(text, found.typed)}

    def counted(kind: str) -> list[tuple[Name, int]]:
        counts = found.counts.get(FIELDS[kind], {})
        return [(name, counts[name.key]) for name in found.names[kind] if name.key in counts][:size]

    codes = await _codes(context, [name.key for name, _ in counted("category")])
    nodes = await by_id(context, NOUNS["Product"], scope).load_many(list(found.products))
    shown = [(node, label(node.__dict__["name"], scope)) for node in nodes if node is not None]
    return SearchSuggestions(
        queries=[SearchQuerySuggestion(**mark(name.text)) for name in found.names["query"][:size]],
        categories=[
            SearchCategorySuggestion(
                **mark(name.text),
                id=strawberry.ID(ids.encode("category", int(name.key))),
                code=codes[name.key],
                count=count,
            )
            for name, count in counted("category")
            if name.key in codes
        ],
        brands=[SearchBrandSuggestion(**mark(name.text), count=count) for name, count in counted("brand")],
        products=[SearchProductSuggestion(**mark(text), product=node) for node, text in shown if text],
        corrected=found.typed.corrected,
    )


async def _codes(context: Context, keys: Sequence[str]) -> dict[str, str]:
    if not keys:
        return {}
    table = CategoryTable.__table__
    statement = sa.select(table.c.id, table.c.code).where(table.c.id.in_([int(key) for key in keys]))
    return {str(row["id"]): row["code"] for row in await context.database.rows(statement)}


async def _names(context: Context, scope: Scope) -> dict[str, Names]:
    """The names of a channel and locale; what nobody may see of them is sorted out by the index."""
    held = _held.setdefault(context.database, {})
    key = (scope.channel.id if scope.channel else None, scope.locales)
    known = held.get(key)
    if known is not None and time.monotonic() - known[0] < KEPT_SECONDS:
        return known[1]
    categories, brands, queries = await asyncio.gather(
        _categories(context, scope), _brands(context, scope), _queries(context, scope)
    )
    made = {"category": categories, "brand": brands, "query": queries}
    if len(held) >= MOST_HELD:
        held.clear()
    held[key] = (time.monotonic(), made)
    return made


async def _categories(context: Context, scope: Scope) -> Names:
    table = CategoryTable.__table__
    rows = await context.database.rows(sa.select(table.c.id, table.c.name))
    return _made((str(row["id"]), label(row["name"], scope), 0) for row in rows)


async def _brands(context: Context, scope: Scope) -> Names:
    found = await search_facet_brand.names(context, ())
    shown = {normal(name): name for texts in found.values() if (name := _brand(texts, scope))}
    return _made((key, text, 0) for key, text in shown.items())


def _brand(texts: Mapping[str, str], scope: Scope) -> str | None:
    return texts.get("*") or label(texts, scope)


async def _queries(context: Context, scope: Scope) -> Names:
    if scope.channel is None:
        return Names([])
    statement = search_event.phrases(scope.channel.id, product_search.locale(scope))
    rows = await context.database.rows(statement)
    return _made((row["phrase"], row["phrase"], row["sessions"]) for row in rows)


def _made(given: Any) -> Names:
    make: Callable[..., Name | None] = suggest.named
    return Names([name for key, text, weight in given if text and (name := make(key, text, weight))])
