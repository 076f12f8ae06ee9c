"""Jobs: work that takes longer than a request. Any relay takes them; what one leaves unfinished, another one begins anew.

A job runs while its worker keeps the lease: whoever is killed or cut off loses it, and whatever it did goes unheard.
Cancelling, and revoking the token that asked, take the lease away at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from hub.db import Base, Id, Json
from hub.errors import Forbidden, Limit, NotFound
from hub.token import Token
from hub.viewer import Viewer

NOUN = "job"
"""How global ids call jobs."""

STATUSES = ("queued", "running", "done", "failed", "cancelled")
LEASE = timedelta(seconds=10)
"""How long a worker is believed to live after its last sign."""

MOST_ATTEMPTS = 5
MOST_OPEN = 3
"""Jobs that one token may have waiting and running."""

KEPT = timedelta(days=30)
"""How long an ended job is listed."""


class Job(Base):
    """One piece of work, in the name of the token that asked for it.

    ``done`` and ``total`` count what its kind counts. ``cursor``: where the feed goes on behind its result. ``file``:
    the result's name in the job's folder, ``bytes`` its size; null and 0 before it is there and after ``expires_at``.
    ``lease_until``: while it runs, how long its worker is believed to live; while it waits, when it may begin again.
    """

    __tablename__ = "job"
    __table_args__ = (
        sa.CheckConstraint(f"status IN {STATUSES!r}", name="status"),
        sa.CheckConstraint(
            "(finished_at IS NOT NULL) = (status IN ('done', 'failed', 'cancelled'))", name="finished"
        ),
        sa.Index("ix_job_open", "id", postgresql_where=sa.text("finished_at IS NULL")),
    )

    id: Mapped[Id]
    kind: Mapped[str]
    status: Mapped[str] = mapped_column(server_default="queued")
    input: Mapped[Json]
    token_id: Mapped[int] = mapped_column(sa.ForeignKey("token.id", ondelete="CASCADE"), index=True)
    done: Mapped[int] = mapped_column(server_default="0")
    total: Mapped[int | None]
    cursor: Mapped[str | None]
    file: Mapped[str | None]
    bytes: Mapped[int] = mapped_column(server_default="0")
    error: Mapped[str | None]
    attempts: Mapped[int] = mapped_column(server_default="0")
    worker: Mapped[UUID | None]
    lease_until: Mapped[datetime | None] = mapped_column(sa.DateTime(timezone=True))
    created_at: Mapped[datetime] = mapped_column(sa.DateTime(timezone=True), server_default=sa.func.now())
    started_at: Mapped[datetime | None] = mapped_column(sa.DateTime(timezone=True))
    finished_at: Mapped[datetime | None] = mapped_column(sa.DateTime(timezone=True))
    expires_at: Mapped[datetime | None] = mapped_column(sa.DateTime(timezone=True))


@dataclass(frozen=True)
class Result:
    """What a job leaves: a file in its folder, and the cursor behind it (null where there is none)."""

    file: str
    bytes: int
    cursor: str | None = None


VALID = sa.and_(
    Token.revoked_at.is_(None),
    sa.or_(Token.expires_at.is_(None), Token.expires_at > sa.func.clock_timestamp()),
)
"""Whether a job's token still opens anything."""


def create(tx: sa.Connection, viewer: Viewer, kind: str, given: Json) -> int:
    """Queue a job; its id. Raises ``Limit`` for a token that has as many open ones as it may."""
    if viewer.token_id is None:
        raise Forbidden("A job runs in the name of a token: ask with one.")
    # One after another: two requests at once must not both be the last that is allowed.
    tx.execute(sa.select(Token.id).where(Token.id == viewer.token_id).with_for_update())
    waiting = sa.select(sa.func.count()).where(Job.token_id == viewer.token_id, Job.finished_at.is_(None))
    if (tx.scalar(waiting) or 0) >= MOST_OPEN:
        raise Limit(f"This token has {MOST_OPEN} jobs that are not done: wait for one, or cancel it.")
    row = {"kind": kind, "input": given, "token_id": viewer.token_id}
    return tx.execute(sa.insert(Job).values(row).returning(Job.id)).scalar_one()


def seen(viewer: Viewer) -> sa.ColumnElement[bool]:
    """A token sees its own jobs; staff that may read settings see all."""
    if viewer.kind == "staff" and viewer.may("settings", "read"):
        return sa.true()
    return Job.token_id == viewer.token_id


def cancel(tx: sa.Connection, viewer: Viewer, number: int) -> None:
    """End a job that is not done; one that has ended stays as it is. Raises ``NotFound`` for one that is not seen."""
    if tx.scalar(sa.select(Job.id).where(Job.id == number, seen(viewer))) is None:
        raise NotFound("There is no such job: jobs lists those of this token.", ("id",))
    tx.execute(_ended(sa.update(Job).where(Job.id == number, Job.finished_at.is_(None)), "cancelled"))


