"""What is said of a webhook endpoint when it is registered or changed."""

from __future__ import annotations

from enum import StrEnum

import strawberry

from hub.db import Json
from schema import payload_document, webhook_filter
from schema.webhook_filter import WebhookFilter


@strawberry.enum(
    description="How deliveries are signed, by Standard Webhooks. V1: HMAC-SHA256 with a secret. V1A: Ed25519, of which"
    " the receiver knows the public key only. BOTH: both signatures stand in the header."
)
class WebhookSigning(StrEnum):
    """How deliveries are signed."""

    V1 = "v1"
    V1A = "v1a"
    BOTH = "both"


@strawberry.input(description="A header that deliveries carry, for example the key of a gateway.")
class WebhookHeaderInput:
    """A header that deliveries carry."""

    name: str = strawberry.field(
        description="Its name, for example x-api-key; upper and lower case are the same."
    )
    value: str | None = strawberry.field(
        description="Its value, which is stored sealed and not shown again; null keeps the one that stands.",
        default=None,
    )


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
        description="Code of the channel in which the document reads, and whose changes it hears of; null for all.",
        default=strawberry.UNSET,
    )
    document: str | None = strawberry.field(
        description="A query with one root field found by its one variable, such as "
        f"{payload_document.EXAMPLE}, or node(id: $id) with a fragment for each noun. Null: the default document of"
        " each noun, the whole object with what is part of it.",
        default=strawberry.UNSET,
    )
    thin: bool | None = strawberry.field(
        description="True: payloads without data, whose receiver asks for what it needs. False for a new one.",
        default=strawberry.UNSET,
    )
    filter: WebhookFilter | None = strawberry.field(
        description="What a body must say to be sent; null for any.", default=strawberry.UNSET
    )
    ignore_sources: list[str] | None = strawberry.field(
        description="Systems whose own changes it is not told of, so that it does not hear its own echo; null for none.",
        default=strawberry.UNSET,
    )
    headers: list[WebhookHeaderInput] | None = strawberry.field(
        description="All headers of its own, at most 20; null or an empty list for none.",
        default=strawberry.UNSET,
    )
    signing: WebhookSigning | None = strawberry.field(
        description="How deliveries are signed; V1 for a new one.", default=strawberry.UNSET
    )
    timeout: int | None = strawberry.field(
        description="Seconds that an answer may take, 1 to 30; 15 for a new one.", default=strawberry.UNSET
    )
    rate: float | None = strawberry.field(
        description="Requests per second at most, 0.01 to 1000; null without a limit.",
        default=strawberry.UNSET,
    )
    in_flight: int | None = strawberry.field(
        description="Requests at one time, 1 to 256; 16 for a new one.", default=strawberry.UNSET
    )
    ordered: bool | None = strawberry.field(
        description="False: the changes of one object need not come in their order; true for a new one.",
        default=strawberry.UNSET,
    )
    verify: bool | None = strawberry.field(
        description="True: it has to echo a challenge before it hears anything, and again when its address changes;"
        " false for a new one.",
        default=strawberry.UNSET,
    )
    start_after: str | None = strawberry.field(
        description="For a new one: the cursor of the feed, or of a snapshot, after which it hears everything; null:"
        " from now on.",
        default=strawberry.UNSET,
    )
    enabled: bool | None = strawberry.field(
        description="False pauses it; true sends again, from where it stood.", default=strawberry.UNSET
    )


def given(wanted: WebhookEndpointInput) -> Json:
    """What the input says, as columns."""
    plain = {name: value for name, value in vars(wanted).items() if value is not strawberry.UNSET}
    if plain.get("filter") is not None:
        plain["filter"] = webhook_filter.tree(plain["filter"])
    if plain.get("signing") is not None:
        plain["signing"] = plain["signing"].value
    if plain.get("headers") is not None:
        plain["headers"] = [vars(each) for each in plain["headers"]]
    return plain
