"""A backup: a folder with the whole database as of one moment, the files that it names, and the key that opens its secrets.

The moment is one snapshot of PostgreSQL, so writes go on meanwhile. What the folder holds is told in its manifest, which is
written last: without one it is no backup.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import sqlalchemy as sa

from hub import feed, file_store, migrations, postgres_tool
from hub.config import Settings
from hub.db import Json
from hub.errors import Conflict, HubError, Invalid, NotFound
from hub.file import File, is_used
from hub.file_store import Folder, Store

FORMAT = 1
MANIFEST, DUMP, FILES, KEY = "manifest.json", "database.dump", "files", "secret_key"

Tell = Callable[[int, int], None]
"""How many files are copied, of how many."""


@dataclass(frozen=True)
class Report:
    """What was backed up, or restored. ``sequence``: the feed's last one. ``missing``: contents that the store lacks."""

    sequence: int
    files: int
    bytes: int
    missing: tuple[str, ...] = ()


def write(url: str, settings: Settings, target: Path, tell: Tell) -> Report:
    """Back up into a folder that does not exist yet, or is empty. Raises ``hub.errors.HubError``."""
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise Conflict(
            f'"{target}" is there already: name a folder that is not, since no backup is written over.'
        )
    target.mkdir(parents=True, exist_ok=True, mode=0o700)
    target.chmod(0o700)
    with _moment(url) as (tx, snapshot):
        server = int(tx.scalar(sa.text("SHOW server_version_num")) or 0)
        _dump(url, server, snapshot, target / DUMP)
        ends = feed.read_ends(tx)
        applied = tx.scalar(migrations.APPLIED)
        files = tx.execute(
            sa.select(File.hash, File.bytes, is_used().label("used")).order_by(File.hash)
        ).all()
    _write_secret(target / KEY, settings.secret)
    store, missing, copied = file_store.opened(settings), [], 0
    kept = Folder(target / FILES)
    for done, each in enumerate(files, start=1):
        if _copied(store, kept, each.hash):
            copied += 1
        elif each.used:
            missing.append(each.hash)
        tell(done, len(files))
    report = Report(ends.last, copied, sum(each.bytes for each in files), tuple(missing))
    manifest: Json = {
        "format": FORMAT,
        "made_at": datetime.now(UTC).isoformat(),
        "hub": migrations.version(),
        "migration": applied,
        "server_version": server,
        "epoch": ends.epoch.hex,
        "sequence": ends.last,
        "dump": {"bytes": (target / DUMP).stat().st_size, "sha256": file_store.hashed(target / DUMP)},
        "files": [each.hash for each in files if each.hash not in missing and kept.local(each.hash)],
        "missing": missing,
    }
    part = target / f"{MANIFEST}.part"
    part.write_bytes(orjson.dumps(manifest, option=orjson.OPT_INDENT_2))
    part.replace(target / MANIFEST)
    return report


@contextmanager
def _moment(url: str) -> Iterator[tuple[sa.Connection, str]]:
    """A transaction that sees one moment, and the name under which others see the same one."""
    engine = sa.create_engine(url, poolclass=sa.NullPool, isolation_level="REPEATABLE READ")
    try:
        with engine.connect() as tx:
            yield tx, str(tx.scalar(sa.text("SELECT pg_export_snapshot()")))
    except sa.exc.ProgrammingError as error:
        raise Invalid("The database is not that of a hub: run hub migrate first.") from error


def _dump(url: str, server: int, snapshot: str, target: Path) -> None:
    program = postgres_tool.folder(server) / "pg_dump"
    command = [
        program,
        "--format=custom",
        f"--snapshot={snapshot}",
        "--no-owner",
        "--no-privileges",
        f"--file={target}",
    ]
    run(command, url)


def run(command: list[Any], url: str) -> None:
    """Run a program of PostgreSQL on a database. Raises ``HubError`` with its first complaint."""
    done = subprocess.run(  # noqa: S603 - PostgreSQL's own programs
        command, env=dict(postgres_tool.environment(url)), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise HubError(f"{Path(command[0]).name} failed: {done.stderr.strip().partition(chr(10))[0]}")


def _copied(store: Store, kept: Folder, content: str) -> bool:
    """Copy a content; false where the store lacks it, or has something else under its hash."""
    path = store.local(content)
    if path is None:
        return False
    try:
        kept.put(path, content)
    except FileNotFoundError:  # removed at this moment: nothing uses it
        return False
    copy = kept.local(content)
    if copy is not None and file_store.hashed(copy) == content:
        return True
    kept.remove(content)
    return False


def _write_secret(path: Path, secret: str) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
        opened.write(secret)


def manifest(source: Path) -> Json:
    """What a backup says of itself. Raises ``NotFound`` or ``Invalid`` for what is none, or not whole."""
    path = source / MANIFEST
    if not path.is_file():
        raise NotFound(f'"{source}" is no whole backup: it has no {MANIFEST}, which is written last.')
    try:
        told: Json = orjson.loads(path.read_bytes())
        known = told["format"] == FORMAT
    except (orjson.JSONDecodeError, TypeError, KeyError) as wrong:
        raise Invalid(f'"{path}" cannot be read: take another backup.') from wrong
    if not known or told["migration"] not in migrations.known():
        raise Invalid(
            f'"{source}" was made by version {told.get("hub")} of the hub, which is newer than this one: restore it with that.'
        )
    dump = source / DUMP
    if not dump.is_file() or file_store.hashed(dump) != told["dump"]["sha256"]:
        raise Invalid(f'"{dump}" is not as it was written: take another backup.')
    return told
