"""Identity: records become customers, and customers who are one person are shown as one.

What comes out is a matter of the records, the rules and what people decided: each change looks again at all that hangs
together with what changed, and at nothing else. One change at a time: they wait for each other.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa

from hub import customer_group, customer_value, identity_cluster, identity_link, identity_rule
from hub.customer import Customer
from hub.identity_cluster import DECIDED, PROVEN, SCORED, Clusters, Link
from hub.identity_link import IdentityLink, Pair, wanted
from hub.identity_pair import judge
from hub.identity_profile import Profile
from hub.identity_rule import IdentityDecision, Rulebook

LOCK = 4_823_011

NOBODY = Profile("", "", "", (), frozenset(), frozenset())
"""The profile of a customer whom no record made: people alone say who they are."""


def lock(tx: sa.Connection) -> None:
    """Wait for others who change who is who."""
    tx.execute(sa.text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})


def compare(tx: sa.Connection, customers: Collection[int], rules: Rulebook) -> set[int]:
    """Compare the records of customers with all that they share a key with; gives those whose links may be others now."""
    own = {number: each for number, (_, each) in identity_link.profiles(tx, customers, rules).items()}
    touched, pairs = identity_link.rekey(tx, own)
    touched |= set(customers)
    missing = {number for pair in pairs for number in pair} - set(own)
    known = own | {number: each for number, (_, each) in identity_link.profiles(tx, missing, rules).items()}
    stale = sa.or_(
        IdentityLink.one_id == sa.any_(wanted(touched)), IdentityLink.other_id == sa.any_(wanted(touched))
    )
    gone = tx.execute(
        sa.delete(IdentityLink).where(stale).returning(IdentityLink.one_id, IdentityLink.other_id)
    )
    touched |= {number for pair in gone for number in pair}
    found = []
    for one, other in sorted(pairs):
        judged = judge(known[one], known[other], rules.rules)
        if judged is not None:
            found.append(identity_link.row_of(one, other, judged))
    identity_link.keep(tx, found)
    return touched


@dataclass
class Component:
    """All customers that hang together, with what is between them."""

    shown: dict[int, int]
    links: list[sa.RowMapping] = field(default_factory=list)
    decisions: Mapping[Pair, sa.RowMapping] = field(default_factory=dict)


def resolve(tx: sa.Connection, customers: Iterable[int], rules: Rulebook) -> dict[int, int]:
    """Show who is one person as one, as links and decisions say; gives who each of them is shown as now."""
    part = _component(tx, set(customers))
    if not part.shown:
        return {}
    found = identity_link.profiles(tx, part.shown, rules)
    names = {number: found[number][0] if number in found else f"customer {number}" for number in part.shown}
    clusters = _cluster(part, names, {number: each for number, (_, each) in found.items()}, rules)
    _note_dropped(tx, part, clusters, names)
    numbers = {name: number for number, name in names.items()}
    targets: dict[int, int] = {}
    for group in clusters.groups:
        members = sorted(numbers[name] for name in group)
        targets |= dict.fromkeys(members, _shown(members, part.decisions))
    before = _parted(part.shown, targets)
    customer_value.give_back(tx, before)
    if targets != part.shown:
        customer_group.regroup(tx, targets)
    customer_value.derive(tx, targets)
    return targets


def _parted(shown: Mapping[int, int], targets: Mapping[int, int]) -> set[int]:
    """Those who were shown for others, and whose group is another one now."""
    return {shown[each] for each in shown if shown[each] != each or targets[each] != each}


def _component(tx: sa.Connection, start: set[int]) -> Component:
    """Follow links, decisions and groups until nothing new is met. Erased customers are no part of any."""
    found = Component({})
    frontier = start
    found_links: dict[Pair, sa.RowMapping] = {}
    decisions: dict[Pair, sa.RowMapping] = {}
    while frontier:
        shown = groups(tx, frontier)
        new = set(shown) - set(found.shown)
        found.shown |= shown
        found_links |= {(link["one_id"], link["other_id"]): link for link in links(tx, new)}
        decisions |= identity_rule.decisions(tx, new)
        reached = {number for pair in found_links for number in pair}
        reached |= {
            number for pair, each in decisions.items() if each["kind"] == "include" for number in pair
        }
        frontier = reached - set(found.shown) - start
        start = start | frontier
    known = set(found.shown)
    found.links = [found_links[pair] for pair in sorted(found_links) if known.issuperset(pair)]
    found.decisions = {pair: decisions[pair] for pair in sorted(decisions) if known.issuperset(pair)}
    return found


def groups(tx: sa.Connection, customers: Collection[int]) -> dict[int, int]:
    """Everybody of the groups that customers are of, and whom they are shown as."""
    shown = sa.func.coalesce(Customer.merged_into_id, Customer.id)
    heads = sa.select(shown).where(Customer.id == sa.any_(wanted(customers)))
    numbers = list(tx.scalars(heads.distinct()))
    statement = sa.select(Customer.id, shown).where(
        sa.or_(Customer.id == sa.any_(wanted(numbers)), Customer.merged_into_id == sa.any_(wanted(numbers))),
        Customer.erased_at.is_(None),
    )
    return dict(tx.execute(statement).all())


def links(tx: sa.Connection, customers: Collection[int]) -> Sequence[sa.RowMapping]:
    """The links between customers as they came, dropped ones too."""
    table = IdentityLink.__table__
    chosen = sa.or_(
        table.c.one_id == sa.any_(wanted(customers)), table.c.other_id == sa.any_(wanted(customers))
    )
    return tx.execute(sa.select(table).where(chosen, table.c.verdict == "link")).mappings().all()


def _cluster(
    part: Component, names: Mapping[int, str], profiles: Mapping[int, Profile], rules: Rulebook
) -> Clusters:
    kinds = {pair: each["kind"] for pair, each in part.decisions.items()}
    links = [
        Link(
            names[each["one_id"]],
            names[each["other_id"]],
            PROVEN if each["identifier"] else SCORED,
            rules.types[each["identifier"]].priority if each["identifier"] else 0,
            each["score"],
        )
        for each in part.links
    ]
    links += [
        Link(names[one], names[other], DECIDED) for (one, other), kind in kinds.items() if kind == "include"
    ]
    return identity_cluster.cluster(
        {names[number]: profiles.get(number, NOBODY) for number in part.shown},
        links,
        apart=[(names[one], names[other]) for (one, other), kind in kinds.items() if kind == "exclude"],
        limits=rules.limits,
        contradict=rules.rules.contradict,
    )


def _note_dropped(tx: sa.Connection, part: Component, clusters: Clusters, names: Mapping[int, str]) -> None:
    """Write down which links were dropped, and why."""
    numbers = {name: number for number, name in names.items()}
    why = {
        (min(pair), max(pair)): (reason, type_)
        for link, reason, type_ in clusters.dropped
        for pair in [(numbers[link.one], numbers[link.other])]
    }
    changed = [
        {"a": each["one_id"], "b": each["other_id"], "why": told[0], "type": told[1]}
        for each in part.links
        for told in [why.get((each["one_id"], each["other_id"]), (None, None))]
        if (each["dropped"], each["dropped_type"]) != told
    ]
    if changed:
        tx.execute(
            sa.update(IdentityLink)
            .where(IdentityLink.one_id == sa.bindparam("a"), IdentityLink.other_id == sa.bindparam("b"))
            .values(dropped=sa.bindparam("why"), dropped_type=sa.bindparam("type"))
            .execution_options(synchronize_session=False),
            changed,
        )


def _shown(members: Sequence[int], decisions: Mapping[Pair, sa.RowMapping]) -> int:
    """Who is shown: whom people chose last, otherwise the oldest."""
    chosen = [
        (each["id"], each["keep_id"])
        for pair, each in decisions.items()
        if each["kind"] == "include" and each["keep_id"] in members and set(pair) <= set(members)
    ]
    return max(chosen)[1] if chosen else members[0]


def decide(
    tx: sa.Connection, pair: Pair, kind: str, reason: str | None = None, keep: int | None = None
) -> None:
    """Write down what somebody decided about two customers as they came."""
    one, other = sorted(pair)
    tx.execute(
        sa.insert(IdentityDecision).values(one_id=one, other_id=other, kind=kind, reason=reason, keep_id=keep)
    )
