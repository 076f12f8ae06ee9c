"""Files over HTTP: contents by their hash, whole or in ranges, and renditions, which are made when they are first asked for.

An address opens what it names without a token, as pages need it: it holds a hash that nobody guesses. Contents never
change, so whoever keeps a copy may keep it for ever. No browser is ever told that a file is something else than its bytes
are, or lets it run.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from pathlib import Path

import orjson
import sqlalchemy as sa
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Route

from hub import file, file_type, rendition
from hub.db import Database
from hub.errors import HubError
from hub.file import File
from hub.file_picture import Wish
from hub.file_pool import Busy, Pool
from hub.file_store import AwayError, Store
from hub.rendition import Cache
from schema.errors import refusal

FOREVER = "public, max-age=31536000, immutable"
GUARDED = {
    "x-content-type-options": "nosniff",
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
    "cross-origin-resource-policy": "cross-origin",
    "access-control-allow-origin": "*",
}
"""What goes with every file: nothing in it runs, whatever a browser takes it for. Pages anywhere may show it."""

RETRY_SECONDS = "2"
AWAY = "FILES_UNAVAILABLE"
"""The code while the store of files does not answer. Its own words are for the log alone."""

log = logging.getLogger(__name__)


@dataclass
class Files:
    """Gives out contents and renditions."""

    database: Database
    store: Store
    pool: Pool
    cache: Cache
    _making: dict[Path, asyncio.Task[None]] = field(default_factory=dict)

    def routes(self) -> list[BaseRoute]:
        """Where the app mounts it."""
        return [
            Route(f"{rendition.FILES}/{{hash}}/{{name}}", self.content, methods=["GET", "HEAD"]),
            Route(f"{rendition.RENDITIONS}/{{hash}}/{{name}}", self.rendition, methods=["GET", "HEAD"]),
        ]

    async def content(self, request: Request) -> Response:
        """Give a content. A browser shows pictures and films; it saves everything else."""
        content = request.path_params["hash"]
        row = await self._row(content)
        if row is None:
            return _unknown()
        tag = f'"{content}"'
        headers = GUARDED | {"cache-control": FOREVER, "etag": tag}
        if _is_known(request, tag):
            return Response(status_code=304, headers=headers)
        try:
            path = await asyncio.to_thread(self.store.local, content)
        except AwayError as away:
            return unreachable(away)
        if path is None:
            return _refused(404, "NOT_FOUND", "The file's content is not in the store: restore it there.")
        inline = file_type.BY_MEDIA_TYPE[row["media_type"]].inline
        return FileResponse(
            path,
            media_type=row["media_type"],
            filename=request.path_params["name"],
            content_disposition_type="inline" if inline else "attachment",
            headers=headers,
        )

    async def rendition(self, request: Request) -> Response:
        """Give a rendition."""
        content, asked = request.path_params["hash"], rendition.read(request.path_params["name"])
        row = await self._row(content)
        if row is None or asked is None:
            return _unknown()
        wish, signature = asked
        if not rendition.is_signed(content, row["key"], wish, signature) or row["kind"] != "image":
            return _unknown()
        tag = f'"{signature}"'
        headers = GUARDED | {"cache-control": FOREVER, "etag": tag}
        if _is_known(request, tag):
            return Response(status_code=304, headers=headers)
        path = self.cache.path(content, wish)
        refused = await self._refusal(content, row["media_type"], wish, path)
        if refused is not None:
            return refused
        return FileResponse(path, media_type=rendition.MEDIA_TYPES[wish.format], headers=headers)

    async def _refusal(self, content: str, media_type: str, wish: Wish, path: Path) -> Response | None:
        """Have a rendition made if it is not there; why it cannot be, or null when it is there."""
        try:
            if not self.cache.found(path):
                await self._made(content, media_type, wish, path)
        except AwayError as away:
            return unreachable(away)
        except Busy as busy:
            return _refused(503, busy.code.value, busy.message, retry_after=RETRY_SECONDS)
        except HubError as refused:
            return _refused(422, refused.code.value, refused.message)
        return None

    async def _row(self, content: str) -> sa.RowMapping | None:
        """What is known of a content; null for one that no asset has."""
        own = sa.select(File.media_type, File.kind, File.key).where(File.hash == content, file.is_used())
        rows = await self.database.rows(own)
        return rows[0] if rows else None

    async def _made(self, content: str, media_type: str, wish: Wish, path: Path) -> None:
        """Make a rendition, once for all who ask for it meanwhile: the going of one of them ends it for nobody."""
        making = self._making.get(path)
        if making is None:
            making = asyncio.create_task(self._make(content, media_type, wish, path))
            self._making[path] = making
            making.add_done_callback(lambda _: self._making.pop(path))
        await asyncio.shield(making)

    async def _make(self, content: str, media_type: str, wish: Wish, path: Path) -> None:
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self.pool.threads, self._render, content, media_type, wish, path)

    def _render(self, content: str, media_type: str, wish: Wish, path: Path) -> None:
        source = self.store.local(content)
        if source is None:
            raise HubError("The file's content is not in the store: restore it there.")
        path.parent.mkdir(parents=True, exist_ok=True)
        self.pool.render(source, media_type, wish, path)
        self.cache.made(path)


def _is_known(request: Request, tag: str) -> bool:
    return tag in request.headers.get("if-none-match", "")


def _unknown() -> Response:
    return _refused(
        404, "NOT_FOUND", "The address is not one that this hub gave out: ask the asset for its url."
    )


def unreachable(away: AwayError) -> Response:
    """What is answered while the store of files does not answer."""
    log.warning("%s", away)
    return _refused(503, AWAY, "The store of files does not answer: try again.", retry_after=RETRY_SECONDS)


def _refused(status: int, code: str, message: str, **headers: str) -> Response:
    told = {name.replace("_", "-"): value for name, value in headers.items()} | {"cache-control": "no-store"}
    body = orjson.dumps(refusal(code, message))
    return Response(body, status, GUARDED | told, media_type="application/json")
