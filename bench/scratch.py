"""A database for one bench alone, in the server that the settings name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import psycopg
from psycopg import sql
from sqlalchemy import make_url

from hub import migrations, postgres
from hub.config import Settings
from hub.db import Database


@contextmanager
def database(settings: Settings, kept: str | None = None) -> Iterator[Database]:
    """A migrated, empty database, gone afterwards. ``kept``: the name of one that stays, with what is in it."""
    url = postgres.address(settings)
    name = kept or f"bench_{uuid4().hex[:12]}"
    with psycopg.connect(postgres.libpq(url), autocommit=True) as connection:
        there = connection.execute("SELECT FROM pg_database WHERE datname = %s", [name]).fetchone()
        if there is None:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        own = make_url(url).set(database=name).render_as_string(hide_password=False)
        migrations.upgrade(own)
        opened = Database(own)
        try:
            yield opened
        finally:
            opened.close()
            if kept is None:
                connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
