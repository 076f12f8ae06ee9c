"""Webhook endpoints in the API: registered, changed, and given new secrets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Annotated, Any, TypeVar

import sqlalchemy as sa
import strawberry
from strawberry.types import Info
from strawberry.types.field import StrawberryField

from hub import feed, ids
from hub.channel import Channel
from hub.db import Json
from hub.errors import HubError
from hub.viewer import Viewer
from schema import payload_document
from schema.context import Context
from schema.errors import UserError, stored, user_error
from schema.input import local_id
from schema.payload import DeletePayload
from schema.scalar import Long
from webhooks import endpoint, secret
from webhooks.delivery import Delivery
from webhooks.endpoint import NOUN, Endpoint, Keeper
from webhooks.secret import Vault

T = TypeVar("T")
Work = Callable[[sa.Connection, Viewer, Keeper], T]

OVERLAP_HOURS = 24


@strawberry.type(description="An address that is told of changes.")
class WebhookEndpoint:
    """An address that is told of changes."""

    row: strawberry.Private[Any]
    id: strawberry.ID = strawberry.field(description="Its id.")
    url: str = strawberry.field(description="Where deliveries are posted.")
    description: str | None = strawberry.field(description="What people call it; null without one.")
    event_types: list[str] | None = strawberry.field(
        description="The events that it asked for; null for all."
    )
    channel: str | None = strawberry.field(
        description="Code of the channel in which its document reads, and whose orders it hears of; null for all."
    )
    document: str | None = strawberry.field(
        description="The GraphQL document whose answer is the payload's data; null for a payload without data."
    )
    scopes: list[str] = strawberry.field(description="What its payloads may show.")
    timeout: int = strawberry.field(description="Seconds that an answer may take.")
    in_flight: int = strawberry.field(description="Requests at one time.")
    enabled: bool = strawberry.field(description="Whether it is sent to.")
    disabled_at: datetime | None = strawberry.field(description="Since when it is not; null while it is.")
    disabled_reason: str | None = strawberry.field(description="Why not; null while it is enabled.")
    sequence: Long = strawberry.field(description="The last change that was looked at for it.")
    undelivered: int = strawberry.field(
        description="Deliveries that are not there yet, parked ones included."
    )
    parked: int = strawberry.field(
        description="Deliveries given up, which hold back their object until resent."
    )
    created_at: datetime = strawberry.field(description="When it was registered.")


@strawberry.input(description="An endpoint. What is left out stays as it is, or takes its default.")
class WebhookEndpointInput:
    """An endpoint. What is left out stays as it is."""

    url: str | None = strawberry.field(
        description="Where to post, for example https://erp.example.com/hooks. Needed for a new one.",
        default=strawberry.UNSET,
    )
    description: str | None = strawberry.field(description="What people call it.", default=strawberry.UNSET)
    event_types: list[str] | None = strawberry.field(
        description="Events such as price.changed, or product.* for all of a noun; null for all.",
        default=strawberry.UNSET,
    )
    channel: str | None = strawberry.field(
        description="Code of the channel in which the document reads, and whose orders it hears of; null for all.",
        default=strawberry.UNSET,
    )
    document: str | None = strawberry.field(
        description="A query with one root field found by its one variable, such as "
        f"{payload_document.EXAMPLE}, or node(id: $id) with a fragment for each noun. Null: a payload without data.",
        default=strawberry.UNSET,
    )
    timeout: int | None = strawberry.field(
        description="Seconds that an answer may take, 1 to 30; 15 for a new one.", default=strawberry.UNSET
    )
    in_flight: int | None = strawberry.field(
        description="Requests at one time, 1 to 256; 16 for a new one.", default=strawberry.UNSET
    )
    enabled: bool | None = strawberry.field(
        description="False pauses it; true sends again, from where it stood.", default=strawberry.UNSET
    )


@strawberry.type(description="What a command on an endpoint answers.")
class WebhookEndpointPayload:
    """What a command on an endpoint answers."""

    webhook_endpoint: WebhookEndpoint | None = strawberry.field(
        description="The endpoint as it is now; null when it was refused."
    )
    secret: str | None = strawberry.field(
        description="The new secret that verifies deliveries, shown this once; null when none was made."
    )
    user_errors: list[UserError] = strawberry.field(description="Why it was refused; empty when it was done.")


Id = Annotated[strawberry.ID, strawberry.argument(description="The endpoint's id.")]


async def webhook_endpoint(info: Info, id: Id) -> WebhookEndpoint | None:  # noqa: A002 - the API's name
    """One endpoint."""
    info.context.viewer.require("webhooks", "read")
    found = await _endpoints(info.context, Endpoint.id == local_id(id, NOUN))
    return found[0] if found else None


async def webhook_endpoints(info: Info) -> list[WebhookEndpoint]:
    """All endpoints, by age."""
    info.context.viewer.require("webhooks", "read")
    return await _endpoints(info.context, sa.true())


async def webhook_endpoint_create(
    info: Info,
    input: Annotated[WebhookEndpointInput, strawberry.argument(description="The endpoint.")],  # noqa: A002 - the API's name
) -> WebhookEndpointPayload:
    """Register an endpoint."""
    given = _given(input)
    return await _endpoint(info, lambda tx, who, keeper: endpoint.create(tx, keeper, who, given), "input")


async def webhook_endpoint_update(
    info: Info,
    id: Id,  # noqa: A002 - the API's name
    input: Annotated[WebhookEndpointInput, strawberry.argument(description="What is to be different.")],  # noqa: A002 - the API's name
) -> WebhookEndpointPayload:
    """Change an endpoint."""
    number, given = local_id(id, NOUN), _given(input)

    def update(tx: sa.Connection, who: Viewer, keeper: Keeper) -> tuple[int, None]:
        endpoint.update(tx, keeper, who, number, given)
        return number, None

    return await _endpoint(info, update, "input")


async def webhook_endpoint_delete(info: Info, id: Id) -> DeletePayload:  # noqa: A002 - the API's name
    """Remove an endpoint."""
    info.context.viewer.require("webhooks", "write")
    try:
        number = local_id(id, NOUN)
        await write(info, lambda tx, who, _: endpoint.delete(tx, who, number))
    except HubError as refused:
        return DeletePayload(deleted_id=None, user_errors=[user_error(stored(refused))])
    return DeletePayload(deleted_id=id, user_errors=[])


async def webhook_secret_rotate(
    info: Info,
    id: Id,  # noqa: A002 - the API's name
    overlap_hours: Annotated[
        int, strawberry.argument(description="How long the old secret signs too: 0 to 168 hours.")
    ] = OVERLAP_HOURS,
) -> WebhookEndpointPayload:
    """Make a new secret."""
    number = local_id(id, NOUN)

    def rotate(tx: sa.Connection, who: Viewer, keeper: Keeper) -> tuple[int, str | None]:
        signing = endpoint.reach(tx, who, number)["signing"]
        overlap = timedelta(hours=overlap_hours)
        return number, secret.add(tx, keeper.vault, number, overlap, signing).secret

    return await _endpoint(info, rotate)


SINGLE = strawberry.field(
    resolver=webhook_endpoint, description="A webhook endpoint; null where there is none of that id."
)
PLURAL = strawberry.field(resolver=webhook_endpoints, description="All webhook endpoints, by age.")
"""The root fields, which the query takes in."""


def fields() -> list[StrawberryField]:
    """The mutations of endpoints."""
    described = (
        (
            webhook_endpoint_create,
            "Register an address that hears what happens from now on. It may see what this token may read.",
        ),
        (webhook_endpoint_update, "Change an endpoint. What the input leaves out stays as it is."),
        (webhook_endpoint_delete, "Remove an endpoint with its deliveries."),
        (webhook_secret_rotate, "Make a new secret; the old one signs too until the overlap ends."),
    )
    return [strawberry.mutation(resolver=resolver, description=text) for resolver, text in described]


async def write(info: Info, work: Work[T]) -> T:
    """Do it in one transaction."""
    context: Context = info.context
    documents = payload_document.of(info.schema)
    keeper = Keeper(
        vault=Vault(context.extras["secret"]),
        check_document=documents.check,
        allowed=context.extras["webhook_networks"],
    )

    def run() -> T:
        with context.database.write(context.viewer.writer) as tx:
            return work(tx, context.viewer, keeper)

    done = await asyncio.to_thread(run)
    context.forget()
    return done


async def _endpoint(info: Info, work: Work[tuple[int, str | None]], *prefix: str) -> WebhookEndpointPayload:
    info.context.viewer.require("webhooks", "write")
    try:
        number, shown = await write(info, work)
    except HubError as refused:
        errors = [user_error(stored(refused), prefix)]
        return WebhookEndpointPayload(webhook_endpoint=None, secret=None, user_errors=errors)
    found = await _endpoints(info.context, Endpoint.id == number)
    return WebhookEndpointPayload(webhook_endpoint=found[0] if found else None, secret=shown, user_errors=[])


def _given(given: WebhookEndpointInput) -> Json:
    return {name: value for name, value in vars(given).items() if value is not strawberry.UNSET}


async def _endpoints(context: Context, chosen: sa.ColumnElement[bool]) -> list[WebhookEndpoint]:
    undelivered = sa.and_(Delivery.endpoint_id == Endpoint.id, Delivery.delivered_at.is_(None))
    own = sa.select(sa.func.count(), sa.func.count(Delivery.parked_at)).where(undelivered).lateral()
    counts = list(own.columns)
    statement = (
        sa.select(
            Endpoint.__table__,
            Channel.code.label("channel"),
            feed.Cursor.sequence,
            counts[0].label("undelivered"),
            counts[1].label("parked"),
        )
        .select_from(Endpoint.__table__)
        .outerjoin(Channel.__table__, Channel.id == Endpoint.channel_id)
        .outerjoin(feed.Cursor.__table__, feed.Cursor.name == "webhook:" + sa.cast(Endpoint.id, sa.Text))
        .join(own, sa.true())
        .where(chosen)
        .order_by(Endpoint.id)
    )
    return [_shown(row) for row in await context.database.rows(statement)]


def _shown(row: Any) -> WebhookEndpoint:
    plain = (
        *("url", "description", "event_types", "channel", "document", "scopes", "timeout", "in_flight"),
        *("disabled_at", "disabled_reason", "undelivered", "parked", "created_at"),
    )
    return WebhookEndpoint(
        row=row,
        id=strawberry.ID(ids.encode(NOUN, row["id"])),
        enabled=row["disabled_at"] is None,
        sequence=Long(row["sequence"] or 0),
        **{name: row[name] for name in plain},
    )
