"""Messages of other systems about orders: each is carried out once, also where it comes before its order.

A message is known by its system and its id there. One whose order the hub does not have yet is kept and carried out by
the relay as soon as the order is there, in the order in which messages came, each in a transaction of its own that also
notes that it is done. So it happens once, whatever dies in between.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, ClassVar

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, insert
from sqlalchemy.orm import Mapped, mapped_column

from hub import order_command
from hub.db import Base, Database, Id, Json, Writer
from hub.errors import Conflict, Forbidden, HubError, NotFound
from hub.ids import encode
from hub.order import Order
from hub.provenance import Sourced
from hub.reference import Way, missing
from hub.registry import Event, Kept, KeptModel
from hub.save import Result

STATUSES = ("waiting", "applied", "refused", "expired", "dismissed")
AT_ONCE = 100


class PendingMessage(KeptModel, Sourced, Base):
    """A message of another system about an order, and what became of it.

    ``order_name`` is the order's number, or with ``order_system`` its id there. ``given`` is what the command is to be
    carried out with, null once the message has ended. ``channel_ids``: those that its sender reached, null for all.
    ``tried_version``: the order's version when it was tried last and another message had to come first.
    ``refusal``: ``{code, message}``, where it was refused.
    """

    __tablename__ = "pending_message"
    __kept__: ClassVar[Kept] = Kept(
        "pending_message",
        scope="orders",
        # What a message says may be personal: it is in nobody's feed, and goes when the message has ended.
        hidden=("given", "content_hash", "tried_version", "channel_ids"),
        owner="hub",
        own_commands=True,
        events=(
            Event(
                "CASE WHEN op = 'I' AND n->>'status' = 'waiting' THEN 'message.kept'"
                " WHEN op = 'U' AND n->>'status' <> 'waiting' THEN 'message.' || (n->>'status') END",
                says="A message about an order was kept until the order comes, or what was kept has come to this end.",
                endings=("kept", "applied", "refused", "expired", "dismissed"),
            ),
        ),
    )
    __table_args__ = (
        sa.UniqueConstraint("system", "message"),
        sa.CheckConstraint(f"status IN {STATUSES!r}", name="status"),
        sa.Index(
            "ix_pending_message_waiting",
            "order_name",
            "id",
            postgresql_where=sa.text("status = 'waiting'"),
        ),
    )

    id: Mapped[Id]
    system: Mapped[str]
    message: Mapped[str]
    command: Mapped[str]
    order_system: Mapped[str | None]
    order_name: Mapped[str]
    order_id: Mapped[int | None] = mapped_column(sa.ForeignKey("order.id", ondelete="CASCADE"), index=True)
    status: Mapped[str] = mapped_column(server_default="waiting")
    given: Mapped[Json | None] = mapped_column(JSONB(none_as_null=True))
    content_hash: Mapped[bytes] = mapped_column(sa.LargeBinary)
    refusal: Mapped[Json | None] = mapped_column(JSONB(none_as_null=True))
    channel_ids: Mapped[list[int] | None] = mapped_column(ARRAY(sa.BigInteger))
    tried_version: Mapped[int | None]
    actor: Mapped[str] = mapped_column(server_default=sa.text("hub_actor()"))
    source: Mapped[str] = mapped_column(server_default=sa.text("hub_source()"))
    received_at: Mapped[datetime] = mapped_column(
        sa.DateTime(timezone=True), server_default=sa.func.now(), index=True
    )
    ended_at: Mapped[datetime | None] = mapped_column(sa.DateTime(timezone=True))


MESSAGE = PendingMessage.metadata.tables[PendingMessage.__tablename__]

TELLING = ("order_note_add", "order_update")
"""Commands whose content may tell of a person without naming them."""

AGAIN: Json = {"status": "waiting", "refusal": None, "tried_version": None, "ended_at": None}
"""What a message that had ended has when it waits again."""

DUE = sa.text("""
    SELECT m.id, m.actor, m.source, m.system, m.message, o.id AS order_id
    FROM pending_message m
    CROSS JOIN LATERAL (
        SELECT o.id FROM "order" o WHERE m.order_system IS NULL AND o.number = m.order_name
        UNION ALL
        SELECT e.entity_id FROM external_id e
        WHERE e.entity = 'order' AND e.system = m.order_system AND e.value = m.order_name
    ) o
    JOIN aggregate a ON a.type = 'order' AND a.id = o.id
    WHERE m.status = 'waiting' AND m.tried_version IS DISTINCT FROM a.version
    ORDER BY m.id LIMIT :most
