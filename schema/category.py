"""Categories: the tree that staff sort products into."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
import strawberry

from hub.category import Category as Table
from hub.product import ProductCategory
from schema import filter as filters
from schema.declare import NOUNS, column, connection, noun, one, text
from schema.look_up import by_code, by_slug
from schema.node import Aggregate
from schema.spec import FilterSpec, Through

if TYPE_CHECKING:
    from schema.connection import Connection
    from schema.filter import Where
    from schema.product import Product
    from schema.sql import Frame


@noun(
    Table,
    "A node of the category tree.",
    single="category",
    plural="categories",
    look_ups={"code": by_code(Table), "slug": by_slug(Table)},
)
class Category(Aggregate):
    """A node of the category tree."""

    code: str = column("Its code.", filter=True, sort=True)
    slug: str | None = column("Its name in addresses; null without one.", filter=True)
    position: int = column("Its place among the children of its parent.", filter=True, sort=True)
    name: str | None = text(
        "What it is called; null without a name in the locale chain.", filter=True, sort=True
    )
    description: str | None = text("What it holds; null without a text in the locale chain.")
    parent: Category | None = one(
        "Category", "The category above; null at the top.", via="parent_id", filter=True
    )
    children: Connection[Category] = connection(
        "Category", "The categories right below.", key="parent_id", order=("position",)
    )
    products: Connection[Product] = connection(
        "Product",
        "The products right in it; the filter `category` of products also takes what is below.",
        through=Through(table=ProductCategory.__table__, here="category_id", there="product_id"),
        order=("position",),
    )


@strawberry.input(name="CategoryMembershipFilter", description="Products in a category: name it in one way.")
class Membership:
    """Products in a category."""

    id: strawberry.ID | None = strawberry.field(description="By id.", default=strawberry.UNSET)
    code: str | None = strawberry.field(description="By code.", default=strawberry.UNSET)
    slug: str | None = strawberry.field(description="By slug.", default=strawberry.UNSET)
    subcategories: bool = strawberry.field(
        description="Whether products in the categories below count, at any depth.", default=True
    )


def _in_category(frame: Frame, value: Membership, _: Where) -> sa.ColumnElement[bool]:
    table, link = Table.__table__, ProductCategory.__table__.alias()
    # Without a name of its own: a filter may ask for several categories.
    tree = sa.select(table.c.id).where(*_named(table, value)).cte(recursive=value.subcategories)
    if value.subcategories:
        below = Table.__table__.alias()
        tree = tree.union(sa.select(below.c.id).join(tree, below.c.parent_id == tree.c.id))
    return frame.id.in_(sa.select(link.c.product_id).where(link.c.category_id.in_(sa.select(tree.c.id))))


def _named(table: Any, value: Membership) -> list[sa.ColumnElement[bool]]:
    named = []
    for name, given in filters.given(value):
        if name == "id":
            named.append(table.c.id == filters.number_of(given, NOUNS["Category"]))
        elif name != "subcategories":
            named.append(table.c[name] == given)
    return named or [sa.false()]


MEMBERSHIP = FilterSpec(type=Membership, description="In this category.", predicate=_in_category)
"""The filter of products by category."""
