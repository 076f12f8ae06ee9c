"""Groups of customers who are one person: one of them is shown, with all that belongs to the others.

Everything keeps the customer that it came by: ``customer_belonging`` holds it for what stands with another one now. So
parting gives each back what is theirs, whatever was merged before or since.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from hub import models
from hub.db import Base

OWN = frozenset(
    {"customer", "customer_belonging", "customer_value", "identity_record", "identity_key", "identity_link"}
)
"""Tables that name customers as they came."""


class CustomerBelonging(Base):
    """Where something came from that stands with the customer its own was merged into.

    ``entity`` and ``entity_id``: the table and row; ``origin_id``: its own customer; ``code``: its code there, null
    where it kept it.
    """

    __tablename__ = "customer_belonging"

    entity: Mapped[str] = mapped_column(primary_key=True)
    entity_id: Mapped[int] = mapped_column(primary_key=True)
    origin_id: Mapped[int] = mapped_column(sa.ForeignKey("customer.id", ondelete="CASCADE"), index=True)
    code: Mapped[str | None]


FOLLOW = """
-- What is written for a customer who was merged stands with the one who is shown, and keeps whom it was written for.
-- The lock waits for a merge that is under way.
CREATE OR REPLACE FUNCTION hub_follow_customer() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    shown bigint;
BEGIN
    SELECT merged_into_id INTO shown FROM customer WHERE id = NEW.customer_id FOR SHARE;
    IF shown IS NOT NULL AND coalesce(current_setting('hub.order_way', true), '') <> 'merge' THEN
        INSERT INTO customer_belonging (entity, entity_id, origin_id)
        VALUES (TG_TABLE_NAME, NEW.id, NEW.customer_id) ON CONFLICT DO NOTHING;
        NEW.customer_id := shown;
    END IF;
    RETURN NEW;
END $$;

CREATE OR REPLACE FUNCTION rule_customer_merged() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF coalesce(current_setting('hub.order_way', true), '') NOT IN ('merge', 'erasure') THEN
        RAISE EXCEPTION 'The customer was merged into another one: change that one, or part them first.'
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER rule_customer_merged BEFORE UPDATE ON customer
    FOR EACH ROW WHEN (OLD.merged_into_id IS NOT NULL OR NEW.merged_into_id IS NOT NULL)
    EXECUTE FUNCTION rule_customer_merged();
"""

FOLLOWS = """
CREATE OR REPLACE TRIGGER hub_follow_customer BEFORE INSERT OR UPDATE OF customer_id ON "{table}"
    FOR EACH ROW WHEN (NEW.customer_id IS NOT NULL) EXECUTE FUNCTION hub_follow_customer();
