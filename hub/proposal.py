"""Proposals: what a system that does not own a field would have it be, until somebody decides."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, ClassVar

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.orm import Mapped, mapped_column

from hub.db import Base, Id, Json
from hub.errors import Conflict, NotFound
from hub.ids import encode
from hub.provenance import Sourced
from hub.registry import Event, Kept, KeptModel

STATUSES = ("open", "accepted", "dismissed")


class Proposal(KeptModel, Sourced, Base):
    """A value that was not written because another system owns its field. The last one of a system stays open.

    ``noun`` and ``object_id`` name the object, ``path`` leads to the value as the paths of changes do; a row that would be
    new stands as ``new:`` with what tells it apart. ``value`` is null for what would be taken away, ``was`` what is there.
    ``change`` is the input that carries it out. What was erased is empty.
    """

    __tablename__ = "proposal"
    __kept__: ClassVar[Kept] = Kept(
        "proposal",
        scope="catalogue",
        # Values may be personal, and the path of a new row names it: who may read the object reads them, no feed has them.
        hidden=("path", "value", "was", "change"),
        owner="hub",
        own_commands=True,
        events=(
            Event(
                "CASE WHEN op = 'I' OR n->>'status' = 'open' THEN 'proposal.opened'"
                " WHEN n->>'status' IS NOT NULL THEN 'proposal.' || (n->>'status') END",
                says="A value was proposed for a field that another system owns, or a proposal was decided.",
                endings=("opened", "accepted", "dismissed"),
            ),
        ),
    )
    __table_args__ = (
        sa.CheckConstraint(f"status IN {STATUSES!r}", name="status"),
        sa.Index("ix_proposal_object", "noun", "object_id"),
        sa.Index(
            "uq_proposal_open",
            *("noun", "object_id", "path", "source"),
            unique=True,
            postgresql_where=sa.text("status = 'open'"),
        ),
    )

    id: Mapped[Id]
    noun: Mapped[str]
    object_id: Mapped[int]
    path: Mapped[str]
    value: Mapped[Any] = mapped_column(JSONB(none_as_null=True), nullable=True)
    was: Mapped[Any] = mapped_column(JSONB(none_as_null=True), nullable=True)
    change: Mapped[Json]
    owner: Mapped[str]
    status: Mapped[str] = mapped_column(server_default="open")
    actor: Mapped[str] = mapped_column(server_default=sa.text("hub_actor()"))
    source: Mapped[str] = mapped_column(server_default=sa.text("hub_source()"))
    proposed_at: Mapped[datetime] = mapped_column(
        sa.DateTime(timezone=True), server_default=sa.func.now(), index=True
    )
    decided_by: Mapped[str | None]
    decided_at: Mapped[datetime | None] = mapped_column(sa.DateTime(timezone=True))


PROPOSAL = Proposal.metadata.tables[Proposal.__tablename__]


def record(tx: sa.Connection, rows: Sequence[Json]) -> None:
    """Note proposals, in one statement; one that is open already has the new value from now on."""
    if not rows:
        return
    last = {(row["noun"], row["object_id"], row["path"]): row for row in rows}
    plain = [orjson.loads(orjson.dumps(row, default=str)) for row in last.values()]
    new = insert(PROPOSAL).values(plain)
    again = new.on_conflict_do_update(
        index_elements=["noun", "object_id", "path", "source"],
        index_where=sa.text("status = 'open'"),
        set_={
            name: new.excluded[name] for name in ("value", "was", "change", "owner", "actor", "proposed_at")
        },
        where=PROPOSAL.c.value.is_distinct_from(new.excluded.value),
    )
    tx.execute(again)


def opened(tx: sa.Connection, number: int) -> sa.RowMapping:
    """An open proposal, locked. Raises ``NotFound``, or ``Conflict`` for one that was decided."""
    found = (
        tx.execute(sa.select(PROPOSAL).where(PROPOSAL.c.id == number).with_for_update()).mappings().first()
    )
    if found is None:
        raise NotFound(f'Proposal "{encode("proposal", number)}" does not exist.', ("id",))
    if found["status"] != "open":
        raise Conflict(
            f"The proposal was {found['status']} by {found['decided_by']}: it is not open any more.", ("id",)
        )
    return found


def decide(tx: sa.Connection, number: int, status: str) -> None:
    """Note what became of an open proposal, and who decided."""
    decided = {"status": status, "decided_by": sa.func.hub_actor(), "decided_at": sa.func.now()}
    tx.execute(sa.update(PROPOSAL).where(PROPOSAL.c.id == number).values(decided))
