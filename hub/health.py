"""Whether the hub can do its work: one named check for each thing that it stands on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from hub import feed, migrations, triggers
from hub.db import Database
from hub.outbox import Pending


class UnreadyError(Exception):
    """What is missing, in a sentence."""


Check = Callable[[], str]
"""Says how it stands; raises where it does not stand."""


@dataclass(frozen=True)
class Finding:
    """What one check found: a sentence, and whether it is well."""

    ok: bool
    detail: str


@dataclass(frozen=True)
class Lag:
    """How far the relay is: ``head`` the feed's last sequence, ``pending`` changes without one, ``seconds`` of the oldest."""

    head: int
    pending: int
    seconds: float


def findings(checks: Mapping[str, Check]) -> dict[str, Finding]:
    """Run every check, also after one has failed."""
    return {name: _finding(check) for name, check in checks.items()}


def _finding(check: Check) -> Finding:
    try:
        return Finding(ok=True, detail=check())
    except (UnreadyError, sa.exc.SQLAlchemyError) as error:
        # A database's own words may name its address: the first line alone says what happened.
        return Finding(ok=False, detail=str(error).partition("\n")[0])


def checks(database: Database, *, lag_seconds: float) -> dict[str, Check]:
    """The checks of what the hub itself stands on."""
    return {
        "database": lambda: _reachable(database),
        "migrations": lambda: _migrated(database),
        "capture": lambda: _captured(database),
        "relay": lambda: _relayed(database, lag_seconds),
    }


def lag(database: Database) -> Lag:
    """How far the relay is behind what has been committed."""
    age = sa.func.extract("epoch", sa.func.now() - sa.func.min(Pending.occurred_at))
    waiting = sa.select(sa.func.count(), sa.func.greatest(sa.func.coalesce(age, 0), 0)).select_from(Pending)
    with database.read() as tx:
        count, seconds = tx.execute(waiting).one()
        return Lag(feed.ends(tx)[1], count, float(seconds))


def _reachable(database: Database) -> str:
    with database.read() as tx:
        return f"PostgreSQL {tx.scalar(sa.text('SHOW server_version'))} answers."


def _migrated(database: Database) -> str:
    with database.read() as tx:
        applied = tx.scalar(migrations.APPLIED)
    if applied != migrations.newest():
        raise UnreadyError(
            f"The database is at migration {applied}, not {migrations.newest()}: run hub migrate."
        )
    return f"The database is at migration {applied}."


def _captured(database: Database) -> str:
    with database.read() as tx:
        wrong = triggers.faults(tx)
    if wrong:
        raise UnreadyError(" ".join(wrong))
    return "Every change is captured."


def _relayed(database: Database, limit: float) -> str:
    now = lag(database)
    if now.seconds > limit:
        raise UnreadyError(
            f"{now.pending} changes wait for the relay, the oldest for {now.seconds:.0f} s, more than {limit:g} s:"
            " see that hub relay runs."
        )
    return f"The feed is at sequence {now.head}, {now.pending} changes wait."
