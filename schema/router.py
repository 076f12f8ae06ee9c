"""The HTTP endpoint ``/graphql``: GraphQL over HTTP, with a token in ``Authorization: Bearer``."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

import orjson
import strawberry
from graphql import DocumentNode, GraphQLError, OperationDefinitionNode, OperationType
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route
from strawberry.http.ides import get_graphql_ide_html
from strawberry.types import ExecutionResult

from hub import token
from hub.db import HUB, Database, Json
from hub.viewer import Viewer
from schema.context import Context
from schema.cost import DEAREST, Budgets, actual, requested
from schema.document import Documents
from schema.errors import refusal, shown

PATH = "/graphql"
LARGEST_BODY = 24 * 1024 * 1024
"""Bytes of a request. A bulk upsert of full rows fits; larger loads are files for ``hub import``."""
LARGEST_QUESTION = 128 * 1024
"""Bytes of a request with a token that writes nothing: it stands in web pages, and reading them costs everyone time."""
LONGEST_SECONDS = 60.0
"""How long one request may take."""
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


@dataclass(frozen=True)
class Asked:
    """What a request asks for."""

    query: str
    variables: Json
    operation: str | None
    accepts_graphql_json: bool


@dataclass
class Endpoint:
    """Answers requests for one schema and one database."""

    schema: strawberry.Schema
    database: Database
    secret: str
    development: bool = False
    extras: Json = field(default_factory=dict)
    """What the app hands to every request beside the database."""
    documents: Documents = field(init=False)
    budgets: Budgets = field(default_factory=Budgets)
    _noted: dict[int, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.documents = Documents(self.schema)

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
            return await self._execute(request, viewer, asked)
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

    async def _execute(self, request: Request, viewer: Viewer, asked: Asked) -> Response:
        document = self.documents.get(asked.query)
        if document.node is None or document.errors:
            return self._respond(asked, viewer, ExecutionResult(None, list(document.errors)), 0, early=True)
        try:
            operation = _operation(document.node, asked.operation)
        except GraphQLError as wrong:
            return self._respond(asked, viewer, ExecutionResult(None, [wrong]), 0, early=True)
        if request.method != "POST" and operation.operation is not OperationType.QUERY:
            # Links and caches repeat a GET: it must not change anything.
            raise Refused("METHOD", "A mutation cannot be sent by GET: use POST.", allow="POST")
        price = requested(document.node, asked.operation, asked.variables)
        self._afford(viewer, price)
        context = Context(self.database, viewer)
        context.extras |= self.extras | {"document": document, "secret": self.secret}
        result = await self._run(asked, context)
        early = result.data is None and all(error.path is None for error in result.errors or ())
        return self._respond(asked, viewer, result, price, early=early)

    async def _run(self, asked: Asked, context: Context) -> ExecutionResult:
        try:
            async with asyncio.timeout(LONGEST_SECONDS):
                return await self.schema.execute(
                    asked.query,
                    variable_values=asked.variables,
                    context_value=context,
                    operation_name=asked.operation,
                )
        except TimeoutError as late:
            return ExecutionResult(None, [GraphQLError("Timeout", original_error=late)])

    def _afford(self, viewer: Viewer, price: int) -> None:
        if price > DEAREST:
            raise Refused(
                "BAD_REQUEST",
                f"The query asks for up to {price} objects, at most {DEAREST} are given at once: take smaller pages.",
            )
        if price > self.budgets.left(viewer.token_id):
            raise Refused("THROTTLED", "The token has used up its budget: wait a second.", retry_after="1")

    def _respond(
        self, asked: Asked, viewer: Viewer, result: ExecutionResult, price: int, *, early: bool
    ) -> Response:
        used = actual(result.data)
        cost = {"requested": price, "actual": used, "remaining": self.budgets.spend(viewer.token_id, used)}
        body: Json = {} if early else {"data": result.data}
        if result.errors:
            body["errors"] = [shown(error) for error in result.errors]
        body["extensions"] = {**(result.extensions or {}), "cost": cost}
        # The draft lets a client that knows only application/json find every answer of GraphQL under 200.
        status = 400 if early and asked.accepts_graphql_json else 200
        media = GRAPHQL_JSON if asked.accepts_graphql_json else JSON
        headers = {"content-type": f"{media}; charset=utf-8"}
        content = orjson.dumps(body, default=str)
        return Response(content, status, headers, background=self._note(viewer))

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


async def read(request: Request, largest: int = LARGEST_BODY) -> Asked:
    """What a request asks, in a body of at most ``largest`` bytes. Raises ``Refused`` where it is no GraphQL request."""
    if request.method == "GET":
        given: Any = dict(request.query_params)
        for name in ("variables", "extensions"):
            if name in given:
                given[name] = _json(given[name].encode())
    elif request.method == "POST":
        given = _json(await _body(request, largest))
    else:
        raise Refused("METHOD", f"{request.method} is not a way to ask: use POST.", allow="GET, POST")
    return _asked(given, GRAPHQL_JSON in request.headers.get("accept", ""))


async def _body(request: Request, largest: int) -> bytes:
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


def _operation(document: DocumentNode, name: str | None) -> OperationDefinitionNode:
    """The operation that is asked for. Raises ``GraphQLError`` where that is not clear."""
    found = [each for each in document.definitions if isinstance(each, OperationDefinitionNode)]
    named = [each for each in found if name is None or (each.name is not None and each.name.value == name)]
    if not named:
        raise GraphQLError(
            f'The document has no operation called "{name}".' if name else "The document has no operation."
        )
    if len(named) > 1:
        raise GraphQLError("The document has several operations: say which one with operationName.")
    return named[0]


def _unauthenticated(fact: str) -> Refused:
    return Refused(
        "UNAUTHENTICATED",
        f"{fact}: send one as Authorization: Bearer …; hub token create makes one.",
        www_authenticate="Bearer",
    )
