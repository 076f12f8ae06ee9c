"""The job that writes a snapshot, or what changed since a cursor, into a file to be fetched by a signed address."""

from __future__ import annotations

import hashlib
import hmac
import shutil
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from hub import ids, job, snapshot, token
from hub.config import Settings
from hub.db import Database, Json
from hub.errors import Forbidden, Limit
from hub.job import Job, Result
from hub.snapshot import Tell
from hub.token import Token
from hub.viewer import Viewer

KIND = "export"
PREFIX = "/exports"
"""Where results are fetched."""


def folder(var: Path, number: int) -> Path:
    """Where the files of a job are."""
    return var / "exports" / str(number)


def address(secret: str, number: int, file: str, expires_at: datetime) -> str:
    """The address of a result, below this server: whoever has it may fetch the file until it expires."""
    path = f"{PREFIX}/{ids.encode(job.NOUN, number)}/{file}"
    expires = int(expires_at.timestamp())
    return f"{path}?expires={expires}&signature={signature(secret, path, expires)}"


def signature(secret: str, path: str, expires: int) -> str:
    """HMAC-SHA256 of path and expiry, in hexadecimal digits."""
    return hmac.new(secret.encode(), f"export\n{path}\n{expires}".encode(), hashlib.sha256).hexdigest()


def is_signed(secret: str, path: str, expires: int, given: str) -> bool:
    """Whether the hub gave out that address."""
    return hmac.compare_digest(signature(secret, path, expires).encode(), given.encode())


def run(database: Database, settings: Settings, row: Json, tell: Tell) -> Result:
    """Write the file of a job. Raises ``hub.errors.HubError`` where it cannot be done."""
    most_bytes = int(settings.export_gigabytes * 1e9)
    with database.read() as tx:
        viewer = asking(tx, row["token_id"])
        left = most_bytes - job.used_bytes(tx, row["token_id"])
    place = emptied(settings.var, row["id"])
    given = row["input"]
    path = place / f"{'changed' if given.get('since') else 'snapshot'}-{row['attempts']}.jsonl.gz"
    taking = snapshot.begin(database, viewer, given.get("types"), given.get("since"))
    with snapshot.writing(path) as file:
        made = path.with_name(f"{path.name}.part")

        def told(done: int, total: int) -> None:
            _check_size(made, left, most_bytes)
            tell(done, total)

        summary = taking.write(file, told)
    _check_size(path, left, most_bytes)
    return Result(path.name, path.stat().st_size, summary.header.cursor)


def emptied(var: Path, number: int) -> Path:
    """The folder of a job, without what an earlier attempt left."""
    place = folder(var, number)
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    return place


def asking(tx: sa.Connection, token_id: int) -> Viewer:
    """Who asked, with the rights that the token has now."""
    row: Any = (
        tx.execute(sa.select(Token.__table__).where(Token.id == token_id, job.VALID)).mappings().first()
    )
    if row is None:
        raise Forbidden("The token that asked for it was revoked or has expired.")
    return token.viewer(row)


def _check_size(path: Path, left: int, most: int) -> None:
    """Raises ``hub.errors.Limit`` for a file that has outgrown what is left to the token."""
    if path.stat().st_size > left:
        raise Limit(
            f"The results of this token would take up more than {most / 1e9:g} GB: ask for fewer types, or wait"
            " until others have expired."
        )


def fetched(tx: sa.Connection, number: int, file: str) -> bool:
    """Whether a job has that result, and its token is still valid."""
    there = (
        sa.select(Job.id)
        .join(Token, Token.id == Job.token_id)
        .where(Job.id == number, Job.file == file, Job.expires_at > sa.func.now(), job.VALID)
    )
    return tx.scalar(there) is not None
