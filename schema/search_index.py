"""The search index in the API: how it stands, what the engine refused, and waiting for what was just written."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Annotated, Any

import strawberry
from strawberry.types import Info
from strawberry.types.field import StrawberryField

from hub import ids
from hub.db import Database
from hub.errors import Forbidden, Invalid, Limit, NotFound
from schema.connection import PageInfo
from schema.context import Context
from schema.input import local_id
from schema.mutation import field
from schema.scalar import Long
from search import app, queue
from search.engine import Index, UnavailableError
from search.standing import Build

PARKED = "search_parked"
LARGEST_PAGE = 100
DEFAULT_PAGE = 20
MOST_RETRIED = 1_000
DIGITS = 18
"""Of the longest number that PostgreSQL keeps whatever its first digit."""


@strawberry.type(description="Another search index that is being built beside the one in use.")
class SearchBuild:
    """Another search index that is being built beside the one in use."""

    generation: str = strawberry.field(description="Its name.")
    stage: str = strawberry.field(description="filling or catching up.")
    done: Long = strawberry.field(description="Products that are in it.")
    total: Long = strawberry.field(description="Products that it will have.")
    still_seconds: float = strawberry.field(description="How long ago it last went on.")


@strawberry.type(description="How search stands.")
class SearchIndex:
    """How search stands."""

    engine: str = strawberry.field(description="tantivy or elasticsearch.")
    health: str | None = strawberry.field(
        description="What the engine says of itself: green, yellow or red; null where it says nothing."
    )
    generation: str | None = strawberry.field(description="The index in use; null where there is none.")
    documents: Long = strawberry.field(
        description="Documents that are searched: one for each product and channel, and one for staff."
    )
    behind: Long | None = strawberry.field(
        description="Changes that it does not have; null where it never began."
    )
    stale_seconds: float = strawberry.field(
        description="How old the oldest of them is; 0 where there is none."
    )
    queued: Long = strawberry.field(description="Products that wait because one change touched many.")
    parked: Long = strawberry.field(description="Documents that the engine refused.")
    outdated: bool = strawberry.field(
        description="Whether its documents were made by other rules than this version's: another one is built."
    )
    problem: str | None = strawberry.field(description="Why search cannot answer; null where it can.")
    trouble: str | None = strawberry.field(
        description="Why nothing is indexed at the moment; null where all is well."
    )
    build: SearchBuild | None = strawberry.field(description="What is being built; null for nothing.")


async def search_index(info: Info) -> SearchIndex:
    """How search stands. Raises ``Forbidden`` for a token without the scope."""
    _allowed(info.context)
    found = await asyncio.to_thread(app.ready, info.context.database, _index(info.context))
    return SearchIndex(
        engine=found.engine,
        health=found.health,
        generation=found.generation,
        documents=Long(found.documents),
        behind=None if found.lag is None else Long(found.lag),
        stale_seconds=found.stale_seconds,
        queued=Long(found.queued),
        parked=Long(found.parked),
        outdated=found.outdated,
        problem=found.problem,
        trouble=found.trouble.reason if found.trouble else None,
        build=_build(found.build) if found.build else None,
    )


def _build(build: Build) -> SearchBuild:
    return SearchBuild(
        generation=build.generation,
        stage=build.stage,
        done=Long(build.done),
        total=Long(build.total),
        still_seconds=build.still_seconds,
    )


STATUS = strawberry.field(
    resolver=search_index, description="How search stands. For staff and apps, with the scope settings:read."
)
"""The root field, which the query takes in."""


@strawberry.type(description="A document that the search engine refused.")
class SearchParked:
    """A document that the search engine refused."""

    product_id: strawberry.ID = strawberry.field(description="The product.")
    channel_id: strawberry.ID | None = strawberry.field(
        description="The channel whose document it is; null for the one of staff."
    )
    reason: str = strawberry.field(description="Why it was refused, in the engine's words.")
    attempts: int = strawberry.field(description="How often it was tried.")
    parked_at: datetime = strawberry.field(description="When it was refused last.")


@strawberry.type(description="A page of documents that the search engine refused.")
class SearchParkedConnection:
    """A page of documents that the search engine refused."""

    nodes: list[SearchParked] = strawberry.field(description="The documents, by product and channel.")
    page_info: PageInfo = strawberry.field(description="Where the page stands.")
    total_count: Long = strawberry.field(description="How many there are.")


async def search_parked(
    info: Info,
    first: Annotated[
        int | None,
        strawberry.argument(description=f"How many: 1 to {LARGEST_PAGE}; {DEFAULT_PAGE} if null."),
    ] = None,
    after: Annotated[
        str | None, strawberry.argument(description="Cursor to read on from; null for the start.")
    ] = None,
) -> SearchParkedConnection:
    """Documents that the engine refused. Raises ``Invalid``, ``Limit`` or ``Forbidden``."""
    _allowed(info.context)
    size, place = _size(first), None if after is None else _place(after)
    rows, total = await asyncio.to_thread(_parked, info.context.database, size + 1, place)
    shown = rows[:size]
    cursors = [f"{row['product_id']}-{row['channel_id']}" for row in shown]
    return SearchParkedConnection(
        nodes=[_shown(row) for row in shown],
        page_info=PageInfo(
            has_next_page=len(rows) > size,
            has_previous_page=after is not None,
            start_cursor=cursors[0] if cursors else None,
            end_cursor=cursors[-1] if cursors else None,
        ),
        total_count=Long(total),
    )


FIELD = strawberry.field(
    resolver=search_parked,
    description="Documents that the search engine refused: they are not found, or found as they were, until the product "
    "changes or they are tried again. For staff and apps, with the scope settings:read.",
)
"""The root field, which the query takes in."""


def _parked(database: Database, limit: int, place: tuple[int, int] | None) -> tuple[list[Any], int]:
    with database.read() as tx:
        return list(queue.parked(tx, limit, after=place)), queue.parked_count(tx)


def _shown(row: Any) -> SearchParked:
    channel = row["channel_id"]
    return SearchParked(
        product_id=strawberry.ID(ids.encode("product", row["product_id"])),
        channel_id=strawberry.ID(ids.encode("channel", channel)) if channel else None,
        reason=row["reason"],
        attempts=row["attempts"],
        parked_at=row["parked_at"],
    )


def _size(first: int | None) -> int:
    if first is None:
        return DEFAULT_PAGE
    if first < 1:
        raise Invalid(f"first is {first}: give 1 to {LARGEST_PAGE}.", ("first",))
    if first > LARGEST_PAGE:
        raise Limit(f"first is {first}: at most {LARGEST_PAGE} documents are given at once.", ("first",))
    return first


def _place(cursor: str) -> tuple[int, int]:
    product, _, channel = cursor.partition("-")
    if not (product.isdecimal() and channel.isdecimal() and max(len(product), len(channel)) <= DIGITS):
        raise Invalid(f'"{cursor}" is no cursor of this list: take one from pageInfo.', ("after",))
    return int(product), int(channel)


@strawberry.type(description="What trying again answers.")
class SearchParkedRetryPayload:
    """What trying again answers."""

    products: int = strawberry.field(description="Products whose documents are tried again now.")


def fields() -> list[StrawberryField]:
    """The mutations of this noun."""
    return [_search_parked_retry()]


def _search_parked_retry() -> StrawberryField:
    async def search_parked_retry(info: Info, products: list[str] | None = None) -> SearchParkedRetryPayload:
        info.context.viewer.require("settings", "write")
        if products is not None and len(products) > MOST_RETRIED:
            raise Limit(
                f"products has {len(products)} ids: give at most {MOST_RETRIED}, or none for all.",
                ("products",),
            )
        wanted = [local_id(each, "product", ("products", place)) for place, each in enumerate(products or ())]
        done = await asyncio.to_thread(_retry, info.context, None if products is None else wanted)
        return SearchParkedRetryPayload(products=done)

    return field(
        "search_parked_retry",
        search_parked_retry,
        "Try again to index documents that the search engine refused. Those that it takes are no longer in "
        "searchParked. Needs the scope settings:write.",
        SearchParkedRetryPayload,
        products=Annotated[
            list[strawberry.ID] | None,
            strawberry.argument(description="Only those of these products; null for all."),
        ],
    )


def _retry(context: Context, wanted: list[int] | None) -> int:
    try:
        generation = _index(context).current()
    except UnavailableError as away:
        raise Invalid(str(away)) from away
    if generation is None:
        raise NotFound("Search has no index yet: wait for the relay to make it.")
    with context.database.engine.begin() as tx:
        return queue.retry(tx, generation, wanted)


def _allowed(context: Context) -> None:
    """Raise ``Forbidden`` for storefronts and their customers, who read settings such as channels, and for apps that do not."""
    context.viewer.require("settings", "read")
    if not context.viewer.sees_unlisted:
        raise Forbidden("How search stands is told to staff and apps.")


def _index(context: Context) -> Index:
    index: Index = context.extras["search"]
    return index
