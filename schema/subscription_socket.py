"""Subscriptions over WebSocket: the sub-protocol graphql-transport-ws to the letter.

https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Any

import orjson
from starlette.websockets import WebSocket, WebSocketDisconnect

from hub.db import Json
from hub.errors import Limit
from hub.viewer import Viewer
from schema.asking import Refused, asked_in
from schema.desk import Desk, End, Ending
from schema.errors import refusal
from schema.execution import Asked
from schema.subscription import RefusedError, results

if TYPE_CHECKING:
    from schema.router import Endpoint

PROTOCOL = "graphql-transport-ws"
INIT_SECONDS = 10.0
"""How long a client may take to say who it is."""
FAREWELL_SECONDS = 5.0
"""How long the last messages may take before the connection is cut."""
MOST_OPERATIONS = 50
"""Operations of one connection at one time."""
LONGEST_MESSAGE = 128 * 1024
LONGEST_OF_WRITERS = 16 * 1024 * 1024
"""Characters of a message; of those with a token that writes."""
LONGEST_REASON = 123
"""Bytes of a close frame's reason (RFC 6455, section 5.5)."""

log = logging.getLogger(__name__)


class CloseError(Exception):
    """The connection ends with this code and reason."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


async def serve(endpoint: Endpoint, socket: WebSocket) -> None:
    """Hold one connection until either side ends it."""
    if PROTOCOL not in socket.scope["subprotocols"]:
        await socket.accept()
        await socket.close(4406, f"Subprotocol not acceptable: speak {PROTOCOL}.")
        return
    await socket.accept(PROTOCOL)
    connection = Connection(endpoint, socket)
    try:
        with suppress(WebSocketDisconnect):
            await connection.live()
    except CloseError as close:
        reason = close.reason.encode()[:LONGEST_REASON].decode(errors="ignore")
        with suppress(RuntimeError, WebSocketDisconnect, TimeoutError):  # the client may have gone first
            async with asyncio.timeout(FAREWELL_SECONDS):
                await socket.close(close.code, reason)
    finally:
        await connection.end()


class Connection:
    """One client: who it is, and its operations by their ids."""

    def __init__(self, endpoint: Endpoint, socket: WebSocket) -> None:
        self._endpoint = endpoint
        self._desk: Desk = endpoint.extras["desk"]
        self._socket = socket
        self._operations: dict[str, asyncio.Task[None]] = {}
        self._viewer: Viewer | None = None

    async def live(self) -> None:
        """Answer messages. Raises ``CloseError`` where the protocol or the hub ends it."""
        viewer, answer = await self._greeted()
        try:
            async with self._desk.connected(viewer.token_id) as ending:
                self._viewer = viewer
                await self._send(answer)
                await self._talk(ending)
        except Limit as full:
            # Clients take this code for a reason to come back later.
            raise CloseError(1013, full.message) from full

    async def end(self) -> None:
        """Stop what still runs."""
        running = list(self._operations.values())
        for each in running:
            each.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def _greeted(self) -> tuple[Viewer, Json]:
        """Who the client says it is."""
        try:
            async with asyncio.timeout(INIT_SECONDS):
                while (message := await self._message())["type"] in ("ping", "pong"):
                    await self._pong(message)
        except TimeoutError as late:
            raise CloseError(4408, "Connection initialisation timeout") from late
        if message["type"] != "connection_init":
            raise CloseError(4401, "Unauthorized: send connection_init first.")
        try:
            return await self._endpoint.viewer(self._authorization(message)), {"type": "connection_ack"}
        except Refused as refused:
            raise CloseError(4403, f"Forbidden: {refused.message}") from refused

    def _authorization(self, message: Json) -> str:
        """As the payload says it, or else the header of the handshake."""
        payload = message.get("payload") or {}
        for name in ("Authorization", "authorization"):
            if isinstance(payload.get(name), str):
                return str(payload[name])
        return self._socket.headers.get("authorization", "")

    async def _talk(self, ending: Ending) -> None:
        hearing = asyncio.create_task(self._hear())
        try:
            await asyncio.wait((hearing, ending), return_when="FIRST_COMPLETED")
            if hearing.done():
                return hearing.result()
        finally:
            hearing.cancel()
            await asyncio.gather(hearing, return_exceptions=True)
        return await self._dismiss(ending.result())

    async def _dismiss(self, why: End) -> None:
        """End it from here. Whoever lost the right to listen is told so in each operation."""
        ended = list(self._operations)
        await self.end()
        if why is End.CLOSING:
            raise CloseError(1012, why.value)
        errors = refusal("UNAUTHENTICATED", why.value)["errors"]
        with suppress(TimeoutError):
            async with asyncio.timeout(FAREWELL_SECONDS):
                for each in ended:
                    await self._send({"id": each, "type": "error", "payload": errors})
        raise CloseError(4403, f"Forbidden: {why.value}")

    async def _hear(self) -> None:
        while True:
            message = await self._message()
            match message["type"]:
                case "ping" | "pong":
                    await self._pong(message)
                case "subscribe":
                    await self._subscribe(message)
                case "complete":
                    self._complete(_id(message))
                case "connection_init":
                    raise CloseError(4429, "Too many initialisation requests")
                case other:
                    raise CloseError(4400, f'Unknown message type "{other}"')

    async def _message(self) -> Json:
        """The next message. Raises ``CloseError`` for what is none."""
        event = await self._socket.receive()
        if event["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(event.get("code", 1005))
        text = event.get("text")
        if text is None:
            raise CloseError(4400, "A message is text, not bytes.")
        longest = LONGEST_OF_WRITERS if self._viewer and self._viewer.writes else LONGEST_MESSAGE
        if len(text) > longest:
            raise CloseError(4400, f"A message has at most {longest} characters, not {len(text)}.")
        try:
            message = orjson.loads(text)
        except orjson.JSONDecodeError as wrong:
            raise CloseError(4400, "A message is JSON, which this is not.") from wrong
        if not isinstance(message, dict) or not isinstance(message.get("type"), str):
            raise CloseError(4400, "A message is a JSON object with a type.")
        if not isinstance(message.get("payload", {}), dict | None):
            raise CloseError(4400, "A payload is a JSON object.")
        return message

    async def _pong(self, message: Json) -> None:
        if message["type"] == "ping":
            echo = {"payload": message["payload"]} if message.get("payload") else {}
            await self._send({"type": "pong", **echo})

    async def _subscribe(self, message: Json) -> None:
        number = _id(message)
        try:
            asked = asked_in(message.get("payload"))
        except Refused as wrong:
            raise CloseError(4400, wrong.message) from wrong
        if number in self._operations:
            raise CloseError(4409, f"Subscriber for {number} already exists")
        if len(self._operations) >= MOST_OPERATIONS:
            text = (
                f"This connection has {MOST_OPERATIONS} operations, the most at one time: complete one first."
            )
            await self._send({"id": number, "type": "error", "payload": refusal("LIMIT", text)["errors"]})
            return
        self._operations[number] = asyncio.create_task(self._run(number, self._told(number, asked)))

    def _complete(self, number: str) -> None:
        task = self._operations.pop(number, None)
        if task is not None:
            task.cancel()

    async def _run(self, number: str, work: Coroutine[Any, Any, Json]) -> None:
        """Send what ends the operation. Its id is free again before the client hears of it."""
        try:
            last = await work
        except RefusedError as refused:
            last = {"type": "error", "payload": refused.errors}
        except Refused as refused:
            last = {"type": "error", "payload": refusal(refused.code, refused.message)["errors"]}
        except (WebSocketDisconnect, RuntimeError):  # the client has gone while it was sent to
            return
        except Exception:
            log.exception("An operation of a subscription failed.")
            last = {
                "type": "error",
                "payload": refusal("INTERNAL", "Unexpected error: see the hub's log.")["errors"],
            }
        self._operations.pop(number, None)
        with suppress(WebSocketDisconnect, RuntimeError):
            await self._send({"id": number, **last})

    async def _told(self, number: str, asked: Asked) -> Json:
        assert self._viewer is not None, "Nobody subscribes before connection_ack."
        async with aclosing(results(self._endpoint, self._viewer, asked)) as told:  # type: ignore[type-var]  # it is an async generator
            async for result in told:
                await self._send({"id": number, "type": "next", "payload": orjson.Fragment(result)})
        return {"type": "complete"}

    async def _send(self, message: Json) -> None:
        """Returns when the client's connection takes more: a slow reader slows down its own operations only."""
        await self._socket.send_text(orjson.dumps(message).decode())


def _id(message: Json) -> str:
    number = message.get("id")
    if not isinstance(number, str) or not number:
        raise CloseError(4400, f'A message of type "{message["type"]}" has an id, which is text.')
    return number
