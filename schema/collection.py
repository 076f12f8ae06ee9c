"""Collections: products put together by hand, for a page or a campaign."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hub.collection import Collection as Table
from hub.product import ProductCollection
from schema.declare import column, connection, noun, text
from schema.look_up import by_code, by_slug
from schema.node import Aggregate
from schema.spec import Through

if TYPE_CHECKING:
    from schema.connection import Connection
    from schema.product import Product


@noun(
    Table,
    "Products put together by hand.",
    single="collection",
    plural="collections",
    look_ups={"code": by_code(Table), "slug": by_slug(Table)},
)
class Collection(Aggregate):
    """Products put together by hand."""

    code: str = column("Its code.", filter=True, sort=True)
    slug: str | None = column("Its name in addresses; null without one.", filter=True)
    name: str | None = text(
        "What it is called; null without a name in the locale chain.", filter=True, sort=True
    )
    description: str | None = text("What it is about; null without a text in the locale chain.")
    products: Connection[Product] = connection(
        "Product",
        "Its products in their order.",
        through=Through(table=ProductCollection.__table__, here="collection_id", there="product_id"),
        order=("position",),
    )
