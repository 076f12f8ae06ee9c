"""Tokens in the API: made, shown once, and revoked."""

from __future__ import annotations

import asyncio
from datetime import datetime
from enum import StrEnum
from typing import Annotated

import sqlalchemy as sa
import strawberry
from strawberry.types import Info
from strawberry.types.field import StrawberryField

from hub import ids, token
from hub.errors import Forbidden, HubError
from hub.token import Token, Wish
from hub.viewer import PREVIEW, Viewer
from schema.context import Context
from schema.errors import UserError, stored, user_error
from schema.input import local_id
from schema.payload import DeletePayload


@strawberry.enum(description="Who a token is for.")
class TokenKind(StrEnum):
    """Who a token is for."""

    STAFF = "staff"
    APP = "app"
    STOREFRONT = "storefront"
    CUSTOMER = "customer"


@strawberry.input(description="What a new token is to be.")
class TokenInput:
    """What a new token is to be."""

    kind: TokenKind = strawberry.field(description="Who it is for.")
    name: str = strawberry.field(description="What people call it.")
    scopes: list[str] | None = strawberry.field(
        description="Entries such as catalogue:read; null for all that the kind may have. An app names its own.",
        default=None,
    )
    channels: list[str] | None = strawberry.field(
        description="Codes of the channels that it is bound to; null for all of them.", default=None
    )
    system: str | None = strawberry.field(
        description="The source of what it writes; null for its name.", default=None
    )
    default_channel: str | None = strawberry.field(
        description="Code of the channel where a query names none.", default=None
    )
    default_locale: str | None = strawberry.field(
        description="BCP 47 tag where a query names none.", default=None
    )
    customer: strawberry.ID | None = strawberry.field(
        description="The customer that a customer's token is for.", default=None
    )
    expires_at: datetime | None = strawberry.field(description="When it ends; null for never.", default=None)


@strawberry.type(description="A new token.")
class TokenPayload:
    """A new token."""

    id: strawberry.ID | None = strawberry.field(
        description="Its id, for tokenRevoke; null when it was refused."
    )
    token: str | None = strawberry.field(
        description="The token itself, shown this once; null when it was refused."
    )
    user_errors: list[UserError] = strawberry.field(description="Why it was refused; empty when it was made.")


async def token_create(
    info: Info,
    input: Annotated[TokenInput, strawberry.argument(description="What it is to be.")],  # noqa: A002 - the API's name
) -> TokenPayload:
    """Make a token. Raises ``Forbidden`` for a token that may not change settings."""
    context: Context = info.context
    context.viewer.require("settings", "write")
    try:
        number, text = await asyncio.to_thread(_create, context, input)
    except HubError as refused:
        return TokenPayload(id=None, token=None, user_errors=[user_error(stored(refused), ("input",))])
    return TokenPayload(id=strawberry.ID(ids.encode("token", number)), token=text, user_errors=[])


async def token_revoke(
    info: Info,
    id: Annotated[strawberry.ID, strawberry.argument(description="The token's id.")],  # noqa: A002 - the API's name
) -> DeletePayload:
    """Close a token from now on. Raises ``Forbidden`` for a token that may not change settings."""
    context: Context = info.context
    context.viewer.require("settings", "write")
    try:
        await asyncio.to_thread(_revoke, context, id)
    except HubError as refused:
        return DeletePayload(deleted_id=None, user_errors=[user_error(stored(refused))])
    return DeletePayload(deleted_id=id, user_errors=[])


def fields() -> list[StrawberryField]:
    """The mutations of tokens."""
    return [
        strawberry.mutation(
            resolver=token_create,
            description="Make a token. It can reach no further than the token that makes it, and is shown this once.",
        ),
        strawberry.mutation(
            resolver=token_revoke, description="Close a token for good, from the next request on."
        ),
    ]


def _create(context: Context, wanted: TokenInput) -> tuple[int, str]:
    wish = Wish(
        kind=wanted.kind.value,
        name=wanted.name,
        scopes=wanted.scopes,
        channels=wanted.channels,
        system=wanted.system,
        default_channel=wanted.default_channel,
        default_locale=wanted.default_locale,
        customer_id=None if wanted.customer is None else local_id(wanted.customer, "customer", ("customer",)),
        expires_at=wanted.expires_at,
    )
    with context.database.write(context.viewer.writer) as tx:
        number, text = token.create(tx, context.extras["secret"], wish)
        _keep_within(tx, context.viewer, number)
    return number, text


def _revoke(context: Context, global_id: str) -> None:
    number = local_id(global_id, "token")
    with context.database.write(context.viewer.writer) as tx:
        _keep_within(tx, context.viewer, number)
        token.revoke(tx, number)


def _keep_within(tx: sa.Connection, viewer: Viewer, number: int) -> None:
    """Raises ``Forbidden`` for a token that reaches further than the viewer: nobody gives what they do not have."""
    row = tx.execute(sa.select(Token.__table__).where(Token.id == number)).mappings().first()
    if row is None:
        return
    other = token.viewer(row)
    # Staff and apps see other moments anyway; the scope says it for a storefront.
    own = viewer.scopes | {PREVIEW} if viewer.may("catalogue", "read") else viewer.scopes
    if beyond := sorted(other.scopes - own):
        raise Forbidden(
            f"The token has {', '.join(beyond)}, which yours has not: use one that has.", ("scopes",)
        )
    if viewer.channel_ids is not None and not (other.channel_ids or set()) <= viewer.channel_ids:
        raise Forbidden("The token reaches channels that yours does not: name yours.", ("channels",))
    if viewer.channel_ids is not None and other.channel_ids is None:
        raise Forbidden("The token is bound to no channel, and yours is: name channels.", ("channels",))
