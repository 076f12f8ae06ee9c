"""Fitting the weights of identity to a shop's own records, without anybody telling who is who."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence

import sqlalchemy as sa

from hub import identity_block, identity_link, identity_rule
from hub.identity_compare import Levels, compare
from hub.identity_link import IdentityRecord
from hub.identity_pair import CANDIDATE
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


def fit(tx: sa.Connection) -> Weights:
    """Estimate the weights from all records and write them down. They are a matter of the records alone."""
    rules = identity_rule.load(tx)
    everybody = list(tx.scalars(sa.select(IdentityRecord.customer_id)))
    named = identity_link.profiles(tx, everybody, rules)
    known = {number: record for number, (_, record) in named.items()}
    blocked = Counter(
        compare(known[one], known[other])
        for one, other in tx.execute(sa.text(_ALL_PAIRS), {"most": identity_block.MOST})
    )
    weights = estimate(
        blocked, drawn([known[number] for number in sorted(named, key=lambda each: named[each][0])])
    )
    tx.execute(
        sa.update(IdentityRule).values(
            bits=weights.bits, vetoes=sorted(weights.vetoes), estimated_at=sa.func.now()
        )
    )
    return weights


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
