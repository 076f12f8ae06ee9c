"""Product types: which attributes a product has, and which of them tell its variants apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hub import product_type as tables
from schema.declare import column, connection, many, noun, one, text
from schema.look_up import by_code
from schema.node import Aggregate, Sourced

if TYPE_CHECKING:
    from schema.attribute import Attribute
    from schema.channel import Channel
    from schema.connection import Connection
    from schema.product import Product


@noun(tables.ProductTypeAttribute, "An attribute of a product type.")
class ProductTypeAttribute(Sourced):
    """An attribute of a product type."""

    attribute: Attribute = one("Attribute", "The attribute.", via="attribute_id")
    axis: bool = column("Whether its value tells the variants of a product apart.")
    position: int = column("Its place among the attributes.")


@noun(
    tables.Requirement, "An attribute that products of a type must have before they are ready for a channel."
)
class Requirement(Sourced):
    """An attribute that products of a type must have before they are ready for a channel."""

    attribute: Attribute = one("Attribute", "The attribute.", via="attribute_id")
    channel: Channel | None = one("Channel", "The channel; null: for all of them.", via="channel_id")


@noun(
    tables.ProductType,
    "A kind of product.",
    single="productType",
    plural="productTypes",
    look_ups={"code": by_code(tables.ProductType)},
)
class ProductType(Aggregate):
    """A kind of product."""

    code: str = column("Its code.", filter=True, sort=True)
    name: str | None = text(
        "What it is called; null without a name in the locale chain.", filter=True, sort=True
    )
    closed: bool = column("Whether its products may only have the attributes listed here.", filter=True)
    attributes: list[ProductTypeAttribute] = many(
        "ProductTypeAttribute",
        "Its attributes in their order.",
        key="product_type_id",
        order=("position", "id"),
    )
    requirements: list[Requirement] = many(
        "Requirement", "What its products must have, per channel.", key="product_type_id"
    )
    products: Connection[Product] = connection("Product", "The products of this type.", key="product_type_id")
