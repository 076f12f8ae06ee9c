"""The level of the category tree that a facet counts: the categories below one, and the way down to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from schema.product_search_attribute import label
from schema.search_facet import SearchFacetStep

if TYPE_CHECKING:
    from schema.context import Context, Scope

# Below :start; where that is not :fixed and has nothing below, what stands beside it.
LEVEL = sa.text(
    """
    WITH RECURSIVE base AS (
        SELECT CASE WHEN CAST(:fixed AS boolean)
                OR EXISTS (SELECT FROM category WHERE parent_id = CAST(:start AS bigint))
            THEN CAST(:start AS bigint)
            ELSE (SELECT parent_id FROM category WHERE id = CAST(:start AS bigint)) END AS id
    ), above AS (
        SELECT c.id, c.parent_id, c.code, c.name, 0 AS step FROM category c JOIN base ON base.id = c.id
        UNION ALL
        SELECT c.id, c.parent_id, c.code, c.name, above.step + 1 FROM category c JOIN above ON above.parent_id = c.id
    )
    SELECT true AS is_above, id, code, name, -step AS place, true AS has_children FROM above
    UNION ALL
    SELECT false, c.id, c.code, c.name, c.position,
        EXISTS (SELECT FROM category below WHERE below.parent_id = c.id)
    FROM category c, base WHERE c.parent_id IS NOT DISTINCT FROM base.id
    ORDER BY is_above DESC, place, id
    """
)


@dataclass(frozen=True)
class Level:
    """Categories that stand beside each other, by id as the index knows them, and those above from the top."""

    categories: dict[str, Any]
    path: tuple[Any, ...]

    def told(self, scope: Scope) -> list[SearchFacetStep]:
        """The way down to them."""
        return [SearchFacetStep(value=row["code"], name=label(row["name"], scope)) for row in self.path]


async def level(context: Context, start: int | None, *, fixed: bool) -> Level:
    """The level below a category, null for the topmost one. ``fixed``: also where nothing is below."""
    rows = await context.database.rows(LEVEL, {"start": start, "fixed": fixed or start is None})
    return Level(
        {str(row["id"]): row for row in rows if not row["is_above"]},
        tuple(row for row in rows if row["is_above"]),
    )
