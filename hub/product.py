"""Products and their variants: the heart of the catalogue."""

from __future__ import annotations

from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.orm import Mapped

from hub import gtin
from hub.db import Base, Id, Json, belongs, written
from hub.provenance import Sourced
from hub.registry import Kept, KeptModel


class Product(KeptModel, Sourced, Base):
    """What a shop offers. Everything that may be sold of it is a variant, also when there is only one."""

    __tablename__ = "product"
    __kept__: ClassVar[Kept] = Kept(
        "product", scope="catalogue", key="slug", deep=("name", "description", "attributes")
    )
    __table_args__ = (
        sa.CheckConstraint("jsonb_typeof(attributes) = 'object'", name="attributes"),
        sa.Index(
            "ix_product_attributes",
            "attributes",
            postgresql_using="gin",
            postgresql_ops={"attributes": "jsonb_path_ops"},
        ),
    )

    id: Mapped[Id]
    product_type_id: Mapped[int] = written(
        sa.ForeignKey("product_type.id"), refers="product_type", name="type", required=True, index=True
    )
    slug: Mapped[str | None] = written(unique=True, kind="slug")
    name: Mapped[Json] = written(server_default="{}", kind="texts")
    description: Mapped[Json] = written(server_default="{}", kind="texts")
    attributes: Mapped[Json] = written(server_default="{}", kind="attributes")


class Variant(KeptModel, Sourced, Base):
    """One thing that can be ordered. ``axes`` holds what tells it from its siblings: attribute code → value."""

    __tablename__ = "variant"
    __kept__: ClassVar[Kept] = Kept(
        "product",
        scope="catalogue",
        root="product_id",
        collection="variants",
        match=("sku",),
        key="sku",
        whole=False,
        deep=("name", "axes", "attributes"),
    )
    __table_args__ = (
        sa.UniqueConstraint("id", "product_id"),
        sa.Index(
            "uq_variant_axes",
            "product_id",
            "axes",
            unique=True,
            postgresql_where=sa.text("axes <> '{}'::jsonb"),
        ),
        sa.CheckConstraint("sku <> ''", name="sku"),
        sa.CheckConstraint("jsonb_typeof(attributes) = 'object'", name="attributes"),
    )

    id: Mapped[Id]
    product_id: Mapped[int] = belongs("product.id")
    sku: Mapped[str] = written(unique=True, required=True, kind="key")
    position: Mapped[int] = written(server_default="0")
    name: Mapped[Json] = written(server_default="{}", kind="texts")
    axes: Mapped[Json] = written(server_default="{}", kind="axes")
    attributes: Mapped[Json] = written(server_default="{}", kind="attributes")


class Identifier(KeptModel, Sourced, Base):
    """A number that a variant is known by outside: a GTIN (kept with 14 digits), or a maker's part number."""

    __tablename__ = "identifier"
    __kept__: ClassVar[Kept] = Kept(
        "product",
        scope="catalogue",
        root="product_id",
        parent="variant_id",
        collection="identifiers",
        match=("type", "value"),
    )
    __table_args__ = (
        sa.CheckConstraint("type IN ('gtin', 'mpn')", name="type"),
        sa.CheckConstraint("type <> 'gtin' OR gtin_valid(value)", name="gtin"),
        sa.UniqueConstraint("variant_id", "type", "value"),
        sa.Index("uq_identifier_gtin", "value", unique=True, postgresql_where=sa.text("type = 'gtin'")),
        sa.Index("ix_identifier_mpn", "value", postgresql_where=sa.text("type = 'mpn'")),
        sa.ForeignKeyConstraint(
            ["variant_id", "product_id"], ["variant.id", "variant.product_id"], ondelete="CASCADE"
        ),
    )

    id: Mapped[Id]
    product_id: Mapped[int] = sa.orm.mapped_column(index=True)
    variant_id: Mapped[int]
    type: Mapped[str] = written(required=True, kind="identifier_type")
    value: Mapped[str] = written(required=True, kind="key")

    @classmethod
    def prepare(cls, row: dict[str, Any]) -> None:
        """Bring a GTIN to its 14 digits. Raises ``hub.errors.Invalid`` for a wrong one."""
        if row.get("type") == "gtin" and row.get("value") is not None:
            row["value"] = gtin.parse(row["value"])


class ProductCategory(KeptModel, Sourced, Base):
    """A product's place in a category."""

    __tablename__ = "product_category"
    __kept__: ClassVar[Kept] = Kept(
        "product", scope="catalogue", root="product_id", collection="categories", match=("category",)
    )
    __table_args__ = (sa.UniqueConstraint("product_id", "category_id"),)

    id: Mapped[Id]
    product_id: Mapped[int] = belongs("product.id")
    category_id: Mapped[int] = written(
        sa.ForeignKey("category.id"), refers="category", name="category", required=True, index=True
    )
    position: Mapped[int] = written(server_default="0")


class ProductCollection(KeptModel, Sourced, Base):
    """A product's place in a collection."""

    __tablename__ = "product_collection"
    __kept__: ClassVar[Kept] = Kept(
        "product", scope="catalogue", root="product_id", collection="collections", match=("collection",)
    )
    __table_args__ = (sa.UniqueConstraint("product_id", "collection_id"),)

    id: Mapped[Id]
    product_id: Mapped[int] = belongs("product.id")
    collection_id: Mapped[int] = written(
        sa.ForeignKey("collection.id"), refers="collection", name="collection", required=True, index=True
    )
    position: Mapped[int] = written(server_default="0")
