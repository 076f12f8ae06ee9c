"""Merging and parting customers because somebody says so. What they say holds against every rule, until they say otherwise."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import sqlalchemy as sa

from hub import aggregate, customer_group, customer_value, identity, identity_link, identity_rule
from hub.customer import Customer
from hub.db import Json
from hub.errors import Conflict, Invalid, Limit, NotFound
from hub.identity_rule import Rulebook
from hub.ids import encode

MOST = 100
"""Customers of one merge."""


def merge(tx: sa.Connection, survivor: int, others: Sequence[int], reason: str | None = None) -> int:
    """Show customers as one; gives whom they are shown as. Old ids find them for ever.

    Raises ``Required``, ``Invalid``, ``Limit``, ``NotFound`` or ``Conflict``; nothing is changed then.
    """
    identity.lock(tx)
    _check(tx, survivor, others)
    shown = _shown(tx, [survivor, *others])
    head = shown[survivor]
    rules = identity_rule.load(tx)
    for other in sorted({shown[each] for each in others} - {head}):
        _clear(tx, head, other)
        identity.decide(tx, (head, other), "include", reason, keep=head)
    targets = identity.resolve(tx, [head, *(shown[each] for each in others)], rules)
    _check_merged(targets, head, [shown[each] for each in others], rules)
    return targets[head]


def unmerge(tx: sa.Connection, customer: int, reason: str | None = None) -> int:
    """Part a customer, as they came, from those they are shown with; gives whom they were shown as.

    Those who were merged into them before they were merged themselves go with them.
    Raises ``NotFound`` or ``Conflict``.
    """
    identity.lock(tx)
    _check_known(tx, [customer])
    members = identity.groups(tx, {customer})
    if len(members) < 2:  # noqa: PLR2004 - nobody to part from
        raise Conflict(
            f'Customer "{encode("customer", customer)}" is merged with nobody: there is nothing to part.',
            ("id",),
        )
    side = _side(tx, customer, members)
    # The one who is shown goes alone: all who were merged into them cannot go with them.
    side = {customer} if side == set(members) else side
    for one in sorted(side):
        for other in sorted(set(members) - side):
            identity.decide(tx, (one, other), "exclude", reason)
    head = members[customer]
    identity.resolve(tx, set(members), identity_rule.load(tx))
    return head


def decide(tx: sa.Connection, pair: tuple[int, int], kind: str, reason: str | None = None) -> list[int]:
    """Say whether two customers are one person; gives whom they are shown as. See ``hub.identity_rule.IdentityDecision``.

    Raises ``Invalid``, ``NotFound``, ``Conflict``, and ``Limit`` where they may not be one.
    """
    one, other = pair
    if one == other:
        raise Invalid("Both ids are the same customer: name two.", ("other_id",))
    if kind == "include":
        return [merge(tx, one, [other], reason)]
    identity.lock(tx)
    _check_known(tx, pair)
    identity.decide(tx, pair, kind, reason)
    targets = identity.resolve(tx, pair, identity_rule.load(tx))
    return sorted({targets[one], targets[other]})


def preview(tx: sa.Connection, survivor: int, others: Sequence[int]) -> Json:
    """What a merge would make: values with where they are from, and how many of what would move. Nothing is kept of it."""
    with tx.begin_nested() as trial:
        before = {table: _count(tx, table, survivor) for table in customer_group.attached()}
        head = merge(tx, survivor, others)
        after = {table: _count(tx, table, head) for table in customer_group.attached()}
        row = tx.execute(sa.select(Customer.__table__).where(Customer.id == head)).mappings().one()
        values = [
            {"field": each["field"], "value": each["value"], "rule": each["rule"], "from_id": each["from_id"]}
            for each in customer_value.held(tx, head)
        ]
        trial.rollback()
    moved = {table: after[table] - before[table] for table in after if after[table] != before[table]}
    return {
        "customer_id": head,
        "values": values,
        "moved": moved,
        "row": {name: row[name] for name in customer_value.FIELDS},
    }


def _count(tx: sa.Connection, table: str, customer: int) -> int:
    statement = sa.text(f'SELECT count(*) FROM "{table}" WHERE customer_id = :customer')
    return int(tx.execute(statement, {"customer": customer}).scalar_one())


def _check(tx: sa.Connection, survivor: int, others: Sequence[int]) -> None:
    if not others:
        raise Invalid("Nobody is named who is to be merged.", ("ids",))
    if len(others) > MOST:
        raise Limit(f"{len(others)} customers are too many for one merge: name at most {MOST}.", ("ids",))
    if survivor in others:
        raise Invalid(
            "A customer cannot be merged with itself: leave it out of ids.",
            ("ids", list(others).index(survivor)),
        )
    _check_known(tx, [survivor, *others])


def _check_known(tx: sa.Connection, customers: Sequence[int]) -> None:
    statement = sa.select(Customer.id, Customer.erased_at).where(
        Customer.id == sa.any_(identity_link.wanted(customers))
    )
    found = dict(tx.execute(statement).all())
    for number in customers:
        named = encode("customer", number)
        if number not in found:
            raise NotFound(f'Customer with id "{named}" does not exist.', ("id",))
        if found[number] is not None:
            raise Conflict(f'Customer "{named}" was erased: they can be merged with nobody.', ("id",))
    aggregate.lock(tx, "customer", sorted(found))


def _shown(tx: sa.Connection, customers: Sequence[int]) -> dict[int, int]:
    members = identity.groups(tx, set(customers))
    return {number: members[number] for number in customers}


def _clear(tx: sa.Connection, one: int, other: int) -> None:
    """Withdraw what was said before against it, by everybody of both groups."""
    ours, theirs = ({*identity.groups(tx, {each})} for each in (one, other))
    for pair, each in identity_rule.decisions(tx, ours | theirs).items():
        if each["kind"] == "exclude" and (set(pair) & ours and set(pair) & theirs):
            identity.decide(tx, pair, "withdraw", "merged again")


def _check_merged(targets: dict[int, int], head: int, others: Sequence[int], rules: Rulebook) -> None:
    for other in others:
        if targets[other] != targets[head]:
            most = ", ".join(f"{code} {limit}" for code, limit in sorted(rules.limits.items()))
            raise Limit(
                f"Together they would have more identifiers of a type than a customer may have ({most}).",
                ("ids",),
            )


def _side(tx: sa.Connection, customer: int, members: Collection[int]) -> set[int]:
    """A customer and those whom people merged into them before they were merged themselves."""
    into: dict[int, set[int]] = {}
    for pair, each in identity_rule.decisions(tx, members).items():
        if each["kind"] == "include" and each["keep_id"] in pair:
            (merged,) = set(pair) - {each["keep_id"]}
            into.setdefault(each["keep_id"], set()).add(merged)
    side, frontier = {customer}, {customer}
    while frontier:
        frontier = set().union(*(into.get(each, set()) for each in frontier)) & set(members) - side
        side |= frontier
    return side
