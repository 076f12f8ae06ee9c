"""Ways to find one row at the root that several nouns share: by code, by slug."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from hub.slug import FormerSlug
from schema.spec import LookUp


def by_column(model: Any, column: str, description: str) -> LookUp:
    """By a unique column of text."""
    table = model.__table__
    return LookUp(
        type=str,
        description=description,
        select=lambda given: sa.select(table.c.id).where(table.c[column] == given),
    )


def by_code(model: Any) -> LookUp:
    """By code."""
    return by_column(model, "code", "Its code.")


def by_slug(model: Any) -> LookUp:
    """By slug: the one in use, otherwise the object that had it before."""
    table = model.__table__

    def select(given: str) -> sa.Select[Any]:
        current = sa.select(table.c.id).where(table.c.slug == given)
        former = sa.select(FormerSlug.entity_id).where(
            FormerSlug.entity == table.name, FormerSlug.slug == given, ~sa.exists(current)
        )
        return sa.select(sa.union_all(current, former).subquery().c.id)

    return LookUp(
        type=str,
        description="Its slug. An old one finds it too, unless another object has it now.",
        select=select,
    )
