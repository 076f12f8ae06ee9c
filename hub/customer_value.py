"""Which value of a customer is shown where several records tell one: by a rule, and written down with where it is from.

A customer's own row holds what is shown. What was there before the hub put a value in its place is kept beside it, so
that parting gives it back. A value that somebody wrote since is their choice: it stays until they change it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from hub import row
from hub.customer import Customer
from hub.db import Base, Json
from hub.identity_link import IdentityRecord, wanted
from hub.source_record import SourceRecord

FIELDS = ("given_name", "family_name", "email", "phone", "birth_date")

START = """
INSERT INTO customer_value_rule (field, rule, systems)
SELECT field, 'newest', '{}' FROM unnest('{given_name,family_name,email,phone,birth_date}'::text[]) AS field
ON CONFLICT DO NOTHING;
"""


class CustomerValueRule(Base):
    """How the value of a field is chosen. ``rule``: ``newest`` (observed last), ``priority`` (the first of ``systems``
    that tells one) or ``trusted`` (one that was verified, then the newest).
    """

    __tablename__ = "customer_value_rule"
    __table_args__ = (sa.CheckConstraint("rule IN ('newest', 'priority', 'trusted')", name="rule"),)

    field: Mapped[str] = mapped_column(primary_key=True)
    rule: Mapped[str]
    systems: Mapped[list[str]] = mapped_column(ARRAY(sa.Text), server_default="{}")


class CustomerValue(Base):
    """A value that the hub shows for a customer. ``own``: what their own row held; ``value``: what is shown.

    ``from_id``: the customer, as they came, whom it is from; ``record_id``: the record, null for one whom no record made.
    """

    __tablename__ = "customer_value"

    customer_id: Mapped[int] = mapped_column(
        sa.ForeignKey("customer.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    field: Mapped[str] = mapped_column(primary_key=True)
    own: Mapped[str | None]
    value: Mapped[str | None]
    rule: Mapped[str]
    from_id: Mapped[int]
    record_id: Mapped[int | None]
    at: Mapped[datetime] = mapped_column(sa.DateTime(timezone=True), server_default=sa.func.now())


def give_back(tx: sa.Connection, customers: Collection[int]) -> None:
    """Put back what customers' own rows held, where nobody wrote something else since."""
    if not customers:
        return
    table = CustomerValue.__table__
    held = (
        tx.execute(sa.select(table).where(table.c.customer_id == sa.any_(wanted(customers)))).mappings().all()
    )
    rows = _rows(tx, {each["customer_id"] for each in held})
    back: dict[int, Json] = defaultdict(dict)
    for each in held:
        number, name = each["customer_id"], each["field"]
        if number in rows and rows[number][name] == each["value"] != each["own"]:
            back[number][name] = each["own"]
    _write(tx, back)
    tx.execute(sa.delete(CustomerValue).where(table.c.customer_id == sa.any_(wanted(customers))))


def held(tx: sa.Connection, customer: int) -> Sequence[sa.RowMapping]:
    """The values that the hub shows for a customer, each with where it is from."""
    table = CustomerValue.__table__
    statement = sa.select(table).where(table.c.customer_id == customer).order_by(table.c.field)
    return tx.execute(statement).mappings().all()


def derive(tx: sa.Connection, targets: Mapping[int, int]) -> None:
    """Choose the values of all who are shown for others. Their own rows hold their own values when it starts."""
    groups: dict[int, list[int]] = defaultdict(list)
    for member, shown in targets.items():
        groups[shown].append(member)
    groups = {shown: sorted(members) for shown, members in groups.items() if len(members) > 1}
    if not groups:
        return
    rows = _rows(tx, {member for members in groups.values() for member in members})
    records = _records(tx, set(rows))
    rules = {each.field: each for each in tx.execute(sa.select(CustomerValueRule.__table__))}
    found: list[Json] = []
    changed: dict[int, Json] = defaultdict(dict)
    for shown, members in sorted(groups.items()):
        for name in FIELDS:
            told = [each for each in members if rows[each][name] is not None]
            if not told:
                continue
            chosen = _choose(shown, told, rules[name], rows, records)
            value = rows[chosen][name]
            if value != rows[shown][name]:
                changed[shown][name] = value
            found.append(
                {
                    "customer_id": shown,
                    "field": name,
                    "own": rows[shown][name],
                    "value": value,
                    "rule": _named(chosen, shown, rules[name], rows, records),
                    "from_id": chosen,
                    "record_id": records[chosen]["id"] if chosen in records else None,
                }
            )
    _write(tx, changed)
    if found:
        tx.execute(sa.insert(CustomerValue), found)


def _choose(
    shown: int, told: Sequence[int], rule: Any, rows: Mapping[int, Any], records: Mapping[int, Any]
) -> int:
    """The customer, as they came, whose value is shown. Everything ends in an order that no two share."""

    def place(number: int) -> tuple[Any, ...]:
        record = records.get(number)
        # What people wrote comes before what systems say; the one who is shown before those who were merged into them.
        written = record is None or _is_written(rows[number], record, rule.field)
        if record is None:
            return (0, number != shown, 0, 0.0, "", number)
        system = record["system"]
        rank = rule.systems.index(system) if system in rule.systems else len(rule.systems)
        first = rank if rule.rule == "priority" else 0
        if rule.rule == "trusted":
            first = 0 if _is_verified(record["fields"], rule.field, rows[number]) else 1
        return (
            0 if written else 1,
            number != shown if written else False,
            first,
            -record["observed_at"].timestamp(),
            record["name"],
            number,
        )

    return min(told, key=place)


def _named(chosen: int, shown: int, rule: Any, rows: Mapping[int, Any], records: Mapping[int, Any]) -> str:
    record = records.get(chosen)
    if record is None or _is_written(rows[chosen], record, rule.field):
        return "written" if chosen == shown else "filled"
    return str(rule.rule)


def _is_written(stored: Any, record: Any, name: str) -> bool:
    """Whether somebody wrote another value than the record's."""
    return bool(stored[name] != record["fields"].get(name))


def _is_verified(fields: Json, name: str, stored: Any) -> bool:
    return any(
        each["type"] == name and each["value"] == stored[name] and each["verified"]
        for each in fields.get("identifiers", ())
    )


def _rows(tx: sa.Connection, customers: Collection[int]) -> dict[int, Any]:
    columns = [Customer.__table__.c[name] for name in ("id", *FIELDS)]
    found = tx.execute(sa.select(*columns).where(Customer.id == sa.any_(wanted(customers)))).mappings()
    return {each["id"]: each for each in found}


def _records(tx: sa.Connection, customers: Collection[int]) -> dict[int, Any]:
    statement = (
        sa.select(IdentityRecord.customer_id, IdentityRecord.name, SourceRecord.__table__)
        .join(SourceRecord, SourceRecord.id == IdentityRecord.record_id)
        .where(IdentityRecord.customer_id == sa.any_(wanted(customers)))
    )
    return {each["customer_id"]: each for each in tx.execute(statement).mappings()}


def _write(tx: sa.Connection, changed: Mapping[int, Json]) -> None:
    if changed:
        rows = [{"id": number} | values for number, values in sorted(changed.items()) if values]
        row.update(tx, Customer.__table__, rows)  # type: ignore[arg-type]
