"""Mutations that decide proposals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
import strawberry
from strawberry.types import Info
from strawberry.types.field import StrawberryField

from hub import proposal, registry
from hub.db import Json, Writer, sign
from hub.errors import Forbidden, HubError
from hub.save import Mode, Result, save
from hub.viewer import Viewer
from schema import payload, reach
from schema.command import Request, answered, carry_out
from schema.input import local_id
from schema.mutation import IdempotencyKey, described, field

Decide = Callable[[sa.Connection, Viewer, sa.RowMapping], Result]


def fields() -> list[StrawberryField]:
    """These mutations."""
    return [
        _decision(
            "accept", accept, "Write what was proposed, in the name of the system that owns the field."
        ),
        _decision("dismiss", dismiss, "Leave the value as it is."),
    ]


def accept(tx: sa.Connection, viewer: Viewer, found: sa.RowMapping) -> Result:
    """Write a proposal. Its refusals are those of the write."""
    part = registry.part(found["noun"])
    for beyond in reach.check(tx, viewer, part, [found["change"]]):
        if beyond is not None:
            raise beyond
    by = viewer.writer
    sign(tx, Writer(by.actor, found["owner"], f"proposal of {found['source']} by {found['actor']}"))
    written = save(tx, part.name, [found["change"]], mode=Mode.UPDATE)[0]
    if not written.errors:
        proposal.decide(tx, found["id"], "accepted")
    return Result(found["id"], "refused" if written.errors else "updated", written.errors)


def dismiss(tx: sa.Connection, _: Viewer, found: sa.RowMapping) -> Result:
    """Put a proposal aside."""
    proposal.decide(tx, found["id"], "dismissed")
    return Result(found["id"], "updated")


def _decision(verb: str, decide: Decide, description: str) -> StrawberryField:
    part = registry.part("proposal")

    async def decision(
        info: Info,
        id: str,  # noqa: A002 - the argument's name in the API
        idempotency_key: str | None = None,
    ) -> Any:
        viewer: Viewer = info.context.viewer
        request = Request(f"proposal_{verb}", id, idempotency_key)
        answer = await carry_out(info.context, request, lambda tx: _decided(tx, viewer, id, decide))
        return payload.one(part, answer, (None, None))

    return field(
        f"proposal_{verb}",
        decision,
        f"{description} For staff, and for tokens of the system that owns the field.",
        payload.single(part),
        id=described(strawberry.ID, "The proposal's id."),
        idempotency_key=IdempotencyKey,
    )


def _decided(tx: sa.Connection, viewer: Viewer, global_id: str, decide: Decide) -> Json:
    try:
        found = proposal.opened(tx, local_id(global_id, "proposal"))
        viewer.require(registry.part(found["noun"]).kept.scope, "write")
        if viewer.kind != "staff" and viewer.system != found["owner"]:
            said = f'The field belongs to system "{found["owner"]}"'
            raise Forbidden(f"{said}: staff or a token of that system decides.", ("id",))
        return answered([decide(tx, viewer, found)])
    except HubError as refused:
        return answered([], refused)
