"""How refusals look outside: expected ones are data, unexpected ones are masked and logged."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Sequence
from typing import Any

import strawberry
from graphql import GraphQLError
from strawberry.utils.str_converters import to_camel_case

from hub.db import Json
from hub.errors import Code, Conflict, HubError
from schema.scalar import Long

log = logging.getLogger("hub.schema")

ErrorCode = strawberry.enum(Code, name="ErrorCode", description="Why something was refused, for programs.")


@strawberry.type(description="An expected refusal of a command.")
class UserError:
    """An expected refusal of a command."""

    field: list[str] = strawberry.field(
        description="Path into the arguments, list positions counted from 0. Empty when it is about none of them."
    )
    code: ErrorCode = strawberry.field(description="Why, for programs.")  # type: ignore[valid-type]
    message: str = strawberry.field(description="Why, for people: what is wrong, and what would be right.")
    version: Long | None = strawberry.field(
        description="With CONFLICT, the version that the object is at now; otherwise null."
    )


def stored(error: HubError) -> Json:
    """A refusal as idempotency keeps it."""
    version = error.version if isinstance(error, Conflict) else None
    return {"path": list(error.path), "code": error.code.value, "message": error.message, "version": version}


def user_error(kept: Json, prefix: Sequence[str | int] = ()) -> UserError:
    """A kept refusal as the API shows it. ``prefix`` is where its path starts in the arguments."""
    # A lost version is about the argument that named it.
    stale = kept["version"] is not None and not kept["path"]
    path = ["if_version"] if stale else [*prefix, *kept["path"]]
    return UserError(
        field=[outside(step) for step in path],
        code=Code(kept["code"]),
        message=kept["message"],
        version=kept["version"],
    )


def outside(step: str | int) -> str:
    """A step of a path in the names of the API."""
    return to_camel_case(step) if isinstance(step, str) else str(step)


def shown(error: GraphQLError) -> Json:
    """An error of the response. What the hub did not foresee is logged under a reference and not told."""
    cause = error.original_error
    if cause is None or isinstance(cause, GraphQLError):
        return {**error.formatted, "extensions": {"code": "BAD_REQUEST", **(error.extensions or {})}}
    if isinstance(cause, HubError):
        return {**error.formatted, "extensions": {"code": cause.code.value}}
    return {**error.formatted, **_masked(cause)}


def refusal(code: str, message: str, **more: Any) -> Json:
    """A whole response that answers nothing but why."""
    return {"errors": [{"message": message, "extensions": {"code": code, **more}}]}


def _masked(cause: BaseException) -> Json:
    if isinstance(cause, TimeoutError):
        return {"message": "The query took too long: ask for less.", "extensions": {"code": "TIMEOUT"}}
    reference = secrets.token_hex(6)
    log.error("Unexpected error %s", reference, exc_info=cause)
    return {
        "message": f"Unexpected error {reference}: the hub's log says more under this reference.",
        "extensions": {"code": "INTERNAL", "reference": reference},
    }