def claim(tx: sa.Connection, worker: UUID) -> sa.RowMapping | None:
    """Take the oldest job that nobody works on; null where there is none."""
    _give_up(tx)
    free = (
        sa.select(Job.id)
        .where(Job.finished_at.is_(None), _is_free())
        .order_by(Job.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    taken = (
        sa.update(Job)
        .where(Job.id == free.scalar_subquery())
        .values(
            status="running",
            worker=worker,
            lease_until=sa.func.clock_timestamp() + LEASE,
            attempts=Job.attempts + 1,
            started_at=sa.func.coalesce(Job.started_at, sa.func.now()),
            done=0,
            total=None,
        )
    )
    return tx.execute(taken.returning(Job.__table__)).mappings().first()


def beat(tx: sa.Connection, number: int, worker: UUID, done: int, total: int | None) -> bool:
    """Note how far it is and keep the lease; false where the worker has lost it. A job whose token is closed fails."""
    own = sa.and_(Job.id == number, Job.worker == worker, Job.status == "running")
    open_ = sa.exists().where(Token.id == Job.token_id, VALID)
    going = {"done": done, "total": total, "lease_until": sa.func.clock_timestamp() + LEASE}
    if tx.execute(sa.update(Job).where(own, open_).values(going)).rowcount:
        return True
    closed = "The token that asked for it was revoked or has expired."
    tx.execute(_ended(sa.update(Job).where(own), "failed").values(error=closed))
    return False


def succeed(tx: sa.Connection, number: int, worker: UUID, result: Result, keep: timedelta) -> bool:
    """Note the result; false where the worker has lost the job, and the result is nobody's."""
    own = sa.update(Job).where(Job.id == number, Job.worker == worker, Job.status == "running")
    left = {"file": result.file, "bytes": result.bytes, "cursor": result.cursor, "total": Job.done}
    expires = {"expires_at": sa.func.now() + keep}
    return tx.execute(_ended(own, "done").values(left | expires)).rowcount == 1


def fail(tx: sa.Connection, number: int, worker: UUID, error: str) -> None:
    """Note why it cannot be done."""
    own = sa.update(Job).where(Job.id == number, Job.worker == worker, Job.status == "running")
    tx.execute(_ended(own, "failed").values(error=error))


def release(tx: sa.Connection, number: int, worker: UUID, *, again_in: timedelta, counts: bool) -> None:
    """Give it back, to be begun anew. ``counts``: whether this was one of its attempts."""
    own = sa.update(Job).where(Job.id == number, Job.worker == worker, Job.status == "running")
    back = {"status": "queued", "worker": None, "lease_until": sa.func.clock_timestamp() + again_in}
    if not counts:
        back["attempts"] = Job.attempts - 1
    tx.execute(own.values(back))


def of_folders(tx: sa.Connection, numbers: list[int]) -> set[int]:
    """Of these jobs those whose folder is still needed: it is being filled, or its file has not expired."""
    needed = sa.or_(Job.status == "running", sa.and_(Job.file.is_not(None), Job.expires_at > sa.func.now()))
    return set(tx.scalars(sa.select(Job.id).where(Job.id.in_(numbers), needed)))


def forget(tx: sa.Connection) -> None:
    """Note which results have expired, and drop jobs that ended long ago."""
    over = sa.update(Job).where(Job.expires_at <= sa.func.now(), Job.file.is_not(None))
    tx.execute(over.values(file=None, bytes=0))
    tx.execute(sa.delete(Job).where(Job.finished_at < sa.func.now() - KEPT))


def used_bytes(tx: sa.Connection, token_id: int) -> int:
    """The size of all results of a token that are kept."""
    return int(
        tx.scalar(sa.select(sa.func.coalesce(sa.func.sum(Job.bytes), 0)).where(Job.token_id == token_id)) or 0
    )


def _is_free() -> sa.ColumnElement[bool]:
    return sa.or_(Job.lease_until.is_(None), Job.lease_until < sa.func.clock_timestamp())


def _give_up(tx: sa.Connection) -> None:
    """A job that ended its worker every time would do so for ever."""
    worn = sa.update(Job).where(Job.finished_at.is_(None), _is_free(), Job.attempts >= MOST_ATTEMPTS)
    error = f"It was begun {MOST_ATTEMPTS} times, and never came to its end: the relay's log says more."
    tx.execute(_ended(worn, "failed").values(error=error))


def _ended(update: Any, status: str) -> Any:
    return update.values(status=status, finished_at=sa.func.now(), worker=None, lease_until=None)
