"""Erasure: what is told of a person goes, from the tables and from everything that was written down of their changes.

Amounts, lines and dates of orders stay. A record of the feed keeps its place, its version and the names of what changed;
an erased value is null on both sides, and the changed row lists its entry under ``x``. What proves the feed
(``hub.verify``) takes such a value for unknown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from hub import aggregate, identity, identity_erasure, pending_message, token
from hub.customer import Customer
from hub.db import Base, Id, Json, Writer, sign
from hub.errors import Invalid, NotFound, Required
from hub.external_id import ExternalId
from hub.feed import Feed
from hub.idempotency import Idempotency
from hub.import_run import ImportReject
from hub.order import Order
from hub.outbox import Pending
from hub.pending_message import MESSAGE
from hub.proposal import Proposal
from hub.registry import Part, parts
from hub.token import Token
from hub.viewer import ERASE, Viewer

SHORTEST = 6
"""Characters of an address or number that is looked for in texts: shorter ones stand in too many."""

LONGEST_REASON = 500

Subject = tuple[str, int]
"""An aggregate's type and id."""

TEXTS = ARRAY(sa.Text)


class Erasure(Base):
    """The proof of one erasure. It names nobody: of identifiers it holds keyed hashes, by which one can be asked for.

    ``counts``: what was erased, by what it was.
    """

    __tablename__ = "erasure"

    id: Mapped[Id]
    customer_id: Mapped[int] = mapped_column(index=True)
    erased_at: Mapped[datetime] = mapped_column(sa.DateTime(timezone=True), server_default=sa.func.now())
    actor: Mapped[str]
    reason: Mapped[str]
    identifiers: Mapped[list[bytes]] = mapped_column(ARRAY(sa.LargeBinary))
    counts: Mapped[Json] = mapped_column(JSONB)


@dataclass(frozen=True)
class Person:
    """Who is erased: ``subjects`` are the aggregates that tell of them, ``identifiers`` their addresses and numbers.

    ``names``: given and family names; a text that holds both is about them. ``customers``: they, and all who were
    merged with them; ``records``: what their source records are called.
    """

    subjects: Sequence[Subject]
    identifiers: Sequence[str]
    names: Sequence[tuple[str, str]]
    customers: Sequence[int] = ()
    records: Sequence[str] = ()

    def named_in(self, text: Any) -> sa.ColumnElement[bool]:
        """The condition that a text tells of them."""
        lowered = sa.func.lower(text)
        found = [sa.func.strpos(lowered, each) > 0 for each in self.identifiers]
        both = [sa.and_(*(sa.func.strpos(lowered, each) > 0 for each in pair)) for pair in self.names]
        return sa.or_(sa.false(), *found, *both)

    def is_named_in(self, text: str) -> bool:
        """Whether a text tells of them."""
        lowered = text.lower()
        return any(each in lowered for each in self.identifiers) or any(
            all(each in lowered for each in pair) for pair in self.names
        )


Eraser = Callable[[sa.Connection, Person], dict[str, int]]
"""Erases what another layer keeps of a person; gives what it was and how many."""


@dataclass(frozen=True)
class Asked:
    """What is to be erased, and why. ``others``: who else keeps something."""

    customer_id: int
    reason: str
    secret: str
    others: Sequence[Eraser] = field(default=())


