"""Snapshots as files: JSON lines with the states of objects and the cursor of the feed at which they are true.

The first line says what it is and where the feed goes on, the last one counts the others and holds their digest, so
that a file which was cut short shows. Between them stands one line for each object, in the order of types and ids.
"""

from __future__ import annotations

import gzip
import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any, cast

import orjson
import sqlalchemy as sa
from pydantic.alias_generators import to_camel

from hub import feed, states
from hub.channel import Channel
from hub.db import Database
from hub.errors import HubError, Invalid
from hub.feed import Ends, Position
from hub.states import State, Wanted
from hub.viewer import Viewer

FORMAT = "hub-snapshot"
FORMAT_VERSION = 1
LEVEL = 3
"""How hard gzip tries: more takes longer than it saves."""

PART = 20_000
"""Objects that are read in one transaction."""

TOLD_EVERY = 100
"""Objects between two calls of ``tell``."""

Tell = Callable[[int, int], object]
"""Hears of objects done and to do."""


@dataclass(frozen=True)
class Header:
    """The first line.

    ``cursor``: where the feed goes on, after ``sequence``. ``since``: the cursor after which the file holds what
    changed; null for a whole snapshot. ``scopes`` and ``channels``: how far whoever asked could see; codes of channels,
    null for all.
    """

    epoch: str
    cursor: str
    sequence: int
    taken_at: str
    types: list[str]
    scopes: list[str]
    channels: list[str] | None
    since: str | None = None
    hub: str = version("commerce-hub")
    format: str = FORMAT
    format_version: int = FORMAT_VERSION


@dataclass
class Summary:
    """What a file holds: objects by type, those that are gone, and its size in bytes once it is packed."""

    header: Header
    counts: Counter[str] = field(default_factory=Counter)
    deleted: Counter[str] = field(default_factory=Counter)

    @property
    def records(self) -> int:
        """The lines between the first and the last."""
        return self.counts.total() + self.deleted.total()


def begin(database: Database, viewer: Viewer, types: Sequence[str] | None, since: str | None) -> Taking:
    """A snapshot as of this moment, to be written.

    ``since``: only what changed after that cursor, and a line for each object that is gone. Raises
    ``hub.errors.HubError`` for types that the viewer does not see, and for a cursor that leads nowhere.
    """
    names = states.nouns(viewer, types)
    after = None if since is None else decoded(since)
    with states.snapshot(database) as tx:
        ends = feed.read_ends(tx)
        if after is not None:
            _check(ends, after)
        header = Header(
            epoch=ends.epoch.hex,
            cursor=ends.cursor(ends.last),
            sequence=ends.last,
            taken_at=datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            types=names,
            scopes=sorted(scope for scope in viewer.scopes if scope.endswith(":read")),
            channels=_codes(tx, viewer),
            since=since,
        )
        sequence = None if after is None else after.sequence
        return Taking(database, viewer, header, sequence, states.count(tx, names, sequence))


def _check(ends: Ends, after: Position) -> None:
    try:
        ends.check(after)
    except HubError as refused:
        raise refused.under("since") from refused


def decoded(since: str) -> Position:
    """The position of a cursor that was given. Raises ``hub.errors.Invalid``."""
    try:
        return feed.decode(since)
    except ValueError as wrong:
        raise Invalid(f"{wrong} {feed.CURSORS}", ("since",)) from wrong


@dataclass(frozen=True)
class Taking:
    """A place in the feed, and all that is written down as it was there. ``total``: about how many objects."""

    database: Database
    viewer: Viewer
    header: Header
    since: int | None
    total: int

    def write(self, file: IO[bytes], tell: Tell) -> Summary:
        """Write all of it."""
        summary, digest = Summary(self.header), hashlib.sha256()
        for line in self._lines(summary):
            digest.update(line)
            file.write(line)
            if summary.records % TOLD_EVERY == 0:
                tell(summary.records, max(self.total, summary.records))
        file.write(_last(summary, digest.hexdigest()))
        tell(summary.records, summary.records)
        return summary

    def _lines(self, summary: Summary) -> Iterator[bytes]:
        yield orjson.dumps(_outside(asdict(self.header))) + b"\n"
        for name in self.header.types:
            for each in self._states(name):
                (summary.deleted if each.state is None else summary.counts)[name] += 1
                yield line(each)

    def _states(self, noun: str) -> Iterator[State]:
        """Part by part: the database keeps all that is deleted while a transaction looks on, which slows writers down."""
        through, at = states.FIRST, self.header.sequence
        place = feed.decode(self.header.cursor)
        while through != states.LAST:
            with states.snapshot(self.database) as tx:
                feed.read_ends(tx).check(place)
                after, through = through, states.end_of(tx, noun, through, PART)
                yield from states.stream(tx, self.viewer, Wanted(noun, at, self.since, after, through))


def line(each: State) -> bytes:
    """The line of one object."""
    start = b'{"type":"%b","id":"%b","version":%d,' % (each.type.encode(), each.id.encode(), each.version)
    if each.state is None:
        return start + b'"deleted":true}\n'
    return start + b'"state":%b}\n' % orjson.dumps(each.state, option=orjson.OPT_SORT_KEYS)


@contextmanager
def writing(path: Path) -> Iterator[IO[bytes]]:
    """A file that stands under its name only when the block has ended well; packed where the name ends in ``.gz``."""
    made = path.with_name(f"{path.name}.part")
    try:
        with made.open("wb") as file:
            if path.suffix == ".gz":
                with gzip.GzipFile("", "wb", LEVEL, file, mtime=0) as packed:
                    yield cast("IO[bytes]", packed)
            else:
                yield file
        made.replace(path)
    finally:
        made.unlink(missing_ok=True)


def _last(summary: Summary, digest: str) -> bytes:
    end: dict[str, Any] = {"end": True, "records": summary.records, "counts": summary.counts}
    if summary.header.since is not None:
        end["deleted"] = summary.deleted
    return orjson.dumps({**end, "sha256": digest}) + b"\n"


def _outside(header: dict[str, Any]) -> dict[str, Any]:
    """In the names of the API; the format comes first, so that the file says at once what it is."""
    named = {to_camel(name): value for name, value in header.items()}
    return {name: named.pop(name) for name in ("format", "formatVersion")} | named


def _codes(tx: sa.Connection, viewer: Viewer) -> list[str] | None:
    if viewer.channel_ids is None:
        return None
    own = sa.select(Channel.code).where(Channel.id.in_(viewer.channel_ids)).order_by(Channel.code)
    return list(tx.scalars(own))
