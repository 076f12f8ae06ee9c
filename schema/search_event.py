"""Events of search: what shops tell of, and what staff learn from it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any

import sqlalchemy as sa
import strawberry
from strawberry.types import Info
from strawberry.types.field import StrawberryField

from hub import search_event, value
from hub.db import Json
from hub.errors import HubError, Invalid, Limit, Required
from schema import rule
from schema.context import Context
from schema.declare import NOUNS
from schema.errors import UserError, stored, user_error
from schema.input import local_id
from schema.scalar import Long

LARGEST_BATCH = 1_000
LONGEST_KEY = 100
LATEST = timedelta(minutes=5)
"""How far a sender's clock may be ahead."""

OLDEST = timedelta(days=7)
LARGEST_POSITION = 1_000_000
LARGEST_REPORT = 1_000
DEFAULT_REPORT = 50
LONGEST_PERIOD = timedelta(days=366)
DEFAULT_PERIOD = timedelta(days=7)


@strawberry.enum(description="What befell. IMPRESSION: a hit was shown. CART: it was put into a cart.")
class SearchEventKind(StrEnum):
    """What befell."""

    QUERY = "query"
    IMPRESSION = "impression"
    CLICK = "click"
    CART = "cart"
    ORDER = "order"


@strawberry.input(description="Something that befell with search.")
class SearchEventInput:
    """Something that befell with search."""

    kind: SearchEventKind = strawberry.field(description="What.")
    query_id: str = strawberry.field(
        description="The queryId of the answer that it is about. A shop that searches elsewhere makes its own."
    )
    product: strawberry.ID | None = strawberry.field(
        description="The product's id; needed unless it is a QUERY.", default=None
    )
    position: int | None = strawberry.field(
        description="Where the product stood among the hits, from 1 on.", default=None
    )
    query: str | None = strawberry.field(
        description="For QUERY: the words. The hub notes its own queries itself.", default=None
    )
    results: int | None = strawberry.field(description="For QUERY: how many hits there were.", default=None)
    filtered: bool | None = strawberry.field(
        description="For QUERY: whether filters narrowed it. Then no hits are no fault of the words, and are not reported as such.",
        default=None,
    )
    session: str | None = strawberry.field(
        description="Anything that is the same during a visit and says nothing of the visitor; only a keyed hash is kept.",
        default=None,
    )
    at: datetime | None = strawberry.field(description="When; null: now. At most 7 days ago.", default=None)
    key: str | None = strawberry.field(
        description=f"Up to {LONGEST_KEY} characters, the sender's own: an event that is sent again under it counts once.",
        default=None,
    )


@strawberry.type(description="What became of events.")
class SearchEventPayload:
    """What became of events."""

    recorded: int = strawberry.field(description="How many were new; 0 when they were refused.")
    known: int = strawberry.field(description="How many were there already, by their keys.")
    unknown: int = strawberry.field(
        description="How many of them name a queryId that is of no answer of this hub, and under which no QUERY was sent:"
        " reports cannot count those until one is."
    )
    user_errors: list[UserError] = strawberry.field(description="Why none was kept; empty when they were.")


@strawberry.enum(
    description="Which queries a report shows. TOP: those asked most. ZERO_RESULTS: those that found nothing. LOW_CLICKS:"
    " those asked five times or more that are clicked most rarely."
)
class SearchReportKind(StrEnum):
    """Which queries a report shows."""

    TOP = "TOP"
    ZERO_RESULTS = "ZERO_RESULTS"
    LOW_CLICKS = "LOW_CLICKS"


