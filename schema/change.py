"""Changes: the feed as it is pulled."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

import sqlalchemy as sa
import strawberry
from strawberry.scalars import JSON
from strawberry.types import Info

from hub import change, feed, ids, registry
from hub.errors import Forbidden, HubError, Invalid, Limit
from hub.feed import Ends, Feed, Position
from hub.order import Order
from hub.viewer import Viewer
from schema.connection import PageInfo
from schema.context import Context
from schema.scalar import Long

LARGEST_PAGE = 1_000
DEFAULT_PAGE = 100


@strawberry.enum(description="What happened to the object as a whole.")
class ChangeKind(StrEnum):
    """What happened to the object as a whole."""

    CREATED = "CREATED"
    UPDATED = "UPDATED"
    DELETED = "DELETED"


@strawberry.type(description="A value that changed.")
class ChangedPath:
    """A value that changed."""

    path: str = strawberry.field(
        description="JSON Pointer into the object. A row that came or went is one path with the whole row."
    )
    old: JSON | None = strawberry.field(description="The value before; null where there was none.")
    new: JSON | None = strawberry.field(description="The value after; null where there is none any more.")


@strawberry.type(description="What one transaction changed of one object.")
class Change:
    """What one transaction changed of one object."""

    sequence: Long = strawberry.field(description="Its place in the feed: from 1 on, without gaps.")
    type: str = strawberry.field(description="Noun and kind, for example product.updated.")
    events: list[str] = strawberry.field(
        description="Everything that the change means, for example product.updated and price.changed."
    )
    entity_type: str = strawberry.field(description="The object's noun, for example product.")
    entity_id: strawberry.ID = strawberry.field(description="The object's id.")
    entity_version: Long = strawberry.field(description="The object's version with this change.")
    kind: ChangeKind = strawberry.field(description="What happened to the object as a whole.")
    changed_paths: list[ChangedPath] = strawberry.field(description="The values that changed.")
    actor: str = strawberry.field(description="Who changed it, for example token:7.")
    source: str = strawberry.field(description="The system that the new values come from.")
    reason: str | None = strawberry.field(description="Why, where the writer said so.")
    occurred_at: datetime = strawberry.field(description="When the transaction committed its change.")


@strawberry.type(description="A change with the cursor after it.")
class ChangeEdge:
    """A change with the cursor after it."""

    cursor: str = strawberry.field(description="Give it as after to read on from here.")
    node: Change = strawberry.field(description="The change.")


@strawberry.type(description="A page of the feed.")
class ChangeConnection:
    """A page of the feed."""

    nodes: list[Change] = strawberry.field(description="The changes, in their order.")
    edges: list[ChangeEdge] = strawberry.field(description="The changes, each with the cursor after it.")
    page_info: PageInfo = strawberry.field(
        description="endCursor is where to read on, also after an empty page. Null only while nothing ever happened."
    )


async def changes(
    info: Info,
    after: Annotated[
        str | None,
        strawberry.argument(description="Cursor to read on from; null for the oldest change kept."),
    ] = None,
    types: Annotated[
        list[str] | None,
        strawberry.argument(
            description="Only changes that mean one of these events; order.* means all of a noun."
        ),
    ] = None,
    first: Annotated[
        int | None, strawberry.argument(description=f"How many: 1 to {LARGEST_PAGE}, {DEFAULT_PAGE} if null.")
    ] = None,
) -> ChangeConnection:
    """Page through the feed. Raises ``Forbidden``, ``Invalid`` or ``Limit``."""
    context: Context = info.context
    context.viewer.require("feed", "read")
    size = _size(first)
    start = _start(after)
    # The end is read before the rows: what comes in between belongs to the next page.
    ends = Ends(**(await context.database.rows(feed.ENDS))[0])
    if start is not None:
        with _about_after():
            ends.check(start)
    begin = ends.first - 1 if start is None else start.sequence
    statement = feed.page(begin, types=types, limit=size + 1).where(
        Feed.sequence <= ends.last, *_seen(context.viewer)
    )
    return _page(await context.database.rows(statement), size, begin, ends, context.viewer)


@contextmanager
def _about_after() -> Iterator[None]:
    try:
        yield
    except HubError as refused:
        raise refused.under("after") from None


def _size(first: int | None) -> int:
    if first is None:
        return DEFAULT_PAGE
    if first < 1:
        raise Invalid(f"first is {first}: give 1 to {LARGEST_PAGE}.", ("first",))
    if first > LARGEST_PAGE:
        raise Limit(f"first is {first}: at most {LARGEST_PAGE} changes are given at once.", ("first",))
    return first


def _start(after: str | None) -> Position | None:
    try:
        return None if after is None else feed.decode(after)
    except ValueError as wrong:
        raise Invalid(str(wrong), ("after",)) from wrong


def _seen(viewer: Viewer) -> list[sa.ColumnElement[bool]]:
    """The nouns that the token's scopes open, and of orders those of its channels."""
    if not viewer.sees_unlisted:
        raise Forbidden("The feed is closed to storefronts and customers: use a staff or app token.")
    nouns = [part.name for part in registry.roots() if viewer.may(part.kept.scope, "read")]
    seen: list[sa.ColumnElement[bool]] = [Feed.aggregate.in_(nouns)]
    if viewer.channel_ids is not None:
        own = sa.exists().where(Order.id == Feed.aggregate_id, Order.channel_id.in_(viewer.channel_ids))
        gone = [
            Feed.changes.contains([{"t": "order", "op": "D", "o": {"channel_id": each}}])
            for each in viewer.channel_ids
        ]
        seen.append(sa.or_(Feed.aggregate != "order", own, *gone))
    return seen


def _page(
    rows: Sequence[sa.RowMapping], size: int, begin: int, ends: Ends, viewer: Viewer
) -> ChangeConnection:
    nodes = [_change(row, viewer) for row in rows[:size]]
    edges = [ChangeEdge(cursor=ends.cursor(node.sequence), node=node) for node in nodes]
    more = len(rows) > size
    end = nodes[-1].sequence if more else ends.last
    return ChangeConnection(
        nodes=nodes,
        edges=edges,
        page_info=PageInfo(
            has_next_page=more,
            has_previous_page=begin > 0,
            start_cursor=edges[0].cursor if edges else None,
            end_cursor=ends.cursor(end) if end else None,
        ),
    )


def _change(row: Any, viewer: Viewer) -> Change:
    return Change(
        sequence=row["sequence"],
        type=row["type"],
        events=row["events"],
        entity_type=row["aggregate"],
        entity_id=strawberry.ID(ids.encode(row["aggregate"], row["aggregate_id"])),
        entity_version=row["version"],
        kind=ChangeKind(row["kind"]),
        changed_paths=[
            ChangedPath(path=each.path, old=each.old, new=each.new)
            for each in change.seen(row["changes"], viewer)
        ],
        actor=row["actor"],
        source=row["source"],
        reason=row["reason"],
        occurred_at=row["occurred_at"],
    )


FIELD = strawberry.field(
    resolver=changes,
    description="The feed: every committed change, in order, whoever made it and by whatever way.",
)
"""The root field, which the query takes in."""