FUNCTIONS = """
CREATE OR REPLACE FUNCTION hub_emptied(flat jsonb, keys text[]) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN jsonb_typeof(flat) <> 'object' THEN flat ELSE coalesce(
        (SELECT jsonb_object_agg(key, CASE WHEN key = ANY (keys) THEN 'null' ELSE value END) FROM jsonb_each(flat)),
        '{}') END
$$;

-- A record's changes without personal values: all of them, or those that hold one of the needles.
CREATE OR REPLACE FUNCTION hub_erased(changes jsonb, personal jsonb, needles text[]) RETURNS jsonb
LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce(jsonb_agg(CASE WHEN hit.keys IS NULL THEN c ELSE c || jsonb_build_object(
        'o', hub_emptied(c -> 'o', hit.keys), 'n', hub_emptied(c -> 'n', hit.keys),
        'x', coalesce(c -> 'x', '[]') || to_jsonb(hit.keys)) END ORDER BY place), '[]')
    FROM jsonb_array_elements(changes) WITH ORDINALITY AS each (c, place)
    CROSS JOIN LATERAL (
        SELECT array_agg(DISTINCT key) AS keys
        FROM (VALUES (c -> 'o'), (c -> 'n')) AS side (flat),
            jsonb_each(CASE jsonb_typeof(flat) WHEN 'object' THEN flat ELSE '{}' END)
        WHERE value <> 'null' AND personal -> (c ->> 't') ? split_part(key, '/', 1) AND (needles IS NULL OR EXISTS (
            SELECT FROM unnest(needles) AS needle WHERE strpos(lower(value::text), needle) > 0))
    ) AS hit
$$;
"""

# Who was erased stays so: what another system still knows of them is not taken in again.
GUARD = """
CREATE OR REPLACE FUNCTION rule_erased_{table}() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    erased bigint;
BEGIN
    SELECT c.id INTO erased FROM new_rows n JOIN customer c ON c.id = n."{column}"
    WHERE c.erased_at IS NOT NULL AND num_nonnulls({personal}) > 0 LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'Customer "%" was erased and takes no personal data any more: make another customer.',
            rtrim(encode(convert_to('customer:' || erased, 'UTF8'), 'base64'), '=')
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER rule_erased_i AFTER INSERT ON "{table}" REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION rule_erased_{table}();
CREATE OR REPLACE TRIGGER rule_erased_u AFTER UPDATE ON "{table}" REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION rule_erased_{table}();
"""


def statements() -> str:
    """The SQL functions and triggers. They can be made again at any time."""
    guards = (
        GUARD.format(
            table=part.name,
            column=column,
            personal=", ".join(f'n."{each}"' for each in sorted(part.kept.personal)),
        )
        for part, column in _telling()
    )
    return FUNCTIONS + "".join(guards)


def erase(tx: sa.Connection, who: Viewer, asked: Asked) -> Json:
    """Erase a customer, and everything that the registry calls personal in what hangs on them; the proof's row.

    It locks the customer before it looks: what others are writing about them is seen or refused. A customer that was
    deleted is erased from the feed. Raises ``NotFound``, ``Forbidden``, ``Required`` and ``Invalid``.
    """
    who.require_scope(ERASE)
    person = _found(tx, asked)
    reason = _reason(asked.reason, person)
    sign(tx, Writer(who.writer.actor, who.writer.source, reason))
    # Personal fields of orders are fixed at placement for everyone else.
    tx.execute(sa.text("SELECT set_config('hub.order_way', 'erasure', true)"))
    counts = Counter(_empty_tables(tx, person))
    counts.update(identity_erasure.empty(tx, person.customers, person.records, _orphan(person)))
    # Folded now, so that the record of this very change is there to be emptied too.
    aggregate.flush(tx)
    counts.update(_empty_feed(tx, person))
    counts.update(_forget_texts(tx, person))
    for other in asked.others:
        counts.update(other(tx, person))
    return _prove(tx, who, asked, reason, person, counts)


def erased_records(tx: sa.Connection, secret: str, names: Sequence[str]) -> set[str]:
    """Which of these records were erased. Raises ``ValueError`` without the hub's secret."""
    hashes = {identity_erasure.hashed(secret, name): name for name in names}
    known = sa.cast(list(hashes), ARRAY(sa.LargeBinary))
    held = sa.select(sa.func.unnest(Erasure.identifiers)).where(Erasure.identifiers.overlap(known))
    return {hashes[each] for each in tx.scalars(held) if each in hashes}


