"""The HTTP endpoint ``/graphql``: GraphQL over HTTP, with a token in ``Authorization: Bearer``."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import Any

import orjson
import strawberry
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket
from strawberry.http.ides import get_graphql_ide_html

from hub import token
from hub.db import HUB, Database, Json
from hub.recent import Recent
from hub.viewer import Viewer
from schema import opening, subscription_events, subscription_socket
from schema.asking import STATUS, Refused, asked_in, json
from schema.cost import DEAREST, REFILL, TOKENS, Budgets
from schema.errors import refusal
from schema.execution import Answered, Asked, Execution, Operation
from schema.opening import Door, Opening, Stale

PATH = "/graphql"
LARGEST_BODY = 24 * 1024 * 1024
"""Bytes of a request. A bulk upsert of full rows fits; larger loads are files for ``hub import``."""
LARGEST_QUESTION = 128 * 1024
"""Bytes of a request with a token that writes nothing: it stands in web pages, and reading them costs everyone time."""
NOTED_EVERY = 60.0
"""Seconds between two notes that a token was used."""

JSON = "application/json"
GRAPHQL_JSON = "application/graphql-response+json"
STREAMS = "speak graphql-transport-ws, or accept text/event-stream"


@dataclass
class Endpoint:
    """Answers requests for one schema and one database."""

    schema: strawberry.Schema
    database: Database
    secret: str
    development: bool = False
    extras: Json = field(default_factory=dict)
    """What the app hands to every request beside the database."""
    compiled: bool = True
    """Whether the compiled executor may answer; without it the ordinary one answers everything."""
    execution: Execution = field(init=False)
    budgets: Budgets = field(default_factory=Budgets)
    _noted: Recent[int, float] = field(default_factory=lambda: Recent(TOKENS))
    _door: Door = field(init=False)

    def __post_init__(self) -> None:
        extras = self.extras | {"secret": self.secret}
        self._door = Door(self.database)
        self.execution = Execution(self.schema, self.database, extras, compiled=self.compiled)

    def routes(self) -> list[BaseRoute]:
        """Where the app mounts it."""
        return [
            Route(PATH, self.answer, methods=["GET", "POST", "HEAD", "PUT", "PATCH", "DELETE"]),
            WebSocketRoute(PATH, self.listen),
        ]

    async def listen(self, socket: WebSocket) -> None:
        """Hold a connection for subscriptions."""
        await subscription_socket.serve(self, socket)

    async def answer(self, request: Request) -> Response:
        """Answer one request."""
        if self._wants_page(request):
            return HTMLResponse(get_graphql_ide_html(graphql_ide="graphiql"))
        try:
            keyed = self._keyed(request.headers.get("authorization", ""))
            early = await _early(request)
            opens = self._opens(keyed, early)
            quick = await self._quick(request, opens, early)
            if quick is not None:
                return quick
            opening = await self._opened(opens)
            if isinstance(early, Refused):
                raise early
            viewer = opening.viewer
            asked = early or await read(request, LARGEST_BODY if viewer.writes else LARGEST_QUESTION)
            if subscription_events.wants(request):
                return await self._stream(request, viewer, asked)
            return await self._answer(request, asked, opening)
        except Refused as refused:
            body = orjson.dumps(refusal(refused.code, refused.message))
            return Response(body, STATUS[refused.code], refused.headers, JSON)

    async def viewer(self, text: str) -> Viewer:
        """Who asks, by what stands under ``Authorization``. Raises ``Refused`` without a valid token."""
        return (await self._opened(opening.Asked(self._keyed(text)))).viewer

    def _keyed(self, text: str) -> bytes:
        """The keyed hash of a token, which may not exist. Raises ``Refused`` for what cannot be one."""
        kind, _, secret = text.partition(" ")
        if kind.lower() != "bearer" or not token.well_formed(secret.strip()):
            raise _unauthenticated("A token is missing" if not text else "The token is not one of this hub")
        return token.keyed_hash(self.secret, secret.strip())

    def _opens(self, keyed: bytes, early: Asked | Refused | None) -> opening.Asked:
        """What is read to open a request."""
        document = self.execution.documents.known(early.query) if isinstance(early, Asked) else None
        if document is None or not isinstance(early, Asked):
            return opening.Asked(keyed)
        codes, own = document.channels(early.variables)
        return opening.Asked(keyed, tuple(codes), own)

    async def _opened(self, opens: opening.Asked) -> Opening:
        """Who asks, and what was read along with the token. Raises ``Refused`` without a valid one."""
        found = await self._door.opened(opens)
        if found is None:
            raise _unauthenticated("The token is unknown, expired or revoked")
        return found

    async def _quick(
        self, request: Request, opens: opening.Asked, asked: Asked | Refused | None
    ) -> Response | None:
        """The answer to a query that a known token asks again; null where it has to go the whole way.

        Whatever is unusual goes that way, also what is refused: it may be that the token is no more.
        """
        remembered = self._door.remembered(opens)
        if remembered is None or not isinstance(asked, Asked) or subscription_events.wants(request):
            return None
        try:
            return await self._answer(request, asked, remembered, quick=True)
        except Exception as unusual:  # noqa: BLE001 - whatever it is, the whole way says it better
            self.execution.figures.reopened[type(unusual).__name__] += 1
            return None

    def _wants_page(self, request: Request) -> bool:
        page = "text/html" in request.headers.get("accept", "")
        return self.development and page and request.method == "GET" and "query" not in request.query_params

    async def _answer(
        self, request: Request, asked: Asked, opening: Opening, *, quick: bool = False
    ) -> Response:
        """Answer for whom an opening says. ``quick``: who that is was not read, and is looked at with the answer."""
        viewer = opening.viewer
        operation = self.execution.read(asked)
        if isinstance(operation, Answered):
            if quick:
                raise Stale
            return self._respond(asked, viewer, operation, 0)
        if operation.subscribes:
            raise Refused("BAD_REQUEST", f"A subscription needs a stream: {STREAMS}.")
        _check_method(request, operation)
        self.allow(viewer, operation)
        if quick:
            answered = await self.execution.quick(asked, operation, opening)
        else:
            answered = await self.execution.answer(asked, operation, viewer, opening.ground)
        return self._respond(asked, viewer, answered, operation.requested)

    async def _stream(self, request: Request, viewer: Viewer, asked: Asked) -> Response:
        operation = self.execution.read(asked)
        if not isinstance(operation, Answered):
            _check_method(request, operation)
        return await subscription_events.answer(self, viewer, asked)

    def allow(self, viewer: Viewer, operation: Operation) -> None:
        """Raises ``Refused`` for an operation that the token may not ask for, or cannot afford."""
        if operation.document.introspects and not (self.development or viewer.sees_unlisted):
            raise Refused(
                "FORBIDDEN",
                "Introspection is closed to this token: take the printed schema, or a staff or app token.",
            )
        self._afford(viewer, operation.requested)

    def _afford(self, viewer: Viewer, price: int) -> None:
        if price > DEAREST:
            raise Refused(
                "BAD_REQUEST",
                f"The query asks for up to {price} objects, at most {DEAREST} are given at once: take smaller pages.",
            )
        if price > self.budgets.left(viewer.token_id):
            raise Refused("THROTTLED", "The token has used up its budget: wait a second.", retry_after="1")

    def _respond(self, asked: Asked, viewer: Viewer, answered: Answered, price: int) -> Response:
        # The draft lets a client that knows only application/json find every answer of GraphQL under 200.
        status = 400 if answered.early and asked.accepts_graphql_json else 200
        media = GRAPHQL_JSON if asked.accepts_graphql_json else JSON
        headers = {"content-type": f"{media}; charset=utf-8"}
        content = self.body(viewer, answered, price)
        return Response(content, status, headers, background=self._note(viewer))

    def body(self, viewer: Viewer, answered: Answered, price: int) -> bytes:
        """The whole answer as JSON, with what it cost."""
        left = self.budgets.spend(viewer.token_id, answered.actual)
        cost = {"requested": price, "actual": answered.actual, "remaining": left, "restoreRate": REFILL}
        return _body(answered, cost)

    def _note(self, viewer: Viewer) -> BackgroundTask | None:
        """The note that the token was used, after the answer has left."""
        used, now = viewer.token_id, time.monotonic()
        if used is None:
            return None
        noted = self._noted.find(used)
        if noted is not None and now - noted < NOTED_EVERY:
            return None
        self._noted.keep(used, now)
        return BackgroundTask(self._touch, used)

    def _touch(self, used: int) -> None:
        with self.database.write(HUB) as tx:
            token.touch(tx, [used])


def _check_method(request: Request, operation: Operation) -> None:
    """Links and caches repeat a GET: it must not change anything."""
    if request.method != "POST" and operation.mutates:
        raise Refused("METHOD", "A mutation cannot be sent by GET: use POST.", allow="POST")


def _body(answered: Answered, cost: Json) -> bytes:
    """The answer's JSON; ``data`` goes through as it is."""
    body: Json = {} if answered.early else {"data": orjson.Fragment(answered.text)}
    if answered.errors:
        body["errors"] = answered.errors
    body["extensions"] = {"cost": cost}
    return orjson.dumps(body, default=str)


