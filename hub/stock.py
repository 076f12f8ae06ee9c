"""Stock: how many of a variant lie at a location, how many of them are promised, and how many more are expected."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from hub import aggregate, stock_document
from hub.db import Base, Id, Json, belongs, written
from hub.errors import Conflict
from hub.field import Condition
from hub.provenance import Sourced
from hub.registry import Kept, KeptModel

if TYPE_CHECKING:
    from hub.draft import Draft


class Stock(KeptModel, Sourced, Base):
    """The level of one variant at one location, in pieces. Available is on hand less reserved less safety.

    ``on_hand`` is the sum of its movements at all times, ``reserved`` the sum of its reservations, ``incoming`` that of
    its deliveries: the database keeps them equal, whoever writes (``hub.stock_rules``). Whoever states ``on_hand``
    writes a movement for the difference; whoever states ``reserved`` states what was promised outside the hub.
    """

    __tablename__ = "stock"
    __kept__: ClassVar[Kept] = Kept(
        "stock",
        scope="stock",
        match=("variant", "location"),
        owner="erp",
        derived=("incoming", "incoming_at"),
    )
    __together__: ClassVar[dict[str, tuple[str, ...]]] = {"on_hand": ("document",)}
    __conditions__: ClassVar[dict[str, Condition]] = {
        "if_on_hand": Condition(
            "whole", "Refuse with CONFLICT unless so many lie there now; 0 for a new level."
        ),
        "if_version": Condition("count", "Refuse with CONFLICT unless the level is at this version."),
    }
    __table_args__ = (
        sa.UniqueConstraint("variant_id", "location_id"),
        sa.CheckConstraint("reserved >= 0", name="reserved"),
        sa.CheckConstraint("safety >= 0", name="safety"),
        sa.CheckConstraint("reorder_point >= 0 AND reorder_quantity > 0", name="reorder"),
        sa.CheckConstraint("jsonb_typeof(document) = 'object'", name="document"),
    )

    id: Mapped[Id]
    variant_id: Mapped[int] = written(
        sa.ForeignKey("variant.id", ondelete="CASCADE"), refers="variant", name="variant", required=True
    )
    location_id: Mapped[int] = written(
        sa.ForeignKey("location.id"), refers="location", name="location", required=True, index=True
    )
    on_hand: Mapped[int] = written(server_default="0", kind="whole")
    reserved: Mapped[int] = written(server_default="0", kind="count")
    safety: Mapped[int] = written(server_default="0", kind="count")
    backorder: Mapped[bool] = written(server_default="false")
    reorder_point: Mapped[int | None] = written(kind="count")
    reorder_quantity: Mapped[int | None] = written(kind="count")
    document: Mapped[Json | None] = written(kind="document")
    incoming: Mapped[int] = mapped_column(server_default="0")
    incoming_at: Mapped[datetime | None] = mapped_column(sa.DateTime(timezone=True))

    @classmethod
    def complete(cls, tx: sa.Connection, drafts: Sequence[Draft]) -> None:
        """Compare with what was expected, and leave out what a document said already."""
        _check_versions(tx, [draft for draft in drafts if "if_version" in draft.conditions])
        for draft in drafts:
            _check_on_hand(draft)
        stock_document.drop_repeated(tx, [draft for draft in drafts if draft.values.get("document")])


def _check_on_hand(draft: Draft) -> None:
    expected = draft.conditions.get("if_on_hand")
    current = 0 if draft.current is None else draft.current["on_hand"]
    if expected is not None and expected != current:
        said = f"There are {current} on hand, not {expected}: read the level again and retry."
        draft.refuse(Conflict(said), "if_on_hand")


def _check_versions(tx: sa.Connection, drafts: Sequence[Draft]) -> None:
    known = [draft.id for draft in drafts if draft.current is not None and draft.id is not None]
    versions = aggregate.lock(tx, "stock", known) if known else {}
    for draft in drafts:
        current = versions.get(draft.id or 0, 0)
        if current != draft.conditions["if_version"]:
            said = f"The level is at version {current}, not {draft.conditions['if_version']}: read it again and retry."
            draft.refuse(Conflict(said, version=current), "if_version")


class StockIncoming(KeptModel, Sourced, Base):
    """A delivery that a level expects: what is still open of it. It goes when it has been received in full."""

    __tablename__ = "stock_incoming"
    __kept__: ClassVar[Kept] = Kept(
        "stock",
        scope="stock",
        root="stock_id",
        collection="deliveries",
        match=("reference",),
        whole=False,
        owner="erp",
    )
    __table_args__ = (
        sa.UniqueConstraint("stock_id", "reference"),
        sa.CheckConstraint("quantity > 0", name="quantity"),
        sa.CheckConstraint("reference <> ''", name="reference"),
    )

    id: Mapped[Id]
    stock_id: Mapped[int] = belongs("stock.id")
    reference: Mapped[str] = written(required=True, kind="key")
    quantity: Mapped[int] = written(required=True, kind="count")
    expected_at: Mapped[datetime | None] = written(sa.DateTime(timezone=True), kind="moment")
