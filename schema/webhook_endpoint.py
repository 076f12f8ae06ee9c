"""Webhook endpoints in the API: registered, changed, and given new secrets."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, TypeVar

import sqlalchemy as sa
import strawberry
from strawberry.scalars import JSON
from strawberry.types import Info
from strawberry.types.field import StrawberryField

from hub import feed, ids
from hub.channel import Channel
from hub.errors import HubError, Invalid, Limit
from hub.viewer import Viewer
from schema import event_schema, payload_document, webhook_health
from schema.context import Context
from schema.errors import UserError, stored, user_error
from schema.input import local_id
from schema.payload import DeletePayload
from schema.scalar import Long
from schema.webhook_endpoint_input import WebhookEndpointInput, WebhookSigning, given
from schema.webhook_health import WebhookHealth
from webhooks import endpoint, event, secret, verification
from webhooks.delivery import Delivery
from webhooks.endpoint import NOUN, Endpoint, Keeper
from webhooks.secret import Shown, Vault

T = TypeVar("T")
Work = Callable[[sa.Connection, Viewer, Keeper], T]

OVERLAP_HOURS = 24
MOST_SWITCHED = 1_000


@strawberry.enum(
    description="How an endpoint stands. FAILING: the last attempts failed. UNVERIFIED: it did not echo its challenge yet,"
    " and hears nothing else. PAUSED: somebody wanted it so. DISABLED: the hub stopped it, disabledReason says why."
)
class WebhookEndpointStatus(StrEnum):
    """How an endpoint stands."""

    ACTIVE = "active"
    FAILING = "failing"
    UNVERIFIED = "unverified"
    PAUSED = "paused"
    DISABLED = "disabled"


async def _health(root: strawberry.Parent[WebhookEndpoint], info: Info) -> WebhookHealth:
    context: Context = info.context
    health: WebhookHealth = await context.loader(
        ("webhook", "health"), lambda ids: webhook_health.load(context, ids)
    ).load(root.row["id"])
    return health


async def _public_keys(root: strawberry.Parent[WebhookEndpoint], info: Info) -> list[str]:
    context: Context = info.context
    keys: list[str] = await context.loader(("webhook", "keys"), lambda ids: _keys(context, ids)).load(
        root.row["id"]
    )
    return keys


def _body_schema(
    root: strawberry.Parent[WebhookEndpoint],
    type: Annotated[str, strawberry.argument(description="The event, for example product.updated.")],  # noqa: A002 - the API's name
) -> JSON:
    return JSON(event_schema.body(root.row, event.one(type)))


@strawberry.type(description="An address that is told of changes.")
class WebhookEndpoint:
    """An address that is told of changes."""

    row: strawberry.Private[Any]
    id: strawberry.ID = strawberry.field(description="Its id.")
    url: str = strawberry.field(description="Where deliveries are posted.")
    description: str | None = strawberry.field(description="What people call it; null without one.")
    status: WebhookEndpointStatus = strawberry.field(description="How it stands.")
    event_types: list[str] | None = strawberry.field(
        description="The events that it asked for; null for all."
    )
    channel: str | None = strawberry.field(
        description="Code of the channel in which its document reads, and whose changes it hears of; null for all."
    )
    document: str | None = strawberry.field(
        description="The GraphQL document whose answer is the payload's data; null for the default one of each noun."
    )
    thin: bool = strawberry.field(description="Whether its payloads carry no data.")
    filter: JSON | None = strawberry.field(
        description="What a body must say to be sent, in the form of WebhookFilter; null for any."
    )
    ignore_sources: list[str] | None = strawberry.field(
        description="The systems whose own changes it is not told of; null for none."
    )
    scopes: list[str] = strawberry.field(description="What its payloads may show.")
    header_names: list[str] = strawberry.field(
        description="The headers of its own that deliveries carry. Their values are not shown again."
    )
    signing: WebhookSigning = strawberry.field(description="How deliveries are signed.")
    timeout: int = strawberry.field(description="Seconds that an answer may take.")
    rate: float | None = strawberry.field(description="Requests per second at most; null without a limit.")
    in_flight: int = strawberry.field(description="Requests at one time.")
    ordered: bool = strawberry.field(description="Whether the changes of one object come one after another.")
    verify: bool = strawberry.field(
        description="Whether it has to echo a challenge before it hears anything."
    )
    verified_at: datetime | None = strawberry.field(
        description="When it echoed the challenge; null before, and where none is asked for."
    )
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

    public_keys: list[str] = strawberry.field(
        resolver=_public_keys,
        description="The public keys (whpk_…) that verify its v1a signatures now, the newest first; they are no secret.",
    )
    health: WebhookHealth = strawberry.field(resolver=_health, description="How well it is served.")
    body_schema: JSON = strawberry.field(
        resolver=_body_schema,
        description="The JSON Schema of the bodies by which it is told of an event, with its own document and rights.",
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
    public_key: str | None = strawberry.field(
        description="The new public key that verifies v1a signatures; null when none was made."
    )
    user_errors: list[UserError] = strawberry.field(description="Why it was refused; empty when it was done.")


@strawberry.type(description="What a command on several endpoints answers.")
class WebhookEndpointsPayload:
    """What a command on several endpoints answers."""

    webhook_endpoints: list[WebhookEndpoint] = strawberry.field(
        description="The endpoints as they are now; empty when it was refused."
    )
    user_errors: list[UserError] = strawberry.field(description="Why it was refused; empty when it was done.")


Id = Annotated[strawberry.ID, strawberry.argument(description="The endpoint's id.")]
Ids = Annotated[
    list[strawberry.ID], strawberry.argument(description=f"The endpoints' ids, at most {MOST_SWITCHED}.")
]


async def webhook_endpoint(info: Info, id: Id) -> WebhookEndpoint | None:  # noqa: A002 - the API's name
    """One endpoint."""
    info.context.viewer.require("webhooks", "read")
    found = await _endpoints(info.context, Endpoint.id == local_id(id, NOUN))
    return found[0] if found else None


async def webhook_endpoints(
    info: Info,
    status: Annotated[
        list[WebhookEndpointStatus] | None,
        strawberry.argument(description="Only those that stand so; null for all."),
    ] = None,
) -> list[WebhookEndpoint]:
    """All endpoints, by age."""
    info.context.viewer.require("webhooks", "read")
    found = await _endpoints(info.context, sa.true())
    return [each for each in found if status is None or each.status in status]


async def webhook_endpoint_create(
    info: Info,
    input: Annotated[WebhookEndpointInput, strawberry.argument(description="The endpoint.")],  # noqa: A002 - the API's name
) -> WebhookEndpointPayload:
    """Register an endpoint."""
    wanted = given(input)
    return await _endpoint(info, lambda tx, who, keeper: endpoint.create(tx, keeper, who, wanted), "input")


async def webhook_endpoint_update(
    info: Info,
    id: Id,  # noqa: A002 - the API's name
    input: Annotated[WebhookEndpointInput, strawberry.argument(description="What is to be different.")],  # noqa: A002 - the API's name
) -> WebhookEndpointPayload:
    """Change an endpoint."""
    number, wanted = local_id(id, NOUN), given(input)

    def update(tx: sa.Connection, who: Viewer, keeper: Keeper) -> tuple[int, Shown]:
        if wanted.get("start_after") is not None:
            raise Invalid(
                "An endpoint stands where it came to: webhookResend sends again what it had.",
                ("start_after",),
            )
        return number, endpoint.update(tx, keeper, who, number, wanted)

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

    def rotate(tx: sa.Connection, who: Viewer, keeper: Keeper) -> tuple[int, Shown]:
        signing = endpoint.reach(tx, who, number)["signing"]
        return number, secret.add(tx, keeper.vault, number, timedelta(hours=overlap_hours), signing)

    return await _endpoint(info, rotate)


async def webhook_verify(info: Info, id: Id) -> WebhookEndpointPayload:  # noqa: A002 - the API's name
    """Send a new challenge."""
    number = local_id(id, NOUN)

    def challenge(tx: sa.Connection, who: Viewer, _: Keeper) -> tuple[int, Shown]:
        verification.again(tx, endpoint.reach(tx, who, number), number)
        return number, Shown()

    return await _endpoint(info, challenge)


async def webhook_endpoint_bulk_pause(info: Info, ids: Ids) -> WebhookEndpointsPayload:
    """Pause several endpoints."""
    return await _switched(info, ids, enabled=False)


async def webhook_endpoint_bulk_enable(info: Info, ids: Ids) -> WebhookEndpointsPayload:
    """Enable several endpoints."""
    return await _switched(info, ids, enabled=True)


async def _switched(info: Info, ids: list[strawberry.ID], *, enabled: bool) -> WebhookEndpointsPayload:
    info.context.viewer.require("webhooks", "write")
    try:
        numbers = _numbers(ids)
        await write(info, lambda tx, who, _: endpoint.switch(tx, who, numbers, enabled=enabled))
    except HubError as refused:
        return WebhookEndpointsPayload(webhook_endpoints=[], user_errors=[user_error(stored(refused))])
    found = await _endpoints(info.context, Endpoint.id.in_(numbers))
    return WebhookEndpointsPayload(webhook_endpoints=found, user_errors=[])


def _numbers(ids: list[strawberry.ID]) -> list[int]:
    if len(ids) > MOST_SWITCHED:
        raise Limit(f"{len(ids)} endpoints are named, at most {MOST_SWITCHED} are taken at once.", ("ids",))
    return [local_id(each, NOUN, ("ids", place)) for place, each in enumerate(ids)]


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
        (
            webhook_secret_rotate,
            "Make new keys for its way of signing; the old ones sign too until the overlap ends.",
        ),
        (
            webhook_verify,
            "Send a new challenge to an endpoint that has to echo one; it is unverified until then.",
        ),
        (webhook_endpoint_bulk_pause, "Pause endpoints: all that are named, or none."),
        (
            webhook_endpoint_bulk_enable,
            "Send again to endpoints, from where each stood: all that are named, or none.",
        ),
    )
    return [strawberry.mutation(resolver=resolver, description=text) for resolver, text in described]


def keeper(info: Info) -> Keeper:
    """What saving an endpoint needs to know of the house."""
    context: Context = info.context
    return Keeper(
        vault=Vault(context.extras["secret"]),
        check_document=payload_document.of(info.schema).check,
        bodies=event_schema.bodies,
        challenge=verification.begin,
        allowed=context.extras["webhook_networks"],
    )


async def write(info: Info, work: Work[T]) -> T:
    """Do it in one transaction."""
    context: Context = info.context
    kept = keeper(info)

    def run() -> T:
        with context.database.write(context.viewer.writer) as tx:
            return work(tx, context.viewer, kept)

    done = await asyncio.to_thread(run)
    context.forget()
    return done


async def _endpoint(info: Info, work: Work[tuple[int, Shown]], *prefix: str) -> WebhookEndpointPayload:
    info.context.viewer.require("webhooks", "write")
    try:
        number, shown = await write(info, work)
    except HubError as refused:
        errors = [user_error(stored(refused), prefix)]
        return WebhookEndpointPayload(webhook_endpoint=None, secret=None, public_key=None, user_errors=errors)
    found = await _endpoints(info.context, Endpoint.id == number)
    return WebhookEndpointPayload(
        webhook_endpoint=found[0] if found else None,
        secret=shown.secret,
        public_key=shown.public_key,
        user_errors=[],
    )


async def _keys(context: Context, ids: list[int]) -> list[list[str]]:
    found: dict[int, list[str]] = defaultdict(list)
    for row in await context.database.rows(secret.public_keys(ids)):
        found[row["endpoint_id"]].append(row["public_key"])
    return [found[each] for each in ids]


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


PLAIN = (
    *(
        "url",
        "description",
        "event_types",
        "channel",
        "document",
        "thin",
        "filter",
        "ignore_sources",
        "scopes",
    ),
    *("header_names", "timeout", "rate", "in_flight", "ordered", "verify", "verified_at"),
    *("disabled_at", "disabled_reason", "undelivered", "parked", "created_at"),
)
"""The fields that are shown as they stand in the row."""


def _shown(row: Any) -> WebhookEndpoint:
    return WebhookEndpoint(
        row=row,
        id=strawberry.ID(ids.encode(NOUN, row["id"])),
        status=WebhookEndpointStatus(endpoint.status(row)),
        signing=WebhookSigning(row["signing"]),
        enabled=row["disabled_at"] is None,
        sequence=Long(row["sequence"] or 0),
        **{name: row[name] for name in PLAIN},
    )
