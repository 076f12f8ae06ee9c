"""Reading files of states: what their first and last line say, and whether they are whole."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import orjson

from hub import ids
from hub.db import Json
from hub.errors import Invalid, NotFound
from hub.snapshot import FORMAT, FORMAT_VERSION

Held = tuple[str, int, int, bytes | None]
"""An object of a file: type, number, version, and its state as JSON; null for one that is gone."""

Fault = Callable[[str], object]


@dataclass(frozen=True)
class Contents:
    """A file that is being read. ``objects`` can be gone through once.

    ``cursor``, ``types``, ``scopes`` and ``channels`` are those of the first line; null where it has none.
    """

    cursor: str | None
    types: list[str] | None
    scopes: list[str] | None
    channels: list[str] | None
    objects: Iterator[Held]


def read(path: Path, fault: Fault, *, whole: bool) -> Contents:
    """Open a file of states. ``fault`` hears of each line that is wrong.

    ``whole``: it must be a snapshot from its first line to its last; otherwise both may be missing. Raises ``NotFound``
    or ``Invalid``.
    """
    if not path.is_file():
        raise NotFound(f'There is no file "{path}": name a snapshot or a mirror.')
    lines = _lines(path, fault)
    first = next(lines, b"")
    header = _header(path, first)
    if header is None and whole:
        raise Invalid(f'"{path}" is no snapshot: its first line does not say "format": "{FORMAT}".')
    found = header or {}
    if found.get("since") is not None:
        raise Invalid(f'"{path}" holds only what changed since a cursor: take a whole snapshot.')
    return Contents(
        cursor=found.get("cursor"),
        types=found.get("types"),
        scopes=found.get("scopes"),
        channels=found.get("channels"),
        objects=_objects(lines, first, fault, headed=header is not None, whole=whole),
    )


def _header(path: Path, first: bytes) -> Json | None:
    try:
        header = orjson.loads(first)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        return None
    if header.get("formatVersion") != FORMAT_VERSION:
        raise Invalid(
            f'"{path}" has format version {header.get("formatVersion")}, this hub reads {FORMAT_VERSION}.'
        )
    return header


def _lines(path: Path, fault: Fault) -> Iterator[bytes]:
    """The lines of a file, unpacked as far as that is possible."""
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        opened: IO[bytes] = gzip.GzipFile(fileobj=file) if packed else file  # type: ignore[assignment]  # reads alike
        try:
            yield from opened
        except (EOFError, OSError, zlib.error) as wrong:
            fault(f"The file is cut short or damaged: {wrong}.")


def _objects(
    lines: Iterator[bytes], first: bytes, fault: Fault, *, headed: bool, whole: bool
) -> Iterator[Held]:
    digest = hashlib.sha256(first if headed else b"")
    end: Json | None = None
    count = 0
    for number, line in enumerate(lines if headed else _with(first, lines), start=2 if headed else 1):
        if end is not None:
            fault(f"Line {number} stands behind the last one.")
        found = _parsed(line)
        if found is not None and found.get("end") is True:
            end = found
            continue
        digest.update(line)
        held = None if found is None else _held(found)
        if held is None:
            fault(f"Line {number} holds no object: {line[:80].decode(errors='replace').strip()}")
        else:
            count += 1
            yield held
    _check_end(end, count, digest.hexdigest(), fault, whole=whole)


def _with(first: bytes, lines: Iterator[bytes]) -> Iterator[bytes]:
    if first:
        yield first
    yield from lines


def _check_end(end: Json | None, count: int, digest: str, fault: Fault, *, whole: bool) -> None:
    if end is None:
        if whole:
            fault("The file ends without its last line: it was cut short.")
        return
    if end.get("records") != count:
        fault(f"The file holds {count} objects, and {end.get('records')} by its last line.")
    if end.get("sha256") not in (None, digest):
        fault("The file was changed after it was written: its digest differs from its last line.")


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        found = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, dict) else None


def _held(found: dict[str, Any]) -> Held | None:
    """Null for what is no object of this hub."""
    try:
        type_, number = ids.decode(found["id"])
        version = int(found["version"])
        state = found["state"] if found.get("deleted") is not True else None
    except (KeyError, TypeError, ValueError):
        return None
    if found.get("type") != type_ or not (state is None or isinstance(state, dict)):
        return None
    return type_, number, version, None if state is None else orjson.dumps(state)
