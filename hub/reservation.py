"""Reservations: pieces that are promised to somebody, and held until they are shipped, released or run out.

The database keeps ``stock.reserved`` equal to their sum, and refuses a promise that cannot be kept
(``hub.stock_rules``). Here is how promises are spread over the locations of a channel, and what becomes of them. All of
it locks the levels first, in the order of their ids, and then their reservations.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from hub import availability
from hub.db import Base, Id, Json, belongs
from hub.errors import Invalid
from hub.product import Variant
from hub.provenance import Sourced
from hub.registry import Kept, KeptModel
from hub.stock import Stock
from hub.stock_movement import Movement, write

HOLDERS = ("order_line_id", "cart_line_id", "holder")
EXPIRED_AT_ONCE = 500


class Reservation(KeptModel, Sourced, Base):
    """Pieces of a level that are promised: to a line of an order or a cart, or to a holder outside of both.

    The row is there while the promise is open. ``expires_at`` null: it holds until it is released or shipped.
    """

    __tablename__ = "reservation"
    __kept__: ClassVar[Kept] = Kept(
        "stock",
        scope="stock",
        root="stock_id",
        collection="reservations",
        match=HOLDERS,
        owner="shop",
    )
    __table_args__ = (
        sa.CheckConstraint("quantity > 0", name="quantity"),
        sa.CheckConstraint(f"num_nonnulls({', '.join(HOLDERS)}) = 1", name="holder"),
        *(sa.UniqueConstraint(name, "stock_id") for name in HOLDERS),
    )

    id: Mapped[Id]
    stock_id: Mapped[int] = belongs("stock.id")
    quantity: Mapped[int]
    order_line_id: Mapped[int | None] = mapped_column(
        sa.BigInteger, sa.ForeignKey("order_line.id", ondelete="CASCADE")
    )
    cart_line_id: Mapped[int | None]
    holder: Mapped[str | None]
    expires_at: Mapped[datetime | None] = mapped_column(sa.DateTime(timezone=True), index=True)


RESERVATION = Reservation.metadata.tables[Reservation.__tablename__]
STOCK = Stock.metadata.tables[Stock.__tablename__]


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Pieces to promise. The locations of ``channel_id`` serve it (null: all), or only ``location_id``.

    Exactly one of ``order_line_id``, ``cart_line_id`` and ``holder`` says to whom. What the same one holds already is
    added to. ``expires_at`` null: for good.
    """

    variant_id: int
    quantity: int
    channel_id: int | None = None
    location_id: int | None = None
    order_line_id: int | None = None
    cart_line_id: int | None = None
    holder: str | None = None
    expires_at: datetime | None = None

    @property
    def held_by(self) -> tuple[str, int | str]:
        """The column that says to whom, and its value."""
        given = [(name, getattr(self, name)) for name in HOLDERS if getattr(self, name) is not None]
        if len(given) != 1:
            raise Invalid("A reservation is held by one: an order line, a cart line, or another holder.")
        return given[0]


@dataclass(frozen=True)
class Shortage:
    """What could not be promised: the place in the list of what was wanted, and how many there are instead."""

    place: int
    variant_id: int
    sku: str
    wanted: int
    available: int

    @property
    def message(self) -> str:
        """It in a sentence."""
        return f'Of "{self.sku}" {self.available} can be promised, not {self.wanted}: ask for fewer, or wait for more.'


@dataclass(frozen=True, kw_only=True)
class Shipment:
    """Pieces that left a location for an order line. ``document``: as in ``hub.stock_movement``."""

    order_line_id: int
    variant_id: int
    location_id: int
    quantity: int
    document: Json | None = None


@dataclass
class _Level:
    """A level while promises are spread over it."""

    id: int
    location_id: int
    free: int
    backorder: bool
    places: Mapping[int, int] = field(default_factory=dict)


def reserve(tx: sa.Connection, wanted: Sequence[Wanted], *, partly: bool = False) -> list[Shortage]:
    """Promise pieces, from the locations of each channel in their order; a backorder level takes the rest.

    Gives what falls short. Then nothing is promised at all; with ``partly`` whatever can be.
    """
    levels = _locked_levels(tx, wanted)
    promises: dict[tuple[int, str, int | str], int] = defaultdict(int)
    ends: dict[tuple[str, int | str], datetime | None] = {}
    short: list[tuple[int, int]] = []
    for place, each in enumerate(wanted):
        taken, missing = _spread(each, levels[each.variant_id])
        for number, quantity in taken:
            promises[(number, *each.held_by)] += quantity
        ends[each.held_by] = each.expires_at
        if missing:
            short.append((place, each.quantity - missing))
    if promises and (partly or not short):
        _promise(tx, promises, ends)
    return _shortages(tx, wanted, short)


