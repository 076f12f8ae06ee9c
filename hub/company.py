"""Companies: the businesses that customers buy for."""

from __future__ import annotations

from typing import ClassVar

import sqlalchemy as sa
from sqlalchemy.orm import Mapped

from hub.db import Base, Id, written
from hub.provenance import Sourced
from hub.registry import Kept, KeptModel


class Company(KeptModel, Sourced, Base):
    """A business with prices of its own. The database refuses a cycle of parents."""

    __tablename__ = "company"
    __kept__: ClassVar[Kept] = Kept("company", scope="customers", key="code", owner="erp")
    __table_args__ = (
        sa.CheckConstraint("code <> ''", name="code"),
        sa.CheckConstraint("parent_id <> id", name="parent"),
    )

    id: Mapped[Id]
    code: Mapped[str] = written(unique=True, required=True, kind="code")
    name: Mapped[str] = written(required=True, kind="line")
    parent_id: Mapped[int | None] = written(
        sa.ForeignKey("company.id"), refers="company", name="parent", index=True
    )
