"""Variants: what can be ordered."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
import strawberry

from hub import gtin
from hub import product as tables
from schema import attribute_filter, rule
from schema.asset import OF_VARIANT as ASSETS_OF_VARIANT
from schema.asset import AssetLink
from schema.attribute_value import AttributeValue
from schema.availability import found as availability_found
from schema.declare import column, every_value, looked, many, noun, one, one_value, text
from schema.look_up import by_column
from schema.node import Aggregate, Sourced
from schema.price import ARGUMENTS as PRICE_ARGUMENTS
from schema.price import found as price_found
from schema.spec import LookUp

if TYPE_CHECKING:
    from schema.availability import Availability
    from schema.price import Price, PriceFound
    from schema.product import Product
    from schema.stock import StockLevel


@strawberry.enum(description="What kind of number an identifier is.")
class IdentifierType(Enum):
    """What kind of number an identifier is."""

    GTIN = strawberry.enum_value("gtin", description="GS1 trade item number (EAN, UPC), kept with 14 digits.")
    MPN = strawberry.enum_value("mpn", description="The maker's part number.")


@noun(tables.Identifier, "A number that a variant is known by outside.", rows=rule.of_listed_products)
class Identifier(Sourced):
    """A number that a variant is known by outside."""

    type: IdentifierType = column("What kind of number it is.", filter=True)
    value: str = column("The number: text, so leading zeros count. A GTIN has 14 digits here.", filter=True)
    variant: Variant | None = one("Variant", "The variant.", via="variant_id")


def _by_gtin(given: str) -> sa.Select[Any]:
    table = tables.Identifier.__table__
    return sa.select(table.c.variant_id).where(table.c.type == "gtin", table.c.value == given)


@noun(
    tables.Variant,
    "One thing that can be ordered.",
    aggregate=("product", "product_id"),
    rows=rule.of_listed_products,
    single="variant",
    plural="variants",
    look_ups={
        "sku": by_column(tables.Variant, "sku", "Its SKU."),
        "gtin": LookUp(
            type=str,
            description="One of its GTINs (EAN, UPC): 8, 12, 13 or 14 digits.",
            select=_by_gtin,
            read=gtin.parse,
        ),
    },
    filters={"attribute": attribute_filter.OF_VARIANT},
)
class Variant(Aggregate):
    """One thing that can be ordered. Its version is its product's: they change as one."""

    sku: str = column("The shop's own number: text, so leading zeros count.", filter=True, sort=True)
    position: int = column("Its place among the variants of its product.", filter=True)
    name: str | None = text(
        "What tells it from the others; null without a name in the locale chain.", filter=True, sort=True
    )
    product: Product = one(
        "Product", "The product that it is a variant of.", via="product_id", filter=True, same_rule=True
    )
    axes: list[AttributeValue] = every_value(
        "What tells it from the product's other variants.", own=("axes",)
    )
    attributes: list[AttributeValue] = every_value(
        "What is known of it, one value for each attribute: its axes, its own values, then its product's.",
        own=("axes", "attributes"),
        inherits="product_id",
    )
    attribute: AttributeValue | None = one_value(
        "One value by the attribute's code; null without one.",
        own=("axes", "attributes"),
        inherits="product_id",
    )
    identifiers: list[Identifier] = many(
        "Identifier", "Its GTINs and part numbers.", key="variant_id", order=("type", "value"), filter=True
    )
    price: PriceFound | None = looked(
        "PriceFound",
        "The price that holds in the channel of the query; null without a channel, or where it has no price there.",
        price_found,
        arguments=PRICE_ARGUMENTS,
    )
    prices: list[Price] | None = many(
        "Price",
        "Every price of it, past and future too. Staff and apps only.",
        key="variant_id",
        order=("price_list_id", "min_quantity", "id"),
        requires="staff",
        filter=True,
    )
    assets: list[AssetLink] = many(
        "AssetLink",
        "Its own pictures and other files in their order, then those of its product; `role` picks one role.",
        key="variant_id",
        source=ASSETS_OF_VARIANT,
        order=("inherited", "position", "id"),
        match={"role": "role"},
    )
    stock_levels: list[StockLevel] | None = many(
        "StockLevel",
        "How many of it lie where; null for a token without stock:read.",
        key="variant_id",
        order=("location_id",),
        filter=True,
    )
    availability: Availability | None = looked(
        "Availability",
        "What can be promised of it, by the locations that serve the channel of the query, without a channel by all;"
        " null for a token without stock:read, and where it has no level.",
        availability_found,
    )
