"""Reading files of records: JSON lines, CSV or tables, plain or gzip, one record at a time and never more in memory.

Every record knows where it stands, so that a refusal can name the line and reading can go on after it another day.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

import orjson

from hub.db import Json
from hub.errors import HubError, Invalid, Limit

LONGEST_RECORD = 4 * 1024 * 1024
"""Bytes of one record; a longer one is refused without being held."""

CHUNK = 1024 * 1024
ERROR = "error"
"""The field that a file of rejects carries beside the record's own; it is never imported."""

LINE = "line"
"""In a file of rejects, the field that holds a line which is no JSON as it came."""


@dataclass(frozen=True)
class Format:
    """How a file is written. ``empty`` says whether an empty CSV cell clears a value or says nothing of it.

    A table has a header and columns that any number of spaces keep apart: no cell is empty or has a space in it.
    """

    kind: Literal["jsonl", "csv", "table"] = "jsonl"
    encoding: str = "utf-8"
    delimiter: str = ","
    empty: Literal["leave", "clear"] = "leave"


@dataclass(frozen=True)
class Position:
    """A place between two records: bytes (unpacked), records and lines before it."""

    offset: int = 0
    number: int = 0
    line: int = 0


@dataclass(slots=True)
class Record:
    """One record. ``data`` is null where ``error`` says why it cannot be read; ``end`` is the place after it."""

    number: int
    line: int
    end: Position
    raw: bytes
    data: Json | None = None
    error: HubError | None = None


@dataclass(frozen=True)
class Measure:
    """What a first pass over a file finds: its hash, its unpacked bytes, its lines."""

    sha256: str
    size: int
    lines: int


def measure(path: Path) -> Measure:
    """Read a file once from end to end. Raises ``Invalid`` for a gzip file that is cut short or damaged."""
    digest, size, lines = hashlib.sha256(), 0, 0
    try:
        with opened(path) as file:
            while chunk := file.read(CHUNK):
                digest.update(chunk)
                size += len(chunk)
                lines += chunk.count(b"\n")
    except (EOFError, gzip.BadGzipFile, OSError) as wrong:
        raise Invalid(f'File "{path.name}" cannot be read: {wrong}. Copy it again.') from wrong
    return Measure(digest.hexdigest(), size, lines)


def opened(path: Path) -> BinaryIO:
    """The file's unpacked bytes. What is packed is known by its first two bytes, not by its name."""
    file = path.open("rb")
    packed = file.read(2) == b"\x1f\x8b"
    file.seek(0)
    return io.BufferedReader(gzip.GzipFile(fileobj=file), CHUNK) if packed else file


def records(
    path: Path, form: Format, start: Position | None = None, longest: int = LONGEST_RECORD
) -> Iterator[Record]:
    """The records of a file, after ``start``. What cannot be read comes as a record with its error."""
    with opened(path) as file:
        if form.kind != "jsonl":
            yield from _csv(file, form, start, longest)
        else:
            yield from _json_lines(file, form, start or Position(), longest)


def columns(path: Path, form: Format) -> list[str] | None:
    """The header of a CSV file or table; null for JSON lines, whose records name their fields themselves."""
    if form.kind == "jsonl":
        return None
    with opened(path) as file:
        return _header(file, form)[0]


def _json_lines(file: BinaryIO, form: Format, start: Position, longest: int) -> Iterator[Record]:
    file.seek(start.offset)
    offset, number, line = start.offset, start.number, start.line
    while raw := file.readline(longest + 1):
        offset += len(raw)
        line += 1
        size = len(raw)
        while not raw.endswith(b"\n") and (rest := file.readline(CHUNK)):
            offset += len(rest)
            size += len(rest)
            if rest.endswith(b"\n"):
                break
        if raw.isspace():
            continue
        number += 1
        record = Record(number, line, Position(offset, number, line), raw)
        if size > longest:
            record.error = too_long(line, size, longest)
        else:
            _parse(record, form)
        yield record


def too_long(line: int, size: int, longest: int) -> Limit:
    """The refusal of a record that is longer than what is read."""
    return Limit(
        f"The record on line {line} has {size} bytes: at most {longest} are read. Shorten its texts."
    )


def _parse(record: Record, form: Format) -> None:
    try:
        raw = record.raw if form.encoding == "utf-8" else record.raw.decode(form.encoding).encode()
        data = orjson.loads(raw.removeprefix(b"\xef\xbb\xbf"))
        if isinstance(data, dict) and data.keys() == {LINE, ERROR}:
            data = orjson.loads(data[LINE])
    except UnicodeError as wrong:
        record.error = _undecodable(record, form, wrong)
    except orjson.JSONDecodeError as wrong:
        record.error = _undecodable(record, form) or Invalid(
            f"Line {record.line} is not JSON: {wrong.msg} at character {wrong.colno}. Correct the line."
        )
    else:
        _take(record, data)


