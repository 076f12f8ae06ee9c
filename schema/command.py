"""How a command is carried out: signed, once per idempotency key, in a thread, and read back after its commit."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from hub import idempotency, refusal, save
from hub.db import Json
from hub.errors import HubError
from hub.registry import Part
from hub.save import Mode, Policy, Result
from hub.viewer import Viewer
from schema import reach
from schema.errors import stored
from schema.input import Given

if TYPE_CHECKING:
    from schema.context import Context

TRIES = 5
"""How often a command starts again when the database ended it for another one's sake."""

Command = Callable[[sa.Connection], Json]


@dataclass(frozen=True)
class Request:
    """What makes two requests the same: the mutation and all that it was given. ``key``: its idempotency key."""

    name: str
    given: Any
    key: str | None = None


@dataclass(frozen=True)
class Writing:
    """How rows are to be written."""

    mode: Mode = Mode.UPSERT
    policy: Policy = Policy.REJECT_ALL
    if_version: int | None = None


async def carry_out(context: Context, request: Request, command: Command) -> Json:
    """The answer of a command: ``{"results": […], "errors": […]}``; ``errors`` are about no row in particular.

    Everything is committed when it returns, and what follows in the same document reads it.
    """
    try:
        answer = await asyncio.to_thread(_write, context, request, command)
    except HubError as refused:
        answer = answered([], refused)
    context.forget()
    return answer


def _write(context: Context, request: Request, command: Command) -> Json:
    for _ in range(TRIES - 1):
        try:
            return _attempt(context, request, command)
        except sa.exc.DBAPIError as error:
            if not refusal.retryable(error):
                raise
    return _attempt(context, request, command)


def _attempt(context: Context, request: Request, command: Command) -> Json:
    viewer = context.viewer
    asked = {"command": request.name, "input": request.given}
    with context.database.write(viewer.writer) as tx:
        return idempotency.once(tx, viewer.token_id, request.key, asked, lambda: command(tx))


def answered(results: Sequence[Result], *errors: HubError) -> Json:
    """What became of rows, in the form that idempotency keeps."""
    return {
        "results": [
            {
                "id": each.id,
                "outcome": each.outcome,
                "errors": [stored(error) for error in each.errors],
                "proposed": each.proposed,
            }
            for each in results
        ],
        "errors": [stored(error) for error in errors],
    }


def write(
    tx: sa.Connection, viewer: Viewer, part: Part, given: Sequence[Given], how: Writing
) -> list[Result]:
    """Save inputs as ``viewer``: what cannot be read or is out of reach is refused before."""
    read = [each.row() for each in given]
    return write_rows(tx, viewer, part, [row for row, _ in read], how, [errors for _, errors in read])


def write_rows(
    tx: sa.Connection,
    viewer: Viewer,
    part: Part,
    rows: Sequence[Json],
    how: Writing,
    errors: Sequence[Sequence[HubError]] | None = None,
) -> list[Result]:
    """Save rows as ``viewer``. ``errors``: what is known to be wrong with each of them."""
    beyond = reach.check(tx, viewer, part, rows)
    unread = errors or [()] * len(rows)
    refused = [[*unread[place], *([out] if out else [])] for place, out in enumerate(beyond)]
    good = [place for place, wrong in enumerate(refused) if not wrong]
    results = [Result(None, "refused", tuple(wrong)) for wrong in refused]
    if len(good) == len(rows) or how.policy is Policy.SKIP_INVALID:
        versions = None if how.if_version is None else [how.if_version] * len(good)
        written = save.save(
            tx,
            part.name,
            [rows[place] for place in good],
            mode=how.mode,
            policy=how.policy,
            if_version=versions,
        )
        for place, result in zip(good, written, strict=True):
            results[place] = result
    return _together(results) if how.policy is Policy.REJECT_ALL else results


def _together(results: list[Result]) -> list[Result]:
    """With one row refused none is written, whatever the others would have become."""
    if all(not each.errors for each in results):
        return results
    return [replace(each, outcome="refused", id=each.id if each.errors else None) for each in results]
