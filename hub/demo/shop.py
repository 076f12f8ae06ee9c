"""The demo shop: how large it is, on which day it stands, and the marks by which it knows itself again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime

import sqlalchemy as sa

from hub.aggregate import Aggregate
from hub.demo.wares import KINDS
from hub.errors import InUse, Invalid
from hub.external_id import ExternalId

BEGUN = "demo.begun"
FILLED = "demo.filled"
"""Systems of two external ids of the first channel. The second one is written last."""

LARGEST = 1000


@dataclass(frozen=True)
class Shop:
    """A shop ``scale`` times the usual size, as it stands on ``day``: windows and orders lie around that day."""

    scale: float
    day: date

    @property
    def today(self) -> datetime:
        """The first moment of its day."""
        return datetime(self.day.year, self.day.month, self.day.day, tzinfo=UTC)

    @property
    def products(self) -> int:
        """How many products; one of each kind at least."""
        return max(len(KINDS), round(2_000 * self.scale))

    @property
    def customers(self) -> int:
        """How many customers."""
        return max(10, round(5_000 * self.scale))

    @property
    def orders(self) -> int:
        """How many orders."""
        return max(20, round(20_000 * self.scale))

    @property
    def mark(self) -> str:
        """The shop in one word, as the database keeps it."""
        return f"{self.scale:g}@{self.day.isoformat()}"


def parse(mark: str) -> Shop:
    """The shop of a mark."""
    scale, _, day = mark.partition("@")
    return Shop(float(scale), date.fromisoformat(day))


@dataclass(frozen=True)
class State:
    """What a database holds of the demo. ``shop`` is null for an empty one."""

    shop: Shop | None
    filled: bool


def state(tx: sa.Connection) -> State:
    """Look whether the database is empty or the demo's. Raises ``InUse`` where it is someone else's."""
    found = tx.execute(
        sa.select(ExternalId.system, ExternalId.value).where(
            ExternalId.entity == "channel", ExternalId.system.in_((BEGUN, FILLED))
        )
    )
    marks = dict(found.all())
    if BEGUN in marks:
        return State(parse(marks[BEGUN]), FILLED in marks)
    _refuse_others(tx)
    return State(None, filled=False)


def _refuse_others(tx: sa.Connection) -> None:
    counted = tx.execute(
        sa.select(Aggregate.type, sa.func.count())
        .where(Aggregate.deleted_at.is_(None))
        .group_by(Aggregate.type)
        .order_by(sa.func.count().desc())
    )
    held = ", ".join(f"{count} × {type_.replace('_', ' ')}" for type_, count in counted)
    if held:
        raise InUse(
            f"The database holds data that is not the demo's ({held}): give the demo an empty one,"
            " for example with HUB_VAR=./demo."
        )


def chosen(stands: State, scale: float | None, day: date) -> Shop:
    """The shop to be: the one that stands, else a new one. Raises ``Invalid`` for a scale that does not fit."""
    if scale is not None and not 0 < scale <= LARGEST:
        raise Invalid(f"Scale {scale:g} is out of range: give a number above 0, up to {LARGEST}.", ("scale",))
    if stands.shop is None:
        return Shop(1 if scale is None else float(f"{scale:g}"), day)
    if scale is not None and f"{scale:g}" != f"{stands.shop.scale:g}":
        raise Invalid(
            f"The database holds the demo at scale {stands.shop.scale:g}, not {scale:g}: start it with"
            f" --scale {stands.shop.scale:g}, or give the new one a folder of its own with HUB_VAR.",
            ("scale",),
        )
    return stands.shop
