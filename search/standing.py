"""How the index stands: what is being built, and what holds up whoever keeps it. Every process reads it in the database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from hub.db import Base, Database

Stage = Literal["filling", "catching up", "comparing"]


class SearchBuild(Base):
    """A generation that is being built. ``done`` and ``total`` are products; ``moved_at``: when it last went on."""

    __tablename__ = "search_build"

    generation: Mapped[str] = mapped_column(primary_key=True)
    stage: Mapped[str]
    done: Mapped[int]
    total: Mapped[int]
    began_at: Mapped[datetime] = mapped_column(sa.DateTime(timezone=True), server_default=sa.func.now())
    moved_at: Mapped[datetime] = mapped_column(sa.DateTime(timezone=True), server_default=sa.func.now())


class SearchTrouble(Base):
    """Why an index is not being written at the moment, and since when. ``name``: the index."""

    __tablename__ = "search_trouble"

    name: Mapped[str] = mapped_column(primary_key=True)
    reason: Mapped[str]
    since: Mapped[datetime] = mapped_column(sa.DateTime(timezone=True), server_default=sa.func.now())


@dataclass(frozen=True)
class Build:
    """A generation that is being built, see ``SearchBuild``. ``still_seconds``: how long ago it last went on."""

    generation: str
    stage: str
    done: int
    total: int
    still_seconds: float


@dataclass(frozen=True)
class Trouble:
    """Why the index is not being written, in a sentence, and for how many seconds."""

    reason: str
    seconds: float


def building(database: Database, generation: str, stage: Stage, done: int, total: int) -> None:
    """Note how far a build has come."""
    put = insert(SearchBuild).values(generation=generation, stage=stage, done=done, total=total)
    again = {name: put.excluded[name] for name in ("stage", "done", "total")} | {"moved_at": sa.func.now()}
    with database.engine.begin() as tx:
        tx.execute(put.on_conflict_do_update(index_elements=["generation"], set_=again))


def built(tx: sa.Connection, generation: str | None = None) -> None:
    """Forget a build that is over; all of them where none is named."""
    which = sa.true() if generation is None else SearchBuild.generation == generation
    tx.execute(sa.delete(SearchBuild).where(which))


def builds(tx: sa.Connection) -> Sequence[Build]:
    """What is being built, the latest first; one that was killed stands there until it is carried on."""
    still = sa.func.extract("epoch", sa.func.now() - SearchBuild.moved_at)
    rows = tx.execute(
        sa.select(
            SearchBuild.generation,
            SearchBuild.stage,
            SearchBuild.done,
            SearchBuild.total,
            still.label("still"),
        ).order_by(SearchBuild.moved_at.desc())
    )
    return [Build(row.generation, row.stage, row.done, row.total, float(row.still)) for row in rows]


def held_up(database: Database, name: str, reason: str) -> None:
    """Note why an index cannot be written; how long that has been so stays known while the reason changes."""
    put = insert(SearchTrouble).values(name=name, reason=reason)
    with database.engine.begin() as tx:
        tx.execute(put.on_conflict_do_update(index_elements=["name"], set_={"reason": put.excluded.reason}))


def goes_on(tx: sa.Connection, name: str) -> None:
    """Note that an index is written again."""
    tx.execute(sa.delete(SearchTrouble).where(SearchTrouble.name == name))


def trouble(tx: sa.Connection, name: str) -> Trouble | None:
    """Why an index is not being written; null while all is well."""
    seconds = sa.func.extract("epoch", sa.func.now() - SearchTrouble.since)
    row = tx.execute(sa.select(SearchTrouble.reason, seconds).where(SearchTrouble.name == name)).first()
    return row and Trouble(row[0], float(row[1]))