def was_erased(tx: sa.Connection, secret: str, identifier: str) -> bool:
    """Whether somebody with this e-mail address or phone number was erased."""
    hashed = token.keyed_hash(secret, identifier.lower())
    return tx.scalar(sa.select(sa.exists().where(Erasure.identifiers.any_() == hashed))) is True


def _telling() -> list[tuple[Part, str]]:
    """The tables that tell of a customer, each with the column that says of whom."""
    found = []
    for part in parts():
        columns = [column.name for column in part.table.columns if _names_customer(column)]
        if part.kept.personal and (part.name == "customer" or columns):
            found.append((part, "id" if part.name == "customer" else columns[0]))
    return found


def _orphan(person: Person) -> sa.ColumnElement[bool]:
    return person.named_in(identity_erasure.content())


def _names_customer(column: sa.Column[Any]) -> bool:
    return any(key.target_fullname == "customer.id" for key in column.foreign_keys)


def _found(tx: sa.Connection, asked: Asked) -> Person:
    number = asked.customer_id
    # Nobody adds a record of theirs, or merges them, while it looks.
    identity.lock(tx)
    there = tx.scalar(sa.select(Customer.id).where(Customer.id == number).with_for_update())
    customers = identity_erasure.members(tx, number)
    records = identity_erasure.names(tx, customers)
    own = [*_values(tx, customers), *identity_erasure.told(tx, records)]
    if there is None and not own:
        raise NotFound("The customer does not exist: it may belong to another hub.", ("id",))
    identifiers = sorted({value.lower() for key, value in own if _identifies(key, value)})
    names = _names(own)
    orders = set(tx.scalars(_orders(customers, identifiers))) | set(
        tx.scalars(_gone_orders(customers, identifiers))
    )
    subjects = [
        *(("customer", each) for each in customers),
        *(("order", each) for each in sorted(orders)),
    ]
    for noun in ("customer", "order"):
        aggregate.lock(tx, noun, [each for type_, each in subjects if type_ == noun])
    return Person(subjects, identifiers, names, customers, records)


def _values(tx: sa.Connection, customers: Sequence[int]) -> Iterator[tuple[str, str]]:
    """The personal values that customers have and had, by their columns."""
    own = [part for part, _ in _telling() if part.kept.aggregate == "customer"]
    for part in own:
        chosen = [part.table.c[name] for name in sorted(part.kept.personal)]
        for row in tx.execute(
            sa.select(*chosen).where(part.table.c[part.kept.root].in_(customers))
        ).mappings():
            yield from ((name, value) for name, value in row.items() if isinstance(value, str))
    personal = {part.name: part.kept.personal for part in own}
    for table in (Feed, Pending):
        for changes in tx.scalars(sa.select(table.changes).where(_is("customer", customers, table))):
            for change in changes:
                for side in (change["o"] or {}, change["n"] or {}):
                    hits = personal.get(change["t"], frozenset())
                    yield from (
                        (key, side[key]) for key in side if key in hits and isinstance(side[key], str)
                    )


def _identifies(column: str, value: str) -> bool:
    return column in ("email", "phone", "value") and len(value) >= SHORTEST


