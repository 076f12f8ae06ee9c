"""Where the contents of files lie, each under its hash: in a folder, or in a bucket (``hub.file_bucket``)."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from hub.errors import HubError

if TYPE_CHECKING:
    from hub.config import Settings

HASH_LENGTH = 64
HASH = re.compile(f"[0-9a-f]{{{HASH_LENGTH}}}")


class AwayError(HubError):
    """The store cannot be asked, or does not give what it should."""


@dataclass(frozen=True)
class Stored:
    """A content in the store. ``put_at``: when it was put there."""

    hash: str
    bytes: int
    put_at: datetime


class Store(Protocol):
    """Keeps contents by their hash. Whoever puts or removes one holds its lock (``hub.file.lock``).

    Each of its methods raises ``AwayError`` where the store does not answer.
    """

    def put(self, path: Path, content: str) -> None:
        """Keep a copy of the file; it is there for good when this returns. What is there already stays."""

    def local(self, content: str) -> Path | None:
        """A file on this machine with the content, to be read at once; null where the store has none."""

    def remove(self, content: str) -> None:
        """Drop a content; one that is not there stays so."""

    def every(self) -> Iterator[Stored]:
        """Every content that is there."""


def opened(settings: Settings) -> Store:
    """The store that the settings name."""
    if settings.files is not None and settings.files.startswith("s3://"):
        from hub import file_bucket  # what speaks to S3 takes its time to load

        return file_bucket.opened(settings)
    return Folder(Path(settings.files) if settings.files else settings.var / "files")


def hashed(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as opened_:
        return hashlib.file_digest(opened_, "sha256").hexdigest()


def is_hash(name: str) -> bool:
    """Whether a name is one that a content can have."""
    return HASH.fullmatch(name) is not None


class Folder:
    """Contents below one folder, which servers and relays on several machines share."""

    def __init__(self, place: Path) -> None:
        self._place = place

    def put(self, path: Path, content: str) -> None:
        """Copy the file, flush it to the disk, and give it its name: nobody finds half of it."""
        target = self._path(content)
        if target.exists():
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f"{content}.{secrets.token_hex(4)}.part")
        try:
            shutil.copyfile(path, part)
            _flush(part)
            part.replace(target)
            _flush(target.parent)
        finally:
            part.unlink(missing_ok=True)

    def local(self, content: str) -> Path | None:
        """The file itself."""
        path = self._path(content)
        return path if path.is_file() else None

    def remove(self, content: str) -> None:
        """Unlink it: who is reading it goes on."""
        self._path(content).unlink(missing_ok=True)

    def every(self) -> Iterator[Stored]:
        """Every content, and what a process that died while it put one left behind it."""
        for path in self._place.glob("??/*"):
            content = path.name[:HASH_LENGTH]
            about = path.stat()
            if path.name == content:
                yield Stored(content, about.st_size, datetime.fromtimestamp(about.st_mtime, UTC))
            else:
                self._drop_old(path, about.st_mtime)

    def _drop_old(self, part: Path, written: float) -> None:
        if datetime.now(UTC).timestamp() - written > DAY:
            part.unlink(missing_ok=True)

    def _path(self, content: str) -> Path:
        return self._place / content[:2] / content


DAY = 86_400.0


def _flush(path: Path) -> None:
    """Have the disk keep a file's bytes, or a folder's names."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
