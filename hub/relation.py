"""Product relations: accessory, replacement, up-sell and any other kind, as data."""

from __future__ import annotations

from typing import ClassVar

import sqlalchemy as sa
from sqlalchemy.orm import Mapped

from hub.db import Base, Id, Json, belongs, written
from hub.provenance import Sourced
from hub.registry import Kept, KeptModel


class RelationType(KeptModel, Sourced, Base):
    """A kind of relation. A two-way kind is read from both of its products."""

    __tablename__ = "relation_type"
    __kept__: ClassVar[Kept] = Kept("relation_type", scope="catalogue", key="code", deep=("name",))
    __table_args__ = (sa.CheckConstraint("code <> ''", name="code"),)

    id: Mapped[Id]
    code: Mapped[str] = written(unique=True, required=True, kind="code")
    name: Mapped[Json] = written(server_default="{}", kind="texts")
    two_way: Mapped[bool] = written(server_default="false")


class ProductRelation(KeptModel, Sourced, Base):
    """A product that belongs with another one."""

    __tablename__ = "product_relation"
    __kept__: ClassVar[Kept] = Kept(
        "product", scope="catalogue", root="product_id", collection="relations", match=("type", "product")
    )
    __table_args__ = (
        sa.UniqueConstraint("product_id", "relation_type_id", "related_id"),
        sa.CheckConstraint("product_id <> related_id", name="self"),
    )

    id: Mapped[Id]
    product_id: Mapped[int] = belongs("product.id")
    relation_type_id: Mapped[int] = written(
        sa.ForeignKey("relation_type.id"), refers="relation_type", name="type", required=True, index=True
    )
    related_id: Mapped[int] = written(
        sa.ForeignKey("product.id", ondelete="CASCADE"),
        refers="product",
        name="product",
        required=True,
        index=True,
    )
    position: Mapped[int] = written(server_default="0")
