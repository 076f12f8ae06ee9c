"""What staff make the hub send: a test, a delivery once more, or what an object is now."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import sqlalchemy as sa
import strawberry
from strawberry.types import Info
from strawberry.types.field import StrawberryField

from hub import ids as global_ids
from hub.errors import Gone, HubError, Invalid, Limit, NotFound, Required
from hub.viewer import Viewer
from schema import webhook_preview
from schema.errors import UserError, stored, user_error
from schema.input import local_id
from schema.scalar import Long
from schema.webhook_delivery import (
    LARGEST_PAGE,
    EndpointArgument,
    EntityArgument,
    FilterArgument,
    StateArgument,
    WebhookDelivery,
    chosen,
    deliveries,
    shown,
)
from schema.webhook_delivery_filter import DELIVERY
from schema.webhook_endpoint import Id, Work, write
from webhooks import delivery, endpoint, event, state
from webhooks.delivery import Delivery
from webhooks.endpoint import NOUN, Keeper, Status, position, under

MOST_RESENT = 10_000


@strawberry.type(description="What a command on deliveries answers.")
class WebhookDeliveryPayload:
    """What a command on deliveries answers."""

    webhook_deliveries: list[WebhookDelivery] = strawberry.field(
        description="The first 100 of the deliveries as they are now; empty when it was refused."
    )
    count: int = strawberry.field(description="How many deliveries will be sent.")
    user_errors: list[UserError] = strawberry.field(description="Why it was refused; empty when it was done.")


async def webhook_test(
    info: Info,
    id: Id,  # noqa: A002 - the API's name
    type: Annotated[  # noqa: A002 - the API's name
        str, strawberry.argument(description="The event to send, for example order.placed.")
    ] = event.TEST,
    entity_id: Annotated[
        strawberry.ID | None,
        strawberry.argument(description="The object to show; null for an example that is made up."),
    ] = None,
) -> WebhookDeliveryPayload:
    """Send a test."""
    info.context.viewer.require("webhooks", "write")
    try:
        number = local_id(id, NOUN)
        body = None if type == event.TEST else await webhook_preview.test(info, number, type, entity_id)
    except HubError as refused:
        return _refused(refused)

    def send(tx: sa.Connection, who: Viewer, _: Keeper) -> list[int]:
        _check_sent_to(endpoint.status(endpoint.reach(tx, who, number)))
        return [delivery.test(tx, number, type, body)]

    return await _sending(info, send)


async def webhook_resend(  # noqa: PLR0913, PLR0917 - each is a way to say which
    info: Info,
    ids: Annotated[
        list[strawberry.ID] | None,
        strawberry.argument(description="These deliveries; null: by what follows."),
    ] = None,
    endpoint: EndpointArgument = None,
    entity: EntityArgument = None,
    state: StateArgument = None,
    filter: FilterArgument = None,  # noqa: A002 - the API's name
    after_sequence: Annotated[
        Long | None, strawberry.argument(description="Only what tells of later changes; null for all.")
    ] = None,
    after: Annotated[
        str | None,
        strawberry.argument(description="Only what tells of changes after this cursor of the feed."),
    ] = None,
    occurred_after: Annotated[
        datetime | None, strawberry.argument(description="Only what happened later; null for all.")
    ] = None,
) -> WebhookDeliveryPayload:
    """Send deliveries again."""

    def resend(tx: sa.Connection, who: Viewer, _: Keeper) -> list[int]:
        wanted = chosen(endpoint, entity, state, filter)
        if ids is not None:
            wanted.append(_those(tx, ids))
        if not wanted:
            raise Required("Say what to resend: ids, an endpoint, an entity, a state or a filter.")
        if after_sequence is not None:
            wanted.append(Delivery.sequence > after_sequence)
        if after is not None:
            with under("after"):
                wanted.append(Delivery.sequence > position(tx, after))
        if occurred_after is not None:
            wanted.append(Delivery.occurred_at > occurred_after)
        return _resend(tx, who, sa.and_(*wanted))

    return await _sending(info, resend)


async def webhook_send_current(
    info: Info,
    endpoint_id: Annotated[strawberry.ID, strawberry.argument(description="The endpoint.")],
    entity_id: Annotated[strawberry.ID, strawberry.argument(description="The object.")],
) -> WebhookDeliveryPayload:
    """Say what an object is now."""

    def send(tx: sa.Connection, who: Viewer, _: Keeper) -> list[int]:
        number = local_id(endpoint_id, NOUN, ("endpoint_id",))
        try:
            noun, entity = global_ids.decode(entity_id)
        except ValueError as wrong:
            raise Invalid(str(wrong), ("entity_id",)) from wrong
        return [state.send(tx, who, number, noun, entity)]

    return await _sending(info, send)


def fields() -> list[StrawberryField]:
    """The mutations of deliveries."""
    described = (
        (
            webhook_test,
            "Send an event that did not happen, to see whether the receiver works: webhook.test, or any other with an"
            " example or a real object. Its body says that it is a test.",
        ),
        (
            webhook_resend,
            "Send deliveries again, each under its webhook-id and in the order of its object;"
            f" at most {MOST_RESENT} at once.",
        ),
        (
            webhook_send_current,
            "Send what an object is now, in place of every delivery about it that did not get through: those are"
            " superseded, and what changes from now on follows.",
        ),
    )
    return [strawberry.mutation(resolver=resolver, description=text) for resolver, text in described]


async def _sending(info: Info, work: Work[list[int]]) -> WebhookDeliveryPayload:
    info.context.viewer.require("webhooks", "write")
    try:
        numbers = await write(info, work)
    except HubError as refused:
        return _refused(refused)
    statement = deliveries(Delivery.id.in_(numbers[:LARGEST_PAGE]), LARGEST_PAGE)
    rows = await info.context.database.rows(statement)
    return WebhookDeliveryPayload(
        webhook_deliveries=[shown(row) for row in rows], count=len(numbers), user_errors=[]
    )


def _refused(refused: HubError) -> WebhookDeliveryPayload:
    return WebhookDeliveryPayload(webhook_deliveries=[], count=0, user_errors=[user_error(stored(refused))])


def _check_sent_to(status: Status) -> None:
    if status in (Status.PAUSED, Status.DISABLED):
        raise Invalid(f"The endpoint is {status}, and nothing is sent to it: enable it first.", ("id",))
    if status == Status.UNVERIFIED:
        raise Invalid(
            "The endpoint has not echoed its challenge, and nothing else is sent to it: see webhookVerify.",
            ("id",),
        )


def _those(tx: sa.Connection, ids: list[strawberry.ID]) -> sa.ColumnElement[bool]:
    """Deliveries by id, each of which must be there and have a body that may be sent."""
    numbers = [local_id(each, DELIVERY, ("ids", place)) for place, each in enumerate(ids)]
    rows = tx.execute(sa.select(Delivery.id, Delivery.erased_at).where(Delivery.id.in_(numbers)))
    erased = {row.id: row.erased_at for row in rows}
    for place, number in enumerate(numbers):
        if number not in erased:
            raise NotFound(f'Delivery "{ids[place]}" is not there: it may be too old.', ("ids", place))
        if erased[number] is not None:
            raise Gone(
                f'The body of delivery "{ids[place]}" was erased with the person that it told of: send what the object'
                " is now with webhookSendCurrent.",
                ("ids", place),
            )
    return Delivery.id.in_(numbers)


def _resend(tx: sa.Connection, who: Viewer, wanted: sa.ColumnElement[bool]) -> list[int]:
    """Send them again, without those whose bodies were erased."""
    kept = sa.and_(wanted, Delivery.erased_at.is_(None))
    concerned = sorted(tx.scalars(sa.select(Delivery.endpoint_id).where(kept).distinct()))
    if not concerned:
        raise NotFound("No delivery is like that: webhookDeliveries lists those that are kept.")
    for number in concerned:
        endpoint.reach(tx, who, number)
    count = tx.scalar(sa.select(sa.func.count()).select_from(Delivery).where(kept)) or 0
    if count > MOST_RESENT:
        raise Limit(
            f"{count} deliveries are like that, at most {MOST_RESENT} are resent at once: narrow it down."
        )
    return delivery.resend(tx, kept, MOST_RESENT)
