"""Uploads in the API: an address is asked for with what the asset is to be, and the file is sent there."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
import sqlalchemy as sa
import strawberry
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from strawberry.types.field import StrawberryField

from hub import asset_upload, file, ids, refusal, registry
from hub.asset import Asset
from hub.asset_upload import PLACEHOLDER, Arrived, Offer, Taken
from hub.config import Settings
from hub.db import Database, Json
from hub.errors import Code, HubError, Invalid, Limit
from hub.file_pool import Pool
from hub.file_store import AwayError, Store
from hub.viewer import Viewer
from schema import file_answer
from schema import input as inputs
from schema.command import Writing, write_rows
from schema.context import Context
from schema.errors import UserError, stored, user_error
from schema.errors import refusal as refused_body
from schema.input import Given
from schema.mutation import described, field
from schema.scalar import Long

PART = "asset"
PIECE = 1024 * 1024
"""Bytes that are gathered before they are written and hashed."""

SILENCE_SECONDS = 30.0
"""How long a sender may send nothing."""

STATUS = {
    Code.NOT_FOUND: 404,
    Code.FORBIDDEN: 403,
    Code.GONE: 410,
    Code.CONFLICT: 409,
    Code.DUPLICATE: 409,
    Code.LIMIT: 413,
}
"""HTTP's word for each code; everything else is 422."""


@strawberry.type(description="An address that takes one file, once.")
class AssetUpload:
    """An address that takes one file, once."""

    url: str = strawberry.field(
        description="Send the file's bytes there with PUT or POST, without a token; a path on this server. Keep it secret."
    )
    expires_at: datetime = strawberry.field(description="Until when it takes the file.")
    max_bytes: Long = strawberry.field(description="The most bytes that it takes: the size that was said.")


@strawberry.type(description="The address that a file is to be sent to.")
class AssetUploadCreatePayload:
    """The address that a file is to be sent to."""

    upload: AssetUpload | None = strawberry.field(description="The address; null when it was refused.")
    user_errors: list[UserError] = strawberry.field(description="Why it was refused; empty when it was made.")


def fields() -> list[StrawberryField]:
    """The mutation that gives out addresses."""

    async def asset_upload_create(
        info: strawberry.Info,
        input: Given,  # noqa: A002 - the argument's name in the API
        size: int,
        media_type: str | None = None,
        checksum: str | None = None,
    ) -> AssetUploadCreatePayload:
        context: Context = info.context
        context.viewer.require("catalogue", "write")
        try:
            url, expires_at = await asyncio.to_thread(_create, context, input, (size, media_type, checksum))
        except HubError as wrong:
            own = wrong.path[:1] in (("size",), ("checksum",))
            prefix = () if own else ("input",)
            return AssetUploadCreatePayload(upload=None, user_errors=[user_error(stored(wrong), prefix)])
        made = AssetUpload(url=url, expires_at=expires_at, max_bytes=Long(size))
        return AssetUploadCreatePayload(upload=made, user_errors=[])

    return [
        field(
            "asset_upload_create",
            asset_upload_create,
            "Ask for an address to send a file to. When the file is there, the asset is made with it, or has it as its next"
            " version; until then nothing is changed.",
            AssetUploadCreatePayload,
            input=described(
                inputs.of(registry.part(PART)),
                "What the asset is to be, found by id, code or external id; without an address. A fileName is how the file"
                " is called, and must end as such a file does.",
            ),
            size=described(Long, "Bytes of the file; no more are taken."),
            media_type=described(
                str | None, "What the file is, to have it refused where it is not; null: what its bytes say."
            ),
            checksum=described(
                str | None,
                "SHA-256 of the file in hexadecimal digits, to have it refused where it is not; null: any.",
            ),
        )
    ]


def _create(context: Context, given: Given, said: tuple[int, str | None, str | None]) -> tuple[str, datetime]:
    row, errors = given.row()
    if errors:
        raise errors[0]
    if "address" in row:
        raise Invalid(
            "The address of the asset is that of the file which is sent: leave it out.", ("address",)
        )
    offer = Offer(row, *said)
    viewer, most = context.viewer, context.extras["file_bytes"]
    with context.database.write(viewer.writer) as tx:
        attempt = tx.begin_nested()
        written(tx, viewer, row | {"address": PLACEHOLDER})
        attempt.rollback()
        return asset_upload.create(tx, viewer, offer, most)


