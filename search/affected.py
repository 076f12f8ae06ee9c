"""Affected products: whose documents a change touches, also a change of something else that they show.

Price lists, companies, stock, customers and orders are in no document. A thing just made is in none yet: whatever takes
it up is a change of its own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from hub.asset import ProductAsset, VariantAsset
from hub.attribute import Attribute
from hub.category import Category
from hub.listing import Listing
from hub.product import Product, ProductCategory, Variant

Ids = sa.ColumnElement[Any]


def products(tx: sa.Connection, changes: Iterable[sa.RowMapping]) -> list[int]:
    """The ids of all products whose documents these records of the feed may touch, sorted."""
    found = set[int]()
    others: dict[str, set[int]] = defaultdict(set)
    for change in changes:
        if change["aggregate"] == "product":
            found.add(change["aggregate_id"])
        elif change["kind"] != "CREATED":
            others[change["aggregate"]].add(change["aggregate_id"])
    for noun, select in SHOWN_BY.items():
        if others[noun]:
            found.update(tx.scalars(select(sa.literal(sorted(others[noun]), ARRAY(sa.BigInteger)))))
    return sorted(found)


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
