"""Affected products: whose documents a change touches, also a change of something else that they show.

Price lists, companies, customers and orders are in no document. A thing just made is in none yet, stock excepted:
whatever takes it up is a change of its own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from hub import feed
from hub.asset import ProductAsset, VariantAsset
from hub.attribute import Attribute, AttributeOption
from hub.category import Category
from hub.listing import Listing
from hub.product import Product, ProductCategory, Variant
from hub.stock import Stock

Ids = sa.ColumnElement[Any]

TOLD = frozenset({"code", "searchable", "filterable", "facet", "type"})
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
    """What has to be known of a record of the feed. Only records of attributes and of stock that is gone are looked into."""
    record = feed.Feed
    gone = sa.and_(record.aggregate == Stock.__tablename__, record.kind == "DELETED")
    inside = sa.case((sa.or_(record.aggregate == Attribute.__tablename__, gone), record.changes))
    return [record.sequence, record.aggregate, record.aggregate_id, record.kind, inside.label("changes")]


@dataclass(frozen=True)
class Touched:
    """Ids of products, sorted: those that changed themselves, and those that show something that changed.

    ``stocked``: those of which only the stock changed; they are in neither of the others.
    """

    own: list[int]
    showing: list[int]
    stocked: list[int]


def products(tx: sa.Connection, records: Iterable[sa.RowMapping]) -> Touched:
    """All products whose documents these records, read by ``columns()``, may touch."""
    own, found, new_options = set[int](), set[int](), list[int]()
    others: dict[str, set[int]] = defaultdict(set)
    records = list(records)
    for record in records:
        if record["aggregate"] == Product.__tablename__:
            own.add(record["aggregate_id"])
        elif record["kind"] == "CREATED" or record["aggregate"] not in SHOWN_BY:
            continue
        elif record["changes"] is None or any(map(_tells, record["changes"])):
            others[record["aggregate"]].add(record["aggregate_id"])
        else:
            new_options += _new_options(record["changes"])
    stocked = set(_stocked(tx, [record for record in records if record["aggregate"] == Stock.__tablename__]))
    for noun, select in SHOWN_BY.items():
        if others[noun]:
            found.update(tx.scalars(select(_array(others[noun]))))
    if new_options:
        # An import makes many: by the attribute, each of them would touch all products.
        found.update(tx.scalars(sa.text(HOLDING), {"options": new_options}))
    return Touched(sorted(own), sorted(found - own), sorted(stocked - own - found))


def _stocked(tx: sa.Connection, records: Iterable[sa.RowMapping]) -> Iterator[int]:
    """The products whose stock changed. Where a variant went with its stock, its product has a record of its own."""
    levels, variants = list[int](), list[int]()
    for record in records:
        levels.append(record["aggregate_id"])
        gone = (
            row for row in record["changes"] or () if row["op"] == "D" and row["t"] == Stock.__tablename__
        )
        variants += (row["o"]["variant_id"] for row in gone)
    if levels:
        yield from tx.scalars(_by_stock(_array(levels)))
    if variants:
        yield from tx.scalars(sa.select(Variant.product_id).where(Variant.id == sa.any_(_array(variants))))


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


def _by_stock(stock_ids: Ids) -> sa.Executable:
    return (
        sa.select(Variant.product_id)
        .join(Stock, Stock.variant_id == Variant.id)
        .where(Stock.id == sa.any_(stock_ids))
    )


SHOWN_BY: dict[str, Callable[[Ids], sa.Executable]] = {
    "asset": _by_asset,
    "attribute": _by_attribute,
    "category": _by_category,
    "channel": _by_channel,
    "locale": _by_locale,
    "product_type": _by_type,
}
"""Aggregate → the products that show it."""
