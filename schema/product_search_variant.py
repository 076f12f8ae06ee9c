"""Which variants of a hit have the number that was typed."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from hub.product import Identifier, Variant
from schema.declare import NOUNS
from schema.loader import by_id
from schema.sql import BIGINTS
from search.identifier import normal

if TYPE_CHECKING:
    from schema.context import Context, Scope

PRODUCTS = sa.bindparam("products", type_=BIGINTS)


async def matching(
    context: Context, scope: Scope, product_id: int, identifiers: tuple[str, ...]
) -> list[Any]:
    """The variants of a product whose SKU or another number is one of these, by position."""
    if not identifiers:
        return []

    async def batch(products: list[int]) -> list[list[int]]:
        found: dict[int, dict[int, None]] = defaultdict(dict)
        for row in await context.database.rows(_numbers(), {"products": products}):
            if normal(row["value"]) in identifiers:
                found[row["product_id"]][row["variant_id"]] = None
        return [list(found[each]) for each in products]

    numbers = await context.loader(("matching", identifiers), batch).load(product_id)
    loaded = await by_id(context, NOUNS["Variant"], scope).load_many(numbers)
    return [each for each in loaded if each is not None]


def _numbers() -> sa.CompoundSelect[Any]:
    skus = sa.select(Variant.product_id, Variant.id.label("variant_id"), Variant.sku.label("value"))
    others = sa.select(Identifier.product_id, Identifier.variant_id, Identifier.value)
    return sa.union_all(
        skus.where(Variant.product_id == sa.any_(PRODUCTS)),
        others.where(Identifier.product_id == sa.any_(PRODUCTS)),
    )
