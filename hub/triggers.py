"""Whether the database does all by itself that the feed depends on, and how that is mended.

A trigger that somebody dropped or switched off loses changes without a word: nothing else would notice. ``hub relay``
looks every few seconds and puts them back, ``/ready`` and ``hub feed verify`` tell of them.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from functools import cache

import sqlalchemy as sa

from hub import capture, rules
from hub.db import Database
from hub.registry import parts

LOCK_SECONDS = 2
"""How long mending waits for those who write; it is tried again."""

ALWAYS, DISABLED = "A", "D"

NAMED = re.compile(r'CREATE (?:OR REPLACE |CONSTRAINT )TRIGGER (hub_\w+) [^;]*? ON "?(\w+)"?')

STANDING = sa.text(
    "SELECT relname, tgname, CAST(tgenabled AS text) AS tgenabled FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid"
    r" WHERE NOT tgisinternal AND relnamespace = current_schema()::regnamespace AND tgname LIKE 'hub\_%'"
)

FUNCTIONS = (
    r"SELECT md5(string_agg(proname || prosrc, '' ORDER BY proname, pg_get_function_identity_arguments(oid)))"
    r" FROM pg_proc WHERE pronamespace = current_schema()::regnamespace AND proname LIKE 'hub\_%' AND prokind = 'f'"
)

SEALED = sa.text(f"SELECT ({FUNCTIONS}) = obj_description('tx_open'::regclass)")

# Ids that a session keeps for later would come after those that others draw meanwhile.
CACHED = sa.text(
    "SELECT seqcache FROM pg_sequence WHERE seqrelid = CAST(pg_get_serial_sequence('pending', 'id') AS regclass)"
)

# What a subscription applies fires no statement triggers, whatever is set.
SUBSCRIBED = sa.text(
    "SELECT subname FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid"
    " WHERE datname = current_database() AND subenabled"
)

log = logging.getLogger(__name__)


def install(connection: sa.Connection) -> None:
    """Make or renew everything that the database does by itself, and remember how its functions read."""
    capture.install(connection)
    rules.install(connection)
    digest = connection.scalar(sa.text(FUNCTIONS))
    connection.execute(sa.text(f"COMMENT ON TABLE tx_open IS '{digest}'"))


def faults(tx: sa.Connection) -> list[str]:
    """One sentence for each thing by which changes could be lost; empty where all is well."""
    found = [f"Trigger {name} of table {table} {what}." for table, name, what in _broken(tx)]
    if tx.scalar(SEALED) is not True:
        found.append("A function of the hub is not as it was installed.")
    cached = tx.scalar(CACHED)
    if cached != 1:
        found.append(f"The ids of pending are drawn {cached} at a time, which breaks the order of versions.")
    found += [
        f'Subscription "{name}" writes to this database, and what it writes is not captured: disable it.'
        for name in tx.scalars(SUBSCRIBED)
    ]
    return found


def mend(database: Database) -> list[str]:
    """Put back what is missing; gives what was wrong. A subscription is only told of: it is somebody's own."""
    with database.read() as tx:
        found, broken = faults(tx), list(_broken(tx))
        sealed, cached = tx.scalar(SEALED), tx.scalar(CACHED)
    missing = [name for _, name, what in broken if what == "is missing"]
    for table, name, what in broken:
        if what != "is missing":
            _run(database, f'ALTER TABLE "{table}" ENABLE ALWAYS TRIGGER {name}')
    if cached != 1:
        _run(database, "ALTER TABLE pending ALTER COLUMN id SET CACHE 1")
    if missing or not sealed:
        with database.engine.begin() as tx:
            tx.execute(sa.text(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'"))
            install(tx)
    for fault in found:
        log.error("%s Changes made meanwhile may be missing in the feed: run hub feed verify.", fault)
    return found


def _broken(tx: sa.Connection) -> Iterator[tuple[str, str, str]]:
    standing = {(row.relname, row.tgname): row.tgenabled for row in tx.execute(STANDING)}
    for table, name in _expected():
        enabled = standing.get((table, name))
        if enabled is None:
            yield table, name, "is missing"
        elif enabled != ALWAYS:
            yield table, name, "is disabled" if enabled == DISABLED else "does not fire in every session"


def _run(database: Database, statement: str) -> None:
    with database.engine.begin() as tx:
        tx.execute(sa.text(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'"))
        tx.execute(sa.text(statement))


@cache
def _expected() -> tuple[tuple[str, str], ...]:
    """Table and name of every trigger, read from the SQL that makes them."""
    return tuple((table, name) for name, table in NAMED.findall(capture.statements(parts(), "public")))