@strawberry.type(description="A query in a report.")
class SearchReportRow:
    """A query in a report."""

    query: str = strawberry.field(
        description="The words, in lower case; addresses and long numbers are covered."
    )
    asked: Long = strawberry.field(description="How often it was asked.")
    sessions: Long = strawberry.field(description="By how many sessions that named themselves.")
    without_results: Long = strawberry.field(description="How often nothing was found.")
    results: float | None = strawberry.field(description="Hits on average; null where nobody said.")
    clicked: Long = strawberry.field(description="How often at least one hit was clicked.")
    clicks: Long = strawberry.field(description="Clicks on hits.")
    carts: Long = strawberry.field(description="Hits put into a cart.")
    orders: Long = strawberry.field(description="Hits ordered.")
    click_rate: float = strawberry.field(
        description="Of all times it was asked, how many led to a click: 0 to 1."
    )
    position: float | None = strawberry.field(
        description="Where the clicked hits stood on average, from 1 on; null where no click said."
    )


async def _send(
    info: Info,
    events: Annotated[
        list[SearchEventInput],
        strawberry.argument(
            description=f"What befell, up to {LARGEST_BATCH} at once; all are kept, or none."
        ),
    ],
    channel: Annotated[
        str | None, strawberry.argument(description="Code of the channel; null: the token's own.")
    ] = None,
    locale: Annotated[
        str | None, strawberry.argument(description="BCP 47 tag of the locale; null: the token's own.")
    ] = None,
) -> SearchEventPayload:
    """Keep events. Raises ``Forbidden``, ``NotFound`` or ``Required`` for the channel."""
    context: Context = info.context
    rule.opened(context.viewer, NOUNS["Product"])
    scope = await context.scope(channel, locale)
    if scope.channel is None:
        raise Required("Events belong to a channel: name it.", ("channel",))
    place = {"channel_id": scope.channel.id, "locale": scope.wanted or scope.locales[0]}
    try:
        if len(events) > LARGEST_BATCH:
            raise Limit(f"{len(events)} events are sent at once: send {LARGEST_BATCH} at most.")
        rows = [place | _row(context, each, at) for at, each in enumerate(events)]
    except HubError as refused:
        errors = [user_error(stored(refused), ("events",))]
        return SearchEventPayload(recorded=0, known=0, unknown=0, user_errors=errors)

    asked = {str(row["query_id"]) for row in rows if row["kind"] != SearchEventKind.QUERY.value}
    foreign = {each for each in asked if not search_event.is_own(context.extras["secret"], each)}

    def write() -> tuple[int, set[str]]:
        with context.database.write(context.viewer.writer) as tx:
            return search_event.record(tx, rows), search_event.unknown(tx, foreign)

    new, lost = await asyncio.to_thread(write)
    unknown = sum(row["query_id"] in lost for row in rows)
    return SearchEventPayload(recorded=new, known=len(rows) - new, unknown=unknown, user_errors=[])


def _row(context: Context, given: SearchEventInput, place: int) -> Json:
    try:
        return _checked(context, given)
    except HubError as wrong:
        raise wrong.under(place) from wrong


def _checked(context: Context, given: SearchEventInput) -> Json:
    query = given.kind is SearchEventKind.QUERY
    if query and given.query is None:
        raise Required("A QUERY says its words.", ("query",))
    if not query and given.product is None:
        raise Required(f"A {given.kind.name} names its product.", ("product",))
    product = None if given.product is None else local_id(given.product, "product", ("product",))
    key = _text(given.key, "key")
    return {
        "kind": given.kind.value,
        "query_id": _text(given.query_id, "query_id"),
        "product_id": product,
        "position": _count(given.position, "position", 1),
        "query": search_event.covered(given.query or "") if query else None,
        "results": _results(given) if query else None,
        "session": search_event.session_hash(context.extras["secret"], given.session),
        "at": _moment(given.at),
        "key": None if key is None else f"{context.viewer.token_id or 0}:{key}",
    }


def _text(given: str | None, name: str) -> str | None:
    if given is None:
        return None
    if not 0 < len(given) <= LONGEST_KEY or "\0" in given:
        raise Invalid(f"{name} has 1 to {LONGEST_KEY} characters, and no U+0000.", (name,))
    return given


