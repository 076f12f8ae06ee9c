"""Runs the migrations: one at a time in the cluster, each in a transaction of its own."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from alembic.operations import ops
from alembic.runtime.migration import MigrationContext

import hub.models
from alembic import context, op
from hub import capture, feed, postgres
from hub.config import load
from hub.db import Base

HOUSE = Path(__file__).parent.parent
LOCK = 0x48554221
"""The number of the advisory lock that keeps two starting servers from migrating at once."""


def import_tables() -> None:
    """Load every module that declares tables; what is not loaded would be taken for dropped."""
    hub.models.load()
    for layer in ("search", "webhooks"):
        for file in sorted((HOUSE / layer).rglob("*.py")):
            if "__tablename__" in file.read_text():
                importlib.import_module(".".join(file.relative_to(HOUSE).with_suffix("").parts))


def is_ours(name: str | None, type_: str, _parents: object) -> bool:
    """Whether alembic compares it; the sequencer makes the feed's partitions."""
    return not (type_ == "table" and name is not None and feed.is_partition(name))


@contextmanager
def alone(engine: sa.Engine) -> Iterator[None]:
    """Hold the migrations' lock; whoever comes second waits, then finds nothing to do."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as guard:
        guard.execute(sa.text("SELECT pg_advisory_lock(:lock)"), {"lock": LOCK})
        yield


def prepare(connection: sa.Connection) -> None:
    """Set timeouts, and make the functions that columns and checks call."""
    # A migration that waits for a lock makes everyone wait behind it: better it fails and is tried again.
    connection.execute(sa.text("SET lock_timeout = '5s'"))
    connection.execute(sa.text("SET statement_timeout = '10min'"))
    capture.prelude(connection)
    connection.commit()


def add_sequences(about: MigrationContext, _revision: object, directives: list[ops.MigrationScript]) -> None:
    """Put the sequences that are missing first, which alembic does not compare."""
    there = sa.inspect(about.connection).get_sequence_names() if about.connection else []
    for script in directives:
        for sequence in Base.metadata.get_schema_objects(sa.Sequence):
            if sequence.name not in there and script.upgrade_ops and script.downgrade_ops:
                script.upgrade_ops.ops.insert(0, ops.ExecuteSQLOp(f"CREATE SEQUENCE {sequence.name}"))
                script.downgrade_ops.ops.append(ops.ExecuteSQLOp(f"DROP SEQUENCE {sequence.name}"))


INSTALLED = ("_flat", "_numbers", "_texts")
"""How the checks end that ``hub.guards`` makes after migrating: no migration makes or drops them."""


def add_checks(about: MigrationContext, _revision: object, directives: list[ops.MigrationScript]) -> None:
    """Make the checks of tables that exist already, which alembic does not compare either. One is known by its name."""
    inspector = sa.inspect(about.connection)
    for table in Base.metadata.tables.values() if inspector else ():
        if not inspector.has_table(table.name):
            continue
        there = {
            each["name"]: each["sqltext"]
            for each in inspector.get_check_constraints(table.name)
            if not str(each["name"]).endswith(INSTALLED)
        }
        wanted = {
            str(each.name): str(each.sqltext)
            for each in table.constraints
            if isinstance(each, sa.CheckConstraint)
        }
        for script in directives:
            _match_checks(script, table.name, there, wanted)


def _match_checks(
    script: ops.MigrationScript, table: str, there: dict[str, str], wanted: dict[str, str]
) -> None:
    """Checks come after the columns that they are about, and go before them."""
    if script.upgrade_ops is None or script.downgrade_ops is None:
        return
    for name in sorted(there.keys() - wanted.keys()):
        script.upgrade_ops.ops.insert(0, ops.DropConstraintOp(op.f(name), table, "check"))
        script.downgrade_ops.ops.append(ops.CreateCheckConstraintOp(op.f(name), table, there[name]))
    for name in sorted(wanted.keys() - there.keys()):
        script.upgrade_ops.ops.append(ops.CreateCheckConstraintOp(op.f(name), table, wanted[name]))
        script.downgrade_ops.ops.insert(0, ops.DropConstraintOp(op.f(name), table, "check"))


def add_unseen(about: MigrationContext, revision: object, directives: list[ops.MigrationScript]) -> None:
    """Add what alembic does not see, and leave the comment by which the hub knows its installed code."""
    add_sequences(about, revision, directives)
    add_checks(about, revision, directives)
    for script in directives:
        if script.upgrade_ops and script.downgrade_ops:
            leave_comments(script.upgrade_ops)
            leave_comments(script.downgrade_ops)


def leave_comments(container: ops.OpContainer) -> None:
    """Tables have no comments but those that ``hub.triggers`` writes after migrating."""
    for each in list(container.ops):
        if isinstance(each, ops.DropTableCommentOp | ops.CreateTableCommentOp):
            container.ops.remove(each)
        elif isinstance(each, ops.OpContainer):
            leave_comments(each)
            if not each.ops:
                container.ops.remove(each)


def run(engine: sa.Engine) -> None:
    """Run what alembic was called for."""
    with alone(engine), engine.connect() as connection:
        prepare(connection)
        context.configure(
            connection=connection,
            target_metadata=Base.metadata,
            transaction_per_migration=True,
            compare_server_default=True,
            include_name=is_ours,
            process_revision_directives=add_unseen,
        )
        with context.begin_transaction():
            context.run_migrations()


import_tables()
started = sa.create_engine(context.config.attributes.get("url") or postgres.address(load()))
run(started)
started.dispose()
