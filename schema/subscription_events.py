"""Subscriptions as server-sent events: the protocol of graphql-sse, in its mode of one connection per operation.

https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, aclosing
from typing import TYPE_CHECKING

import orjson
from starlette.requests import Request
from starlette.responses import StreamingResponse

from hub.errors import Limit
from hub.viewer import Viewer
from schema.asking import Refused
from schema.desk import Desk, End, Ending
from schema.errors import refusal
from schema.execution import Asked
from schema.subscription import RefusedError, results

if TYPE_CHECKING:
    from schema.router import Endpoint

MEDIA = "text/event-stream"
QUIET_SECONDS = 12.0
"""A comment is sent this often where nothing else is: proxies cut what is silent, and a client that is gone is found out."""

HEADERS = {"cache-control": "no-cache", "x-accel-buffering": "no"}


def wants(request: Request) -> bool:
    """Whether the client asks for an event stream."""
    return MEDIA in request.headers.get("accept", "")


async def answer(endpoint: Endpoint, viewer: Viewer, asked: Asked) -> StreamingResponse:
    """Stream the results of an operation. Raises ``Refused`` for a token with too many connections."""
    desk: Desk = endpoint.extras["desk"]
    seat = AsyncExitStack()
    try:
        ending = await seat.enter_async_context(desk.connected(viewer.token_id))
    except Limit as full:
        raise Refused("THROTTLED", full.message, retry_after="5") from full
    return StreamingResponse(_held(seat, _events(endpoint, viewer, asked, ending)), 200, HEADERS, MEDIA)


async def _held(seat: AsyncExitStack, events: AsyncGenerator[bytes]) -> AsyncIterator[bytes]:
    async with seat, aclosing(events):
        async for each in events:
            yield each


async def _events(endpoint: Endpoint, viewer: Viewer, asked: Asked, ending: Ending) -> AsyncGenerator[bytes]:
    """The events, until the operation or the connection ends. One that the server cuts short is not complete."""
    yield b":\n\n"
    async with aclosing(results(endpoint, viewer, asked)) as told:  # type: ignore[type-var]  # it is an async generator
        while True:
            coming = asyncio.ensure_future(anext(told, None))
            try:
                async for quiet in _until(coming, ending):
                    yield quiet
                if ending.done():
                    break
                result = coming.result()
            except RefusedError as refused:
                yield _next(orjson.dumps({"errors": refused.errors})) + _COMPLETE
                return
            except Refused as refused:
                yield _next(orjson.dumps(refusal(refused.code, refused.message))) + _COMPLETE
                return
            finally:
                await _stopped(coming)
            if result is None:
                yield _COMPLETE
                return
            yield _next(result)
    if ending.result() is End.REVOKED:
        yield _next(orjson.dumps(refusal("UNAUTHENTICATED", End.REVOKED.value))) + _COMPLETE


async def _until(coming: asyncio.Future[bytes | None], ending: Ending) -> AsyncIterator[bytes]:
    """Wait for one of both, with a comment now and then."""
    while not (await asyncio.wait((coming, ending), timeout=QUIET_SECONDS, return_when="FIRST_COMPLETED"))[0]:
        yield b":\n\n"


async def _stopped(coming: asyncio.Future[bytes | None]) -> None:
    if not coming.done():
        coming.cancel()
        await asyncio.wait((coming,))


def _next(result: bytes) -> bytes:
    return b"event: next\ndata: " + result + b"\n\n"


# Browsers' EventSource does not hand on an event without data.
_COMPLETE = b"event: complete\ndata:\n\n"