def levels_of(variant_id: int) -> sa.Select[Any]:
    """The ids of a variant's levels."""
    return sa.select(STOCK.c.id).where(STOCK.c.variant_id == variant_id)


def _locked_levels(tx: sa.Connection, wanted: Sequence[Wanted]) -> dict[int, list[_Level]]:
    """The levels of the variants, locked, with what ran out of time taken back."""
    variants = sorted({each.variant_id for each in wanted})
    numbers = locked(tx, sa.select(STOCK.c.id).where(STOCK.c.variant_id == sa.any_(_array(variants))))
    if numbers:
        _delete_expired(tx, numbers)
    channels = {each.channel_id for each in wanted if each.channel_id is not None}
    places = availability.places(tx, channels)
    found: dict[int, list[_Level]] = defaultdict(list)
    statement = sa.select(
        STOCK.c.id, STOCK.c.variant_id, STOCK.c.location_id, STOCK.c.backorder, availability.free(STOCK.c)
    ).where(STOCK.c.id == sa.any_(_array(numbers)))
    for number, variant_id, location_id, backorder, free in tx.execute(statement.order_by(STOCK.c.id)):
        own = {channel: order[location_id] for channel, order in places.items() if location_id in order}
        found[variant_id].append(_Level(number, location_id, free, backorder, own))
    unnamed = dict.fromkeys(channels - places.keys(), 0)
    for level in (level for levels in found.values() for level in levels):
        level.places = {**level.places, **unnamed}
    return found


def _spread(wanted: Wanted, levels: Sequence[_Level]) -> tuple[list[tuple[int, int]], int]:
    """Which levels give how many, and how many are missing."""
    serving = sorted(
        (each for each in levels if _serves(each, wanted)),
        key=lambda each: (each.places.get(wanted.channel_id or 0, 0), each.location_id),
    )
    taken: list[tuple[int, int]] = []
    missing = wanted.quantity
    for level in serving:
        given = min(missing, max(level.free, 0))
        if given:
            level.free -= given
            missing -= given
            taken.append((level.id, given))
    for level in serving:
        if missing and level.backorder:
            level.free -= missing
            taken.append((level.id, missing))
            missing = 0
    return taken, missing


def _serves(level: _Level, wanted: Wanted) -> bool:
    if wanted.location_id is not None and level.location_id != wanted.location_id:
        return False
    return wanted.channel_id is None or wanted.channel_id in level.places


def _promise(
    tx: sa.Connection,
    promises: Mapping[tuple[int, str, int | str], int],
    ends: Mapping[tuple[str, int | str], datetime | None],
) -> None:
    for column in HOLDERS:
        rows = [
            {"stock_id": number, column: who, "quantity": quantity, "expires_at": ends[(column, who)]}
            for (number, named, who), quantity in sorted(promises.items())
            if named == column
        ]
        if not rows:
            continue
        made = insert(RESERVATION).values(rows)
        added = {
            "quantity": RESERVATION.c.quantity + made.excluded.quantity,
            "expires_at": made.excluded.expires_at,
        }
        tx.execute(made.on_conflict_do_update(index_elements=[column, "stock_id"], set_=added))


def _shortages(
    tx: sa.Connection, wanted: Sequence[Wanted], short: Sequence[tuple[int, int]]
) -> list[Shortage]:
    if not short:
        return []
    named = [wanted[place].variant_id for place, _ in short]
    skus: dict[int, str] = dict(
        tx.execute(sa.select(Variant.id, Variant.sku).where(Variant.id == sa.any_(_array(named)))).all()
    )
    return [
        Shortage(
            place, each.variant_id, skus.get(each.variant_id, str(each.variant_id)), each.quantity, given
        )
        for place, given in short
        for each in (wanted[place],)
    ]


def release(
    tx: sa.Connection,
    *,
    order_line_ids: Iterable[int] = (),
    cart_line_ids: Iterable[int] = (),
    holders: Iterable[str] = (),
    reservation_ids: Iterable[int] = (),
    quantity: int | None = None,
    variant_id: int | None = None,
) -> int:
    """Take promises back: all that the named ones hold, or ``quantity`` of each, the last location first.

    ``variant_id``: only of this variant. Gives how many pieces are free again. What holds nothing is passed over.
    """
    freed = 0
    named = zip((*HOLDERS, "id"), (order_line_ids, cart_line_ids, holders, reservation_ids), strict=True)
    for column, who in named:
        freed += _release(tx, column, list(who), quantity, variant_id)
    return freed


