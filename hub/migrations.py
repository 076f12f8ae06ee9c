"""Bring a database to the shape that this code expects."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from hub import postgres, triggers
from hub.db import Database
from hub.errors import NotFound

if TYPE_CHECKING:
    from alembic.config import Config

    from hub.config import Settings

HOUSE = Path(__file__).parent.parent
"""The folder with ``pyproject.toml``, which tells alembic where the migrations are."""


def prepared(settings: Settings) -> Database:
    """The database in use, started where it is embedded and brought up to date in development.

    In production an operator decides when to run ``hub migrate``.
    """
    url = postgres.address(settings)
    if settings.development and not _is_current(url):
        upgrade(url)
    return Database(url, pool_size=settings.database_pool)


def upgrade(url: str) -> None:
    """Run the migrations that are missing, then install capture and rules. Doing it again changes nothing."""
    from alembic import command

    with connected(url):
        command.upgrade(config(url), "head")
    with connected(url) as connection:
        triggers.install(connection)
        # COMMENT takes no parameters; the digest is hexadecimal.
        connection.execute(sa.text(f"COMMENT ON TABLE alembic_version IS '{_digest()}'"))
        connection.commit()


def _is_current(url: str) -> bool:
    """Whether there is nothing to do: installing capture anew would wait for everyone who is writing."""
    with connected(url) as connection:
        if not sa.inspect(connection).has_table("alembic_version"):
            return False
        return installed(connection) and connection.scalar(APPLIED) == newest()


def installed(tx: sa.Connection) -> bool:
    """Whether functions and triggers are those of this code, and not of another version's that runs beside it."""
    return bool(tx.scalar(sa.text("SELECT obj_description('alembic_version'::regclass)")) == _digest())


@cache
def _digest() -> str:
    """A short name of the code that functions and triggers are generated from: this package, tables included."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


@contextmanager
def connected(url: str) -> Iterator[sa.Connection]:
    """A connection for one task. Raises ``NotFound`` where the database cannot be reached."""
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    try:
        connection = engine.connect()
    except sa.exc.OperationalError as error:
        said = str(error.orig).partition("\n")[0]
        raise NotFound(
            f"The database cannot be reached ({said}): start it, or correct HUB_DATABASE_URL."
        ) from error
    with connection:
        yield connection


def config(url: str) -> Config:
    """Alembic's configuration for the database at ``url``."""
    from alembic.config import Config

    made = Config(toml_file=HOUSE / "pyproject.toml")
    made.attributes["url"] = url
    return made


@cache
def version() -> str:
    """The version of this code."""
    told: str = tomllib.loads((HOUSE / "pyproject.toml").read_text())["project"]["version"]
    return told


@cache
def newest() -> str | None:
    """The last migration that this code ships; null while there is none."""
    from alembic.script import ScriptDirectory

    return ScriptDirectory.from_config(config("")).get_current_head()


def known() -> frozenset[str]:
    """Every migration that this code ships."""
    from alembic.script import ScriptDirectory

    return frozenset(each.revision for each in ScriptDirectory.from_config(config("")).walk_revisions())


APPLIED = sa.text("SELECT version_num FROM alembic_version")
"""The last migration that ran in a database."""
