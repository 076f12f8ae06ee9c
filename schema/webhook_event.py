"""Webhook events in the API: which there are, and what their bodies look like."""

from __future__ import annotations

from typing import Annotated

import strawberry
from strawberry.scalars import JSON

from schema import event_schema
from webhooks import event
from webhooks.event import EventType


def _schema(root: strawberry.Parent[WebhookEventType]) -> JSON:
    return JSON(event_schema.of(root.about))


def _example(root: strawberry.Parent[WebhookEventType]) -> JSON:
    return JSON(event_schema.example_of(root.about))


@strawberry.type(description="An event that an endpoint can ask for.")
class WebhookEventType:
    """An event that an endpoint can ask for."""

    about: strawberry.Private[EventType]
    name: str = strawberry.field(description="Its name, for example price.changed.")
    entity_type: str = strawberry.field(description="The noun that it is about.")
    description: str = strawberry.field(description="What happened.")
    schema: JSON = strawberry.field(
        resolver=_schema,
        description="The JSON Schema of its bodies, data being the answer to the default document.",
    )
    example: JSON = strawberry.field(resolver=_example, description="A body as it may come.")


def webhook_event_types(
    names: Annotated[
        list[str] | None,
        strawberry.argument(description="Only these, such as price.changed or product.*; null for all."),
    ] = None,
) -> list[WebhookEventType]:
    """The events. Raises ``hub.errors.Invalid`` for a name that is none."""
    wanted = None if names is None else event.check(names)
    return [
        WebhookEventType(about=each, name=each.name, entity_type=each.aggregate, description=each.says)
        for each in event.asked(wanted)
    ]


FIELD = strawberry.field(
    resolver=webhook_event_types,
    description="The events that a webhook endpoint can ask for, with the JSON Schema of their bodies.",
)
"""The root field, which the query takes in."""
