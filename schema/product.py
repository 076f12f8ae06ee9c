"""Products: what a shop offers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hub import product as tables
from schema import attribute_filter, product_search, rule
from schema.asset import AssetLink
from schema.attribute_value import AttributeValue
from schema.category import MEMBERSHIP
from schema.declare import column, connection, every_value, found, many, noun, one, one_value, text
from schema.listing import LISTED, on_offer
from schema.look_up import by_slug
from schema.node import Aggregate
from schema.spec import Search, Through

if TYPE_CHECKING:
    from schema.category import Category
    from schema.collection import Collection
    from schema.connection import Connection
    from schema.listing import Listing
    from schema.product_type import ProductType
    from schema.relation import ProductRelation
    from schema.variant import Variant


@noun(
    tables.Product,
    "What a shop offers. What can be ordered of it are its variants.",
    rows=rule.listed_products,
    single="product",
    plural="products",
    look_ups={"slug": by_slug(tables.Product)},
    search=Search(description=product_search.DESCRIPTION, page=product_search.page),
    filters={"listed": LISTED, "category": MEMBERSHIP, "attribute": attribute_filter.OF_PRODUCT},
)
class Product(Aggregate):
    """What a shop offers. What can be ordered of it are its variants."""

    slug: str | None = column("Its name in addresses; null without one.", filter=True, sort=True)
    type: ProductType = one("ProductType", "The kind of product.", via="product_type_id", filter=True)
    name: str | None = text(
        "What it is called; null without a name in the locale chain.", filter=True, sort=True
    )
    description: str | None = text(
        "What is said of it; null without a text in the locale chain.", filter=True
    )
    attributes: list[AttributeValue] = every_value("What is known of it, one value for each attribute.")
    attribute: AttributeValue | None = one_value("One value by the attribute's code; null without one.")
    variants: Connection[Variant] = connection(
        "Variant", "What can be ordered of it.", key="product_id", order=("position",), filter=True
    )
    assets: list[AssetLink] = many(
        "AssetLink",
        "Its pictures and other files in their order; `role` picks one role.",
        key="product_id",
        order=("position", "id"),
        match={"role": "role"},
        filter=True,
    )
    categories: Connection[Category] = connection(
        "Category",
        "The categories that it is in.",
        through=Through(table=tables.ProductCategory.__table__, here="product_id", there="category_id"),
        order=("position",),
        filter=True,
    )
    collections: Connection[Collection] = connection(
        "Collection",
        "The collections that it is in.",
        through=Through(table=tables.ProductCollection.__table__, here="product_id", there="collection_id"),
        order=("position",),
        filter=True,
    )
    listings: list[Listing] | None = many(
        "Listing",
        "When and where it is on offer, past and future too. Staff and apps only.",
        key="product_id",
        order=("channel_id", "id"),
        requires="staff",
        filter=True,
    )
    relations: list[ProductRelation] = many(
        "ProductRelation",
        "Products that belong with it; a two-way relation shows at both ends.",
        key="product_id",
        order=("position", "id"),
        filter=True,
    )
    listed: bool | None = found(
        "Whether it is on offer in the channel of the query, now or at asOf; null without a channel.",
        on_offer,
        value="listed",
        missing=False,
    )