def _release(
    tx: sa.Connection, column: str, who: Sequence[Any], quantity: int | None, variant_id: int | None
) -> int:
    if not who:
        return 0
    held = [each for each in _held(tx, column, who) if variant_id in (None, each["variant_id"])]
    rest = dict.fromkeys(who, quantity)
    left: dict[int, int] = {}
    freed = 0
    for promise in reversed(held):
        open_ = rest[promise[column]]
        given = promise["quantity"] if open_ is None else min(promise["quantity"], open_)
        if given:
            left[promise["id"]] = promise["quantity"] - given
            freed += given
        if open_ is not None:
            rest[promise[column]] = open_ - given
    _lower(tx, left)
    return freed


def _held(tx: sa.Connection, column: str, who: Sequence[Any]) -> list[sa.RowMapping]:
    """The promises of these holders, by level. The levels are locked."""
    mine = RESERVATION.c[column] == sa.any_(sa.cast(list(who), sa.ARRAY(RESERVATION.c[column].type)))
    locked(tx, sa.select(STOCK.c.id).where(STOCK.c.id.in_(sa.select(RESERVATION.c.stock_id).where(mine))))
    statement = (
        sa.select(RESERVATION, STOCK.c.location_id, STOCK.c.variant_id)
        .join(STOCK, STOCK.c.id == RESERVATION.c.stock_id)
        .where(mine)
        .order_by(RESERVATION.c.stock_id, RESERVATION.c.id)
    )
    return list(tx.execute(statement).mappings())


def _lower(tx: sa.Connection, left: Mapping[int, int]) -> None:
    """Set how many pieces reservations still hold; those with none go."""
    gone = [number for number, quantity in left.items() if quantity == 0]
    if gone:
        tx.execute(sa.delete(RESERVATION).where(RESERVATION.c.id == sa.any_(_array(gone))))
    kept = {number: quantity for number, quantity in left.items() if quantity}
    if kept:
        given = (
            sa.func.unnest(_array(kept), _array(kept.values()))
            .table_valued("id", "quantity")
            .render_derived("given")
        )
        tx.execute(
            sa.update(RESERVATION).values(quantity=given.c.quantity).where(RESERVATION.c.id == given.c.id)
        )


def ship(tx: sa.Connection, shipments: Sequence[Shipment]) -> None:
    """Pieces left a location: their movements are written, and the promises that they kept go.

    The promise at the location goes first, then the line's others. That more leaves than was promised, or than lies
    there, is a fact and is taken.
    """
    pairs = {(each.variant_id, each.location_id) for each in shipments}
    levels = _levels_at(tx, sorted(pairs), [each.order_line_id for each in shipments])
    held = _held(tx, "order_line_id", [each.order_line_id for each in shipments])
    left = {promise["id"]: promise["quantity"] for promise in held}
    for each in shipments:
        _keep(each, [promise for promise in held if promise["order_line_id"] == each.order_line_id], left)
    before = {promise["id"]: promise["quantity"] for promise in held}
    _lower(tx, {number: quantity for number, quantity in left.items() if quantity != before[number]})
    write(
        tx,
        [
            Movement(
                levels[each.variant_id, each.location_id],
                -each.quantity,
                "shipped",
                document=each.document,
                order_line_id=each.order_line_id,
            )
            for each in shipments
        ],
    )


def _keep(shipment: Shipment, promises: Sequence[sa.RowMapping], left: dict[int, int]) -> None:
    rest = shipment.quantity
    for promise in sorted(promises, key=lambda each: each["location_id"] != shipment.location_id):
        given = min(rest, left[promise["id"]])
        left[promise["id"]] -= given
        rest -= given


def take_back(tx: sa.Connection, returned: Sequence[Shipment], *, reason: str | None = None) -> None:
    """Pieces of order lines came back to a location and can be sold again: their ``returned`` movements are written."""
    pairs = {(each.variant_id, each.location_id) for each in returned}
    levels = _levels_at(tx, sorted(pairs), [])
    write(
        tx,
        [
            Movement(
                levels[each.variant_id, each.location_id],
                each.quantity,
                "returned",
                document=each.document,
                order_line_id=each.order_line_id,
                reason=reason,
            )
            for each in returned
        ],
    )


