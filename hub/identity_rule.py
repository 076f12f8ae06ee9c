"""The rules of identity, as data: types of identifiers, thresholds, weights, and what people decided."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from hub.db import Base, Id, Json
from hub.identity_pair import AUTOMATIC, CANDIDATE, Rules
from hub.identity_weight import SHIPPED, Weights


class IdentifierType(Base):
    """A type of identifier. ``trust``: whether two records that share one are one person (``hub.identity_pair``):
    ``always``, ``verified`` (where both systems say that it was proven) or ``never`` (it only counts in the score).

    ``most``: how many a customer may have; ``priority``: of two links the one with the lower number is taken first;
    ``blocked``: values that say nothing, in the form they are compared in.
    """

    __tablename__ = "identifier_type"
    __table_args__ = (
        sa.CheckConstraint("trust IN ('always', 'verified', 'never')", name="trust"),
        sa.CheckConstraint("most > 0", name="most"),
    )

    code: Mapped[str] = mapped_column(primary_key=True)
    trust: Mapped[str]
    most: Mapped[int]
    priority: Mapped[int]
    blocked: Mapped[list[str]] = mapped_column(ARRAY(sa.Text), server_default="{}")


class IdentityRule(Base):
    """The one row of rules. ``bits`` and ``vetoes``: the weights that were estimated; null: those that the hub ships with."""

    __tablename__ = "identity_rule"
    __table_args__ = (
        sa.CheckConstraint("id = 1", name="one"),
        sa.CheckConstraint("candidate <= automatic", name="thresholds"),
    )

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    automatic: Mapped[float]
    candidate: Mapped[float]
    bits: Mapped[Json | None] = mapped_column(JSONB)
    vetoes: Mapped[list[str] | None] = mapped_column(ARRAY(sa.Text))
    estimated_at: Mapped[datetime | None] = mapped_column(sa.DateTime(timezone=True))


class IdentityDecision(Base):
    """What somebody decided about two customers as they came. The last one holds; the earlier ones are kept.

    ``kind``: ``include`` (one person), ``exclude`` (two people) or ``withdraw`` (as the rules say).
    """

    __tablename__ = "identity_decision"
    __table_args__ = (
        sa.CheckConstraint("kind IN ('include', 'exclude', 'withdraw')", name="kind"),
        sa.CheckConstraint("one_id < other_id", name="pair"),
        sa.Index("ix_identity_decision_one", "one_id", "other_id", "id"),
    )

    id: Mapped[Id]
    one_id: Mapped[int]
    other_id: Mapped[int] = mapped_column(index=True)
    kind: Mapped[str]
    keep_id: Mapped[int | None]
    actor: Mapped[str] = mapped_column(server_default=sa.text("hub_actor()"))
    reason: Mapped[str | None]
    decided_at: Mapped[datetime] = mapped_column(sa.DateTime(timezone=True), server_default=sa.func.now())


TYPES = f"""
INSERT INTO identifier_type (code, trust, most, priority, blocked) VALUES
    ('email', 'verified', 10, 30, '{{noreply@example.com,test@test.com,no@email.com,none@none.com}}'),
    ('phone', 'never', 10, 40, '{{}}'),
    ('card', 'always', 3, 10, '{{0,-1,null,anonymous}}'),
    ('wechat_unionid', 'always', 2, 20, '{{0,-1,null,anonymous}}'),
    ('device', 'never', 20, 90, '{{0,-1,null,anonymous}}')
ON CONFLICT DO NOTHING;
INSERT INTO identity_rule (id, automatic, candidate) VALUES (1, {AUTOMATIC}, {CANDIDATE}) ON CONFLICT DO NOTHING;
"""
"""What a hub starts with. What is there already is left as it is."""

Pair = tuple[int, int]


@dataclass(frozen=True)
class Rulebook:
    """The rules as they are now. ``types`` by code."""

    rules: Rules
    types: Mapping[str, IdentifierType]

    @property
    def limits(self) -> dict[str, int]:
        """How many identifiers of each type a customer may have."""
        return {code: type_.most for code, type_ in self.types.items()}

    def counted(self, fields: Json) -> tuple[frozenset[Held], frozenset[Held]]:
        """Those of a record's identifiers that are not blocked, and those of them that alone say who it is."""
        given = [(each["type"], each["value"], each["verified"]) for each in fields.get("identifiers", ())]
        given += [(type_, fields[type_], False) for type_ in ("email", "phone") if fields.get(type_)]
        known = [
            (type_, value, verified)
            for type_, value, verified in given
            if value.casefold() not in self.types[type_].blocked and not _is_blank(value)
        ]
        return frozenset((type_, value) for type_, value, _ in known), frozenset(
            (type_, value)
            for type_, value, verified in known
            if self.types[type_].trust == "always" or (self.types[type_].trust == "verified" and verified)
        )


Held = tuple[str, str]


def _is_blank(value: str) -> bool:
    """Whether it is nothing but zeros and signs, which says nothing of anybody."""
    return not any(each.isalnum() and each != "0" for each in value)


def load(tx: sa.Connection) -> Rulebook:
    """The rules as they are now."""
    row = tx.execute(sa.select(IdentityRule.__table__)).mappings().one()
    weights = SHIPPED if row["bits"] is None else Weights(row["bits"], frozenset(row["vetoes"]))
    types = {
        each["code"]: IdentifierType(**each)
        for each in tx.execute(sa.select(IdentifierType.__table__)).mappings()
    }
    return Rulebook(Rules(row["automatic"], row["candidate"], weights), types)


def decisions(tx: sa.Connection, customers: Iterable[int]) -> dict[Pair, sa.RowMapping]:
    """What holds for pairs with one of these customers."""
    wanted = sa.cast(sorted(set(customers)), sa.ARRAY(sa.BigInteger))
    table = IdentityDecision.__table__
    found = tx.execute(
        sa.select(table)
        .where(sa.or_(table.c.one_id == sa.any_(wanted), table.c.other_id == sa.any_(wanted)))
        .order_by(table.c.id)
    ).mappings()
    return {(row["one_id"], row["other_id"]): row for row in found}
