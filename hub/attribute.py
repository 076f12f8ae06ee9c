"""Attributes: what can be said of a product, defined as data and typed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

import sqlalchemy as sa
from sqlalchemy.orm import Mapped

from hub.attribute_value import check_rules
from hub.db import Base, Id, Json, belongs, written
from hub.errors import HubError
from hub.provenance import Sourced
from hub.registry import Kept, KeptModel

if TYPE_CHECKING:
    from hub.draft import Draft

TYPES = (
    "text",
    "rich_text",
    "integer",
    "decimal",
    "boolean",
    "date",
    "datetime",
    "choice",
    "choices",
    "measurement",
    "money",
    "reference",
    "table",
)


class Attribute(KeptModel, Sourced, Base):
    """A typed property that products or variants may carry.

    ``rules`` holds what a value must keep, by type: ``min max`` for numbers and dates, ``max_length pattern`` for
    texts, ``to`` (product or asset) for references, ``columns`` (code → type) for tables.
    Code, type, ``localizable`` and ``per_channel`` are fixed once made: the stored values have their shape.
    """

    __tablename__ = "attribute"
    __kept__: ClassVar[Kept] = Kept("attribute", scope="catalogue", key="code", deep=("name", "rules"))
    __table_args__ = (
        sa.CheckConstraint("code ~ '^[A-Za-z0-9][A-Za-z0-9_.-]*$'", name="code"),
        sa.CheckConstraint(f"type IN {TYPES!r}", name="type"),
        sa.CheckConstraint("(type = 'measurement') = (unit_family IS NOT NULL)", name="unit_family"),
    )

    id: Mapped[Id]
    code: Mapped[str] = written(unique=True, required=True, kind="attribute_code")
    type: Mapped[str] = written(required=True, kind="attribute_type")
    name: Mapped[Json] = written(server_default="{}", kind="texts")
    localizable: Mapped[bool] = written(server_default="false")
    per_channel: Mapped[bool] = written(server_default="false")
    unit_family: Mapped[str | None] = written(kind="unit_family")
    unit: Mapped[str | None] = written(kind="unit")
    rules: Mapped[Json] = written(server_default="{}", kind="rules")
    searchable: Mapped[bool] = written(server_default="false")
    filterable: Mapped[bool] = written(server_default="false")
    facet: Mapped[bool] = written(server_default="false")

    @classmethod
    def complete(cls, _: sa.Connection, drafts: Sequence[Draft]) -> None:
        """Refuse rules that no value of the type could be held against: every write of a value would fail by them."""
        for draft in drafts:
            try:
                check_rules(draft.values.get("rules", {}), draft.get("type"))
            except HubError as wrong:
                draft.refuse(wrong, "rules")


class AttributeOption(KeptModel, Sourced, Base):
    """One choice of an attribute of type ``choice`` or ``choices``. Its code is text: leading zeros survive."""

    __tablename__ = "attribute_option"
    __kept__: ClassVar[Kept] = Kept(
        "attribute",
        scope="catalogue",
        root="attribute_id",
        collection="options",
        match=("code",),
        whole=False,
        deep=("name",),
    )
    __table_args__ = (sa.UniqueConstraint("attribute_id", "code"),)

    id: Mapped[Id]
    attribute_id: Mapped[int] = belongs("attribute.id")
    code: Mapped[str] = written(required=True, kind="option_code")
    name: Mapped[Json] = written(server_default="{}", kind="texts")
    position: Mapped[int] = written(server_default="0")
