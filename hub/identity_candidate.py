"""What the hub asks people: pairs who may be one person, and about whom nobody has decided."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from hub.customer import Customer
from hub.identity_link import IdentityLink
from hub.identity_rule import IdentityDecision


def open_ones(first: int, *, dropped: bool = False) -> sa.Select[Any]:
    """The pairs, the likeliest first. ``dropped``: also links that were not taken."""
    one, other = Customer.__table__.alias(), Customer.__table__.alias()
    link = IdentityLink.__table__
    # The last decision holds, and a withdrawn one asks anew.
    last = (
        sa.select(IdentityDecision.kind)
        .where(IdentityDecision.one_id == link.c.one_id, IdentityDecision.other_id == link.c.other_id)
        .order_by(IdentityDecision.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    wanted = link.c.verdict == "candidate"
    if dropped:
        wanted = sa.or_(wanted, link.c.dropped.is_not(None))
    return (
        sa.select(link)
        .join(one, one.c.id == link.c.one_id)
        .join(other, other.c.id == link.c.other_id)
        .where(
            wanted,
            sa.func.coalesce(last, "withdraw") == "withdraw",
            sa.func.coalesce(one.c.merged_into_id, one.c.id)
            != sa.func.coalesce(other.c.merged_into_id, other.c.id),
        )
        .order_by(link.c.score.desc(), link.c.one_id, link.c.other_id)
        .limit(first)
    )
