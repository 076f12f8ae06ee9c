"""Subscriptions: the feed as it comes, from a cursor on, page by page at the reader's pace."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import TYPE_CHECKING, Annotated

import orjson
import strawberry
from graphql import GraphQLError
from strawberry.types import ExecutionResult, Info

from hub import feed
from hub.db import Json
from hub.errors import HubError
from hub.feed import Ends, Position
from schema import change
from schema.change import Change
from schema.context import Context
from schema.cost import actual
from schema.desk import Desk
from schema.errors import shown
from schema.execution import Answered, Asked, Operation

if TYPE_CHECKING:
    from hub.viewer import Viewer
    from schema.router import Endpoint

PAGE = 100
"""Changes that are read ahead of the client: more are never in memory, however slow it is."""

QUIET_SECONDS = 15.0
"""After this long without news the feed is looked at anew, so that a position does not fall behind what is kept."""


async def changes(
    info: Info,
    after: Annotated[
        str | None,
        strawberry.argument(
            description="Cursor to go on from, without gap or repetition; null: from now on."
        ),
    ] = None,
    types: change.Types = None,
    channel: change.InChannel = None,
) -> AsyncGenerator[Change]:
    """Yield changes as they come. Raises what the query ``changes`` raises, also later: ``GoneError`` for a reader
    whose next change is dropped before it takes it.
    """
    context: Context = info.context
    asked = await change.wanted(context, types, channel)
    desk: Desk = context.extras["desk"]
    at = change.start(after) or await _now(context)
    while True:
        with change.about("after"):
            page = await desk.follower.read(asked, at, PAGE)
        for row in page.rows:
            yield change.made(row, page.ends, context.viewer)
        at = Position(page.end, page.ends.epoch)
        if page.is_last:
            await desk.follower.news(asked, page.end, QUIET_SECONDS)


async def _now(context: Context) -> Position:
    ends = Ends(**(await context.database.rows(feed.ENDS))[0])
    return Position(ends.last, ends.epoch)


@strawberry.type(
    description="What the hub tells by itself, over graphql-transport-ws or as server-sent events."
)
class Subscription:
    """What the hub tells by itself."""

    changes: AsyncGenerator[Change] = strawberry.subscription(
        resolver=changes,
        description="Every change behind a cursor and all that follow, in order. Each has the cursor to go on from after "
        "the connection was lost.",
    )


class RefusedError(Exception):
    """An operation that ends in errors before, or instead of, its next result."""

    def __init__(self, errors: list[Json]) -> None:
        super().__init__(errors)
        self.errors = errors


async def results(endpoint: Endpoint, viewer: Viewer, asked: Asked) -> AsyncIterator[bytes]:
    """The answers of any operation as JSON: one of a query or mutation, those of a subscription until it ends.

    Raises ``RefusedError``, and ``schema.router.Refused`` for what a token cannot afford.
    """
    operation = endpoint.execution.read(asked)
    if isinstance(operation, Answered):
        raise RefusedError(operation.errors)
    endpoint.allow(viewer, operation)
    if operation.subscribes:
        async with aclosing(_told(endpoint, viewer, asked, operation)) as told:
            async for each in told:
                yield each
        return
    answered = await endpoint.execution.answer(asked, operation, viewer)
    if answered.early:
        raise RefusedError(answered.errors)
    yield endpoint.body(viewer, answered, operation.requested)


async def _told(
    endpoint: Endpoint, viewer: Viewer, asked: Asked, operation: Operation
) -> AsyncGenerator[bytes]:
    execution = endpoint.execution
    stream = await execution.schema.subscribe(
        asked.query,
        variable_values=asked.variables,
        context_value=execution.context(asked, operation, viewer),
        operation_name=asked.operation,
    )
    async with aclosing(stream):
        try:
            async for result in stream:
                yield _body(endpoint, viewer, result)
        except HubError as refused:
            raise RefusedError([shown(GraphQLError(refused.message, original_error=refused))]) from refused


def _body(endpoint: Endpoint, viewer: Viewer, result: ExecutionResult) -> bytes:
    errors = [shown(error) for error in result.errors or ()]
    if errors and result.data is None:
        raise RefusedError(errors)
    endpoint.budgets.spend(viewer.token_id, actual(result.data))
    return orjson.dumps({"data": result.data, **({"errors": errors} if errors else {})}, default=str)