def _take(record: Record, data: object) -> None:
    if not isinstance(data, dict):
        record.error = Invalid(f"Line {record.line} is not a JSON object: write one object a line.")
        return
    data.pop(ERROR, None)
    record.data = data


def _undecodable(record: Record, form: Format, wrong: UnicodeError | None = None) -> HubError | None:
    """The refusal of bytes that are not in the file's encoding; null where all of them are."""
    try:
        record.raw.decode(form.encoding)
    except UnicodeDecodeError as found:
        byte = record.raw[found.start]
        place = record.raw.rfind(b"\n", 0, found.start)
        line = record.line + record.raw.count(b"\n", 0, found.start)
        return Invalid(
            f"Byte {found.start - place} of line {line} is 0x{byte:02X}, which is not {form.encoding.upper()}:"
            f" save the file as {form.encoding.upper()}, or name its encoding in the mapping."
        )
    return None if wrong is None else Invalid(f"Line {record.line} is not {form.encoding.upper()}: {wrong}.")


class _Lines:
    """Hands a CSV parser its lines, and counts them. Of a record that grows too long only its structure is passed."""

    def __init__(self, file: BinaryIO, form: Format, start: Position, longest: int) -> None:
        self._file = file
        self._encoding = form.encoding
        self._longest = longest
        self._idle = re.compile(rf'[^"{re.escape(form.delimiter)}\r\n]+')
        self.offset, self.line = start.offset, start.line
        self.begin()

    def begin(self) -> None:
        """A new record starts here."""
        self.first, self.size = self.line + 1, 0
        self.raw: list[bytes] = []

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        raw = self._file.readline(CHUNK)
        if not raw:
            raise StopIteration
        self.offset += len(raw)
        self.size += len(raw)
        self.line += raw.endswith(b"\n")
        text = raw.decode(self._encoding, "surrogateescape")
        if self.size > self._longest:
            return self._idle.sub("", text)
        self.raw.append(raw)
        return text


def _csv(file: BinaryIO, form: Format, start: Position | None, longest: int) -> Iterator[Record]:
    header, after = _header(file, form)
    place = start if start is not None and start.offset else after
    file.seek(place.offset)
    lines, number = _Lines(file, form, place, longest), place.number
    csv.field_size_limit(2**31 - 1)
    for cells in _rows(lines, form):
        if cells:
            number += 1
            yield _row(lines, cells, header, form, number, longest)
        lines.begin()


def _rows(lines: Iterable[str], form: Format) -> Iterator[list[str]]:
    """Rows of cells."""
    if form.kind == "table":
        return (line.split() for line in lines)
    return csv.reader(lines, delimiter=form.delimiter)


def cells(text: str, form: Format) -> list[str]:
    """The cells of one row."""
    return next(_rows(io.StringIO(text), form))


def _header(file: BinaryIO, form: Format) -> tuple[list[str], Position]:
    """The names of the columns, and the place after them. Raises ``Invalid`` for a header without sense."""
    lines = _Lines(file, form, Position(), LONGEST_RECORD)
    try:
        cells = next(_rows(lines, form))
    except (StopIteration, csv.Error) as wrong:
        raise Invalid("The file has no header: name the columns in its first line.") from wrong
    names = [cell.removeprefix("\ufeff").strip() for cell in cells]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise Invalid(f'The header names column "{twice[0]}" twice: give each column a name of its own.')
    return names, Position(lines.offset, 0, lines.line)


def _row(
    lines: _Lines, cells: list[str], header: list[str], form: Format, number: int, longest: int
) -> Record:
    end = Position(lines.offset, number, lines.line)
    record = Record(number, lines.first, end, b"".join(lines.raw))
    if form.kind == "table" and header[-1] == ERROR:
        # What was wrong is a sentence: it takes the rest of the line.
        cells = [*cells[: len(header) - 1], " ".join(cells[len(header) - 1 :])]
    if lines.size > longest:
        record.error = too_long(record.line, lines.size, longest)
    elif unreadable := _undecodable(record, form):
        record.error = unreadable
    elif len(cells) != len(header):
        record.error = Invalid(
            f"The row on line {record.line} has {len(cells)} cells, the header {len(header)}:"
            f" correct its separators{'' if form.kind == 'table' else f' ({form.delimiter})'} and quotes."
        )
    else:
        pairs = zip(header, cells, strict=True)
        empty = form.empty == "clear"
        record.data = {name: cell or None for name, cell in pairs if (cell or empty) and name != ERROR}
    return record
