"""Uploads: an address that takes one file, once, for an asset whose other values are known already.

The file is written to disk while it arrives and hashed on the way; it is looked at in a process of its own; and its
content, its row and the asset are committed together, in the name of the token that asked for the address.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from hub import file, job, token
from hub.db import HUB, Base, Database, Id, Json
from hub.errors import Forbidden, Gone, Invalid, Limit, NotFound
from hub.file import Content
from hub.file_pool import Pool
from hub.file_store import Store, hashed
from hub.token import Token
from hub.viewer import Viewer

PREFIX = "/uploads"
"""Where files are sent."""

VALID = timedelta(hours=1)
"""How long an address takes its file."""

KEPT = timedelta(days=7)
"""How long it is known of an address what became of it."""

MOST_OPEN = 1_000
"""Addresses of one token that wait for their file."""

PLACEHOLDER = "hub:upload"
"""The address of an asset whose file is on its way, while its other values are checked."""

Write = Callable[[sa.Connection, Viewer, Json], int]
"""Makes or changes the asset of a row as a viewer may; its id. Raises ``hub.errors.HubError``."""


class AssetUpload(Base):
    """An address that was given out. ``key``: the SHA-256 of its secret part. ``asset``: the row that the file completes.

    ``size``: the bytes that were said. ``checksum``: the SHA-256 of the bytes that was said, null where none was.
    """

    __tablename__ = "asset_upload"

    id: Mapped[Id]
    key: Mapped[bytes] = mapped_column(sa.LargeBinary, unique=True)
    token_id: Mapped[int] = mapped_column(sa.ForeignKey("token.id", ondelete="CASCADE"), index=True)
    asset: Mapped[Json]
    size: Mapped[int]
    media_type: Mapped[str | None]
    checksum: Mapped[str | None]
    expires_at: Mapped[datetime] = mapped_column(sa.DateTime(timezone=True))
    used_at: Mapped[datetime | None] = mapped_column(sa.DateTime(timezone=True))


@dataclass(frozen=True)
class Offer:
    """What is to be sent. ``asset``: the row of the asset, without its address."""

    asset: Json
    size: int
    media_type: str | None = None
    checksum: str | None = None


@dataclass(frozen=True)
class Taken:
    """What became of a file: the asset's id, and the content that it has now."""

    asset_id: int
    content: Content


@dataclass(frozen=True)
class Arrived:
    """A file as it came, and the SHA-256 of its bytes."""

    path: Path
    hash: str


def create(tx: sa.Connection, viewer: Viewer, offer: Offer, most_bytes: int) -> tuple[str, datetime]:
    """Give out an address: its path below this server, and when it expires. Raises ``hub.errors.HubError``."""
    if viewer.token_id is None:
        raise Forbidden("A file is sent in the name of a token: ask with one.")
    _check(offer, most_bytes)
    waiting = sa.select(sa.func.count()).where(
        AssetUpload.token_id == viewer.token_id, AssetUpload.used_at.is_(None), _is_open()
    )
    if (tx.scalar(waiting) or 0) >= MOST_OPEN:
        raise Limit(
            f"This token has {MOST_OPEN} addresses that wait for their file: send some, or wait an hour."
        )
    secret = secrets.token_urlsafe(32)
    row = {
        "key": _key(secret),
        "token_id": viewer.token_id,
        "asset": offer.asset,
        "size": offer.size,
        "media_type": offer.media_type,
        "checksum": offer.checksum,
        "expires_at": sa.func.now() + VALID,
    }
    made = tx.execute(sa.insert(AssetUpload).values(row).returning(AssetUpload.expires_at))
    return f"{PREFIX}/{secret}", made.scalar_one()


def _check(offer: Offer, most_bytes: int) -> None:
    if offer.size < 1:
        raise Invalid(
            f"A file of {offer.size} bytes holds nothing: give the size that will be sent.", ("size",)
        )
    if offer.size > most_bytes:
        raise Limit(
            f"The file has {offer.size} bytes: at most {most_bytes} are taken (HUB_FILE_MEGABYTES).",
            ("size",),
        )
    if offer.checksum is not None and not (
        len(offer.checksum) == 64 and set(offer.checksum) <= set("0123456789abcdef")  # noqa: PLR2004 - SHA-256
    ):
        raise Invalid(
            f'"{offer.checksum[:80]}" is no SHA-256: give 64 hexadecimal digits in small letters.',
            ("checksum",),
        )


def find(tx: sa.Connection, secret: str) -> sa.RowMapping:
    """The upload that an address is for. Raises ``NotFound`` for none, ``Gone`` for one that is used or over."""
    row = tx.execute(_of(secret)).mappings().first()
    if row is None:
        raise NotFound("The address is not one that this hub gave out: ask assetUploadCreate for one.")
    _check_open(row)
    return row


def take(database: Database, store: Store, pool: Pool, secret: str, arrived: Arrived, write: Write) -> Taken:
    """Look at what arrived, keep it, and complete the asset. Raises ``hub.errors.HubError`` where it is refused."""
    with database.read() as tx:
        row = find(tx, secret)
    if row["checksum"] not in (None, arrived.hash):
        raise Invalid(
            f"The bytes that came have the SHA-256 {arrived.hash}, not {row['checksum']}: send them again."
        )
    with looked_at(pool, arrived.path, row["asset"].get("file_name"), row["media_type"]) as content:
        with database.read() as tx:
            viewer = _viewer(tx, row["token_id"])
        with database.write(viewer.writer) as tx:
            row = tx.execute(_of(secret).with_for_update()).mappings().one()
            _check_open(row)
            address = file.keep(tx, store, content)
            asset_id = write(tx, viewer, row["asset"] | {"address": address})
            used = sa.update(AssetUpload).where(AssetUpload.id == row["id"])
            tx.execute(used.values(used_at=sa.func.now()))
        return Taken(asset_id, content)


@contextmanager
def looked_at(
    pool: Pool, path: Path, name: str | None = None, media_type: str | None = None
) -> Iterator[Content]:
    """Look at a file: the content that is kept of it, which lies beside it until the block ends."""
    cleaned = path.with_name(f"{path.name}.clean")
    try:
        found = pool.inspect(path, cleaned, name, media_type)
        kept = cleaned if cleaned.exists() else path
        yield Content(kept, hashed(kept), kept.stat().st_size, found, name)
    finally:
        cleaned.unlink(missing_ok=True)


def forget(database: Database) -> None:
    """Drop addresses that have been over for some days."""
    with database.write(HUB) as tx:
        tx.execute(sa.delete(AssetUpload).where(AssetUpload.expires_at < sa.func.now() - KEPT))


def _of(secret: str) -> sa.Select[Any]:
    return sa.select(AssetUpload.__table__, (~_is_open()).label("is_over")).where(
        AssetUpload.key == _key(secret)
    )


def _is_open() -> sa.ColumnElement[bool]:
    return AssetUpload.expires_at > sa.func.now()


def _check_open(row: sa.RowMapping) -> None:
    if row["used_at"] is not None:
        raise Gone("The address has taken its file already: ask assetUploadCreate for another one.")
    if row["is_over"]:
        raise Gone("The address has expired: ask assetUploadCreate for another one.")


def _viewer(tx: sa.Connection, token_id: int) -> Viewer:
    """Who asked, with the rights that the token has now."""
    row = tx.execute(sa.select(Token.__table__).where(Token.id == token_id, job.VALID)).mappings().first()
    if row is None:
        raise Forbidden("The token that asked for the address was revoked or has expired.")
    return token.viewer(row)


def _key(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
