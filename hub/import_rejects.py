"""The file of rejects: the records that were refused as they came, each with an error beside it.

Corrected, it is imported again with the same mapping; the error itself is never imported. A record of which only a
value was refused stands in it too, marked as imported.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import orjson
import sqlalchemy as sa

from hub import reading
from hub.import_run import ImportReject
from hub.reading import ERROR, LINE, Format, Record

EVERYTHING = 2**40
"""Bytes: a record that was too long to import is still given back whole."""


def default_path(path: Path) -> Path:
    """Where rejects go that nobody named a place for: into the current folder, under the file's name."""
    names = path.name.removesuffix(".gz").rsplit(".", 1)
    return Path(f"{names[0]}.rejects.{names[1] if len(names) > 1 else 'jsonl'}")


def write(tx: sa.Connection, run: int, source: Path, form: Format, target: Path) -> int:
    """Write what a run refused; gives how many records stand in the file. Without any, no file is left."""
    written = 0
    made = target.with_name(f"{target.name}.part")
    with made.open("wb") as file:
        head = reading.columns(source, form)
        if head is not None:
            file.write(_cells([*(name for name in head if name != ERROR), ERROR], form))
        for record, errors in _refused(tx, run, source, form):
            file.write(_line(record, errors, form) if head is None else _row(record, errors, head, form))
            written += 1
    if written:
        made.replace(target)
    else:
        made.unlink()
        target.unlink(missing_ok=True)
    return written


def _refused(
    tx: sa.Connection, run: int, source: Path, form: Format
) -> Iterator[tuple[Record, list[dict[str, Any]]]]:
    """The refused records, read from the source once more: the hub keeps no copy of them."""
    columns = ("number", "code", "field", "value", "message", "imported")
    statement = (
        sa.select(*(ImportReject.__table__.c[name] for name in columns))
        .where(ImportReject.run_id == run)
        .order_by(ImportReject.number, ImportReject.id)
        .execution_options(yield_per=1000)
    )
    found = (dict(row) for row in tx.execute(statement).mappings())
    records = reading.records(source, form, longest=EVERYTHING)
    for number, errors in groupby(found, lambda row: row["number"]):
        record = next(record for record in records if record.number == number)
        yield record, [{name: one for name, one in row.items() if name != "number"} for row in errors]


def _line(record: Record, errors: list[dict[str, Any]], form: Format) -> bytes:
    """A JSON line; a line that was no JSON object stands as text under ``line``."""
    text = record.raw.decode(form.encoding, "replace").strip()
    data = record.data if record.data is not None else {LINE: text}
    return orjson.dumps(data | {ERROR: errors}, option=orjson.OPT_APPEND_NEWLINE)


def _row(record: Record, errors: list[dict[str, Any]], head: list[str], form: Format) -> bytes:
    text = record.raw.decode(form.encoding, "replace")
    cells = reading.cells(text, form)
    place = head.index(ERROR) if ERROR in head else None
    kept = [cell for number, cell in enumerate(cells) if number != place]
    return _cells([*kept, " | ".join(_said(error) for error in errors)], form)


def _said(error: dict[str, Any]) -> str:
    kept = " (Imported without it.)" if error["imported"] else ""
    field = f" {error['field']}:" if error["field"] else ""
    return f"{error['code']}{field} {error['message']}{kept}"


def _cells(cells: list[str], form: Format) -> bytes:
    if form.kind == "table":
        return ("  ".join(cells) + "\n").encode(form.encoding, "replace")
    buffer = io.StringIO()
    csv.writer(buffer, delimiter=form.delimiter, lineterminator="\n").writerow(cells)
    return buffer.getvalue().encode(form.encoding, "replace")
