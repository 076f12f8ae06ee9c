"""Who uses the processor: seconds of it by process, PostgreSQL's by what its connections are for."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import sqlalchemy as sa

from hub.db import Database

TICKS = os.sysconf("SC_CLK_TCK")
USER = 11
"""The place of the user time in ``/proc/PID/stat`` behind the name, which may hold spaces; the system's is the next."""

BACKENDS = sa.text(
    """
    SELECT pid, CASE application_name WHEN 'hub sequencer' THEN 'sequencer_backend'
        WHEN 'bench writer' THEN 'writer_backends' ELSE 'relay_backends' END AS name
    FROM pg_stat_activity
    WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
    """
)

Seconds = Mapping[int, tuple[str, float]]
"""By process id: whose it is, and the seconds that it has used."""


def used(database: Database, processes: Mapping[str, int]) -> Seconds:
    """What was used so far. ``processes``: the bench's own by name."""
    with database.read() as tx:
        backends = {row.pid: row.name for row in tx.execute(BACKENDS)}
    named = backends | {number: name for name, number in processes.items()}
    return {number: (name, _seconds(number)) for number, name in named.items()}


def between(before: Seconds, after: Seconds, seconds: float) -> dict[str, float]:
    """Cores that each kept busy on average; a process that ended in between is left out."""
    cores: dict[str, float] = {}
    for number, (name, until) in after.items():
        since = before.get(number, (name, 0.0))[1]
        cores[f"cores_{name}"] = cores.get(f"cores_{name}", 0.0) + (until - since) / seconds
    return {name: round(each, 3) for name, each in sorted(cores.items())}


def _seconds(number: int) -> float:
    try:
        text = Path(f"/proc/{number}/stat").read_text()
    except OSError:  # it has ended
        return 0.0
    fields = text.rpartition(")")[2].split()
    return (int(fields[USER]) + int(fields[USER + 1])) / TICKS
