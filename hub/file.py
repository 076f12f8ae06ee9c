"""Files that the hub keeps: each content once, known by its SHA-256, whatever it is called.

Content is put in its place before its row is committed, and taken away after its row is gone, both under a lock of that
content: so there is no row without content, and content without a row only where a process died between the two.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from hub import file_type
from hub.db import HUB, Base, Database
from hub.file_pool import Inspected
from hub.file_store import Store

PREFIX = "hub:files/"
"""How the address of an asset begins whose file the hub keeps; the content's hash follows."""


class File(Base):
    """One content. ``hash``: SHA-256 in hexadecimal digits. ``width`` and ``height``: of pictures alone.

    ``key`` signs the addresses of its renditions. ``released_at``: since when no asset has it, as far as none has it.
    """

    __tablename__ = "file"
    __table_args__ = (sa.CheckConstraint("hash ~ '^[0-9a-f]{64}$'", name="hash"),)

    hash: Mapped[str] = mapped_column(primary_key=True)
    media_type: Mapped[str]
    kind: Mapped[str]
    bytes: Mapped[int]
    width: Mapped[int | None]
    height: Mapped[int | None]
    key: Mapped[str]
    released_at: Mapped[datetime] = mapped_column(sa.DateTime(timezone=True), server_default=sa.func.now())


@dataclass(frozen=True)
class Content:
    """A content that was looked at, and lies in a file of its own. ``name``: what its sender calls it, or null."""

    path: Path
    hash: str
    bytes: int
    inspected: Inspected
    name: str | None = None


def lock(tx: sa.Connection, content: str) -> None:
    """Be the only one who puts or takes away a content, until the transaction ends."""
    tx.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtextextended(content, 0))))


def keep(tx: sa.Connection, store: Store, content: Content) -> str:
    """Put a content in its place, and note it; the address for an asset. The same content again is kept once."""
    lock(tx, content.hash)
    store.put(content.path, content.hash)
    return note(tx, content)


def note(tx: sa.Connection, content: Content) -> str:
    """Note a content that lies in its place; the address for an asset. Whoever notes one that does not undoes it all."""
    told = content.inspected
    row = {
        "hash": content.hash,
        "media_type": told.media_type,
        "kind": told.kind,
        "bytes": content.bytes,
        "width": told.width,
        "height": told.height,
        "key": secrets.token_hex(16),
    }
    again = (
        insert(File)
        .values(row)
        .on_conflict_do_update(index_elements=[File.hash], set_={"released_at": sa.func.now()})
    )
    tx.execute(again)
    return PREFIX + content.hash


def is_used() -> sa.ColumnElement[bool]:
    """The condition that a version of an asset has the file of a row."""
    from hub.asset_version import AssetVersion

    return sa.exists().where(AssetVersion.file == File.hash)


def unused(tx: sa.Connection, before: datetime) -> list[tuple[str, int]]:
    """Contents that no asset has had since ``before``: hash and bytes, the longest unused first."""
    found = sa.select(File.hash, File.bytes).where(~is_used(), File.released_at < before)
    return [(row.hash, row.bytes) for row in tx.execute(found.order_by(File.released_at, File.hash))]


def stray(tx: sa.Connection, store: Store, before: datetime) -> Iterator[tuple[str, int]]:
    """Contents in the store that have no row, and were put there before ``before``: what a process left that died."""
    known = set(tx.scalars(sa.select(File.hash)))
    for content in store.every():
        if content.hash not in known and content.put_at < before:
            yield content.hash, content.bytes


def remove(database: Database, store: Store, content: str, before: datetime) -> bool:
    """Take away a content that is unused, or has no row; false where somebody took it up meanwhile."""
    with database.write(HUB) as tx:
        lock(tx, content)
        gone = sa.delete(File).where(File.hash == content, ~is_used(), File.released_at < before)
        tx.execute(gone)
    with database.write(HUB) as tx:
        lock(tx, content)
        if tx.scalar(sa.select(File.hash).where(File.hash == content)) is not None:
            return False
        store.remove(content)
    return True


def grace(days: float) -> datetime:
    """The moment before which a file must have been unused."""
    return datetime.now(UTC) - timedelta(days=days)


@contextmanager
def incoming(folder: Path) -> Iterator[Path]:
    """A place for a file that arrives, which is gone when the block ends."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / secrets.token_hex(16)
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def extension(media_type: str | None) -> str:
    """How the names of files of a type end, with the dot; empty for a type that the hub does not keep."""
    found = file_type.BY_MEDIA_TYPE.get(media_type or "")
    return f".{found.extensions[0]}" if found else ""
