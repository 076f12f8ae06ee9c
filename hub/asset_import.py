"""Many files at once: each is looked at and kept as an upload is, and linked to the product that its name tells.

A file is one transaction. The same files again change nothing, so a run that was cut short is simply run again.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Literal

import sqlalchemy as sa

from hub import asset_match, file, find, refusal, registry
from hub.asset import Asset, ProductAsset
from hub.asset_match import Match, Pattern, Way
from hub.asset_source import Source
from hub.asset_upload import looked_at
from hub.db import Database, Json, Writer
from hub.errors import Duplicate, HubError
from hub.file import Content
from hub.file_pool import AT_ONCE, Pool
from hub.file_store import AwayError, Store
from hub.save import save

AHEAD = 8 * AT_ONCE
"""Files that are looked at before the first of them is written: each lies on this disk meanwhile."""

Outcome = Literal["created", "updated", "unchanged", "skipped"]


@dataclass(frozen=True)
class Done:
    """What became of one file. ``says``: in a few words; ``error``: why it was skipped, null where it was not."""

    name: str
    outcome: Outcome
    says: str = ""
    error: HubError | None = None


@dataclass
class Summary:
    """What became of all files: ``read`` is the sum of ``counts``, which go by outcome."""

    read: int = 0
    counts: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(("created", "updated", "unchanged", "skipped"), 0)
    )

    def count(self, done: Done) -> None:
        """Take in one file."""
        self.read += 1
        self.counts[done.outcome] += 1


@dataclass
class _Looked:
    """A file that is fine, lying on this disk until ``close``; the product that its name tells."""

    name: str
    content: Content
    product: int
    match: Match
    close: Callable[[], None]


@dataclass(frozen=True)
class Import:
    """What files are imported with. ``role``: that of links whose names tell none. ``dry_run``: write nothing."""

    database: Database
    store: Store
    pool: Pool
    incoming: Path
    most_bytes: int
    patterns: Sequence[Pattern]
    role: str = "gallery"
    system: str = "files"
    dry_run: bool = False

    def run(self, source: Source, tell: Callable[[Done], None]) -> Summary:
        """Import the files of a source, in their order. Raises ``AwayError`` while the store does not answer."""
        summary, codes = Summary(), dict[str, str]()
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="files") as threads:
            for start in range(0, len(source.names), AHEAD):
                names = source.names[start : start + AHEAD]
                known = self._known(names)
                looking = [threads.submit(self._look, source, name, known) for name in names]
                for name, looked in zip(names, looking, strict=True):
                    done = self._done(name, looked.result(), codes)
                    summary.count(done)
                    tell(done)
        return summary

    def _known(self, names: Sequence[str]) -> Mapping[Way, int]:
        ways = {match.way for name in names for match in asset_match.matches(self.patterns, name)}
        with self.database.read() as tx:
            return asset_match.products(tx, ways)

    def _look(self, source: Source, name: str, known: Mapping[Way, int]) -> _Looked | HubError:
        stack = ExitStack()
        try:
            if name in source.refused:
                raise source.refused[name]
            product, match = asset_match.chosen(asset_match.matches(self.patterns, name), known, name)
            path = stack.enter_context(file.incoming(self.incoming))
            source.copy(name, path, self.most_bytes)
            content = stack.enter_context(looked_at(self.pool, path, PurePosixPath(name).name))
        except HubError as refused:
            stack.close()
            return refused
        return _Looked(name, content, product, match, stack.close)

    def _done(self, name: str, looked: _Looked | HubError, codes: dict[str, str]) -> Done:
        """Write one file. ``codes``: the names of those before it, by the codes of their assets."""
        if isinstance(looked, HubError):
            return Done(name, "skipped", error=looked)
        code = _code(name)
        try:
            if code in codes:
                raise Duplicate(
                    f'File "{name}" would be asset "{code}", and so is "{codes[code]}": rename one of them.'
                )
            codes[code] = name
            return self._write(looked, code)
        except AwayError:
            raise
        except HubError as refused:
            return Done(name, "skipped", error=refused)
        finally:
            looked.close()

    def _write(self, looked: _Looked, code: str) -> Done:
        writer = Writer(actor="import", source=self.system)
        try:
            with self.database.write(writer) as tx:
                done = self._written(tx, looked, code)
                if self.dry_run:
                    tx.rollback()
        except sa.exc.IntegrityError as error:
            raise refusal.of(error) from error
        return done

    def _written(self, tx: sa.Connection, looked: _Looked, code: str) -> Done:
        content = looked.content
        keep = file.note(tx, content) if self.dry_run else file.keep(tx, self.store, content)
        asset = {"code": code, "address": keep, "file_name": PurePosixPath(looked.name).name}
        made = _saved(tx, "asset", asset)
        role = looked.match.role or self.role
        linked = _link(tx, looked.product, code, role, looked.match.position)
        outcome = made if made != "unchanged" else linked
        told = content.inspected
        size = "" if told.width is None else f", {told.width} × {told.height}"
        return Done(
            looked.name,
            outcome,
            f'asset "{code}" ({told.media_type}{size}) as {role} of {_named(tx, looked)}',
        )


def write_rejects(refused: Sequence[Done], target: Path) -> None:
    """Write which files were skipped, and why; where none was, no list is left."""
    if not refused:
        target.unlink(missing_ok=True)
        return
    with target.open("w", newline="", encoding="utf-8") as file_:
        rows = csv.writer(file_)
        rows.writerow(("file", "code", "error"))
        for each in refused:
            assert each.error is not None
            rows.writerow((_cell(each.name), each.error.code.value, each.error.message))


def _cell(text: str) -> str:
    """A name as a cell that no spreadsheet runs."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def _code(name: str) -> str:
    """The code of a file's asset: its path in the folder, without its ending."""
    return str(PurePosixPath(name).with_suffix("")).replace("/", "-")


def _saved(tx: sa.Connection, noun: str, row: Json) -> Outcome:
    result = save(tx, noun, [row])[0]
    for error in result.errors:
        raise error
    assert result.outcome in ("created", "updated", "unchanged")
    return result.outcome


def _link(tx: sa.Connection, product: int, code: str, role: str, position: int | None) -> Outcome:
    """Have a product show an asset, beside what it shows already. Without a position it keeps its own, or comes last."""
    find.lock(tx, registry.part("product"), [product])
    links = [
        {"asset": {"key": row.code}, "role": row.role, "position": row.position}
        for row in tx.execute(
            sa.select(Asset.code, ProductAsset.role, ProductAsset.position)
            .join(Asset, Asset.id == ProductAsset.asset_id)
            .where(ProductAsset.product_id == product)
            .order_by(ProductAsset.id)
        )
    ]
    own = next((each for each in links if (each["asset"]["key"], each["role"]) == (code, role)), None)
    if own is None:
        last = max((each["position"] for each in links if each["role"] == role), default=-1)
        own = {"asset": {"key": code}, "role": role, "position": last + 1}
        links.append(own)
    if position is not None:
        own["position"] = position
    outcome = _saved(tx, "product", {"id": product, "assets": links})
    return "updated" if outcome == "created" else outcome


def _named(tx: sa.Connection, looked: _Looked) -> str:
    from hub.product import Product

    return f'product "{tx.scalar(sa.select(Product.slug).where(Product.id == looked.product))}"'
