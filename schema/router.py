"""The HTTP endpoint ``/graphql``: GraphQL over HTTP, with a token in ``Authorization: Bearer``."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import orjson
import strawberry
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route
from strawberry.http.ides import get_graphql_ide_html

from hub import token
from hub.db import HUB, Database, Json
from hub.viewer import Viewer
from schema.cost import DEAREST, Budgets
from schema.errors import refusal
from schema.execution import Answered, Asked, Execution

PATH = "/graphql"
LARGEST_BODY = 24 * 1024 * 1024
"""Bytes of a request. A bulk upsert of full rows fits; larger loads are files for ``hub import``."""
LARGEST_QUESTION = 128 * 1024
"""Bytes of a request with a token that writes nothing: it stands in web pages, and reading them costs everyone time."""
NOTED_EVERY = 60.0
"""Seconds between two notes that a token was used."""

JSON = "application/json"
GRAPHQL_JSON = "application/graphql-response+json"

STATUS = {
    "BAD_REQUEST": 400,
    "UNAUTHENTICATED": 401,
    "METHOD": 405,
    "TOO_LARGE": 413,
    "MEDIA": 415,
    "THROTTLED": 429,
}
"""The HTTP status of each refusal that comes before GraphQL."""


class Refused(Exception):
    """A request that is answered before GraphQL sees it."""

    def __init__(self, code: str, message: str, **headers: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


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
    _noted: dict[int, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        extras = self.extras | {"secret": self.secret}
        self.execution = Execution(self.schema, self.database, extras, compiled=self.compiled)

    def route(self) -> Route:
        """Where the app mounts it."""
        return Route(PATH, self.answer, methods=["GET", "POST", "HEAD", "PUT", "PATCH", "DELETE"])

    async def answer(self, request: Request) -> Response:
        """Answer one request."""
        if self._wants_page(request):
            return HTMLResponse(get_graphql_ide_html(graphql_ide="graphiql"))
        try:
            viewer = await self.viewer(request)
            asked = await read(request, LARGEST_BODY if viewer.writes else LARGEST_QUESTION)
            return await self._answer(request, viewer, asked)
        except Refused as refused:
            body = orjson.dumps(refusal(refused.code, refused.message))
            return Response(body, STATUS[refused.code], refused.headers, JSON)

    async def viewer(self, request: Request) -> Viewer:
        """Who asks. Raises ``Refused`` without a valid token."""
        text = request.headers.get("authorization", "")
        kind, _, secret = text.partition(" ")
        if kind.lower() != "bearer" or not token.well_formed(secret.strip()):
            raise _unauthenticated("A token is missing" if not text else "The token is not one of this hub")
        rows = await self.database.rows(token.authenticate(self.secret, secret.strip()))
        if not rows:
            raise _unauthenticated("The token is unknown, expired or revoked")
        return token.viewer(rows[0])

    def _wants_page(self, request: Request) -> bool:
        page = "text/html" in request.headers.get("accept", "")
        return self.development and page and request.method == "GET" and "query" not in request.query_params

    async def _answer(self, request: Request, viewer: Viewer, asked: Asked) -> Response:
        operation = self.execution.read(asked)
        if isinstance(operation, Answered):
            return self._respond(asked, viewer, operation, 0)
        if request.method != "POST" and operation.writes:
            # Links and caches repeat a GET: it must not change anything.
            raise Refused("METHOD", "A mutation cannot be sent by GET: use POST.", allow="POST")
        self._afford(viewer, operation.requested)
        answered = await self.execution.answer(asked, operation, viewer)
        return self._respond(asked, viewer, answered, operation.requested)

    def _afford(self, viewer: Viewer, price: int) -> None:
        if price > DEAREST:
            raise Refused(
                "BAD_REQUEST",
                f"The query asks for up to {price} objects, at most {DEAREST} are given at once: take smaller pages.",
            )
        if price > self.budgets.left(viewer.token_id):
            raise Refused("THROTTLED", "The token has used up its budget: wait a second.", retry_after="1")

    def _respond(self, asked: Asked, viewer: Viewer, answered: Answered, price: int) -> Response:
        left = self.budgets.spend(viewer.token_id, answered.actual)
        cost = {"requested": price, "actual": answered.actual, "remaining": left}
        # The draft lets a client that knows only application/json find every answer of GraphQL under 200.
        status = 400 if answered.early and asked.accepts_graphql_json else 200
        media = GRAPHQL_JSON if asked.accepts_graphql_json else JSON
        headers = {"content-type": f"{media}; charset=utf-8"}
        return Response(_body(answered, cost), status, headers, background=self._note(viewer))

    def _note(self, viewer: Viewer) -> BackgroundTask | None:
        """The note that the token was used, after the answer has left."""
        used, now = viewer.token_id, time.monotonic()
        if used is None or now - self._noted.get(used, -NOTED_EVERY) < NOTED_EVERY:
            return None
        self._noted[used] = now
        return BackgroundTask(self._touch, used)

    def _touch(self, used: int) -> None:
        with self.database.write(HUB) as tx:
            token.touch(tx, [used])


def _body(answered: Answered, cost: Json) -> bytes:
    """The answer's JSON; ``data`` goes through as it is."""
    body: Json = {} if answered.early else {"data": orjson.Fragment(answered.text)}
    if answered.errors:
        body["errors"] = answered.errors
    body["extensions"] = {"cost": cost}
    return orjson.dumps(body, default=str)


async def read(request: Request, largest: int = LARGEST_BODY) -> Asked:
    """What a request asks, in a body of at most ``largest`` bytes. Raises ``Refused`` where it is no GraphQL request."""
    if request.method == "GET":
        given: Any = dict(request.query_params)
        for name in ("variables", "extensions"):
            if name in given:
                given[name] = _json(given[name].encode())
    elif request.method == "POST":
        given = _json(await _content(request, largest))
    else:
        raise Refused("METHOD", f"{request.method} is not a way to ask: use POST.", allow="GET, POST")
    return _asked(given, GRAPHQL_JSON in request.headers.get("accept", ""))


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


def _json(text: bytes) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as wrong:
        raise Refused("BAD_REQUEST", f"The request is not JSON: {wrong}.") from wrong


def _asked(given: Any, accepts_graphql_json: bool) -> Asked:
    if not isinstance(given, dict):
        raise Refused("BAD_REQUEST", "The request is not a JSON object: send one with a query.")
    for name, type_, word in (
        ("query", str, "text"),
        ("operationName", str, "text"),
        ("variables", dict, "object"),
        ("extensions", dict, "object"),
    ):
        if given.get(name) is not None and not isinstance(given[name], type_):
            raise Refused("BAD_REQUEST", f'"{name}" is not a JSON {word}.')
    if not given.get("query"):
        raise Refused("BAD_REQUEST", 'The request has no "query": send a GraphQL document.')
    return Asked(
        given["query"], given.get("variables") or {}, given.get("operationName"), accepts_graphql_json
    )


def _unauthenticated(fact: str) -> Refused:
    return Refused(
        "UNAUTHENTICATED",
        f"{fact}: send one as Authorization: Bearer …; hub token create makes one.",
        www_authenticate="Bearer",
    )
