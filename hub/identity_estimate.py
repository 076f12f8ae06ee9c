"""Fitting the weights of identity to a shop's own records, without anybody telling who is who."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence

import sqlalchemy as sa

from hub import identity, identity_block, identity_link, identity_rule
from hub.identity_compare import Levels, compare
from hub.identity_link import IdentityLink, IdentityRecord
from hub.identity_pair import CANDIDATE, judge_levels
from hub.identity_profile import Profile
from hub.identity_rule import IdentityRule
from hub.identity_weight import SHIPPED, Weights, estimate

DRAWN = 50_000
"""Pairs drawn at random."""

_ALL_PAIRS = """
WITH small AS (SELECT key FROM identity_key GROUP BY key HAVING count(*) BETWEEN 2 AND :most)
SELECT DISTINCT a.customer_id, b.customer_id
FROM small JOIN identity_key a USING (key) JOIN identity_key b ON b.key = a.key AND b.customer_id > a.customer_id
"""


def refresh(tx: sa.Connection) -> Weights:
    """Fit the weights to all records, write them down, and show who is who by them. It is a matter of the records alone."""
    identity.lock(tx)
    rules = identity_rule.load(tx)
    everybody = list(tx.scalars(sa.select(IdentityRecord.customer_id)))
    named = identity_link.profiles(tx, everybody, rules)
    known = {number: record for number, (_, record) in named.items()}
    pairs = tx.execute(sa.text(_ALL_PAIRS), {"most": identity_block.MOST})
    levels = {(one, other): compare(known[one], known[other]) for one, other in pairs}
    ordered = [known[number] for number in sorted(named, key=lambda each: named[each][0])]
    weights = estimate(Counter(levels.values()), drawn(ordered))
    tx.execute(
        sa.update(IdentityRule).values(
            bits=weights.bits, vetoes=sorted(weights.vetoes), estimated_at=sa.func.now()
        )
    )
    _judge_anew(tx, known, levels, identity_rule.load(tx))
    return weights


def _judge_anew(
    tx: sa.Connection,
    known: Mapping[int, Profile],
    levels: Mapping[tuple[int, int], Levels],
    rules: identity_rule.Rulebook,
) -> None:
    """Links by the weights that hold now. What was compared is not compared again."""
    found = []
    for (one, other), each in levels.items():
        judged = judge_levels(each, sorted(known[one].proven & known[other].proven), rules.rules)
        if judged is not None:
            found.append(identity_link.row_of(one, other, judged))
    tx.execute(sa.delete(IdentityLink))
    identity_link.keep(tx, found)
    identity.resolve(tx, known, rules)


def drawn(records: Sequence[Profile], count: int = DRAWN) -> Counter[Levels]:
    """Patterns of pairs drawn at random, less those who seem to be one person. The same records give the same pairs."""
    chance = random.Random(0)  # noqa: S311 - a sample, not a secret
    found: Counter[Levels] = Counter()
    for _ in range(count if len(records) > 1 else 0):
        one, other = chance.sample(range(len(records)), 2)
        levels = compare(records[one], records[other])
        if SHIPPED.score(levels) < CANDIDATE:
            found[levels] += 1
    return found
