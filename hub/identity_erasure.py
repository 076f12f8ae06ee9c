"""What an erasure takes of records and of what identity made of them, and how an erased record is known when it comes again.

A record that is erased goes with all its versions. What stays is a keyed hash of its system and id, in the erasure's proof.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from hub import token
from hub.customer import Customer
from hub.customer_value import CustomerValue
from hub.db import Json
from hub.identity_link import IdentityKey, IdentityLink, IdentityRecord, wanted
from hub.identity_rule import IdentityDecision
from hub.source_record import SourceRecord

_NAME = SourceRecord.system + " " + SourceRecord.external_id


def members(tx: sa.Connection, customer: int) -> list[int]:
    """The customer with everybody who is shown as the same person, erased or not."""
    shown = sa.func.coalesce(Customer.merged_into_id, Customer.id)
    head = sa.select(shown).where(Customer.id == customer).scalar_subquery()
    return sorted({customer, *tx.scalars(sa.select(Customer.id).where(shown == head))})


def names(tx: sa.Connection, customers: Collection[int]) -> list[str]:
    """What the records of customers are called."""
    chosen = IdentityRecord.customer_id == sa.any_(wanted(customers))
    return sorted(tx.scalars(sa.select(IdentityRecord.name).where(chosen)))


def told(tx: sa.Connection, records: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Names, addresses and numbers in all versions of records, by the fields that hold them."""
    for fields in tx.scalars(sa.select(SourceRecord.fields).where(_NAME.in_(records))):
        yield from _said(fields)


def _said(fields: Json) -> Iterator[tuple[str, str]]:
    for each in (fields, *fields.get("addresses", ()), *fields.get("identifiers", ())):
        for name in ("given_name", "family_name", "email", "phone", "value"):
            if each.get(name):
                yield name, str(each[name])


def empty(
    tx: sa.Connection, customers: Collection[int], records: Sequence[str], orphan: sa.ColumnElement[bool]
) -> dict[str, int]:
    """Take the records away, and all that was made of them. ``orphan``: what tells of the person in a record without
    a customer. The caller has said that it erases (``hub.source_record.APPEND_ONLY``).
    """
    chosen = wanted(customers)
    kept = sa.exists().where(IdentityRecord.name == _NAME)
    theirs = sa.or_(_NAME.in_(records), sa.and_(~kept, orphan))
    either = sa.or_(IdentityDecision.one_id == sa.any_(chosen), IdentityDecision.other_id == sa.any_(chosen))
    links = sa.or_(IdentityLink.one_id == sa.any_(chosen), IdentityLink.other_id == sa.any_(chosen))
    statements: dict[str, Any] = {
        "customer_value": sa.delete(CustomerValue).where(CustomerValue.customer_id == sa.any_(chosen)),
        "identity_decision": sa.update(IdentityDecision)
        .where(either, IdentityDecision.reason.is_not(None))
        .values(reason=None),
        "identity_link": sa.delete(IdentityLink).where(links),
        "identity_key": sa.delete(IdentityKey).where(IdentityKey.customer_id == sa.any_(chosen)),
        "identity_record": sa.delete(IdentityRecord).where(IdentityRecord.customer_id == sa.any_(chosen)),
        "source_record": sa.delete(SourceRecord).where(theirs),
    }
    return {name: tx.execute(statement).rowcount for name, statement in statements.items()}


def content() -> Any:
    """All that a record says, as one text."""
    return sa.func.concat(
        SourceRecord.external_id,
        " ",
        SourceRecord.payload.cast(sa.Text),
        " ",
        SourceRecord.fields.cast(sa.Text),
    )


def hashed(secret: str, name: str) -> bytes:
    """By what a record that was erased is known. Raises ``ValueError`` without the hub's secret."""
    if not secret:
        raise ValueError("Records are added with the hub's secret: without it none that was erased is known.")
    return token.keyed_hash(secret, f"record {name}")


def _texts(values: Iterable[str]) -> Any:
    return sa.cast(sorted(values), sa.ARRAY(sa.Text))
