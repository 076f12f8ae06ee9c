"""Mutations of kept messages: trying one again, and letting one be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
import strawberry
from strawberry.types import Info
from strawberry.types.field import StrawberryField

from hub import pending_message, registry
from hub.db import Json
from hub.errors import HubError
from hub.save import Result
from schema import payload
from schema.command import Request, answered, carry_out
from schema.input import local_id
from schema.mutation import IdempotencyKey, described, field


def fields() -> list[StrawberryField]:
    """These mutations."""
    return [
        _end("retry", _retry, "Let a message that was refused wait and be tried again."),
        _end("dismiss", pending_message.dismiss, "Decide that a message is never carried out."),
    ]


def _retry(tx: sa.Connection, number: int) -> bool:
    pending_message.retry(tx, number)
    return True


def _end(verb: str, work: Callable[[sa.Connection, int], bool], description: str) -> StrawberryField:
    part = registry.part("pending_message")

    async def end(
        info: Info,
        id: str,  # noqa: A002 - the argument's name in the API
        idempotency_key: str | None = None,
    ) -> Any:
        info.context.viewer.require(part.kept.scope, "write")
        request = Request(f"pending_message_{verb}", id, idempotency_key)
        answer = await carry_out(info.context, request, lambda tx: _done(tx, id, work))
        return payload.one(part, answer, (None, None))

    return field(
        f"pending_message_{verb}",
        end,
        description,
        payload.single(part),
        id=described(strawberry.ID, "The message's id in this hub."),
        idempotency_key=IdempotencyKey,
    )


def _done(tx: sa.Connection, global_id: str, work: Callable[[sa.Connection, int], bool]) -> Json:
    try:
        number = local_id(global_id, "pending_message")
        changed = work(tx, number)
    except HubError as refused:
        return answered([], refused)
    return answered([Result(number, "updated" if changed else "unchanged")])
