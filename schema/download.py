"""Results of jobs over HTTP, by signed addresses: whole or in ranges, so that a download can go on where it stopped."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path

import orjson
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from hub import export_job, ids
from hub.db import Database
from hub.job import NOUN
from schema.errors import refusal

LONGEST_MOMENT = 12
"""Digits of the moment at which an address expires."""


@dataclass(frozen=True)
class Downloads:
    """Gives out the files below ``var``."""

    database: Database
    secret: str
    var: Path

    def route(self) -> Route:
        """Where the app mounts it."""
        return Route(f"{export_job.PREFIX}/{{job}}/{{file}}", self.answer, methods=["GET", "HEAD"])

    async def answer(self, request: Request) -> Response:
        """Give one file. Neither a guess nor an old address says whether there is such a job."""
        asked = request.query_params
        expires, signature = asked.get("expires", ""), asked.get("signature", "")
        if not _is_moment(expires) or not export_job.is_signed(
            self.secret, request.url.path, int(expires), signature
        ):
            return _refused(
                403, "FORBIDDEN", "The address is not one that this hub gave out: ask the job for its url."
            )
        path = await asyncio.to_thread(self._path, request.path_params["job"], request.path_params["file"])
        if int(expires) <= time.time() or path is None:
            return _refused(410, "GONE", "The result has expired, or its token was revoked: export it anew.")
        if not path.is_file():
            return _refused(
                404,
                "NOT_FOUND",
                "The file is not on this machine: relays and servers share the folder HUB_VAR.",
            )
        headers = {"cache-control": "private, no-store", "x-content-type-options": "nosniff"}
        return FileResponse(path, media_type="application/gzip", filename=path.name, headers=headers)

    def _path(self, job: str, file: str) -> Path | None:
        """The file, where the job has it and its token is still valid. The address was signed: its id is one."""
        noun, number = ids.decode(job)
        with self.database.read() as tx:
            if noun == NOUN and export_job.fetched(tx, number, file):
                return export_job.folder(self.var, number) / file
        return None


def _refused(status: int, code: str, message: str) -> Response:
    return Response(orjson.dumps(refusal(code, message)), status, media_type="application/json")


def _is_moment(text: str) -> bool:
    """Whether it is a number of seconds: a longer one is no number that Python reads."""
    return text.isascii() and text.isdecimal() and len(text) <= LONGEST_MOMENT