def _results(given: SearchEventInput) -> int | None:
    results = _count(given.results, "results", 0)
    return search_event.counted(given.query or "", results, filtered=bool(given.filtered))


def _count(given: int | None, name: str, least: int) -> int | None:
    if given is not None and not least <= given <= LARGEST_POSITION:
        raise Invalid(f"{name} is {given}: give {least} to {LARGEST_POSITION}.", (name,))
    return given


def _moment(given: datetime | None) -> datetime:
    now = datetime.now(UTC)
    if given is None:
        return now
    try:
        moment: datetime = value.moment(given)
    except HubError as wrong:
        raise wrong.under("at") from wrong
    if not now - OLDEST <= moment <= now + LATEST:
        raise Invalid(f"{moment} is not within the last {OLDEST.days} days: leave at out for now.", ("at",))
    return moment


async def search_report(
    info: Info,
    kind: Annotated[SearchReportKind, strawberry.argument(description="Which queries.")],
    channel: Annotated[str, strawberry.argument(description="Code of the channel.")],
    locale: Annotated[
        str | None, strawberry.argument(description="Only queries in this locale; null: all.")
    ] = None,
    since: Annotated[
        datetime | None, strawberry.argument(description="From when on; null: the last 7 days of the period.")
    ] = None,
    until: Annotated[datetime | None, strawberry.argument(description="Until when; null: now.")] = None,
    first: Annotated[
        int | None,
        strawberry.argument(description=f"How many: 1 to {LARGEST_REPORT}; {DEFAULT_REPORT} if null."),
    ] = None,
) -> list[SearchReportRow]:
    """What was asked, and what came of it. Raises ``Forbidden``, ``NotFound``, ``Invalid`` or ``Limit``."""
    context: Context = info.context
    context.viewer.require("search", "read")
    scope = await context.scope(channel)
    assert scope.channel is not None
    values = _period(since, until) | {
        "channel": scope.channel.id,
        "locale": None if locale is None else value.locale(locale),
        "first": _size(first),
    }
    typed = search_event.report(kind.value).bindparams(
        sa.bindparam("since", type_=sa.DateTime(timezone=True)),
        sa.bindparam("until", type_=sa.DateTime(timezone=True)),
    )
    return _rows(await context.database.rows(typed, values))


REPORT = strawberry.field(
    resolver=search_report,
    description="What was asked in a channel, how much it found, and what came of it: for tokens with search:read.",
)
"""The root field, which the query takes in."""


def fields() -> list[StrawberryField]:
    """The mutation of events."""
    return [
        strawberry.mutation(
            resolver=_send,
            name="searchEvent",
            description="Tell what befell with hits of a search: clicks, carts, orders. Open to storefronts; nothing of a"
            " visitor is kept but a keyed hash of the session.",
        )
    ]


def _rows(rows: Sequence[Any]) -> list[SearchReportRow]:
    return [SearchReportRow(**row, click_rate=row["clicked"] / row["asked"]) for row in rows]


def _period(since: datetime | None, until: datetime | None) -> dict[str, datetime]:
    end = datetime.now(UTC) if until is None else value.moment(until)
    start = end - DEFAULT_PERIOD if since is None else value.moment(since)
    if start >= end:
        raise Invalid(f"The period ends at {end}, before it begins: give a later end.", ("until",))
    if end - start > LONGEST_PERIOD:
        raise Limit(f"The period is longer than {LONGEST_PERIOD.days} days: give a later start.", ("since",))
    return {"since": start, "until": end}


def _size(first: int | None) -> int:
    size = DEFAULT_REPORT if first is None else first
    if size < 1:
        raise Invalid(f"first is {size}: give 1 to {LARGEST_REPORT}.", ("first",))
    if size > LARGEST_REPORT:
        raise Limit(f"first is {size}: a report shows {LARGEST_REPORT} queries at most.", ("first",))
    return size