async def _early(request: Request) -> Asked | Refused | None:
    """What a small request asks, or why it asks nothing; null for one that is read when it is known who asks."""
    length = request.headers.get("content-length", "")
    if request.method == "POST" and not (length.isdigit() and int(length) <= LARGEST_QUESTION):
        return None
    try:
        return await read(request, LARGEST_QUESTION)
    except Refused as refused:
        return refused


async def read(request: Request, largest: int = LARGEST_BODY) -> Asked:
    """What a request asks, in a body of at most ``largest`` bytes. Raises ``Refused`` where it is no GraphQL request."""
    if request.method == "GET":
        given: Any = dict(request.query_params)
        for name in ("variables", "extensions"):
            if name in given:
                given[name] = json(given[name].encode())
    elif request.method == "POST":
        given = json(await _content(request, largest))
    else:
        raise Refused("METHOD", f"{request.method} is not a way to ask: use POST.", allow="GET, POST")
    asked = asked_in(given, accepts_graphql_json=GRAPHQL_JSON in request.headers.get("accept", ""))
    return replace(asked, gone=request.is_disconnected)


async def _content(request: Request, largest: int) -> bytes:
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media != JSON:
        raise Refused("MEDIA", f'Content-Type "{media}" is not taken: send {JSON}.')
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > largest:
            raise Refused(
                "TOO_LARGE",
                f"The request is larger than {largest} bytes: send fewer rows, or a file with hub import.",
            )
    return bytes(body)


def _unauthenticated(fact: str) -> Refused:
    return Refused(
        "UNAUTHENTICATED",
        f"{fact}: send one as Authorization: Bearer …; hub token create makes one.",
        www_authenticate="Bearer",
    )