def written(tx: sa.Connection, viewer: Viewer, row: Json) -> int:
    """Make or change the asset; its id. Raises ``hub.errors.HubError``."""
    viewer.require("catalogue", "write")
    result = write_rows(tx, viewer, registry.part(PART), [row], Writing())[0]
    if result.errors:
        raise result.errors[0]
    assert result.id is not None
    return result.id


@dataclass(frozen=True)
class Uploads:
    """Takes the files."""

    database: Database
    settings: Settings
    store: Store
    pool: Pool

    def route(self) -> Route:
        """Where the app mounts it."""
        return Route(f"{asset_upload.PREFIX}/{{key}}", self.answer, methods=["PUT", "POST"])

    async def answer(self, request: Request) -> Response:
        """Take a file: 201 with the asset when it is kept."""
        try:
            taken = await self._take(request)
        except AwayError as away:
            return file_answer.unreachable(away)
        except HubError as wrong:
            body = refused_body(wrong.code.value, wrong.message, path=list(wrong.path))
            # What was not read stays in the wire: the connection cannot go on with another request.
            headers = {"connection": "close", "cache-control": "no-store"}
            status = STATUS.get(wrong.code, 422)
            return Response(orjson.dumps(body), status, headers, media_type="application/json")
        body = await asyncio.to_thread(self._told, taken)
        return Response(orjson.dumps(body), 201, {"cache-control": "no-store"}, media_type="application/json")

    async def _take(self, request: Request) -> Taken:
        key = request.path_params["key"]
        row = await asyncio.to_thread(self._find, key)
        length = request.headers.get("content-length", "")
        if length.isdigit() and int(length) > row["size"]:
            raise _too_long(row["size"])
        folder = self.settings.var / "incoming"
        with file.incoming(folder) as path:
            arrived = await _receive(request, path, row["size"])
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self.pool.threads, self._complete, key, arrived)

    def _find(self, key: str) -> sa.RowMapping:
        with self.database.read() as tx:
            return asset_upload.find(tx, key)

    def _complete(self, key: str, arrived: Arrived) -> Taken:
        try:
            return asset_upload.take(self.database, self.store, self.pool, key, arrived, written)
        except sa.exc.DBAPIError as error:
            raise refusal.of(error) from error

    def _told(self, taken: Taken) -> Json:
        with self.database.read() as tx:
            row = tx.execute(sa.select(Asset.__table__).where(Asset.id == taken.asset_id)).mappings().one()
        content: Any = taken.content.inspected
        told = {"mediaType": content.media_type, "bytes": taken.content.bytes}
        told |= {
            "width": content.width,
            "height": content.height,
            "address": file.PREFIX + taken.content.hash,
        }
        return {"asset": {"id": ids.encode(PART, taken.asset_id), "code": row["code"]}, "file": told}


async def _receive(request: Request, path: Path, size: int) -> Arrived:
    """Write the body to disk and hash it on the way, never more than a piece of it in memory."""
    digest, held, total = hashlib.sha256(), bytearray(), 0
    stream = request.stream()
    with path.open("wb") as target:

        def flush(piece: bytes) -> None:
            digest.update(piece)
            target.write(piece)

        try:
            while (piece := await asyncio.wait_for(anext(stream, None), SILENCE_SECONDS)) is not None:
                total += len(piece)
                if total > size:
                    raise _too_long(size)
                held += piece
                if len(held) >= PIECE:
                    await asyncio.to_thread(flush, bytes(held))
                    held.clear()
        except (TimeoutError, ClientDisconnect) as gone:
            raise Invalid("The file did not arrive whole: send it again to the same address.") from gone
        flush(bytes(held))
    if total == 0:
        raise Invalid("The file is empty: send one with something in it.")
    return Arrived(path, digest.hexdigest())


def _too_long(size: int) -> HubError:
    return Limit(f"The file has more than the {size} bytes that were said: ask for an address with its size.")
