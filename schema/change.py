"""Changes: the feed as it is pulled."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum
from time import monotonic
from typing import Annotated, Any

import strawberry
from strawberry.scalars import JSON
from strawberry.types import Info

from hub import audience, change, feed, ids
from hub.errors import Forbidden, HubError, Invalid, Limit
from hub.feed import Ends, Position
from hub.follow import Page, Wanted
from hub.viewer import Viewer
from schema.connection import PageInfo
from schema.context import Context
from schema.desk import Desk
from schema.scalar import Long
from webhooks import event

LARGEST_PAGE = 1_000
DEFAULT_PAGE = 100
LONGEST_WAIT = 30
"""Seconds that a page may wait for a change. Proxies and load balancers cut what is silent for a minute."""
LOOK_SECONDS = 1.0
"""How often a waiting request sees whether its client is still there."""


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
    erased: bool = strawberry.field(
        description="Whether it held personal data of somebody who was erased since; both values are null then."
    )


@strawberry.type(description="What one transaction changed of one object.")
class Change:
    """What one transaction changed of one object."""

    cursor: str = strawberry.field(description="Give it as after to read on behind this change.")
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
        description="endCursor is where to read on, also after an empty page. hasNextPage may be true of a page that is "
        "short or empty: a rare event is looked for in parts."
    )


@strawberry.type(description="What the feed holds now.")
class FeedEnds:
    """What the feed holds now."""

    epoch: strawberry.ID = strawberry.field(
        description="Tells this feed from any other database's. Cursors of another epoch are refused."
    )
    first_sequence: Long = strawberry.field(
        description="The oldest change that is kept; the next one to come while nothing happened."
    )
    last_sequence: Long = strawberry.field(description="The newest change; 0 while nothing happened.")
    first_cursor: str = strawberry.field(description="Give it as after to read all that is kept.")
    last_cursor: str = strawberry.field(description="Give it as after to read what comes from now on.")


Types = Annotated[
    list[str] | None,
    strawberry.argument(
        description="Only changes that mean one of these events; order.* means all of a noun. Null: all."
    ),
]
InChannel = Annotated[
    str | None,
    strawberry.argument(
        description="Code of a channel: only what concerns it, as it sees it. Null: all that the token reaches."
    ),
]


async def changes(
    info: Info,
    after: Annotated[
        str | None,
        strawberry.argument(description="Cursor to read on from; null for the oldest change kept."),
    ] = None,
    types: Types = None,
    channel: InChannel = None,
    first: Annotated[
        int | None, strawberry.argument(description=f"How many: 1 to {LARGEST_PAGE}, {DEFAULT_PAGE} if null.")
    ] = None,
    wait: Annotated[
        int,
        strawberry.argument(
            description=f"Seconds that an empty page may wait for the first change, 0 to {LONGEST_WAIT}."
        ),
    ] = 0,
) -> ChangeConnection:
    """Page through the feed. Raises ``Forbidden``, ``Invalid``, ``Limit`` or ``GoneError``."""
    context: Context = info.context
    asked = await wanted(context, types, channel)
    size, seconds = _size(first), _seconds(wait)
    desk: Desk = context.extras["desk"]
    with about("after"):
        page = await desk.follower.read(asked, start(after), size)
    if seconds and not page.rows and page.is_last:
        with desk.waiters.taken(context.viewer.token_id):
            page = await _awaited(context, desk, asked, page, size, seconds)
    return _connection(page, context.viewer)


async def _awaited(context: Context, desk: Desk, asked: Wanted, page: Page, size: int, seconds: int) -> Page:
    """The first page that holds something, or the last empty one when the time is up or nobody waits any more."""
    deadline = monotonic() + seconds
    gone = context.extras.get("gone")
    while not page.rows and (left := deadline - monotonic()) > 0:
        if desk.closing.is_set() or (gone is not None and await gone()):
            break
        news = await desk.follower.news(asked, page.end, min(left, LOOK_SECONDS))
        if news is not None:
            later = await desk.follower.read(asked, Position(news, page.ends.epoch), size)
            page = Page(later.rows, page.begin, later.end, later.ends)
    return page


async def feed_ends(info: Info) -> FeedEnds:
    """What the feed holds. Raises ``Forbidden``."""
    context: Context = info.context
    require(context.viewer)
    ends = Ends(**(await context.database.rows(feed.ENDS))[0])
    return FeedEnds(
        epoch=strawberry.ID(ends.epoch.hex),
        first_sequence=Long(ends.first),
        last_sequence=Long(ends.last),
        first_cursor=ends.cursor(ends.first - 1),
        last_cursor=ends.cursor(ends.last),
    )


def require(viewer: Viewer) -> None:
    """Raises ``Forbidden`` for a token that the feed is closed to."""
    viewer.require("feed", "read")
    if not viewer.sees_unlisted:
        raise Forbidden("The feed is closed to storefronts and customers: use a staff or app token.")


async def wanted(context: Context, types: list[str] | None, channel: str | None) -> Wanted:
    """What is asked for of the feed, within what the token opens.

    Raises ``Forbidden``, ``Invalid`` for an event that never happens, ``NotFound`` for an unknown channel.
    """
    require(context.viewer)
    with about("types"):
        named = None if types is None else tuple(event.check(types))
    number = None
    if channel is not None:
        place = (await context.scope(channel)).channel
        number = place.id if place else None
    channels = audience.channels_of(context.viewer, number)
    return Wanted(
        nouns=frozenset(event.seen_by(context.viewer)),
        types=named,
        channels=None if channels is None else tuple(channels),
    )


@contextmanager
def about(argument: str) -> Iterator[None]:
    """Refusals inside are about this argument."""
    try:
        yield
    except HubError as refused:
        raise refused.under(argument) from None


def start(after: str | None) -> Position | None:
    """The position of a cursor. Raises ``Invalid`` for a text that is none."""
    try:
        return None if after is None else feed.decode(after)
    except ValueError as wrong:
        raise Invalid(f"{wrong} {feed.CURSORS}", ("after",)) from wrong


def _size(first: int | None) -> int:
    if first is None:
        return DEFAULT_PAGE
    if first < 1:
        raise Invalid(f"first is {first}: give 1 to {LARGEST_PAGE}.", ("first",))
    if first > LARGEST_PAGE:
        raise Limit(f"first is {first}: at most {LARGEST_PAGE} changes are given at once.", ("first",))
    return first


def _seconds(wait: int) -> int:
    if not 0 <= wait <= LONGEST_WAIT:
        raise Invalid(f"wait is {wait}: give 0 to {LONGEST_WAIT} seconds.", ("wait",))
    return wait


def _connection(page: Page, viewer: Viewer) -> ChangeConnection:
    nodes = [made(row, page.ends, viewer) for row in page.rows]
    return ChangeConnection(
        nodes=nodes,
        edges=[ChangeEdge(cursor=node.cursor, node=node) for node in nodes],
        page_info=PageInfo(
            has_next_page=not page.is_last,
            has_previous_page=page.begin >= page.ends.first,
            start_cursor=nodes[0].cursor if nodes else None,
            end_cursor=page.ends.cursor(page.end),
        ),
    )


def made(row: Any, ends: Ends, viewer: Viewer) -> Change:
    """A record as a viewer sees it."""
    return Change(
        cursor=ends.cursor(row["sequence"]),
        sequence=row["sequence"],
        type=row["type"],
        events=row["events"],
        entity_type=row["aggregate"],
        entity_id=strawberry.ID(ids.encode(row["aggregate"], row["aggregate_id"])),
        entity_version=row["version"],
        kind=ChangeKind(row["kind"]),
        changed_paths=[
            ChangedPath(path=each.path, old=each.old, new=each.new, erased=each.erased)
            for each in change.seen(row["changes"], viewer)
        ],
        actor=row["actor"],
        source=row["source"],
        reason=row["reason"],
        occurred_at=row["occurred_at"],
    )


FIELD = strawberry.field(
    resolver=changes,
    description="The feed: every committed change, in order, whoever made it and by whatever way. With wait it answers "
    "as soon as there is something.",
)
ENDS = strawberry.field(resolver=feed_ends, description="What the feed holds now, and where to begin.")
"""The root fields, which the query takes in."""