""")


@dataclass(frozen=True)
class Message:
    """What tells a message from all others, and whether it may wait. ``channel_ids``: those its sender reaches."""

    system: str
    id: str
    keep: bool = True
    channel_ids: frozenset[int] | None = None


def take(
    tx: sa.Connection, message: Message, command: str, order: tuple[Way, int | None], given: Json
) -> Result:
    """Carry out a message, or keep it: then the outcome is ``kept``. One that was carried out before changes nothing.

    ``order``: how the message names its order, and the order's id where it is there. Raises ``Conflict`` for a message
    that said something else before, ``NotFound`` for an order that is not there where the message may not wait. A new
    message that is refused leaves nothing behind.
    """
    named, number = order
    if number is None and (named[0] == "id" or not message.keep):
        raise missing("order", named).under("order")
    claimed = _claim(tx, message, _row(message, command, named, given))
    if claimed is None:
        return Result(number, "unchanged")
    own, fresh = claimed
    if number is None:
        return Result(None, "kept")
    _deliver_before(tx, own, number, message.system)
    result = order_command.tell(tx, command, number, given)
    if not result.errors:
        _end(tx, own, "applied", order_id=number)
    elif message.keep and all(each.early for each in result.errors):
        _note_try(tx, own, number)
        return Result(None, "kept")
    elif fresh:
        tx.execute(sa.delete(MESSAGE).where(MESSAGE.c.id == own))
    else:
        _refuse(tx, own, number, result.errors[0])
    return result


def deliver(database: Database) -> bool:
    """Carry out the kept messages whose orders are there now; whether there may be more."""
    with database.read() as tx:
        due = tx.execute(DUE, {"most": AT_ONCE}).all()
    for each in due:
        with database.write(Writer(each.actor, each.source, _reason(each))) as tx:
            _deliver(tx, each.id, each.order_id)
    return len(due) == AT_ONCE


def retry(tx: sa.Connection, number: int) -> None:
    """Let a message that was refused or has expired wait again. Raises ``Conflict`` for one whose content is gone."""
    found = _locked(tx, number)
    if found.given is None:
        said = f'Message "{found.message}" of "{found.system}" is {found.status}, and its content is gone'
        raise Conflict(f"{said}: have it sent again.", ("id",))
    tx.execute(sa.update(MESSAGE).where(MESSAGE.c.id == number).values(AGAIN))


def dismiss(tx: sa.Connection, number: int) -> bool:
    """Never carry a message out; false where it has ended already."""
    if _locked(tx, number).status not in ("waiting", "refused"):
        return False
    _end(tx, number, "dismissed")
    return True


def silence(tx: sa.Connection, which: sa.ColumnElement[bool]) -> int:
    """End messages and forget what they said, also by its hash; gives how many there were."""
    ended = {"status": "dismissed", "given": None, "refusal": None, "content_hash": b""}
    return tx.execute(sa.update(MESSAGE).where(which).values(ended | {"ended_at": sa.func.now()})).rowcount


def expire(tx: sa.Connection, days: float) -> int:
    """End what has waited for so long, and forget what ended so long ago; gives how many there were."""
    old = sa.func.now() - sa.func.make_interval(0, 0, 0, 0, 0, 0, days * 86_400)
    late = MESSAGE.c.status.in_(("waiting", "refused")) & (MESSAGE.c.received_at < old)
    values = {"status": "expired", "given": None, "ended_at": sa.func.now()}
    ended = tx.execute(sa.update(MESSAGE).where(late).values(values)).rowcount
    gone = tx.execute(sa.delete(MESSAGE).where(MESSAGE.c.ended_at < old, MESSAGE.c.status != "refused"))
    return ended + gone.rowcount


def _row(message: Message, command: str, named: Way, given: Json) -> Json:
    how, name = named
    system, word = name if how == "external_id" else (None, str(name))
    # The version that a sender expects is no part of what it says.
    said = {"command": command, "order": [how, system, word], "given": {**given, "if_version": None}}
    return {
        "system": message.system,
        "message": message.id,
        "command": command,
        "order_system": system,
        "order_name": word,
        "given": orjson.loads(orjson.dumps(given, default=str)),
        "content_hash": sha256(orjson.dumps(said, default=str, option=orjson.OPT_SORT_KEYS)).digest(),
        "channel_ids": None if message.channel_ids is None else sorted(message.channel_ids),
    }


def _claim(tx: sa.Connection, message: Message, row: Json) -> tuple[int, bool] | None:
    """The message's own row, and whether it is new; null where it was carried out or dismissed before."""
    number = tx.scalar(insert(MESSAGE).values(row).on_conflict_do_nothing().returning(MESSAGE.c.id))
    if number is not None:
        return int(number), True
    same = (MESSAGE.c.system == row["system"]) & (MESSAGE.c.message == row["message"])
    stored = tx.execute(sa.select(MESSAGE).where(same).with_for_update()).one()
    if stored.content_hash and bytes(stored.content_hash) != row["content_hash"]:
        said = f'Message "{message.id}" of "{message.system}" said something else before'
        raise Conflict(f"{said}: give a new message its own id.", ("message", "id"))
    if stored.status in ("applied", "dismissed"):
        return None
    if stored.status != "waiting":
        tx.execute(sa.update(MESSAGE).where(same).values(AGAIN | {"given": row["given"]}))
    return int(stored.id), False


