"""Adding source records: each is kept as it came, makes its customer or changes it, and finds out who else they are."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import distinct_on

from hub import customer_group, customer_value, erasure, identity, identity_rule, save
from hub.customer import Customer, CustomerIdentifier
from hub.db import Json
from hub.errors import Conflict, Forbidden, HubError, Limit, NotFound
from hub.external_id import ExternalId
from hub.identity_link import IdentityRecord, wanted
from hub.identity_rule import Rulebook
from hub.save import Policy, Result
from hub.source_record import SourceRecord, name_of, read

_TABLE = SourceRecord.__table__


@dataclass(eq=False)
class _Item:
    given: Json
    row: Json = field(default_factory=dict)
    name: str = ""
    id: int | None = None
    outcome: save.Outcome = "unchanged"
    errors: list[HubError] = field(default_factory=list)

    def result(self) -> Result:
        if self.errors:
            return Result(None, "refused", tuple(self.errors))
        return Result(self.id, self.outcome)


def add(
    tx: sa.Connection, rows: Sequence[Json], *, secret: str, policy: Policy = Policy.REJECT_ALL
) -> list[Result]:
    """Add records (``hub.source_record``). One result per row, in their order; ``id`` is the record's.

    ``secret``: the hub's, by which records that were erased are known. ``unchanged``: that version was there already. With ``REJECT_ALL`` nothing is added as soon as one is refused.
    """
    identity.lock(tx)
    rules = identity_rule.load(tx)
    items = [_Item(given) for given in rows]
    for item in items:
        _check(item, rules)
    _refuse_erased(tx, [item for item in items if not item.errors], secret)
    good = [item for item in items if not item.errors]
    if policy is Policy.REJECT_ALL and len(good) < len(items):
        return _none(items)
    with tx.begin_nested() as all_of_it:
        _store(tx, good)
        good = [item for item in good if not item.errors]
        if policy is Policy.REJECT_ALL and len(good) < len(items):
            all_of_it.rollback()
            return _none(items)
        changed = _current(tx, {item.name for item in good})
        if changed:
            _resolve(tx, changed, rules)
    return [item.result() for item in items]


def _none(items: Sequence[_Item]) -> list[Result]:
    return [Result(None, "refused", tuple(item.errors)) for item in items]


def _check(item: _Item, rules: Rulebook) -> None:
    try:
        item.row = read(item.given)
        _check_identifiers(item.row, rules)
    except HubError as wrong:
        item.errors.append(wrong)
        return
    item.name = name_of(item.row["system"], item.row["external_id"])


def _check_identifiers(row: Json, rules: Rulebook) -> None:
    for place, each in enumerate(row["fields"].get("identifiers", ())):
        if each["type"] not in rules.types:
            raise NotFound(
                f'There is no type of identifier "{each["type"]}": use one of {", ".join(sorted(rules.types))}, or add it.',
                ("identifiers", place, "type"),
            )
    counted, _ = rules.counted(row["fields"])
    for code, most in rules.limits.items():
        held = sum(type_ == code for type_, _ in counted)
        if held > most:
            raise Limit(
                f"The record has {held} identifiers of type {code}: a customer has at most {most}.",
                ("identifiers",),
            )


def _refuse_erased(tx: sa.Connection, items: Sequence[_Item], secret: str) -> None:
    """By what is left of the record, or by the external id of somebody who was erased."""
    erased = erasure.erased_records(tx, secret, [item.name for item in items])
    named = ExternalId.system + " " + ExternalId.value
    erased |= set(
        tx.scalars(
            sa.select(named)
            .join(Customer, Customer.id == ExternalId.entity_id)
            .where(
                ExternalId.entity == "customer",
                ExternalId.value == sa.any_(_texts(item.row["external_id"] for item in items)),
                ExternalId.system == sa.any_(_texts(item.row["system"] for item in items)),
                Customer.erased_at.is_not(None),
            )
        )
    )
    for item in items:
        if item.name in erased:
            item.errors.append(
                Forbidden(
                    "The person of this record was erased: nothing of them is taken in again.",
                    ("external_id",),
                )
            )


def _texts(values: Iterable[str]) -> Any:
    return sa.cast(sorted(set(values)), sa.ARRAY(sa.Text))


def _store(tx: sa.Connection, items: Sequence[_Item]) -> None:
    """Keep the records. One that is there already has to say the same."""
    if not items:
        return
    keys = ("system", "external_id", "version")
    given = [orjson.dumps(item.row).decode() for item in items]
    inserted = tx.execute(
        sa.text(
            "INSERT INTO source_record (system, external_id, version, payload, fields, observed_at)"
            " SELECT r.* FROM unnest(CAST(:given AS jsonb[])) WITH ORDINALITY AS g(one, place),"
            " jsonb_to_record(g.one) AS r(system text, external_id text, version text, payload jsonb, fields jsonb,"
            " observed_at timestamptz) ORDER BY g.place ON CONFLICT DO NOTHING RETURNING id"
        ),
        {"given": given},
    )
    new = set(inserted.scalars())
    wanted_ = (
        sa.func.unnest(*(sa.cast([item.row[key] for item in items], sa.ARRAY(sa.Text)) for key in keys))
        .table_valued(*keys)
        .render_derived("wanted")
    )
    same = sa.and_(*(_TABLE.c[key] == wanted_.c[key] for key in keys))
    stored = {
        tuple(each[key] for key in keys): each
        for each in tx.execute(sa.select(_TABLE).join_from(_TABLE, wanted_, same)).mappings()
    }
    for item in items:
        found = stored[tuple(item.row[key] for key in keys)]
        item.id = found["id"]
        if found["payload"] != item.row["payload"] or found["fields"] != item.row["fields"]:
            item.errors.append(
                Conflict(
                    f'Version "{item.row["version"]}" of record "{item.row["external_id"]}" of "{item.row["system"]}" came'
                    " with other content before: give what is new a version of its own.",
                    ("version",),
                )
            )
        elif found["id"] in new:
            item.outcome = "created"
            new.discard(found["id"])


def _current(tx: sa.Connection, names: Collection[str]) -> dict[str, Json]:
    """The records that hold now and did not before, by name, each with its customer where it has one."""
    listed = sa.cast(sorted(names), sa.ARRAY(sa.Text))
    named = _TABLE.c.system + " " + _TABLE.c.external_id
    systems = sa.cast(sorted({name.partition(" ")[0] for name in names}), sa.ARRAY(sa.Text))
    ids = sa.cast(sorted({name.partition(" ")[2] for name in names}), sa.ARRAY(sa.Text))
    newest = (
        sa.select(_TABLE, named.label("name"))
        .where(
            _TABLE.c.system == sa.any_(systems),
            _TABLE.c.external_id == sa.any_(ids),
            named == sa.any_(listed),
        )
        .ext(distinct_on(_TABLE.c.system, _TABLE.c.external_id))
        .order_by(_TABLE.c.system, _TABLE.c.external_id, _TABLE.c.observed_at.desc(), _TABLE.c.version.desc())
    )
    known = {
        each.name: each
        for each in tx.execute(
            sa.select(IdentityRecord.__table__).where(IdentityRecord.name == sa.any_(listed))
        )
    }
    found = {}
    for each in tx.execute(newest).mappings():
        before = known.get(each["name"])
        if before is None or before.record_id != each["id"]:
            found[each["name"]] = dict(each) | {"customer_id": before.customer_id if before else None}
    return found


def _resolve(tx: sa.Connection, changed: dict[str, Json], rules: Rulebook) -> None:
    known = _customers(tx, changed)
    _part(tx, set(known.values()))
    results = save.save(tx, "customer", _rows(tx, changed, known))
    wrong = next((each for each in results if each.errors), None)
    if wrong is not None:
        raise wrong.errors[0]
    numbers = {name: each.id for name, each in zip(changed, results, strict=True)}
    tx.execute(
        sa.text(
            "INSERT INTO identity_record (customer_id, name, record_id)"
            " SELECT * FROM unnest(CAST(:customers AS bigint[]), CAST(:names AS text[]), CAST(:records AS bigint[]))"
            " ON CONFLICT (name) DO UPDATE SET record_id = EXCLUDED.record_id"
        ),
        {
            "customers": list(numbers.values()),
            "names": list(numbers),
            "records": [changed[name]["id"] for name in numbers],
        },
    )
    made = {number for number in numbers.values() if number is not None}
    identity.resolve(tx, identity.compare(tx, made, rules), rules)


def _customers(tx: sa.Connection, changed: dict[str, Json]) -> dict[str, int]:
    """The customers of records: those they made before, and those that somebody gave the record's external id."""
    found = {name: each["customer_id"] for name, each in changed.items() if each["customer_id"] is not None}
    pairs = [(each["system"], each["external_id"]) for name, each in changed.items() if name not in found]
    if pairs:
        wanted_ = (
            sa.func.unnest(*(sa.cast(list(each), sa.ARRAY(sa.Text)) for each in zip(*pairs, strict=True)))
            .table_valued("system", "value")
            .render_derived("wanted")
        )
        statement = sa.select(ExternalId.system, ExternalId.value, ExternalId.entity_id).join_from(
            ExternalId.__table__,
            wanted_,
            sa.and_(ExternalId.system == wanted_.c.system, ExternalId.value == wanted_.c.value),
        )
        taken = set(tx.scalars(sa.select(IdentityRecord.customer_id)))
        for system, external_id, number in tx.execute(statement.where(ExternalId.entity == "customer")):
            if number not in taken:
                found[name_of(system, external_id)] = number
    return found


