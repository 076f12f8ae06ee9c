"""The filter of a webhook endpoint as the API takes it: the tree of ``webhooks.filter``, typed."""

from __future__ import annotations

import strawberry
from strawberry.scalars import JSON

from hub.db import Json

NULLABLE = ("eq", "ne")


@strawberry.input(
    description="What a body must say to be sent. Conditions beside each other must all hold. A condition names a place in"
    " the body by path; where the path leads to several values, one that fits is enough. Numbers are compared as"
    " numbers, also where the body writes them as text; moments as moments."
)
class WebhookFilter:
    """What a body must say to be sent."""

    path: str | None = strawberry.field(
        description="JSON Pointer into the body, for example /data/product/type/code; * stands for every entry:"
        " /data/product/variants/nodes/*/sku. Within some it begins at the entry.",
        default=strawberry.UNSET,
    )
    eq: JSON | None = strawberry.field(
        description="Equal to it; null: without a value.", default=strawberry.UNSET
    )
    ne: JSON | None = strawberry.field(
        description="Anything but it, also no value; null: with a value.", default=strawberry.UNSET
    )
    in_: list[JSON] | None = strawberry.field(
        name="in", description="One of these.", default=strawberry.UNSET
    )
    not_in: list[JSON] | None = strawberry.field(
        description="None of these, also no value.", default=strawberry.UNSET
    )
    lt: JSON | None = strawberry.field(description="Less, or before.", default=strawberry.UNSET)
    lte: JSON | None = strawberry.field(description="Less or equal, or not after.", default=strawberry.UNSET)
    gt: JSON | None = strawberry.field(description="More, or after.", default=strawberry.UNSET)
    gte: JSON | None = strawberry.field(description="More or equal, or not before.", default=strawberry.UNSET)
    contains: str | None = strawberry.field(
        description="Contains this, whatever the case and accents.", default=strawberry.UNSET
    )
    starts_with: str | None = strawberry.field(
        description="Starts with this, whatever the case and accents.", default=strawberry.UNSET
    )
    is_empty: bool | None = strawberry.field(
        description="True: without a value; false: with one.", default=strawberry.UNSET
    )
    some: WebhookFilter | None = strawberry.field(
        description="One entry of the list at path meets this.", default=strawberry.UNSET
    )
    and_: list[WebhookFilter] | None = strawberry.field(
        name="and", description="All of these hold.", default=strawberry.UNSET
    )
    or_: list[WebhookFilter] | None = strawberry.field(
        name="or", description="At least one of these holds.", default=strawberry.UNSET
    )
    not_: WebhookFilter | None = strawberry.field(
        name="not", description="This does not hold.", default=strawberry.UNSET
    )


OUTSIDE = {
    "in_": "in",
    "and_": "and",
    "or_": "or",
    "not_": "not",
    "not_in": "notIn",
    "starts_with": "startsWith",
    "is_empty": "isEmpty",
}
"""How fields are called outside, where Python calls them otherwise."""


def tree(given: WebhookFilter) -> Json:
    """The filter as it is kept, in the names of the API."""
    return {
        OUTSIDE.get(name, name): _plain(value)
        for name, value in vars(given).items()
        if value is not strawberry.UNSET and (value is not None or name in NULLABLE)
    }


def _plain(value: object) -> object:
    if isinstance(value, WebhookFilter):
        return tree(value)
    return [_plain(each) for each in value] if isinstance(value, list) else value
