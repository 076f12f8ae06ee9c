"""Collections: products put together by hand, for a page or a campaign."""

from __future__ import annotations

from typing import ClassVar

import sqlalchemy as sa
from sqlalchemy.orm import Mapped

from hub.db import Base, Id, Json, written
from hub.provenance import Sourced
from hub.registry import Kept, KeptModel


class Collection(KeptModel, Sourced, Base):
    """A named set of products; their order is kept with the product's membership."""

    __tablename__ = "collection"
    __kept__: ClassVar[Kept] = Kept("collection", scope="catalogue", key="code", deep=("name", "description"))
    __table_args__ = (sa.CheckConstraint("code <> ''", name="code"),)

    id: Mapped[Id]
    code: Mapped[str] = written(unique=True, required=True, kind="code")
    slug: Mapped[str | None] = written(unique=True, kind="slug")
    name: Mapped[Json] = written(server_default="{}", kind="texts")
    description: Mapped[Json] = written(server_default="{}", kind="texts")
