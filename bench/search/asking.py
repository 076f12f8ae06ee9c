"""Asking over GraphQL inside this process, with what each part took told apart."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import sqlalchemy as sa

from hub.db import Database
from search.asking import ASKING

PARTS = ("engine", "transport", "hub")
"""Those of the figures of searching that are told apart."""


class Watched(Database):
    """A database that adds up what its statements take, the way to it and back included."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.seconds = 0.0
        self._began = 0.0
        engine = self.async_engine.sync_engine
        sa.event.listen(engine, "before_cursor_execute", self._begin)
        sa.event.listen(engine, "after_cursor_execute", self._end)

    def _begin(self, *_: object) -> None:
        self._began = time.perf_counter()

    def _end(self, *_: object) -> None:
        self.seconds += time.perf_counter() - self._began

    async def read_made(self, statement: Any, values: Mapping[str, Any]) -> Sequence[Any]:
        """The rows of a statement that was made before."""
        began = time.perf_counter()
        try:
            return await super().read_made(statement, values)
        finally:
            self.seconds += time.perf_counter() - began


@dataclass(frozen=True)
class Took:
    """Seconds of one question.

    ``total``: all of it. ``engine``: what the engine says it took; of the embedded one the calls into it. ``transport``:
    the way to the engine and back. ``database``: its statements, the way there and back included. ``finding``: what of
    ours is ``search.query.find``: making the engine's query, reading its hits and counts.
    """

    total: float
    engine: float
    transport: float
    database: float
    finding: float

    @property
    def ours(self) -> float:
        """The rest: the request, the GraphQL document, the query, rows, labels of facets, the answer's text."""
        return self.total - self.engine - self.transport - self.database


class Client:
    """Sends documents to an ASGI application without a socket between."""

    def __init__(self, app: Any, token: str, database: Watched) -> None:
        self._app = app
        self._database = database
        self._headers = [
            (b"content-type", b"application/json"),
            (b"authorization", f"Bearer {token}".encode()),
        ]

    async def ask(self, document: str, variables: Mapping[str, Any]) -> Took:
        """One question, answered without an error."""
        body = orjson.dumps({"query": document, "variables": variables})
        before, database = _spent(), self._database.seconds
        began = time.perf_counter()
        said = orjson.loads(await self._post(body))
        total = time.perf_counter() - began
        assert not said.get("errors"), said["errors"]
        after = _spent()
        engine, transport, finding = (after[part] - before[part] for part in PARTS)
        return Took(total, engine, transport, self._database.seconds - database, finding)

    async def _post(self, body: bytes) -> bytes:
        scope = {
            "type": "http",
            "method": "POST",
            "path": "/graphql",
            "raw_path": b"/graphql",
            "query_string": b"",
            "headers": self._headers,
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 80),
            "scheme": "http",
            "http_version": "1.1",
            "root_path": "",
        }
        parts: list[bytes] = []
        sent = False

        async def receive() -> dict[str, Any]:
            nonlocal sent
            if sent:
                await asyncio.sleep(60)
            sent = True
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            parts.append(message.get("body", b""))

        await self._app(scope, receive, send)
        return b"".join(parts)


def _spent() -> dict[str, float]:
    """Seconds by part since the process began, by the figures that the hub itself keeps."""
    samples = (sample for metric in ASKING.collect() for sample in metric.samples)
    found = {
        sample.labels["part"]: sample.value for sample in samples if sample.name == "hub_search_seconds_sum"
    }
    return dict.fromkeys(PARTS, 0.0) | found