CREATE OR REPLACE FUNCTION hub_forget_{table}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM customer_belonging b USING old_rows o WHERE b.entity = '{table}' AND b.entity_id = o.id;
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER hub_forget_customer AFTER DELETE ON "{table}" REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION hub_forget_{table}();
"""


@cache
def attached() -> tuple[str, ...]:
    """The tables whose rows belong to a customer."""
    models.load()
    return tuple(
        table.name
        for table in Base.metadata.sorted_tables
        if table.name not in OWN and any(key.target_fullname == "customer.id" for key in table.foreign_keys)
    )


def scripts() -> Iterator[str]:
    """The SQL of the triggers that keep to it."""
    yield FOLLOW
    for table in attached():
        yield FOLLOWS.format(table=table)


_GIVEN = "unnest(CAST(:bases AS bigint[]), CAST(:targets AS bigint[])) AS given(base, target)"

_HOME = """
UPDATE "{table}" AS t SET customer_id = b.origin_id{code}
FROM customer_belonging b JOIN {given} ON given.base = b.origin_id
WHERE b.entity = '{table}' AND b.entity_id = t.id AND t.customer_id <> given.target
"""
_AT_HOME = """
DELETE FROM customer_belonging b USING "{table}" t
WHERE b.entity = '{table}' AND b.entity_id = t.id AND t.customer_id = b.origin_id AND b.origin_id = ANY (CAST(:bases AS bigint[]))
"""
_NOTE = """
INSERT INTO customer_belonging (entity, entity_id, origin_id{column})
SELECT '{table}', t.id, t.customer_id{value} FROM "{table}" t JOIN {given} ON given.base = t.customer_id
WHERE given.base <> given.target AND {moves}
ORDER BY t.id
"""
_MOVE = """
UPDATE "{table}" AS t SET customer_id = given.target{code}
FROM customer_belonging b JOIN {given} ON given.base = b.origin_id
WHERE b.entity = '{table}' AND b.entity_id = t.id AND t.customer_id = given.base AND given.base <> given.target
"""

# What the one who is shown has too stays where it is, and is seen again when they part.
_MOVES = {
    "customer_identifier": """NOT EXISTS (
    SELECT FROM customer_identifier other JOIN unnest(CAST(:bases AS bigint[]), CAST(:targets AS bigint[])) AS o(base, target)
        ON o.base = other.customer_id
    WHERE o.target = given.target AND (other.type, other.value) = (t.type, t.value)
        AND (o.base <> o.target, NOT other.verified, other.id) < (true, NOT t.verified, t.id))
    AND NOT EXISTS (SELECT FROM customer_identifier other WHERE other.customer_id = given.target
        AND (other.type, other.value) = (t.type, t.value))""",
    "customer_address": """NOT EXISTS (
    SELECT FROM customer_address other JOIN unnest(CAST(:bases AS bigint[]), CAST(:targets AS bigint[])) AS o(base, target)
        ON o.base = other.customer_id
    WHERE o.target = given.target AND (o.base <> o.target, other.id) < (true, t.id)
        AND (other.name, other.company, other.street, other.street2, other.postal_code, other.city, other.region,
             other.country, other.phone)
        IS NOT DISTINCT FROM (t.name, t.company, t.street, t.street2, t.postal_code, t.city, t.region, t.country, t.phone))""",
}


def regroup(tx: sa.Connection, targets: Mapping[int, int]) -> None:
    """Show every customer as another one, or as themselves where both are the same: with all that came by them.

    ``targets`` must name everybody of the groups that it touches. All in the transaction of the caller.
    """
    values = {"bases": sorted(targets), "targets": [targets[base] for base in sorted(targets)]}
    _lock(tx, values)
    _way(tx, "merge")
    tx.execute(
        sa.text(
            "UPDATE customer SET merged_into_id = NULL FROM "
            + _GIVEN
            + " WHERE id = base AND merged_into_id IS NOT NULL"
            " AND merged_into_id <> target"
        ),
        values,
    )
    for table in attached():
        for statement in _steps(table):
            tx.execute(sa.text(statement), values)
    tx.execute(
        sa.text(
            "UPDATE customer SET merged_into_id = target FROM "
            + _GIVEN
            + " WHERE id = base AND target <> base"
            " AND merged_into_id IS DISTINCT FROM target"
        ),
        values,
    )
    _way(tx, "")


def _lock(tx: sa.Connection, values: Mapping[str, object]) -> None:
    tx.execute(
        sa.text(
            "SELECT id FROM customer WHERE id = ANY (CAST(:bases AS bigint[])) OR id = ANY (CAST(:targets AS bigint[]))"
            " ORDER BY id FOR NO KEY UPDATE"
        ),
        values,
    )


def _steps(table: str) -> Iterator[str]:
    """What is not to be where it is goes home first, then to the one who is shown."""
    coded = table == "customer_address"
    moves = _MOVES.get(table, "true")
    back = ", code = coalesce(b.code, t.code)" if coded else ""
    # Two homes cannot both be called home: the one that comes has its number behind its code.
    renamed = ", code = t.code || '-' || t.id" if coded else ""
    yield _HOME.format(table=table, given=_GIVEN, code=back)
    yield _AT_HOME.format(table=table)
    names = (", code", ", t.code") if coded else ("", "")
    yield _NOTE.format(table=table, given=_GIVEN, moves=moves, column=names[0], value=names[1])
    yield _MOVE.format(table=table, given=_GIVEN, code=renamed)


def _way(tx: sa.Connection, way: str) -> None:
    tx.execute(sa.text("SELECT set_config('hub.order_way', :way, true)"), {"way": way})
