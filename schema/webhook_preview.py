"""A dry run: the very body that an endpoint would get, without sending it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

import orjson
import sqlalchemy as sa
import strawberry
from strawberry.types import Info

from hub import ids
from hub.aggregate import Aggregate
from hub.db import Json
from hub.errors import HubError, Invalid, NotFound
from schema import cost, event_schema, example, payload_default, payload_document
from schema.context import Context
from schema.errors import UserError, stored, user_error
from schema.input import local_id
from schema.webhook_endpoint import keeper
from schema.webhook_filter import WebhookFilter, tree
from webhooks import body, endpoint, event, filter  # noqa: A004 - the noun
from webhooks.endpoint import NOUN
from webhooks.event import EventType

# The last change of an object that means the event, as the endpoint's channels are shown it.
LAST = sa.text(
    """
    SELECT f.sequence, f.type, f.version, f.kind, f.source, f.occurred_at, shown.events, shown.changes
    FROM feed f
    CROSS JOIN LATERAL hub_view(f.aggregate, f.aggregate_id, f.type, f.events, f.changes,
        CAST(:channels AS bigint[])) shown
    WHERE f.aggregate = :aggregate AND f.aggregate_id = :number AND :event = ANY (shown.events)
    ORDER BY f.sequence DESC LIMIT 1
    """
)


CONCERNS = sa.text("SELECT hub_concerns(:aggregate, :number, '[]', CAST(:channels AS bigint[])) AS concerns")


@strawberry.type(description="The body that an endpoint would get.")
class WebhookPreview:
    """The body that an endpoint would get."""

    body: str | None = strawberry.field(
        description="The body, byte for byte as it would be sent; null when it was refused."
    )
    size: int | None = strawberry.field(description="Bytes of the body; null when it was refused.")
    passes: bool | None = strawberry.field(
        description="Whether the filter lets it through, true without one; null when it was refused."
    )
    cost: int | None = strawberry.field(
        description="Objects that the document asks for at most, of which 2,000,000 are allowed; null when it was"
        " refused, and for a thin endpoint."
    )
    objects: int | None = strawberry.field(
        description="Objects that it got; null when it was refused, and for a thin endpoint."
    )
    user_errors: list[UserError] = strawberry.field(description="Why it was refused; empty when it was not.")


async def webhook_preview(
    info: Info,
    event_type: Annotated[str, strawberry.argument(description="The event, for example product.updated.")],
    entity_id: Annotated[strawberry.ID, strawberry.argument(description="The object that it is about.")],
    endpoint_id: Annotated[
        strawberry.ID | None,
        strawberry.argument(
            description="The endpoint whose rights, channel, document and filter count; null: a new one of this token."
        ),
    ] = None,
    document: Annotated[
        str | None,
        strawberry.argument(description="A document in place of the endpoint's; null for that one."),
    ] = None,
    filter: Annotated[  # noqa: A002 - the API's name
        WebhookFilter | None,
        strawberry.argument(description="A filter in place of the endpoint's; null for that one."),
    ] = None,
    channel: Annotated[
        str | None,
        strawberry.argument(description="Code of a channel in place of the endpoint's; null for that one."),
    ] = None,
) -> WebhookPreview:
    """Show a body."""
    info.context.viewer.require("webhooks", "read")
    given = {"document": document, "filter": None if filter is None else tree(filter), "channel": channel}
    try:
        number = None if endpoint_id is None else local_id(endpoint_id, NOUN, ("endpoint_id",))
        row = await _row(info, number, {name: each for name, each in given.items() if each is not None})
        return await _previewed(info, row, _event(event_type, ("event_type",)), entity_id)
    except HubError as refused:
        errors = [user_error(stored(refused))]
        return WebhookPreview(body=None, size=None, passes=None, cost=None, objects=None, user_errors=errors)


FIELD = strawberry.field(
    resolver=webhook_preview,
    description="The very body that an endpoint would get, made of a real object and not sent: to try a document or a"
    " filter. What changed is what changed last.",
)
"""The root field, which the query takes in."""


async def test(info: Info, number: int, event_type: str, entity_id: str | None) -> bytes:
    """The body of a test for an endpoint: of a real object, or made up. Raises ``hub.errors.HubError``."""
    row = await _row(info, number, {})
    about = _event(event_type, ("type",))
    _check_seen(row, about, "type")
    told = (
        example.of(event_schema.body(row, about))
        if entity_id is None
        else await _told(info, row, about, entity_id)
    )
    told["events"] = list(dict.fromkeys((told["type"], about.name)))
    return orjson.dumps({**told, "purpose": "test"})


async def _row(info: Info, number: int | None, given: Json) -> Json:
    """The endpoint with what is given in place of its own, checked as if it were saved."""
    context: Context = info.context

    def read() -> Json:
        with context.database.read() as tx:
            return endpoint.imagined(tx, keeper(info), context.viewer, number, given)

    return await asyncio.to_thread(read)


def _check_seen(row: Json, about: EventType, argument: str) -> None:
    """Raises ``hub.errors.Invalid`` for an event of what the endpoint has no scope to see."""
    if about.aggregate not in event.seen_by(endpoint.viewer(row)):
        raise Invalid(
            f"The endpoint may not see {about.aggregate}, so it is never told of {about.name}.", (argument,)
        )


def _event(name: str, path: tuple[str, ...]) -> EventType:
    with endpoint.under(*path):
        return event.one(name)


async def _previewed(info: Info, row: Json, about: EventType, entity_id: str) -> WebhookPreview:
    _check_seen(row, about, "event_type")
    told = await _told(info, row, about, entity_id)
    made = orjson.dumps(told)
    return WebhookPreview(
        body=made.decode(),
        size=len(made),
        passes=row["filter"] is None or filter.passes(row["filter"], orjson.loads(made)),
        cost=None if row["thin"] else payload_document.of(info.schema).cost(_document(row, about.aggregate)),
        objects=None if row["thin"] else cost.actual(told["data"]),
        user_errors=[],
    )


def _document(row: Mapping[str, Any], aggregate: str) -> str:
    text: str | None = row["document"]
    return payload_default.text(aggregate, endpoint.viewer(row)) if text is None else text


async def _told(info: Info, row: Json, about: EventType, entity_id: str) -> Json:
    """The body of an event that befell an object."""
    context: Context = info.context
    number = _entity(about, entity_id)
    viewer = endpoint.viewer(row)
    record = await _record(context, row, about, number)
    render = payload_document.of(info.schema).renderer(context.database)
    shown: Mapping[int, Any] = {}
    if record["kind"] != "DELETED" and not row["thin"]:
        shown = await render(row["document"], about.aggregate, [number], viewer)
    return body.told(about.aggregate, number, record, viewer, shown.get(number))


def _entity(about: EventType, entity_id: str) -> int:
    try:
        noun, number = ids.decode(entity_id)
    except ValueError as wrong:
        raise Invalid(str(wrong), ("entity_id",)) from wrong
    if noun != about.aggregate:
        raise Invalid(
            f'"{entity_id}" belongs to another noun, {noun}: give an id of the noun {about.aggregate},'
            f" which {about.name} is about.",
            ("entity_id",),
        )
    return number


async def _record(context: Context, row: Json, about: EventType, number: int) -> Json:
    channels = row["channel_ids"] if row["channel_id"] is None else [row["channel_id"]]
    asked = {"channels": channels, "aggregate": about.aggregate, "number": number, "event": about.name}
    found = await context.database.rows(LAST, asked)
    if found:
        return dict(found[0])
    if not (await context.database.rows(CONCERNS, asked))[0]["concerns"]:
        raise _missing(about, number)
    return await _supposed(context, about, number)


async def _supposed(context: Context, about: EventType, number: int) -> Json:
    """A record of an event that the feed holds none of."""
    statement = sa.select(Aggregate.version, Aggregate.source).where(
        Aggregate.type == about.aggregate, Aggregate.id == number
    )
    found = await context.database.rows(statement)
    if not found:
        raise _missing(about, number)
    kind = about.kind or "updated"
    type_ = event.of(about.aggregate, kind)
    return {
        "type": type_,
        "events": list(dict.fromkeys((type_, about.name))),
        "kind": kind.upper(),
        "occurred_at": datetime.now(UTC),
        "sequence": 1,
        "version": found[0]["version"],
        "source": found[0]["source"],
        "changes": [],
    }


def _missing(about: EventType, number: int) -> NotFound:
    """An object of other channels only is told of as if there were none."""
    wanted = ids.encode(about.aggregate, number)
    return NotFound(f'"{wanted}" is no object that the endpoint is told of.', ("entity_id",))
