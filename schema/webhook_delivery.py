"""Webhook deliveries in the API: what was sent, what came of it, and sending it again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

import sqlalchemy as sa
import strawberry
from strawberry.types import Info
from strawberry.types.field import StrawberryField

from hub import ids
from hub.errors import HubError, Invalid, Limit, NotFound, Required
from hub.viewer import Viewer
from schema.connection import PageInfo
from schema.context import Context
from schema.errors import UserError, stored, user_error
from schema.input import local_id
from schema.scalar import Long
from schema.webhook_endpoint import Id, Work, write
from webhooks import delivery, endpoint, event
from webhooks.delivery import Attempt, Delivery
from webhooks.endpoint import NOUN, Endpoint, Keeper

DELIVERY = "webhook_delivery"
"""How the global ids of deliveries call them."""

ATTEMPT = "webhook_attempt"
LARGEST_PAGE = 100
DEFAULT_PAGE = 20
MOST_RESENT = 10_000


@strawberry.enum(
    description="How far a delivery is. WAITING: an earlier one about the same object is not there yet."
    " PARKED: given up after the last attempt, until it is resent."
)
class WebhookDeliveryState(StrEnum):
    """How far a delivery is."""

    DUE = "due"
    WAITING = "waiting"
    DELIVERED = "delivered"
    PARKED = "parked"


@strawberry.enum(
    description="What came of an attempt. REFUSED: answered something else than 2xx. FAILED: no complete answer in"
    " time. BLOCKED: not sent, because its address or its payload document forbids it."
)
class WebhookOutcome(StrEnum):
    """What came of an attempt."""

    DELIVERED = "delivered"
    REFUSED = "refused"
    FAILED = "failed"
    BLOCKED = "blocked"


@strawberry.type(description="One try to deliver.")
class WebhookAttempt:
    """One try to deliver."""

    id: strawberry.ID = strawberry.field(description="Its id.")
    number: int = strawberry.field(description="From 1 on; it starts again when the delivery is resent.")
    started_at: datetime = strawberry.field(description="When it began.")
    milliseconds: int = strawberry.field(description="How long it took.")
    outcome: WebhookOutcome = strawberry.field(description="What came of it.")
    status: int | None = strawberry.field(description="The HTTP status; null without an answer.")
    error: str | None = strawberry.field(description="Why it was no success; null for a success.")
    response: str | None = strawberry.field(
        description="The beginning of the answer; null without an answer."
    )


async def _body(root: strawberry.Parent[WebhookDelivery], info: Info) -> str | None:
    body: str | None = await _loader(info, "bodies", _bodies).load(root.row["id"])
    return body


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
    sequence: Long | None = strawberry.field(description="The change that it tells of; null for a test.")
    type: str = strawberry.field(description="The event, for example product.updated.")
    entity_type: str = strawberry.field(description="The object's noun.")
    entity_id: strawberry.ID = strawberry.field(description="The object's id.")
    state: WebhookDeliveryState = strawberry.field(description="How far it is.")
    occurred_at: datetime = strawberry.field(description="When the change was committed.")
    due_at: datetime | None = strawberry.field(
        description="When it is sent next; null when nothing is planned."
    )
    delivered_at: datetime | None = strawberry.field(description="When the receiver took it; null before.")
    attempt_count: int = strawberry.field(description="Attempts since it was made, or last resent.")

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


@strawberry.type(description="A page of deliveries, the latest first.")
class WebhookDeliveryConnection:
    """A page of deliveries."""

    nodes: list[WebhookDelivery] = strawberry.field(description="The deliveries.")
    edges: list[WebhookDeliveryEdge] = strawberry.field(description="The deliveries, each with its cursor.")
    page_info: PageInfo = strawberry.field(description="Where the page stands.")


@strawberry.type(description="What a command on deliveries answers.")
class WebhookDeliveryPayload:
    """What a command on deliveries answers."""

    webhook_deliveries: list[WebhookDelivery] = strawberry.field(
        description="The first 100 of the deliveries as they are now; empty when it was refused."
    )
    count: int = strawberry.field(description="How many deliveries will be sent.")
    user_errors: list[UserError] = strawberry.field(description="Why it was refused; empty when it was done.")


EndpointArgument = Annotated[
    strawberry.ID | None, strawberry.argument(description="Only those of this endpoint; null for all.")
]
EntityArgument = Annotated[
    strawberry.ID | None, strawberry.argument(description="Only those about this object; null for all.")
]
StateArgument = Annotated[
    WebhookDeliveryState | None, strawberry.argument(description="Only those in this state; null for all.")
]
First = Annotated[
    int | None, strawberry.argument(description=f"How many: 1 to {LARGEST_PAGE}; {DEFAULT_PAGE} if null.")
]


async def webhook_deliveries(
    info: Info,
    endpoint: EndpointArgument = None,
    entity: EntityArgument = None,
    state: StateArgument = None,
    first: First = None,
    after: Annotated[
        str | None, strawberry.argument(description="Cursor to read on from; null for the latest.")
    ] = None,
) -> WebhookDeliveryConnection:
    """Deliveries, the latest first. Raises ``Invalid`` or ``Limit``."""
    info.context.viewer.require("webhooks", "read")
    chosen = [*_chosen(endpoint, entity, state)]
    if after is not None:
        chosen.append(Delivery.id < local_id(after, "cursor", ("after",)))
    size = _size(first)
    rows = await info.context.database.rows(_deliveries(sa.and_(sa.true(), *chosen), size + 1))
    nodes = [_delivery(row) for row in rows[:size]]
    edges = [WebhookDeliveryEdge(cursor=ids.encode("cursor", node.row["id"]), node=node) for node in nodes]
    page = PageInfo(
        has_next_page=len(rows) > size,
        has_previous_page=after is not None,
        start_cursor=edges[0].cursor if edges else None,
        end_cursor=edges[-1].cursor if edges else None,
    )
    return WebhookDeliveryConnection(nodes=nodes, edges=edges, page_info=page)


async def webhook_test(info: Info, id: Id) -> WebhookDeliveryPayload:  # noqa: A002 - the API's name
    """Send a test."""
    number = local_id(id, NOUN)

    def test(tx: sa.Connection, who: Viewer, _: Keeper) -> list[int]:
        if endpoint.reach(tx, who, number)["disabled_at"] is not None:
            raise Invalid("The endpoint is disabled, and nothing is sent to it: enable it first.", ("id",))
        return [delivery.test(tx, number, event.TEST)]

    return await _sending(info, test)


async def webhook_resend(
    info: Info,
    ids: Annotated[
        list[strawberry.ID] | None,
        strawberry.argument(description="These deliveries; null: by what follows."),
    ] = None,
    endpoint: EndpointArgument = None,
    entity: EntityArgument = None,
    state: StateArgument = None,
    after_sequence: Annotated[
        Long | None, strawberry.argument(description="Only what tells of later changes; null for all.")
    ] = None,
    occurred_after: Annotated[
        datetime | None, strawberry.argument(description="Only what happened later; null for all.")
    ] = None,
) -> WebhookDeliveryPayload:
    """Send deliveries again."""

    def resend(tx: sa.Connection, who: Viewer, _: Keeper) -> list[int]:
        chosen = [*_chosen(endpoint, entity, state)]
        if ids is not None:
            chosen.append(
                Delivery.id.in_([local_id(each, DELIVERY, ("ids", place)) for place, each in enumerate(ids)])
            )
        if not chosen:
            raise Required("Say what to resend: ids, an endpoint, an entity or a state.")
        if after_sequence is not None:
            chosen.append(Delivery.sequence > after_sequence)
        if occurred_after is not None:
            chosen.append(Delivery.occurred_at > occurred_after)
        return _resend(tx, who, sa.and_(*chosen))

    return await _sending(info, resend)


FIELD = strawberry.field(
    resolver=webhook_deliveries, description="Webhook deliveries, the latest first: successes too."
)
"""The root field, which the query takes in."""


def fields() -> list[StrawberryField]:
    """The mutations of deliveries."""
    described = (
        (webhook_test, "Send an event of the type webhook.test, to see whether the receiver works."),
        (
            webhook_resend,
            "Send deliveries again, each under its webhook-id and in the order of its object;"
            f" at most {MOST_RESENT} at once.",
        ),
    )
    return [strawberry.mutation(resolver=resolver, description=text) for resolver, text in described]


async def _sending(info: Info, work: Work[list[int]]) -> WebhookDeliveryPayload:
    info.context.viewer.require("webhooks", "write")
    try:
        numbers = await write(info, work)
    except HubError as refused:
        return WebhookDeliveryPayload(
            webhook_deliveries=[], count=0, user_errors=[user_error(stored(refused))]
        )
    rows = await info.context.database.rows(
        _deliveries(Delivery.id.in_(numbers[:LARGEST_PAGE]), LARGEST_PAGE)
    )
    return WebhookDeliveryPayload(
        webhook_deliveries=[_delivery(row) for row in rows], count=len(numbers), user_errors=[]
    )


def _resend(tx: sa.Connection, who: Viewer, chosen: sa.ColumnElement[bool]) -> list[int]:
    concerned = sorted(tx.scalars(sa.select(Delivery.endpoint_id).where(chosen).distinct()))
    if not concerned:
        raise NotFound("No delivery is like that: webhookDeliveries lists those that are kept.")
    for number in concerned:
        endpoint.reach(tx, who, number)
    count = tx.scalar(sa.select(sa.func.count()).select_from(Delivery).where(chosen)) or 0
    if count > MOST_RESENT:
        raise Limit(
            f"{count} deliveries are like that, at most {MOST_RESENT} are resent at once: narrow it down."
        )
    return delivery.resend(tx, chosen, MOST_RESENT)


def _size(first: int | None) -> int:
    if first is None:
        return DEFAULT_PAGE
    if first < 1:
        raise Invalid(f"first is {first}: give 1 to {LARGEST_PAGE}.", ("first",))
    if first > LARGEST_PAGE:
        raise Limit(f"first is {first}: at most {LARGEST_PAGE} deliveries are given at once.", ("first",))
    return first


def _chosen(
    of_endpoint: str | None, entity: str | None, state: WebhookDeliveryState | None
) -> list[sa.ColumnElement[bool]]:
    chosen: list[sa.ColumnElement[bool]] = []
    if of_endpoint is not None:
        chosen.append(Delivery.endpoint_id == local_id(of_endpoint, NOUN, ("endpoint",)))
    if entity is not None:
        chosen.append(_about(entity))
    if state is not None:
        chosen.append(STATE.in_([state.value]))
    return chosen


def _about(entity: str) -> sa.ColumnElement[bool]:
    try:
        noun, number = ids.decode(entity)
    except ValueError as wrong:
        raise Invalid(str(wrong), ("entity",)) from wrong
    return sa.and_(Delivery.aggregate == noun, Delivery.aggregate_id == number)


STATE: sa.ColumnElement[str] = sa.case(
    (Delivery.delivered_at.is_not(None), WebhookDeliveryState.DELIVERED.value),
    (Delivery.parked_at.is_not(None), WebhookDeliveryState.PARKED.value),
    (Delivery.due_at.is_not(None), WebhookDeliveryState.DUE.value),
    else_=WebhookDeliveryState.WAITING.value,
)


def _deliveries(chosen: sa.ColumnElement[bool], limit: int) -> sa.Select[Any]:
    columns = [column for column in Delivery.__table__.columns if column.name != "body"]
    return sa.select(*columns, STATE.label("state")).where(chosen).order_by(Delivery.id.desc()).limit(limit)


def _delivery(row: Any) -> WebhookDelivery:
    return WebhookDelivery(
        row=row,
        id=strawberry.ID(ids.encode(DELIVERY, row["id"])),
        endpoint_id=strawberry.ID(ids.encode(NOUN, row["endpoint_id"])),
        message_id=row["message"],
        sequence=row["sequence"],
        type=row["type"],
        entity_type=row["aggregate"],
        entity_id=strawberry.ID(ids.encode(row["aggregate"], row["aggregate_id"])),
        state=WebhookDeliveryState(row["state"]),
        occurred_at=row["occurred_at"],
        due_at=row["due_at"],
        delivered_at=row["delivered_at"],
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


async def _attempts(context: Context, keys: Sequence[int]) -> list[list[WebhookAttempt]]:
    place = (
        sa.func.row_number().over(partition_by=Attempt.delivery_id, order_by=Attempt.id.desc()).label("place")
    )
    latest = sa.select(Attempt.__table__, place).where(Attempt.delivery_id.in_(keys)).subquery()
    statement = sa.select(latest).where(latest.c.place <= LARGEST_PAGE).order_by(latest.c.id.desc())
    found: dict[int, list[WebhookAttempt]] = defaultdict(list)
    for row in await context.database.rows(statement):
        found[row["delivery_id"]].append(_attempt(row))
    return [found[key] for key in keys]


def _attempt(row: Any) -> WebhookAttempt:
    return WebhookAttempt(
        id=strawberry.ID(ids.encode(ATTEMPT, row["id"])),
        number=row["number"],
        started_at=row["started_at"],
        milliseconds=row["milliseconds"],
        outcome=WebhookOutcome(row["outcome"]),
        status=row["status"],
        error=row["error"],
        response=row["response"],
    )
