"""What identity found: which record stands for which customer, by which keys it is compared, and the links."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from hub import identity_block, row
from hub.db import Base
from hub.identity_pair import Judgement
from hub.identity_profile import Profile, profile
from hub.identity_rule import Rulebook
from hub.row import Row
from hub.source_record import SourceRecord

Pair = tuple[int, int]

CHUNK = 20_000
"""Links that are written with one statement."""


class IdentityRecord(Base):
    """The customer that a record made, and the version of it that holds: the one that was observed last."""

    __tablename__ = "identity_record"

    customer_id: Mapped[int] = mapped_column(
        sa.ForeignKey("customer.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    name: Mapped[str] = mapped_column(unique=True)
    record_id: Mapped[int] = mapped_column(sa.ForeignKey("source_record.id"), index=True)


class IdentityKey(Base):
    """A key of blocking (``hub.identity_block``) that a customer's record has."""

    __tablename__ = "identity_key"

    key: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    customer_id: Mapped[int] = mapped_column(
        sa.ForeignKey("customer.id", ondelete="CASCADE"), primary_key=True, autoincrement=False, index=True
    )


class IdentityLink(Base):
    """Two customers, as they came, who are one person or may be. ``score`` in bits; ``reasons``: its parts, without values.

    ``verdict``: ``link`` or ``candidate``. ``identifier``: the type of the one that alone says who it is, null for a score.
    ``dropped``: why a link was not taken (``excluded``, ``limit``, ``contradiction``), ``dropped_type``: whose limit.
    """

    __tablename__ = "identity_link"
    __table_args__ = (
        sa.CheckConstraint("one_id < other_id", name="pair"),
        sa.Index("ix_identity_link_candidate", sa.text("score DESC"), "one_id", "other_id"),
    )

    one_id: Mapped[int] = mapped_column(
        sa.ForeignKey("customer.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    other_id: Mapped[int] = mapped_column(
        sa.ForeignKey("customer.id", ondelete="CASCADE"), primary_key=True, autoincrement=False, index=True
    )
    verdict: Mapped[str]
    score: Mapped[float]
    reasons: Mapped[list[Any]] = mapped_column(JSONB)
    identifier: Mapped[str | None]
    dropped: Mapped[str | None]
    dropped_type: Mapped[str | None]


def wanted(numbers: Iterable[int]) -> Any:
    """Numbers as an array for a statement."""
    return sa.cast(sorted(set(numbers)), sa.ARRAY(sa.BigInteger))


def profiles(
    tx: sa.Connection, customers: Collection[int], rules: Rulebook
) -> dict[int, tuple[str, Profile]]:
    """The records of customers as they are compared, each with its name."""
    statement = (
        sa.select(IdentityRecord.customer_id, IdentityRecord.name, SourceRecord.fields)
        .join(SourceRecord, SourceRecord.id == IdentityRecord.record_id)
        .where(IdentityRecord.customer_id == sa.any_(wanted(customers)))
    )
    return {
        number: (name, profile(fields, *rules.counted(fields)))
        for number, name, fields in tx.execute(statement)
    }


def row_of(one: int, other: int, judged: Judgement) -> Row:
    """A link as it is kept."""
    return {
        "one_id": one,
        "other_id": other,
        "verdict": judged.verdict,
        "score": judged.score,
        "reasons": judged.reasons,
        "identifier": judged.identifier[0] if judged.identifier else None,
    }


def keep(tx: sa.Connection, links: Sequence[Row]) -> None:
    """Write links down."""
    table: Any = IdentityLink.__table__
    for start in range(0, len(links), CHUNK):
        row.insert(tx, table, links[start : start + CHUNK])


_SIZES = """
SELECT k.key, count(*) FROM identity_key k
WHERE k.key = ANY (ARRAY(SELECT DISTINCT key FROM identity_key WHERE customer_id = ANY (CAST(:touched AS bigint[]))))
GROUP BY k.key
"""
_PAIRS = """
SELECT DISTINCT least(a.customer_id, b.customer_id), greatest(a.customer_id, b.customer_id)
FROM identity_key a JOIN identity_key b ON b.key = a.key AND b.customer_id <> a.customer_id
WHERE a.customer_id = ANY (CAST(:touched AS bigint[])) AND a.key <> ALL (CAST(:crowded AS bigint[]))
"""


def rekey(tx: sa.Connection, records: Mapping[int, Profile]) -> tuple[set[int], set[Pair]]:
    """Give records their keys; gives all whose pairs may be others now, and the pairs to compare.

    A key that too many share says nothing. One that becomes such, or is none any more, changes the pairs of all who
    have it: so the pairs are a matter of the records alone, and not of the order in which they came.
    """
    touched = set(records)
    before = _sizes(tx, touched)
    tx.execute(sa.delete(IdentityKey).where(IdentityKey.customer_id == sa.any_(wanted(touched))))
    keyed = [
        {"customer_id": number, "key": key}
        for number, record in sorted(records.items())
        for key in sorted(identity_block.keys(record))
    ]
    if keyed:
        row.insert(tx, IdentityKey.__table__, keyed)  # type: ignore[arg-type]
    after = _sizes(tx, touched)
    most = identity_block.MOST
    turned = [
        key
        for key in before.keys() | after.keys()
        if (before.get(key, 0) > most) != (after.get(key, 0) > most)
    ]
    if turned:
        held = sa.select(IdentityKey.customer_id).where(IdentityKey.key == sa.any_(wanted(turned)))
        touched |= set(tx.scalars(held.distinct()))
        after = _sizes(tx, touched)
    crowded = sorted(key for key, size in after.items() if size > most)
    pairs = tx.execute(sa.text(_PAIRS), {"touched": sorted(touched), "crowded": crowded})
    return touched, {(one, other) for one, other in pairs}


def _sizes(tx: sa.Connection, touched: Collection[int]) -> dict[int, int]:
    return dict(tx.execute(sa.text(_SIZES), {"touched": sorted(touched)}).all())