def _note_try(tx: sa.Connection, own: int, number: int | None) -> None:
    """From another version of the order on it is tried again."""
    version = sa.text("SELECT version FROM aggregate WHERE type = 'order' AND id = :id")
    tried = None if number is None else tx.scalar(version, {"id": number})
    tx.execute(sa.update(MESSAGE).where(MESSAGE.c.id == own).values(order_id=number, tried_version=tried))


def _deliver_before(tx: sa.Connection, own: int, number: int, system: str) -> None:
    """What came before from the same system is carried out before."""
    earlier = tx.execute(DUE, {"most": AT_ONCE}).all()
    for each in earlier:
        if each.order_id == number and each.id < own and each.system == system:
            _deliver(tx, each.id, number)


def _deliver(tx: sa.Connection, own: int, number: int) -> None:
    """Carry out one message that waits, on an order that is there."""
    order = tx.execute(
        sa.select(Order.channel_id).where(Order.id == number).with_for_update(key_share=True)
    ).first()
    waiting = sa.select(MESSAGE).where(MESSAGE.c.id == own, MESSAGE.c.status == "waiting")
    found = tx.execute(waiting.with_for_update()).first()
    if order is None or found is None:  # the order went, or another relay was first
        return
    if found.channel_ids is not None and order.channel_id not in found.channel_ids:
        refused = Forbidden("The order is not within the channels of the token that sent the message.")
        result = Result(None, "refused", (refused,))
    else:
        result = order_command.tell(tx, found.command, number, found.given)
    if not result.errors:
        _end(tx, own, "applied", order_id=number)
    elif all(each.early for each in result.errors):
        _note_try(tx, own, number)
    else:
        _refuse(tx, own, number, result.errors[0])


def _refuse(tx: sa.Connection, own: int, number: int, why: HubError) -> None:
    refusal = {"code": why.code.value, "message": why.message}
    values = {"status": "refused", "order_id": number, "refusal": refusal, "ended_at": sa.func.now()}
    tx.execute(sa.update(MESSAGE).where(MESSAGE.c.id == own).values(values))


def _end(tx: sa.Connection, own: int, status: str, **more: Any) -> None:
    """What has ended needs its content no longer, which may be personal."""
    ended = {"status": status, "given": None, "refusal": None, "ended_at": sa.func.now(), **more}
    tx.execute(sa.update(MESSAGE).where(MESSAGE.c.id == own).values(ended))


def _locked(tx: sa.Connection, number: int) -> Any:
    found = tx.execute(sa.select(MESSAGE).where(MESSAGE.c.id == number).with_for_update()).first()
    if found is None:
        raise NotFound(f'Message "{encode("pending_message", number)}" does not exist.', ("id",))
    return found


def _reason(due: Any) -> str:
    return f"message {due.message} of {due.system}"
