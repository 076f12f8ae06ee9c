"""Damage: an index that a crash, a full disk or a failing one has spoilt is recognised, not searched."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import orjson

from search.engine import BusyError

TAIL = 8
"""Bytes at the end of a segment's file: the length of the footer before them, and a constant."""


FULL = "No space left on device"


class BrokenIndexError(Exception):
    """An index that is not there, not sound, or not of this shape."""


@contextmanager
def sound() -> Iterator[None]:
    """Turn what the library raises for such an index into ``BrokenIndexError``.

    On some damage it panics, with an exception that is no ``Exception`` and has no importable type: unless it is caught
    here it ends the thread.
    """
    try:
        yield
    except BaseException as error:
        if FULL in str(error):
            raise BusyError(
                "The disk of the search index is full: make room, and indexing goes on."
            ) from error
        if isinstance(error, OSError | ValueError) or type(error).__name__ == "PanicException":
            raise BrokenIndexError(str(error)) from error
        raise


def check(folder: Path) -> None:
    """Compare every file of the last commit with the checksum that it ends with; the library itself never does.

    Raises ``BrokenIndexError``. Reads all of the index once, a second for some hundred megabytes.
    """
    with sound():
        for segment in orjson.loads((folder / "meta.json").read_bytes())["segments"]:
            for path in folder.glob(f"{segment['segment_id'].replace('-', '')}.*"):
                # Merged away meanwhile by the process that writes.
                with suppress(FileNotFoundError):
                    _check_file(path)


def _check_file(path: Path) -> None:
    content = path.read_bytes()
    length = int.from_bytes(content[-TAIL : -TAIL // 2], "little")
    footer = content[-TAIL - length : -TAIL]
    if zlib.crc32(content[: -TAIL - length]) != orjson.loads(footer)["crc"]:
        raise ValueError(f"File {path.name} does not match its checksum.")
