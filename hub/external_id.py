"""External ids: what other systems call the hub's objects."""

from __future__ import annotations

from typing import ClassVar

import sqlalchemy as sa
from sqlalchemy.orm import Mapped

from hub.db import Base, Id, written
from hub.provenance import Sourced
from hub.registry import Kept, KeptModel


class ExternalId(KeptModel, Sourced, Base):
    """The id of an object in another system. One system's id names one object of a noun.

    ``entity`` is a noun or ``variant``; ``aggregate`` is what it belongs to. The database checks that the object
    exists and removes its external ids with it.
    """

    __tablename__ = "external_id"
    __kept__: ClassVar[Kept] = Kept(
        None,
        scope="catalogue",
        root="aggregate_id",
        parent="entity_id",
        collection="external_ids",
        match=("system", "id"),
    )
    __table_args__ = (
        sa.UniqueConstraint("entity", "system", "value"),
        sa.Index("ix_external_id_object", "entity", "entity_id"),
        sa.CheckConstraint("system <> ''", name="system"),
        sa.CheckConstraint("value <> ''", name="value"),
    )

    id: Mapped[Id]
    entity: Mapped[str]
    entity_id: Mapped[int]
    aggregate: Mapped[str]
    aggregate_id: Mapped[int]
    system: Mapped[str] = written(required=True, kind="code")
    value: Mapped[str] = written(required=True, name="id", kind="key")