def _levels_at(
    tx: sa.Connection, pairs: Sequence[tuple[int, int]], order_line_ids: Sequence[int]
) -> dict[tuple[int, int], int]:
    """The ids of levels by variant and location, made where there are none; locked with those of the lines' promises."""
    if not pairs:
        return {}
    rows = [{"variant_id": variant_id, "location_id": location_id} for variant_id, location_id in pairs]
    tx.execute(insert(STOCK).values(rows).on_conflict_do_nothing())
    promised = sa.select(RESERVATION.c.stock_id).where(
        RESERVATION.c.order_line_id == sa.any_(_array(order_line_ids))
    )
    named = sa.tuple_(STOCK.c.variant_id, STOCK.c.location_id).in_(pairs)
    locked(tx, sa.select(STOCK.c.id).where(sa.or_(named, STOCK.c.id.in_(promised))))
    found = tx.execute(sa.select(STOCK.c.variant_id, STOCK.c.location_id, STOCK.c.id).where(named))
    return {(variant_id, location_id): number for variant_id, location_id, number in found}


def state(tx: sa.Connection, wanted: Wanted) -> list[Shortage]:
    """Make what a holder holds of a variant exactly as many as wanted: said again, it changes nothing.

    Raises ``Invalid`` for fewer than one.
    """
    if wanted.quantity < 1:
        raise Invalid(f"{wanted.quantity} pieces cannot be reserved: give 1 or more.", ("quantity",))
    column, who = wanted.held_by
    levels = _locked_levels(tx, [wanted])
    mine = [each for each in _held(tx, column, [who]) if each["variant_id"] == wanted.variant_id]
    elsewhere = [each for each in mine if not _at(each["stock_id"], levels[wanted.variant_id], wanted)]
    if elsewhere:
        _lower(tx, dict.fromkeys((each["id"] for each in elsewhere), 0))
    held = sum(each["quantity"] for each in mine if each not in elsewhere)
    short: list[Shortage] = []
    if held > wanted.quantity:
        _release(tx, column, [who], held - wanted.quantity, wanted.variant_id)
    elif held < wanted.quantity:
        short = reserve(tx, [replace(wanted, quantity=wanted.quantity - held)])
    kept = sa.and_(
        RESERVATION.c.id.in_([each["id"] for each in mine]),
        RESERVATION.c.expires_at.is_distinct_from(wanted.expires_at),
    )
    tx.execute(sa.update(RESERVATION).values(expires_at=wanted.expires_at).where(kept))
    return [replace(each, wanted=wanted.quantity, available=each.available + held) for each in short]


def _at(stock_id: int, levels: Sequence[_Level], wanted: Wanted) -> bool:
    return any(each.id == stock_id and _serves(each, wanted) for each in levels)


def hand_over(tx: sa.Connection, lines: Mapping[int, int]) -> None:
    """Promises of cart lines become promises for good of order lines. ``lines``: order line by cart line."""
    if not lines:
        return
    _held(tx, "cart_line_id", list(lines))
    given = (
        sa.func.unnest(_array(lines), _array(lines.values()))
        .table_valued("cart_line", "order_line")
        .render_derived("given")
    )
    tx.execute(
        sa.update(RESERVATION)
        .values(order_line_id=given.c.order_line, cart_line_id=None, expires_at=None)
        .where(RESERVATION.c.cart_line_id == given.c.cart_line)
    )


def expire(tx: sa.Connection) -> int:
    """Take back promises whose time is over; gives how many. There may be more."""
    over = RESERVATION.c.expires_at <= sa.func.now()
    levels = tx.scalars(
        sa.select(RESERVATION.c.stock_id)
        .where(over)
        .group_by(RESERVATION.c.stock_id)
        .order_by(RESERVATION.c.stock_id)
        .limit(EXPIRED_AT_ONCE)
    ).all()
    return _delete_expired(tx, locked(tx, sa.select(STOCK.c.id).where(STOCK.c.id == sa.any_(_array(levels)))))


def _delete_expired(tx: sa.Connection, levels: Sequence[int]) -> int:
    if not levels:
        return 0
    gone = sa.delete(RESERVATION).where(
        RESERVATION.c.stock_id == sa.any_(_array(levels)), RESERVATION.c.expires_at <= sa.func.now()
    )
    return tx.execute(gone).rowcount


def locked(tx: sa.Connection, levels: sa.Select[Any]) -> list[int]:
    """Lock levels until the transaction ends; gives their ids."""
    return list(tx.scalars(levels.order_by(STOCK.c.id).with_for_update(key_share=True, of=STOCK)))


def _array(numbers: Iterable[int]) -> sa.Cast[Any]:
    return sa.cast(list(numbers), sa.ARRAY(sa.BigInteger))
