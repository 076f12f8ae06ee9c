"""Import runs: how far each has come, what it has seen, what it refused. All of it moves in the transaction that writes.

So a run that was killed goes on from its last batch, and its counts are those of one clean run.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from hub.db import Base, Id

COUNTS = ("read", "created", "updated", "unchanged", "skipped")
"""The counts of a run: the first is the sum of the others. ``refused`` counts values and stands beside them."""


class ImportRun(Base):
    """One file going through one mapping. ``finished_at`` is null until its last record is in.

    ``offset``, ``number`` and ``line`` are the place in the unpacked file after the last record that was dealt with.
    """

    __tablename__ = "import_run"
    __table_args__ = (
        sa.CheckConstraint("read = created + updated + unchanged + skipped", name="adds_up"),
        sa.Index(
            "uq_import_run_open",
            *("file_hash", "mapping_hash", "channel", "locale"),
            unique=True,
            postgresql_where=sa.text("finished_at IS NULL"),
            postgresql_nulls_not_distinct=True,
        ),
    )

    id: Mapped[Id]
    file: Mapped[str]
    file_hash: Mapped[str]
    mapping: Mapped[str]
    mapping_hash: Mapped[str]
    channel: Mapped[str | None]
    locale: Mapped[str]
    offset: Mapped[int] = mapped_column(server_default="0")
    number: Mapped[int] = mapped_column(server_default="0")
    line: Mapped[int] = mapped_column(server_default="0")
    read: Mapped[int] = mapped_column(server_default="0")
    created: Mapped[int] = mapped_column(server_default="0")
    updated: Mapped[int] = mapped_column(server_default="0")
    unchanged: Mapped[int] = mapped_column(server_default="0")
    skipped: Mapped[int] = mapped_column(server_default="0")
    refused: Mapped[int] = mapped_column(server_default="0")
    started_at: Mapped[datetime] = mapped_column(sa.DateTime(timezone=True), server_default=sa.func.now())
    finished_at: Mapped[datetime | None] = mapped_column(sa.DateTime(timezone=True))


class ImportSeen(Base):
    """A key that a run has met, and in which record: a second record about the same product is refused.

    Kept in the database, not in memory, so that a file of any length and a run in two parts are the same. Removed
    when the run ends.
    """

    __tablename__ = "import_seen"

    run_id: Mapped[int] = mapped_column(sa.ForeignKey("import_run.id", ondelete="CASCADE"), primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int]


class ImportReject(Base):
    """What a run refused, and why. ``imported``: only the value was refused, its record was imported without it."""

    __tablename__ = "import_reject"

    id: Mapped[Id]
    run_id: Mapped[int] = mapped_column(sa.ForeignKey("import_run.id", ondelete="CASCADE"), index=True)
    number: Mapped[int]
    code: Mapped[str]
    field: Mapped[str | None]
    value: Mapped[str | None]
    message: Mapped[str]
    imported: Mapped[bool]


def resume(tx: sa.Connection, **what: Any) -> sa.RowMapping:
    """The unfinished run of the same file through the same mapping, or a new one."""
    same = [
        ImportRun.__table__.c[name].is_not_distinct_from(what[name])
        for name in ("file_hash", "mapping_hash", "channel", "locale")
    ]
    found = tx.execute(sa.select(ImportRun.__table__).where(*same, ImportRun.finished_at.is_(None)))
    return found.mappings().first() or start(tx, **what)


def start(tx: sa.Connection, **what: Any) -> sa.RowMapping:
    """A new run."""
    return tx.execute(sa.insert(ImportRun).values(**what).returning(ImportRun.__table__)).mappings().one()


def see(tx: sa.Connection, run: int, keys: dict[str, int]) -> dict[str, int]:
    """Note the keys of a batch with their record's number; gives those that an earlier record had, with its number."""
    wanted = sa.cast(list(keys), sa.ARRAY(sa.Text))
    statement = sa.select(ImportSeen.key, ImportSeen.number).where(
        ImportSeen.run_id == run, ImportSeen.key == sa.any_(wanted)
    )
    before = dict(tx.execute(statement).all())
    tx.execute(
        sa.text(
            "INSERT INTO import_seen (run_id, key, number)"
            " SELECT :run, * FROM unnest(CAST(:keys AS text[]), CAST(:numbers AS bigint[])) ON CONFLICT DO NOTHING"
        ),
        {"run": run, "keys": list(keys), "numbers": list(keys.values())},
    )
    return before
