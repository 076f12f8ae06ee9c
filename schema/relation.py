"""Product relations: accessory, replacement, up-sell and any other kind, as data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from hub import relation as tables
from schema import rule
from schema.declare import column, noun, one, text
from schema.look_up import by_code
from schema.node import Aggregate, Provenance, where_from

if TYPE_CHECKING:
    from schema.product import Product


@noun(
    tables.RelationType,
    "A kind of relation between products.",
    single="relationType",
    plural="relationTypes",
    look_ups={"code": by_code(tables.RelationType)},
)
class RelationType(Aggregate):
    """A kind of relation between products."""

    code: str = column("Its code.", filter=True, sort=True)
    name: str | None = text(
        "What it is called; null without a name in the locale chain.", filter=True, sort=True
    )
    two_way: bool = column("Whether it is read from both of its products.", filter=True)


def _from_both_ends() -> sa.Subquery:
    """Each relation from its product, and those of two-way types from the other one too."""
    row, other, kind = (
        tables.ProductRelation.__table__,
        tables.ProductRelation.__table__.alias(),
        tables.RelationType.__table__,
    )
    names = ("id", "relation_type_id", "position", "provenance")
    ahead = sa.select(*(row.c[name] for name in names), row.c.product_id, row.c.related_id)
    back = sa.select(
        *(other.c[name] for name in names),
        other.c.related_id.label("product_id"),
        other.c.product_id.label("related_id"),
    ).join(kind, sa.and_(kind.c.id == other.c.relation_type_id, kind.c.two_way))
    # A two-way relation that stands at both products is one relation.
    twice = sa.exists().where(
        row.c.product_id == other.c.related_id,
        row.c.related_id == other.c.product_id,
        row.c.relation_type_id == other.c.relation_type_id,
    )
    return sa.union_all(ahead, back.where(~twice)).subquery("product_relation_end")


@noun(
    _from_both_ends(),
    "A product that belongs with another one.",
    scope="catalogue",
    rows=rule.of_listed_products,
)
class ProductRelation:
    """A product that belongs with another one."""

    type: RelationType = one("RelationType", "The kind of relation.", via="relation_type_id", filter=True)
    product: Product | None = one(
        "Product", "The other product; null for a token that does not see it.", via="related_id"
    )
    position: int = column("Its place among the relations.")
    provenance: list[Provenance] | None = where_from()
