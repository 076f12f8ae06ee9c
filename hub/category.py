"""Categories: the tree that staff sort products into."""

from __future__ import annotations

from typing import ClassVar

import sqlalchemy as sa
from sqlalchemy.orm import Mapped

from hub.db import Base, Id, Json, written
from hub.provenance import Sourced
from hub.registry import Kept, KeptModel


class Category(KeptModel, Sourced, Base):
    """A node of the category tree. The database refuses a cycle of parents."""

    __tablename__ = "category"
    __kept__: ClassVar[Kept] = Kept("category", scope="catalogue", key="code", deep=("name", "description"))
    __table_args__ = (
        sa.CheckConstraint("code <> ''", name="code"),
        sa.CheckConstraint("parent_id <> id", name="parent"),
    )

    id: Mapped[Id]
    code: Mapped[str] = written(unique=True, required=True, kind="code")
    slug: Mapped[str | None] = written(unique=True, kind="slug")
    parent_id: Mapped[int | None] = written(
        sa.ForeignKey("category.id"), refers="category", name="parent", index=True
    )
    position: Mapped[int] = written(server_default="0")
    name: Mapped[Json] = written(server_default="{}", kind="texts")
    description: Mapped[Json] = written(server_default="{}", kind="texts")
