"""Idempotency: a command sent twice under one key is carried out once, and answered alike."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, cast

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.orm import Mapped, mapped_column

from hub.db import Base, Json
from hub.errors import IdempotencyMismatch, Invalid

KEPT = timedelta(days=7)
"""How long a key is remembered."""

LONGEST = 255
"""The most characters that a key may have."""


class Idempotency(Base):
    """What was answered under a key. ``token_id`` is 0 for the hub's own command line."""

    __tablename__ = "idempotency"

    token_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    key: Mapped[str] = mapped_column(primary_key=True)
    request: Mapped[bytes] = mapped_column(sa.LargeBinary)
    answer: Mapped[Any] = mapped_column(JSONB, nullable=True)
    created_at: Mapped[datetime] = mapped_column(
        sa.DateTime(timezone=True), server_default=sa.func.now(), index=True
    )


def once(
    tx: sa.Connection, token_id: int | None, key: str | None, request: Json, command: Callable[[], Json]
) -> Json:
    """The answer of ``command``, or the one that the same request under the same key had before.

    The answer is stored in the transaction of the command itself, so that both are there or neither is. A second
    transaction with the same key waits for the first one. Raises ``IdempotencyMismatch`` for another request.
    """
    if key is None:
        return command()
    if not 0 < len(key) <= LONGEST:
        raise Invalid(
            f"An idempotency key has 1 to {LONGEST} characters, not {len(key)}.", ("idempotency_key",)
        )
    if "\0" in key:
        raise Invalid("An idempotency key holds the character U+0000: leave it out.", ("idempotency_key",))
    place = {"token_id": token_id or 0, "key": key}
    hashed = sha256(orjson.dumps(request, option=orjson.OPT_SORT_KEYS, default=str)).digest()
    if not _claim(tx, place, hashed):
        return _recall(tx, place, hashed)
    answer = command()
    tx.execute(_at(sa.update(Idempotency), place).values(answer=answer))
    return answer


def purge(tx: sa.Connection) -> int:
    """Forget the keys that are older than a week; how many they were."""
    return tx.execute(sa.delete(Idempotency).where(_old(Idempotency.created_at))).rowcount


def _claim(tx: sa.Connection, place: Json, hashed: bytes) -> bool:
    """Whether the key was free, or so old that it counts as free."""
    row = insert(Idempotency).values(**place, request=hashed)
    claimed = row.on_conflict_do_update(
        index_elements=[Idempotency.token_id, Idempotency.key],
        set_={"request": hashed, "answer": None, "created_at": sa.func.now()},
        where=_old(Idempotency.created_at),
    )
    return tx.execute(claimed.returning(Idempotency.key)).first() is not None


def _recall(tx: sa.Connection, place: Json, hashed: bytes) -> Json:
    stored = tx.execute(_at(sa.select(Idempotency.request, Idempotency.answer), place)).one()
    if stored.request != hashed:
        raise IdempotencyMismatch(
            f'Idempotency key "{place["key"]}" was used before with another input: use a new key.',
            ("idempotency_key",),
        )
    return cast("Json", stored.answer)


def _at(statement: Any, place: Json) -> Any:
    return statement.where(Idempotency.token_id == place["token_id"], Idempotency.key == place["key"])


def _old(created_at: sa.ColumnElement[datetime] | Any) -> sa.ColumnElement[bool]:
    return cast("sa.ColumnElement[bool]", created_at < sa.func.now() - KEPT)
