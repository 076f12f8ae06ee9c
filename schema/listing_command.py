"""Mutations of listings: putting a product on offer in a channel, ending that, and taking a window away."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from strawberry.types import Info
from strawberry.types.field import StrawberryField

from hub import registry, value
from hub.db import Json
from hub.errors import Forbidden, NotFound
from hub.listing import Listing
from hub.viewer import Viewer
from schema import input as inputs
from schema import payload
from schema.command import Request
from schema.indexing import NAME, WaitForIndex, waiting
from schema.input import Given
from schema.mutation import IdempotencyKey, IfVersion, described, field, reading
from schema.shortcut import CHANGE, change_product, find, reference_to, row_of

MOST_SHOWN = 5
"""Windows that a message names."""


def fields() -> list[StrawberryField]:
    """These mutations."""
    return [_listing_upsert(), _listing_end()]


def _listing_upsert() -> StrawberryField:
    part = registry.part("listing")

    async def listing_upsert(
        info: Info,
        product: Json,
        input: Given,  # noqa: A002 - the argument's name in the API
        if_version: int | None = None,
        idempotency_key: str | None = None,
        channel: str | None = None,
        locale: str | None = None,
    ) -> Any:
        request = Request("listing_upsert", [product, input.raw, if_version], idempotency_key)

        def row(tx: sa.Connection) -> Json:
            number, listing = find(tx, "product", product), row_of(input)
            if listing.get("remove"):
                listing = _meant(tx, info.context.viewer, number, listing)
            return {"id": number, "listings": [listing]}

        how = replace(CHANGE, if_version=if_version)
        return await change_product(info, request, row, how, (channel, locale), ("listings", 0))

    return field(
        "listing_upsert",
        waiting(listing_upsert, registry.part("product")),
        "List a product in a channel, or change the listing that starts at the same moment. With remove: true that listing"
        " is taken away; without startsAt the only one that the channel has.",
        payload.single(registry.part("product")),
        **reading(
            product=reference_to("The product."),
            input=described(inputs.of(part), "The listing."),
            if_version=IfVersion,
            idempotency_key=IdempotencyKey,
            wait_for_index=WaitForIndex,
        ),
    )


def _listing_end() -> StrawberryField:
    async def listing_end(
        info: Info,
        product: Json,
        channel: str,
        at: datetime | None = None,
        if_version: int | None = None,
        idempotency_key: str | None = None,
        locale: str | None = None,
    ) -> Any:
        request = Request("listing_end", [product, channel, at, if_version], idempotency_key)

        def row(tx: sa.Connection) -> Json:
            number = find(tx, "product", product)
            end = at or tx.execute(sa.select(sa.func.now())).scalar_one()
            starts_at = _running(tx, number, channel, end)
            listing = {"channel": {"key": channel}, "starts_at": starts_at, "ends_at": end}
            return {"id": number, "listings": [listing]}

        how = replace(CHANGE, if_version=if_version)
        return await change_product(info, request, row, how, (channel, locale), ("listings", 0))

    return field(
        "listing_end",
        waiting(listing_end, registry.part("product")),
        "End the listing of a product in a channel that runs at that moment.",
        payload.single(registry.part("product")),
        **{
            **reading(
                product=reference_to("The product."),
                at=described(datetime | None, "When it ends; null for now."),
            ),
            "channel": described(str, "The channel's code."),
            "if_version": IfVersion,
            "idempotency_key": IdempotencyKey,
            NAME: WaitForIndex,
        },
    )


def _running(tx: sa.Connection, product_id: int, channel: str, moment: datetime) -> datetime | None:
    """The start of the listing that runs at a moment. Raises ``NotFound``."""
    channel_id = find(tx, "channel", {"key": channel}, "channel")
    statement = sa.select(Listing.starts_at).where(
        Listing.product_id == product_id,
        Listing.channel_id == channel_id,
        sa.or_(Listing.starts_at.is_(None), Listing.starts_at < moment),
        sa.or_(Listing.ends_at.is_(None), Listing.ends_at >= moment),
    )
    running = tx.execute(statement).first()
    if running is None:
        shown = moment.astimezone(UTC).isoformat()
        raise NotFound(
            f'The product is not listed in channel "{channel}" at {shown}: there is nothing to end.', ("at",)
        )
    return running.starts_at  # type: ignore[no-any-return]


def _meant(tx: sa.Connection, viewer: Viewer, product_id: int, listing: Json) -> Json:
    """The listing to take away, with the start that it has. Raises ``NotFound`` where it is not plain which is meant."""
    if listing.get("id") is not None or not listing.get("channel"):
        return listing
    channel_id = _reached(tx, viewer, listing["channel"])
    statement = (
        sa.select(Listing.starts_at, Listing.ends_at)
        .where(Listing.product_id == product_id, Listing.channel_id == channel_id)
        .order_by(Listing.starts_at.nulls_first())
    )
    stored = [(row.starts_at, row.ends_at) for row in tx.execute(statement)]
    if "starts_at" not in listing and len(stored) == 1:
        return {**listing, "starts_at": stored[0][0]}
    start = listing.get("starts_at")
    if (start and value.moment(start)) not in [each for each, _ in stored]:
        raise _no_such(start, stored)
    return listing


def _reached(tx: sa.Connection, viewer: Viewer, named: Json) -> int:
    """The channel. Raises ``NotFound``, and ``Forbidden`` before anything is told of a channel out of reach."""
    channel_id = find(tx, "channel", named, "input")
    if not viewer.reaches(channel_id):
        raise Forbidden(
            "The channel is not within this token's channels: use a token bound to it.", ("input", "channel")
        )
    return channel_id


def _no_such(start: Any, stored: list[tuple[datetime | None, datetime | None]]) -> NotFound:
    if not stored:
        return NotFound(
            "The product has no listing in this channel: there is nothing to remove.", ("input", "channel")
        )
    asked = "without a start" if start is None else f"that starts at {_shown(value.moment(start))}"
    windows = ", ".join(f"from {_shown(start)} to {_shown(end)}" for start, end in stored[:MOST_SHOWN])
    more = f" and {len(stored) - MOST_SHOWN} more" if len(stored) > MOST_SHOWN else ""
    return NotFound(
        f"The product has no listing {asked} in this channel: it has those {windows}{more}. Give the startsAt of one.",
        ("input", "starts_at"),
    )


def _shown(moment: datetime | None) -> str:
    """A bound of a window as people write it."""
    return "ever" if moment is None else moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