def _part(tx: sa.Connection, customers: set[int]) -> None:
    """Part the groups of customers who change, so that each holds what is theirs; they come together again after."""
    shown = identity.groups(tx, customers)
    if any(number != head for number, head in shown.items()):
        customer_value.give_back(tx, set(shown.values()))
        customer_group.regroup(tx, {number: number for number in shown})


def _rows(tx: sa.Connection, changed: dict[str, Json], known: dict[str, int]) -> list[Json]:
    """The inputs that make customers of records. A verified address names one customer: the first who had it."""
    values = sorted(
        {
            (each["type"], each["value"])
            for record in changed.values()
            for each in record["fields"].get("identifiers", ())
            if each["verified"]
        }
    )
    taken: dict[tuple[str, str], Any] = {}
    if values:
        statement = sa.select(
            CustomerIdentifier.type, CustomerIdentifier.value, CustomerIdentifier.customer_id
        ).where(
            CustomerIdentifier.verified,
            CustomerIdentifier.value == sa.any_(sa.cast([value for _, value in values], sa.ARRAY(sa.Text))),
        )
        taken = {(type_, value): number for type_, value, number in tx.execute(statement)}
    return [_row(name, record, known.get(name), taken) for name, record in changed.items()]


def _row(name: str, record: Json, number: int | None, taken: dict[tuple[str, str], Any]) -> Json:
    fields = record["fields"]
    row: Json = {each: fields.get(each) for each in customer_value.FIELDS}
    held: dict[tuple[str, str], bool] = {}
    given = [(each["type"], each["value"], each["verified"]) for each in fields.get("identifiers", ())]
    given += [(type_, fields[type_], False) for type_ in ("email", "phone") if fields.get(type_)]
    for type_, value, verified in given:
        if type_ in ("email", "phone"):
            owner = taken.setdefault((type_, value), number or name) if verified else None
            held[type_, value] = held.get((type_, value), False) or (verified and owner == (number or name))
    row["identifiers"] = [
        {"type": type_, "value": value, "verified": verified} for (type_, value), verified in held.items()
    ]
    row["addresses"] = [{"country": "ZZ"} | each for each in fields.get("addresses", ())]
    if number is not None:
        return row | {"id": number}
    return row | {"external_ids": [{"system": record["system"], "id": record["external_id"]}]}


def shown_as(tx: sa.Connection, records: Sequence[int]) -> dict[int, int]:
    """The customers that records are shown as now, by the records' ids."""
    statement = (
        sa.select(_TABLE.c.id, sa.func.coalesce(Customer.merged_into_id, Customer.id))
        .join_from(
            _TABLE, IdentityRecord, IdentityRecord.name == _TABLE.c.system + " " + _TABLE.c.external_id
        )
        .join(Customer, Customer.id == IdentityRecord.customer_id)
        .where(_TABLE.c.id == sa.any_(wanted(records)))
    )
    return dict(tx.execute(statement).all())
