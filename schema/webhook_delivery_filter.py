"""Which webhook deliveries are meant: for looking at them, and for sending them again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa
import strawberry
from sqlalchemy.dialects.postgresql import ARRAY

from hub import ids
from hub.errors import Invalid, Limit
from hub.feed import Feed
from schema.input import local_id
from schema.scalar import Long
from webhooks import event
from webhooks.delivery import Attempt, Delivery
from webhooks.endpoint import NOUN, under

DELIVERY = "webhook_delivery"
"""How the global ids of deliveries call them."""

LONGEST_LIST = 100


@strawberry.enum(
    description="How far a delivery is. WAITING: an earlier one about the same object is not there yet."
    " PARKED: given up after the last attempt, until it is resent. FILTERED: not what the endpoint's filter asks for,"
    " and not sent. SUPERSEDED: not sent any more, since a later one said what the object is now."
)
class WebhookDeliveryState(StrEnum):
    """How far a delivery is."""

    DUE = "due"
    WAITING = "waiting"
    DELIVERED = "delivered"
    PARKED = "parked"
    FILTERED = "filtered"
    SUPERSEDED = "superseded"


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


@strawberry.enum(
    description="What a delivery is for. CHANGE: it tells of a change of the feed. STATE: it says what an object is now."
    " TEST, VERIFICATION: it is about the endpoint itself."
)
class WebhookPurpose(StrEnum):
    """What a delivery is for."""

    CHANGE = "change"
    STATE = "state"
    TEST = "test"
    VERIFICATION = "verification"


@strawberry.input(
    name="WebhookDeliveryFilter",
    description="Which deliveries to take. What stands beside each other must all hold.",
)
class DeliveryFilter:
    """Which deliveries to take."""

    ids: list[strawberry.ID] | None = strawberry.field(description="These deliveries.", default=None)
    endpoints: list[strawberry.ID] | None = strawberry.field(
        description="To one of these endpoints.", default=None
    )
    message_ids: list[str] | None = strawberry.field(
        description="With one of these values of webhook-id.", default=None
    )
    types: list[str] | None = strawberry.field(
        description="Of changes that mean one of these events; product.* means all of a noun.", default=None
    )
    entities: list[strawberry.ID] | None = strawberry.field(
        description="About one of these objects.", default=None
    )
    states: list[WebhookDeliveryState] | None = strawberry.field(
        description="In one of these states.", default=None
    )
    purposes: list[WebhookPurpose] | None = strawberry.field(
        description="For one of these purposes.", default=None
    )
    sequence_from: Long | None = strawberry.field(
        description="Of this sequence or a later one.", default=None
    )
    sequence_to: Long | None = strawberry.field(
        description="Of this sequence or an earlier one.", default=None
    )
    occurred_from: datetime | None = strawberry.field(
        description="Of changes that happened then or later.", default=None
    )
    occurred_before: datetime | None = strawberry.field(
        description="Of changes that happened before then.", default=None
    )
    outcomes: list[WebhookOutcome] | None = strawberry.field(
        description="With an attempt of which one of these came.", default=None
    )
    http_statuses: list[int] | None = strawberry.field(
        description="With an attempt that was answered with one of these.", default=None
    )


STATE: sa.ColumnElement[str] = sa.case(
    (Delivery.skipped.is_not(None), Delivery.skipped),
    (Delivery.delivered_at.is_not(None), WebhookDeliveryState.DELIVERED.value),
    (Delivery.parked_at.is_not(None), WebhookDeliveryState.PARKED.value),
    (Delivery.due_at.is_not(None), WebhookDeliveryState.DUE.value),
    else_=WebhookDeliveryState.WAITING.value,
)

IN_STATE: dict[WebhookDeliveryState, sa.ColumnElement[bool]] = {
    WebhookDeliveryState.DUE: sa.and_(Delivery.due_at.is_not(None), Delivery.parked_at.is_(None)),
    WebhookDeliveryState.WAITING: sa.and_(
        Delivery.delivered_at.is_(None), Delivery.due_at.is_(None), Delivery.parked_at.is_(None)
    ),
    WebhookDeliveryState.DELIVERED: sa.and_(Delivery.delivered_at.is_not(None), Delivery.skipped.is_(None)),
    WebhookDeliveryState.PARKED: Delivery.parked_at.is_not(None),
    WebhookDeliveryState.FILTERED: Delivery.skipped == WebhookDeliveryState.FILTERED.value,
    WebhookDeliveryState.SUPERSEDED: Delivery.skipped == WebhookDeliveryState.SUPERSEDED.value,
}
"""The same as conditions that the indexes know: a state that few deliveries are in is found without looking at all."""


def conditions(given: DeliveryFilter) -> list[sa.ColumnElement[bool]]:
    """The filter in SQL. Raises ``hub.errors.HubError`` for an id of something else, or a list that is too long."""
    for name, value in vars(given).items():
        if isinstance(value, list) and not 0 < len(value) <= LONGEST_LIST:
            raise Limit(f"A list here has 1 to {LONGEST_LIST} entries, not {len(value)}.", (name,))
    return [*_named(given), *_between(given), *_tried(given)]


def _named(given: DeliveryFilter) -> Iterator[sa.ColumnElement[bool]]:
    if given.ids is not None:
        yield Delivery.id.in_([local_id(each, DELIVERY, ("ids", n)) for n, each in enumerate(given.ids)])
    if given.endpoints is not None:
        numbers = [local_id(each, NOUN, ("endpoints", n)) for n, each in enumerate(given.endpoints)]
        yield Delivery.endpoint_id.in_(numbers)
    if given.message_ids is not None:
        yield Delivery.message.in_(given.message_ids)
    if given.types is not None:
        yield _means(given.types)
    if given.entities is not None:
        yield sa.or_(*(about(each, ("entities", n)) for n, each in enumerate(given.entities)))
    if given.states is not None:
        yield sa.or_(*(IN_STATE[each] for each in given.states))
    if given.purposes is not None:
        yield Delivery.purpose.in_([each.value for each in given.purposes])


def _between(given: DeliveryFilter) -> Iterator[sa.ColumnElement[bool]]:
    if given.sequence_from is not None:
        yield Delivery.sequence >= given.sequence_from
    if given.sequence_to is not None:
        yield Delivery.sequence <= given.sequence_to
    if given.occurred_from is not None:
        yield Delivery.occurred_at >= given.occurred_from
    if given.occurred_before is not None:
        yield Delivery.occurred_at < given.occurred_before


def _tried(given: DeliveryFilter) -> Iterator[sa.ColumnElement[bool]]:
    own = Attempt.delivery_id == Delivery.id
    if given.outcomes is not None:
        yield sa.exists().where(own, Attempt.outcome.in_([each.value for each in given.outcomes]))
    if given.http_statuses is not None:
        yield sa.exists().where(own, Attempt.status.in_(given.http_statuses))


def _means(names: list[str]) -> sa.ColumnElement[bool]:
    """Events by the feed, which knows all that a change means; what is not in it has its own type alone."""
    own = [name for name in names if name in (event.TEST, event.VERIFICATION)]
    told: list[str] = []
    if len(own) < len(names):
        with under("types"):
            told = [
                each.name for each in event.asked(event.check([name for name in names if name not in own]))
            ]
    meant = sa.exists().where(
        Feed.sequence == Delivery.sequence, Feed.events.overlap(sa.literal(told, ARRAY(sa.Text)))
    )
    return sa.or_(Delivery.type.in_([*own, *told]), meant)


def about(entity: str, path: tuple[str | int, ...] = ("entity",)) -> sa.ColumnElement[bool]:
    """The deliveries about an object. Raises ``hub.errors.Invalid`` for what is no id."""
    try:
        noun, number = ids.decode(entity)
    except ValueError as wrong:
        raise Invalid(str(wrong), path) from wrong
    return sa.and_(Delivery.aggregate == noun, Delivery.aggregate_id == number)
