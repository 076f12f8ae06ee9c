"""A dry run: everything is done as an import does it, the changes are read back, and all of it is undone.

So what it shows is what would happen, down to the refusals of the database. It holds its locks until it ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from hub import aggregate, change, import_check, import_rejects, import_run, importing, registry
from hub.change import Changed
from hub.db import Database, Writer, sign
from hub.importing import Progress, Summary
from hub.mapping import Mapping
from hub.outbox import Pending

PAGE = 1000


@dataclass(frozen=True)
class Difference:
    """What would become of one object. ``key`` is what people know it by."""

    noun: str
    key: str
    kind: str
    changed: list[Changed]


def preview(
    database: Database,
    path: Path,
    mapping: Mapping,
    tell: Callable[[Progress], None],
    show: Callable[[Difference], None],
    rejects: Path,
    *,
    secret: str = "",
) -> tuple[Summary, int]:
    """Show what an import would change, and write its rejects; gives its summary and how many records were refused."""
    found = import_check.check(path, mapping)
    with database.engine.connect() as tx, tx.begin() as everything:
        stored = import_run.start(tx, **importing.what(path, mapping, found))
        sign(tx, Writer(actor=f"import:{stored['id']}", source=mapping.system))
        running = importing.Run(_staying(tx), path, mapping, stored, in_lanes=False, secret=secret)
        running.go(found.size, tell)
        for difference in _differences(tx):
            show(difference)
        summary = running.summed(tx)
        refused = import_rejects.write(tx, running.id, path, mapping.form, rejects)
        everything.rollback()
    return summary, refused


def _staying(tx: sa.Connection) -> importing.Transaction:
    """Every batch in the one transaction that is undone at the end."""

    @contextmanager
    def enter() -> Iterator[sa.Connection]:
        with tx.begin_nested():
            yield tx

    return enter


def _differences(tx: sa.Connection) -> Iterator[Difference]:
    aggregate.flush(tx)
    own = sa.func.hub_token(type_=sa.Uuid)
    columns = (Pending.id, Pending.aggregate, Pending.aggregate_id, Pending.kind, Pending.changes)
    last = 0
    while page := tx.execute(
        sa.select(*columns).where(Pending.token == own, Pending.id > last).order_by(Pending.id).limit(PAGE)
    ).all():
        for number, noun, object_, kind, changes in page:
            last = number
            yield Difference(noun, _key(tx, noun, object_), kind, change.paths(changes))


def _key(tx: sa.Connection, noun: str, number: int) -> str:
    part = registry.part(noun)
    column = part.table.c[part.kept.key or "id"]
    return str(tx.scalar(sa.select(column).where(part.table.c.id == number)))
