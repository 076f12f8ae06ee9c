"""Affected products: whose documents a change touches, also a change of something else that they show.

Price lists, companies, stock, customers and orders are in no document. A thing just made is in none yet: whatever takes
it up is a change of its own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from hub import feed
from hub.asset import ProductAsset, VariantAsset
from hub.attribute import Attribute, AttributeOption
from hub.category import Category
from hub.listing import Listing
from hub.product import Product, ProductCategory, Variant

Ids = sa.ColumnElement[Any]

TOLD = frozenset({"code", "searchable", "type"})
"""Columns of an attribute that decide what documents say of it. Its name is not among them."""

# Products by index, an option at a time; variants, which rarely hold any, in one pass over all of them.
HOLDING = """
WITH chosen AS (
    SELECT a.code, o.code AS option, a.type FROM attribute_option o JOIN attribute a ON a.id = o.attribute_id
    WHERE o.id = ANY (:options)
), place AS (SELECT '*' AS code UNION ALL SELECT code FROM channel)
SELECT p.id FROM chosen CROSS JOIN place JOIN product p ON p.attributes @> jsonb_build_object(chosen.code,
    jsonb_build_object(place.code, jsonb_build_object('*', CASE chosen.type
        WHEN 'choices' THEN jsonb_build_array(chosen.option) ELSE to_jsonb(chosen.option) END)))
UNION
SELECT v.product_id FROM variant v, jsonb_each_text(v.axes) axis
    JOIN chosen ON chosen.code = axis.key AND chosen.option = axis.value
UNION
SELECT v.product_id FROM variant v, jsonb_each(v.attributes) said, jsonb_each(said.value) place, jsonb_each(place.value) leaf
    JOIN chosen ON leaf.value @> to_jsonb(chosen.option)
WHERE chosen.code = said.key
"""
"""Products that hold one of these options. One chosen per locale would not be found; no option is."""


def columns() -> list[Any]:
    """What has to be known of a record of the feed. Only an attribute's record is looked into."""
    record = feed.Feed
    inside = sa.case((record.aggregate == Attribute.__tablename__, record.changes))
    return [record.sequence, record.aggregate, record.aggregate_id, record.kind, inside.label("changes")]


def products(tx: sa.Connection, records: Iterable[sa.RowMapping]) -> list[int]:
    """The ids of all products whose documents these records, read by ``columns()``, may touch; sorted."""
    found, new_options = set[int](), list[int]()
    others: dict[str, set[int]] = defaultdict(set)
    for record in records:
        if record["aggregate"] == Product.__tablename__:
            found.add(record["aggregate_id"])
        elif record["kind"] == "CREATED":
            continue
        elif record["changes"] is None or any(map(_tells, record["changes"])):
            others[record["aggregate"]].add(record["aggregate_id"])
        else:
            new_options += _new_options(record["changes"])
    for noun, select in SHOWN_BY.items():
        if others[noun]:
            found.update(tx.scalars(select(_array(others[noun]))))
    if new_options:
        # An import makes many: by the attribute, each of them would touch all products.
        found.update(tx.scalars(sa.text(HOLDING), {"options": new_options}))
    return sorted(found)


def _array(ids: Iterable[int]) -> Ids:
    return sa.literal(sorted(ids), ARRAY(sa.BigInteger))


def _tells(row: dict[str, Any]) -> bool:
    """Whether a changed row of an attribute may change documents of products that have the attribute at all."""
    if row["t"] == Attribute.__tablename__:
        return not TOLD.isdisjoint(row["n"] or TOLD)
    return bool(row["t"] == AttributeOption.__tablename__ and row["op"] != "I")


def _new_options(rows: Iterable[dict[str, Any]]) -> Iterator[int]:
    return (row["k"] for row in rows if row["t"] == AttributeOption.__tablename__)


def _by_attribute(attribute_ids: Ids) -> sa.Executable:
    codes = (
        sa.select(sa.func.array_agg(Attribute.code))
        .where(Attribute.id == sa.any_(attribute_ids))
        .scalar_subquery()
    )
    said = (Product.attributes, Variant.attributes, Variant.axes)
    return sa.union(*(sa.select(_owner(column)).where(column.has_any(codes)) for column in said))


def _owner(column: Any) -> Any:
    return Product.id if column.class_ is Product else Variant.product_id


def _by_category(category_ids: Ids) -> sa.Executable:
    """Products in the categories and below: a document names all ancestors."""
    below = sa.select(Category.id).where(Category.id == sa.any_(category_ids)).cte("below", recursive=True)
    below = below.union(sa.select(Category.id).join(below, Category.parent_id == below.c.id))
    return sa.select(ProductCategory.product_id).join(below, below.c.id == ProductCategory.category_id)


def _by_asset(asset_ids: Ids) -> sa.Executable:
    links = (ProductAsset, VariantAsset)
    return sa.union(
        *(sa.select(link.product_id).where(link.asset_id == sa.any_(asset_ids)) for link in links)
    )


def _by_type(type_ids: Ids) -> sa.Executable:
    return sa.select(Product.id).where(Product.product_type_id == sa.any_(type_ids))


def _by_channel(channel_ids: Ids) -> sa.Executable:
    return sa.select(Listing.product_id).where(Listing.channel_id == sa.any_(channel_ids)).distinct()


def _by_locale(_: Ids) -> sa.Executable:
    """Every product: a locale that is renamed or goes takes its texts out of every document."""
    return sa.select(Product.id)


SHOWN_BY: dict[str, Callable[[Ids], sa.Executable]] = {
    "asset": _by_asset,
    "attribute": _by_attribute,
    "category": _by_category,
    "channel": _by_channel,
    "locale": _by_locale,
    "product_type": _by_type,
}
"""Aggregate → the products that show it."""
