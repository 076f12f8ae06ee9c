"""Product types: which attributes a kind of product has, and which of them tell its variants apart."""

from __future__ import annotations

from typing import ClassVar

import sqlalchemy as sa
from sqlalchemy.orm import Mapped

from hub.db import Base, Id, Json, belongs, written
from hub.provenance import Sourced
from hub.registry import Kept, KeptModel


class ProductType(KeptModel, Sourced, Base):
    """A kind of product. A closed type refuses attributes that it does not list."""

    __tablename__ = "product_type"
    __kept__: ClassVar[Kept] = Kept("product_type", scope="catalogue", key="code", deep=("name",))
    __table_args__ = (sa.CheckConstraint("code <> ''", name="code"),)

    id: Mapped[Id]
    code: Mapped[str] = written(unique=True, required=True, kind="code")
    name: Mapped[Json] = written(server_default="{}", kind="texts")
    closed: Mapped[bool] = written(server_default="false")


class ProductTypeAttribute(KeptModel, Sourced, Base):
    """An attribute of a product type. An axis is an attribute whose value tells the type's variants apart."""

    __tablename__ = "product_type_attribute"
    __kept__: ClassVar[Kept] = Kept(
        "product_type",
        scope="catalogue",
        root="product_type_id",
        collection="attributes",
        match=("attribute",),
    )
    __table_args__ = (sa.UniqueConstraint("product_type_id", "attribute_id"),)

    id: Mapped[Id]
    product_type_id: Mapped[int] = belongs("product_type.id")
    attribute_id: Mapped[int] = written(
        sa.ForeignKey("attribute.id"), refers="attribute", name="attribute", required=True, index=True
    )
    axis: Mapped[bool] = written(server_default="false")
    position: Mapped[int] = written(server_default="0")


class Requirement(KeptModel, Sourced, Base):
    """An attribute that a product of this type must have before it is ready for a channel."""

    __tablename__ = "requirement"
    __kept__: ClassVar[Kept] = Kept(
        "product_type",
        scope="catalogue",
        root="product_type_id",
        collection="requirements",
        match=("attribute", "channel"),
    )
    __table_args__ = (
        sa.UniqueConstraint(
            "product_type_id", "attribute_id", "channel_id", postgresql_nulls_not_distinct=True
        ),
    )

    id: Mapped[Id]
    product_type_id: Mapped[int] = belongs("product_type.id")
    attribute_id: Mapped[int] = written(
        sa.ForeignKey("attribute.id"), refers="attribute", name="attribute", required=True, index=True
    )
    channel_id: Mapped[int | None] = written(
        sa.ForeignKey("channel.id", ondelete="CASCADE"), refers="channel", name="channel", index=True
    )
