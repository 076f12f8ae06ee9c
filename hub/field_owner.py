"""Who owns which field: rules that say which system is right about what, and what becomes of what others write there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.orm import Mapped

from hub import registry
from hub.channel import Channel
from hub.db import Base, Id, written
from hub.draft import shapes
from hub.errors import HubError, Invalid, NotFound
from hub.provenance import Sourced
from hub.registry import Kept, KeptModel, Part

if TYPE_CHECKING:
    from hub.draft import Draft

EVERYTHING = "*"
OTHERS = ("refuse", "propose", "allow")
STATUSES = ("draft", "placed", "confirmed", "partly_fulfilled", "fulfilled", "closed", "cancelled")
"""The statuses of an order, in the order in which it comes to them."""

ALONE = ("status", "email", "billing_address", "shipping_address")
"""What of an order stands alone: its other fields have to add up, so that none can be left out of a write."""


class FieldOwner(KeptModel, Sourced, Base):
    """A rule: one system owns a field of a noun, or with the path ``*`` all of them.

    ``path``: fields as inputs name them, with ``/`` between: ``name``, ``name/de``, ``attributes/colour``,
    ``variants/prices/amount``. It holds of all that lies below. ``channel``: the rule is for what belongs to that channel
    alone. ``from_status``: of orders, the rule holds from this status on. ``others``: what becomes of what another system
    writes: it is refused, recorded as a proposal, or allowed. The longest path decides, then the rule with a channel, then
    the one with the furthest status.
    """

    __tablename__ = "field_owner"
    __kept__: ClassVar[Kept] = Kept("field_owner", scope="settings", key="code", owner="hub")
    __table_args__ = (
        sa.UniqueConstraint("noun", "path", "channel_id", "from_status", postgresql_nulls_not_distinct=True),
        sa.CheckConstraint(f"others IN {OTHERS!r}", name="others"),
        sa.CheckConstraint(f"from_status IN {STATUSES!r}", name="from_status"),
        sa.CheckConstraint("from_status IS NULL OR noun = 'order'", name="of_orders"),
    )

    id: Mapped[Id]
    code: Mapped[str] = written(unique=True, required=True, kind="code")
    noun: Mapped[str] = written(required=True, kind="noun")
    path: Mapped[str] = written(required=True, kind="field_path")
    channel_id: Mapped[int | None] = written(
        sa.ForeignKey("channel.id", ondelete="CASCADE"), refers="channel", name="channel", index=True
    )
    from_status: Mapped[str | None] = written(kind="order_status")
    system: Mapped[str] = written(required=True, kind="code")
    others: Mapped[str] = written(server_default="refuse", kind="ownership")
    note: Mapped[str | None] = written(kind="line")

    @classmethod
    def complete(cls, _: sa.Connection, drafts: Sequence[Draft]) -> None:
        """Refuse a rule about what the hub does not have, and one that cannot be held to."""
        for draft in drafts:
            noun, path = draft.get("noun"), draft.get("path") or EVERYTHING
            if noun is None:
                continue
            try:
                check(noun, path)
            except HubError as wrong:
                draft.refuse(wrong)
            if draft.get("from_status") is not None and noun != "order":
                said = "Only orders have statuses that a rule can begin with: leave fromStatus out."
                draft.refuse(Invalid(said), "from_status")
            if noun == "order" and draft.get("others") == "propose" and path not in ALONE:
                said = f"The fields of an order add up, and only {', '.join(ALONE)} can be proposed"
                draft.refuse(Invalid(f"{said}: name one of them, or refuse what others write."), "others")


@dataclass(frozen=True)
class Rule:
    """A rule as it is held to. ``path``: its fields, none for all of them. ``channel``: its code."""

    id: int
    code: str
    path: tuple[str, ...]
    channel: str | None
    from_status: str | None
    system: str
    others: str

    @property
    def rank(self) -> tuple[int, bool, int]:
        """Of two rules that hold, the one with the higher rank decides."""
        status = -1 if self.from_status is None else STATUSES.index(self.from_status)
        return len(self.path), self.channel is not None, status

    def begun(self, status: str | None) -> bool:
        """Whether it holds of an order with this status; null for what is new, or no order."""
        if self.from_status is None:
            return True
        return status is not None and STATUSES.index(status) >= STATUSES.index(self.from_status)


def rules(tx: sa.Connection, noun: str) -> list[Rule]:
    """The rules of a noun, those that decide before others first."""
    return read(tx.execute(of_noun(noun)).mappings().all())


def of_noun(noun: str) -> sa.Select[Any]:
    """Select the rules of a noun."""
    table = FieldOwner.__table__
    own = [table.c[name] for name in ("id", "code", "path", "from_status", "system", "others")]
    chosen = sa.select(*own, Channel.code.label("channel")).where(table.c.noun == noun)
    return chosen.outerjoin_from(table, Channel, Channel.id == table.c.channel_id)


def read(rows: Sequence[sa.RowMapping]) -> list[Rule]:
    """Rules of rows that ``of_noun`` selects, those that decide before others first."""
    paths = [() if row["path"] == EVERYTHING else tuple(row["path"].split("/")) for row in rows]
    made = [Rule(**{**row, "path": path}) for row, path in zip(rows, paths, strict=True)]
    return sorted(made, key=lambda rule: rule.rank, reverse=True)


def check(noun: str, path: str) -> None:
    """Raises ``NotFound`` for a noun that the hub does not have, ``Invalid`` for a path that leads to no field of it."""
    parts = {part.name: part for part in registry.roots() if not part.kept.own_commands}
    if noun not in parts:
        known = ", ".join(sorted(parts))
        raise NotFound(f'The hub has no noun "{noun}": name one of {known}.', ("noun",))
    if path != EVERYTHING:
        _walk(parts[noun], path.split("/"), path)


def _walk(part: Part, steps: Sequence[str], path: str) -> None:
    shape = shapes()[part.name]
    first, rest = steps[0], steps[1:]
    if first in shape.collections:
        if rest:
            _walk(shape.collections[first], rest, path)
        return
    found = shape.fields.get(first)
    if found is None:
        known = ", ".join(sorted({*shape.fields, *shape.collections}))
        raise Invalid(f'"{path}" leads to no field of {part.name}: it has {known}.', ("path",))
    if rest and found[0].name not in part.kept.deep:
        raise Invalid(f'Nothing lies below "{first}" of {part.name}: leave "{rest[0]}" out.', ("path",))