def _names(own: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    given, family = (
        {value.lower() for key, value in own if key == name} for name in ("given_name", "family_name")
    )
    return sorted((one, other) for one in given for other in family)


def _orders(customers: Sequence[int], identifiers: Sequence[str]) -> sa.Select[Any]:
    """Their orders, and those that were placed with their address without naming them."""
    theirs = sa.or_(Order.customer_id.in_(customers), sa.func.lower(Order.email).in_(identifiers))
    return sa.select(Order.id).where(theirs).with_for_update()


def _gone_orders(customers: Sequence[int], identifiers: Sequence[str]) -> sa.Select[Any]:
    last = [*({"customer_id": each} for each in customers), *({"email": each} for each in identifiers)]
    held = [Feed.changes.contains([{"t": "order", "op": "D", "o": each}]) for each in last]
    return sa.select(Feed.aggregate_id).where(
        Feed.aggregate == "order", Feed.kind == "DELETED", sa.or_(*held)
    )


def _is(noun: str, numbers: Sequence[int], table: Any) -> sa.ColumnElement[bool]:
    return sa.and_(
        table.aggregate == noun,
        table.aggregate_id == sa.any_(sa.literal(list(numbers), ARRAY(sa.BigInteger))),
    )


def _empty_tables(tx: sa.Connection, person: Person) -> dict[str, int]:
    """Empty the personal columns; what is nothing without them goes, and ids that are an address of theirs."""
    ids = sa.delete(ExternalId).where(
        ExternalId.entity == "customer",
        ExternalId.entity_id.in_(person.customers),
        person.named_in(ExternalId.value),
    )
    counts = {"external_id": tx.execute(ids).rowcount}
    for part, column in reversed(_telling()):
        if part.name == "customer":
            own = part.table.c.id.in_(person.customers)
        elif part.is_root:
            own = part.table.c.id.in_([each for noun, each in person.subjects if noun == part.name])
        else:
            counts[part.name] = tx.execute(
                sa.delete(part.table).where(part.table.c[column].in_(person.customers))
            ).rowcount
            continue
        empty: dict[str, Any] = dict.fromkeys(part.kept.personal, sa.null())
        marked = (
            {"erased_at": sa.func.coalesce(Customer.erased_at, sa.func.now())}
            if part.name == "customer"
            else {}
        )
        counts[part.name] = tx.execute(sa.update(part.table).where(own).values(empty | marked)).rowcount
    return counts | _empty_within(tx, person)


def _empty_within(tx: sa.Connection, person: Person) -> dict[str, int]:
    """Empty the personal columns of what is part of their orders: notes that tell of them."""
    telling = {part.name for part, _ in _telling()}
    counts = {}
    for part in parts():
        if not part.kept.personal or part.name in telling:
            continue
        numbers = [number for noun, number in person.subjects if noun == part.kept.aggregate]
        own = part.table.c[part.kept.root].in_(numbers)
        held = sa.or_(*(part.table.c[name].is_not(None) for name in part.kept.personal))
        empty = dict.fromkeys(part.kept.personal, sa.null())
        counts[part.name] = tx.execute(sa.update(part.table).where(own, held).values(empty)).rowcount
    return counts


def _empty_feed(tx: sa.Connection, person: Person) -> dict[str, int]:
    """Empty the records of what tells of them, and values with their identifiers in those of others."""
    personal = {part.name: sorted(part.kept.personal) for part in parts() if part.kept.personal}
    wherever = personal | {"external_id": ["value"]}
    nouns = sorted({str(part.kept.aggregate) for part in parts() if part.kept.personal})
    emptied = 0
    for table in (Feed, Pending):
        mine = [
            _is(noun, [each for type_, each in person.subjects if type_ == noun], table)
            for noun in sorted({type_ for type_, _ in person.subjects})
        ]
        emptied += _empty(tx, table, personal, None, sa.or_(*mine))
        if person.identifiers:
            text = sa.cast(table.changes, sa.Text)
            others = sa.and_(table.aggregate.in_(nouns), Person((), person.identifiers, ()).named_in(text))
            emptied += _empty(tx, table, wherever, list(person.identifiers), others)
    return {"record": emptied}


def _empty(
    tx: sa.Connection, table: Any, personal: Json, needles: list[str] | None, chosen: sa.ColumnElement[bool]
) -> int:
    emptied = sa.func.hub_erased(table.changes, sa.cast(personal, JSONB), sa.cast(needles, TEXTS))
    changed = emptied.is_distinct_from(table.changes)
    return tx.execute(sa.update(table).where(chosen, changed).values(changes=emptied)).rowcount


def _forget_texts(tx: sa.Connection, person: Person) -> dict[str, int]:
    """What else holds words about them: answers, rejects, tokens, what other systems asked for and nobody carried out."""
    answers = sa.delete(Idempotency).where(person.named_in(sa.cast(Idempotency.answer, sa.Text)))
    told = sa.func.concat(ImportReject.code, " ", ImportReject.value, " ", ImportReject.message)
    rejects = sa.delete(ImportReject).where(person.named_in(told))
    shut = sa.update(Token).where(Token.customer_id.in_(person.customers))
    revoked = sa.func.coalesce(Token.revoked_at, sa.func.now())
    return {
        "answer": tx.execute(answers).rowcount,
        "reject": tx.execute(rejects).rowcount,
        "token": tx.execute(shut.values(name="erased", system="erased", revoked_at=revoked)).rowcount,
        "proposal": tx.execute(_proposals(person)).rowcount,
        "pending_message": _silence(tx, person),
    }


def _proposals(person: Person) -> sa.Update:
    """What was proposed for them, or tells of them elsewhere: the values go, and an open one is dismissed."""
    about = sa.tuple_(Proposal.noun, Proposal.object_id).in_(list(person.subjects))
    said = sa.func.concat(
        *(sa.cast(each, sa.Text) for each in (Proposal.value, Proposal.was, Proposal.change))
    )
    open_ = Proposal.status == "open"
    return (
        sa.update(Proposal)
        .where(about | person.named_in(said), Proposal.path != "")
        .values(
            {
                "path": "",
                "value": sa.null(),
                "was": sa.null(),
                "change": {},
                "status": sa.case((open_, "dismissed"), else_=Proposal.status),
                "decided_by": sa.func.coalesce(Proposal.decided_by, sa.func.hub_actor()),
                "decided_at": sa.func.coalesce(Proposal.decided_at, sa.func.now()),
            }
        )
    )


def _silence(tx: sa.Connection, person: Person) -> int:
    """End messages that name them, and notes on their orders; what else was said of an order is carried out."""
    orders = [number for noun, number in person.subjects if noun == "order"]
    free_text = sa.and_(MESSAGE.c.order_id.in_(orders), MESSAGE.c.command.in_(pending_message.TELLING))
    told = sa.func.concat(sa.cast(MESSAGE.c.given, sa.Text), sa.cast(MESSAGE.c.refusal, sa.Text))
    held = sa.or_(MESSAGE.c.given.is_not(None), MESSAGE.c.refusal.is_not(None))
    return pending_message.silence(tx, sa.and_(held, sa.or_(free_text, person.named_in(told))))


def _reason(text: str, person: Person) -> str:
    reason = text.strip()
    if not reason:
        raise Required("An erasure needs a reason, for example: asked for by letter of 3 May.", ("reason",))
    if len(reason) > LONGEST_REASON:
        raise Invalid(f"The reason has {len(reason)} characters: give at most {LONGEST_REASON}.", ("reason",))
    if person.is_named_in(reason):
        raise Invalid(
            "The reason names the person, and it is kept: leave name, address and number out.", ("reason",)
        )
    return reason


def _prove(
    tx: sa.Connection, who: Viewer, asked: Asked, reason: str, person: Person, counts: Counter[str]
) -> Json:
    row = {
        "customer_id": asked.customer_id,
        "actor": who.writer.actor,
        "reason": reason,
        "identifiers": [
            *(token.keyed_hash(asked.secret, each) for each in person.identifiers),
            *(identity_erasure.hashed(asked.secret, each) for each in person.records),
        ],
        "counts": {name: count for name, count in sorted(counts.items()) if count},
    }
    made = tx.execute(sa.insert(Erasure).values(row).returning(Erasure.id, Erasure.erased_at)).one()
    return {"id": made.id, "erased_at": made.erased_at.isoformat(), "counts": row["counts"]}
