"""Restoring: an empty place becomes what a backup holds, whole or not at all.

Everything is proved before anything is written. Files come first and the database last, in one transaction, with another
epoch of the feed: whoever has heard of later changes is told so, and an index that shows them is built anew.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import IO

import sqlalchemy as sa

from hub import file_store, migrations, postgres_tool
from hub.backup import DUMP, FILES, KEY, Report, Tell, manifest
from hub.config import Settings
from hub.db import Json
from hub.errors import Conflict, HubError, Invalid
from hub.file_store import Folder

RENEW = b"UPDATE public.head SET epoch = gen_random_uuid();\n"
PIECE = 1024 * 1024
TIMEOUT = b"SET transaction_timeout = 0;\n"
"""What programs of version 17 and later say, and older servers do not know."""

KNOWS_TIMEOUT = 170_000


def read(url: str, settings: Settings, source: Path, tell: Tell) -> Report:
    """Restore a backup into an empty database and bring it up to date. Raises ``hub.errors.HubError``."""
    told = manifest(source)
    server = _check_empty(url, told)
    _check_files(source, told)
    _keep_key(settings, (source / KEY).read_text())
    store, kept, size = file_store.opened(settings), Folder(source / FILES), 0
    for done, content in enumerate(told["files"], start=1):
        path = kept.local(content)
        assert path is not None
        store.put(path, content)
        size += path.stat().st_size
        tell(done, len(told["files"]))
    _load(url, server, source / DUMP)
    migrations.upgrade(url)
    return Report(told["sequence"], len(told["files"]), size, tuple(told["missing"]))


def _check_empty(url: str, told: Json) -> int:
    """The server's version. Raises ``Conflict`` for a database with anything in it, ``Invalid`` for too old a server."""
    with migrations.connected(url) as tx:
        if sa.inspect(tx).get_table_names(schema="public"):
            raise Conflict(
                "The database is not empty: restore into a new one, and name that by HUB_DATABASE_URL."
            )
        server = int(tx.scalar(sa.text("SHOW server_version_num")) or 0)
    if server // 10_000 < told["server_version"] // 10_000:
        raise Invalid(
            f"The backup is of PostgreSQL {told['server_version'] // 10_000}, the server is {server // 10_000}: take one as new."
        )
    return server


def _check_files(source: Path, told: Json) -> None:
    kept = Folder(source / FILES)
    for content in told["files"]:
        path = kept.local(content)
        if path is None or file_store.hashed(path) != content:
            raise Invalid(f'File "{content}" of the backup is not as it was written: take another backup.')


def _keep_key(settings: Settings, secret: str) -> None:
    """Have this hub use the backup's key. Raises ``Conflict`` where it has another one: it could open no secret."""
    own = settings.var / "secret_key"
    given = settings.secret_key.get_secret_value() if settings.secret_key else None
    there = given or (own.read_text() if own.exists() else None)
    if there is None:
        with os.fdopen(os.open(own, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
            opened.write(secret)
    elif there != secret:
        where = "HUB_SECRET_KEY" if given else f'"{own}"'
        raise Conflict(
            f"{where} is not the key of the backup, without which no kept secret opens: set it to what {KEY} there holds."
        )


def _load(url: str, server: int, dump: Path) -> None:
    """Run the dump as one transaction, in which the feed gets another epoch."""
    place = postgres_tool.folder(server)
    reading: list[str | Path] = [place / "pg_restore", "--no-owner", "--no-privileges", "--file=-", dump]
    writing: list[str | Path] = [
        place / "psql",
        "--no-psqlrc",
        "--quiet",
        "--set=ON_ERROR_STOP=1",
        "--output=/dev/null",
    ]
    with (
        subprocess.Popen(reading, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as restore,  # noqa: S603 - PostgreSQL's own
        subprocess.Popen(  # noqa: S603 - PostgreSQL's own
            writing,
            env=dict(postgres_tool.environment(url)),
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as psql,
    ):
        assert restore.stdout is not None
        assert psql.stdin is not None
        whole = False
        try:
            psql.stdin.write(b"BEGIN;\n")
            _pump(restore.stdout, psql.stdin, server)
            whole = restore.wait() == 0
            psql.stdin.write(RENEW + b"COMMIT;\n" if whole else b"ROLLBACK;\n")
        except BrokenPipeError:  # psql has said why
            restore.kill()
        complaint = psql.communicate()[1]
        said = complaint or (b"" if whole or restore.stderr is None else restore.stderr.read())
        if psql.returncode or not whole:
            raise HubError(f"The database was not restored: {said.decode(errors='replace').strip()[:500]}")


def _pump(source: IO[bytes], target: IO[bytes], server: int) -> None:
    """Copy the script, without the one setting of its head that an older server would refuse."""
    head = source.read(PIECE)
    target.write(head if server >= KNOWS_TIMEOUT else head.replace(TIMEOUT, b"", 1))
    while piece := source.read(PIECE):
        target.write(piece)
