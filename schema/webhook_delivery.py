"""Webhook deliveries in the API: what was sent, and what came of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

import sqlalchemy as sa
import strawberry
from strawberry.types import Info

from hub import ids
from hub.db import Json
from hub.errors import Invalid, Limit
from hub.feed import Feed
from schema import webhook_delivery_filter
from schema.connection import PageInfo
from schema.context import Context
from schema.input import local_id
from schema.scalar import Long
from schema.webhook_delivery_filter import (
    DELIVERY,
    IN_STATE,
    STATE,
    DeliveryFilter,
    WebhookDeliveryState,
    WebhookOutcome,
    WebhookPurpose,
)
from webhooks import endpoint
from webhooks.delivery import Attempt, Delivery
from webhooks.endpoint import NOUN, Endpoint, under

ATTEMPT = "webhook_attempt"
LARGEST_PAGE = 100
DEFAULT_PAGE = 20


@strawberry.enum(description="From which end deliveries are read.")
class WebhookDeliveryOrder(StrEnum):
    """From which end deliveries are read."""

    NEWEST = "newest"
    OLDEST = "oldest"


@strawberry.type(description="A header of a request.")
class WebhookHeader:
    """A header of a request."""

    name: str = strawberry.field(description="Its name.")
    value: str = strawberry.field(description="Its value; *** for the endpoint's own, which are secret.")


@strawberry.type(description="What was sent in an attempt, beside the body.")
class WebhookRequest:
    """What was sent in an attempt."""

    url: str = strawberry.field(description="Where it was posted.")
    headers: list[WebhookHeader] = strawberry.field(description="The headers that the hub set.")


@strawberry.type(description="One try to deliver.")
class WebhookAttempt:
    """One try to deliver."""

    id: strawberry.ID = strawberry.field(description="Its id.")
    number: int = strawberry.field(description="From 1 on, over all attempts of the delivery.")
    started_at: datetime = strawberry.field(description="When it began.")
    milliseconds: int = strawberry.field(description="How long it took.")
    outcome: WebhookOutcome = strawberry.field(description="What came of it.")
    status: int | None = strawberry.field(description="The HTTP status; null without an answer.")
    error: str | None = strawberry.field(description="Why it was no success; null for a success.")
    response: str | None = strawberry.field(
        description="The beginning of the answer; null without one, and for a token that may not see the body."
    )
    request: WebhookRequest | None = strawberry.field(
        description="What was sent beside the body; null where nothing was."
    )


async def _body(root: strawberry.Parent[WebhookDelivery], info: Info) -> str | None:
    body: str | None = await _loader(info, "bodies", _bodies).load(root.row["id"])
    return body


async def _events(root: strawberry.Parent[WebhookDelivery], info: Info) -> list[str]:
    if root.row["sequence"] is None:
        return [root.type]
    events: list[str] = await _loader(info, "events", _told).load(root.row["sequence"])
    return events or [root.type]


async def _tried(root: strawberry.Parent[WebhookDelivery], info: Info) -> list[WebhookAttempt]:
    attempts: list[WebhookAttempt] = await _loader(info, "attempts", _attempts).load(root.row["id"])
    return attempts


@strawberry.type(description="One event on its way to one endpoint.")
class WebhookDelivery:
    """One event on its way to one endpoint."""

    row: strawberry.Private[Any]
    id: strawberry.ID = strawberry.field(description="Its id.")
    endpoint_id: strawberry.ID = strawberry.field(description="The endpoint.")
    message_id: str = strawberry.field(description="The webhook-id, the same in every attempt.")
    purpose: WebhookPurpose = strawberry.field(description="What it is for.")
    sequence: Long | None = strawberry.field(
        description="The change that it tells of; null for any other purpose."
    )
    type: str = strawberry.field(description="The event, for example product.updated.")
    entity_type: str = strawberry.field(description="The object's noun.")
    entity_id: strawberry.ID = strawberry.field(description="The object's id.")
    state: WebhookDeliveryState = strawberry.field(description="How far it is.")
    occurred_at: datetime = strawberry.field(description="When the change was committed.")
    due_at: datetime | None = strawberry.field(
        description="When it is sent next; null when nothing is planned."
    )
    delivered_at: datetime | None = strawberry.field(description="When the receiver took it; null before.")
    settled_at: datetime | None = strawberry.field(
        description="When it was delivered, or found that it is not to be sent; null before."
    )
    erased_at: datetime | None = strawberry.field(
        description="When its body was erased with the person that it told of; null for any other."
    )
    attempt_count: int = strawberry.field(description="Attempts since it was made.")

    events: list[str] = strawberry.field(
        resolver=_events,
        description="Everything that the change means; the type alone once the feed dropped it.",
    )
    body: str | None = strawberry.field(
        resolver=_body,
        description="The body as it was sent; null before the first attempt, and for a token that may see less than"
        " the endpoint.",
    )
    attempts: list[WebhookAttempt] = strawberry.field(
        resolver=_tried, description="What was tried, the latest first, at most 100."
    )


@strawberry.type(description="A delivery with the cursor after it.")
class WebhookDeliveryEdge:
    """A delivery with the cursor after it."""

    cursor: str = strawberry.field(description="Give it as after to read on from here.")
    node: WebhookDelivery = strawberry.field(description="The delivery.")


@strawberry.type(description="A page of deliveries.")
class WebhookDeliveryConnection:
    """A page of deliveries."""

    nodes: list[WebhookDelivery] = strawberry.field(description="The deliveries.")
    edges: list[WebhookDeliveryEdge] = strawberry.field(description="The deliveries, each with its cursor.")
    page_info: PageInfo = strawberry.field(description="Where the page stands.")


EndpointArgument = Annotated[
    strawberry.ID | None, strawberry.argument(description="Only those of this endpoint; null for all.")
]
EntityArgument = Annotated[
    strawberry.ID | None, strawberry.argument(description="Only those about this object; null for all.")
]
StateArgument = Annotated[
    WebhookDeliveryState | None, strawberry.argument(description="Only those in this state; null for all.")
]
FilterArgument = Annotated[
    DeliveryFilter | None, strawberry.argument(description="Only those that fit; null for all.")
]
First = Annotated[
    int | None, strawberry.argument(description=f"How many: 1 to {LARGEST_PAGE}; {DEFAULT_PAGE} if null.")
]


async def webhook_deliveries(
    info: Info,
    endpoint: EndpointArgument = None,
    entity: EntityArgument = None,
    state: StateArgument = None,
    filter: FilterArgument = None,  # noqa: A002 - the API's name
    order: Annotated[
        WebhookDeliveryOrder, strawberry.argument(description="From which end to read.")
    ] = WebhookDeliveryOrder.NEWEST,
    first: First = None,
    after: Annotated[
        str | None, strawberry.argument(description="Cursor to read on from; null for that end.")
    ] = None,
) -> WebhookDeliveryConnection:
    """Deliveries. Raises ``Invalid`` or ``Limit``."""
    info.context.viewer.require("webhooks", "read")
    newest = order is WebhookDeliveryOrder.NEWEST
    wanted = [*chosen(endpoint, entity, state, filter)]
    if after is not None:
        number = local_id(after, "cursor", ("after",))
        wanted.append(Delivery.id < number if newest else Delivery.id > number)
    size = _size(first)
    rows = await info.context.database.rows(deliveries(sa.and_(sa.true(), *wanted), size + 1, newest=newest))
    nodes = [shown(row) for row in rows[:size]]
    edges = [WebhookDeliveryEdge(cursor=ids.encode("cursor", node.row["id"]), node=node) for node in nodes]
    page = PageInfo(
        has_next_page=len(rows) > size,
        has_previous_page=after is not None,
        start_cursor=edges[0].cursor if edges else None,
        end_cursor=edges[-1].cursor if edges else None,
    )
    return WebhookDeliveryConnection(nodes=nodes, edges=edges, page_info=page)


FIELD = strawberry.field(
    resolver=webhook_deliveries,
    description="Webhook deliveries, the latest first unless asked otherwise: successes too.",
)
"""The root field, which the query takes in."""


def _size(first: int | None) -> int:
    if first is None:
        return DEFAULT_PAGE
    if first < 1:
        raise Invalid(f"first is {first}: give 1 to {LARGEST_PAGE}.", ("first",))
    if first > LARGEST_PAGE:
        raise Limit(f"first is {first}: at most {LARGEST_PAGE} deliveries are given at once.", ("first",))
    return first


def chosen(
    of_endpoint: str | None,
    entity: str | None,
    state: WebhookDeliveryState | None,
    filter: DeliveryFilter | None,  # noqa: A002 - the API's name
) -> list[sa.ColumnElement[bool]]:
    """The conditions that the arguments mean."""
    found: list[sa.ColumnElement[bool]] = []
    if of_endpoint is not None:
        found.append(Delivery.endpoint_id == local_id(of_endpoint, NOUN, ("endpoint",)))
    if entity is not None:
        found.append(webhook_delivery_filter.about(entity))
    if state is not None:
        found.append(IN_STATE[state])
    if filter is not None:
        with under("filter"):
            found += webhook_delivery_filter.conditions(filter)
    return found


def deliveries(wanted: sa.ColumnElement[bool], limit: int, *, newest: bool = True) -> sa.Select[Any]:
    """Select deliveries without their bodies."""
    columns = [column for column in Delivery.__table__.columns if column.name != "body"]
    order = Delivery.id.desc() if newest else Delivery.id
    return sa.select(*columns, STATE.label("state")).where(wanted).order_by(order).limit(limit)


def shown(row: Any) -> WebhookDelivery:
    """A row of ``deliveries`` as the API shows it."""
    return WebhookDelivery(
        row=row,
        id=strawberry.ID(ids.encode(DELIVERY, row["id"])),
        endpoint_id=strawberry.ID(ids.encode(NOUN, row["endpoint_id"])),
        message_id=row["message"],
        purpose=WebhookPurpose(row["purpose"]),
        sequence=row["sequence"],
        type=row["type"],
        entity_type=row["aggregate"],
        entity_id=strawberry.ID(ids.encode(row["aggregate"], row["aggregate_id"])),
        state=WebhookDeliveryState(row["state"]),
        occurred_at=row["occurred_at"],
        due_at=row["due_at"],
        delivered_at=None if row["skipped"] else row["delivered_at"],
        settled_at=row["delivered_at"],
        erased_at=row["erased_at"],
        attempt_count=row["attempts"],
    )


def _loader(info: Info, name: str, batch: Callable[[Context, list[int]], Any]) -> Any:
    context: Context = info.context

    async def load(keys: list[int]) -> Any:
        return await batch(context, keys)

    return context.loader(("webhook", name), load)


async def _bodies(context: Context, keys: list[int]) -> list[str | None]:
    statement = (
        sa.select(Delivery.id, Delivery.body, Endpoint.scopes, Endpoint.channel_ids)
        .join(Endpoint, Endpoint.id == Delivery.endpoint_id)
        .where(Delivery.id.in_(keys), Delivery.body.is_not(None))
    )
    rows = await context.database.rows(statement)
    found = {row["id"]: row["body"].decode() for row in rows if endpoint.covers(context.viewer, dict(row))}
    return [found.get(key) for key in keys]


async def _told(context: Context, keys: list[int]) -> list[list[str]]:
    rows = await context.database.rows(sa.select(Feed.sequence, Feed.events).where(Feed.sequence.in_(keys)))
    found = {row["sequence"]: row["events"] for row in rows}
    return [found.get(key, []) for key in keys]


async def _attempts(context: Context, keys: Sequence[int]) -> list[list[WebhookAttempt]]:
    place = (
        sa.func.row_number().over(partition_by=Attempt.delivery_id, order_by=Attempt.id.desc()).label("place")
    )
    latest = (
        sa.select(Attempt.__table__, place, Endpoint.scopes, Endpoint.channel_ids)
        .join(Delivery, Delivery.id == Attempt.delivery_id)
        .join(Endpoint, Endpoint.id == Delivery.endpoint_id)
        .where(Attempt.delivery_id.in_(keys))
        .subquery()
    )
    statement = sa.select(latest).where(latest.c.place <= LARGEST_PAGE).order_by(latest.c.id.desc())
    found: dict[int, list[WebhookAttempt]] = defaultdict(list)
    for row in await context.database.rows(statement):
        found[row["delivery_id"]].append(_attempt(row, whole=endpoint.covers(context.viewer, dict(row))))
    return [found[key] for key in keys]


def _attempt(row: Any, *, whole: bool) -> WebhookAttempt:
    """``whole``: with what came back, which may repeat the body."""
    return WebhookAttempt(
        id=strawberry.ID(ids.encode(ATTEMPT, row["id"])),
        number=row["number"],
        started_at=row["started_at"],
        milliseconds=row["milliseconds"],
        outcome=WebhookOutcome(row["outcome"]),
        status=row["status"],
        error=row["error"],
        response=row["response"] if whole else None,
        request=_request(row["request"]),
    )


def _request(sent: Json | None) -> WebhookRequest | None:
    if sent is None:
        return None
    headers = [WebhookHeader(name=name, value=value) for name, value in sent["headers"].items()]
    return WebhookRequest(url=sent["url"], headers=headers)
