"""Placing orders: what is ordered is on offer, priced, taxed, and promised from the stock, or nothing is done at all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from hub import aggregate, money, order_stock, order_transition
from hub.channel import Channel
from hub.db import Json
from hub.errors import Conflict, HubError, NotFound, Required
from hub.listing import Listing
from hub.order import Order
from hub.order_line import OrderLine
from hub.product import Variant
from hub.save import Mode, Result, save


def place(tx: sa.Connection, row: Json) -> Result:
    """Make an order with the status placed. Its refusals have their places in ``row``.

    Prices that the row leaves out are looked up; taxes that it leaves out follow from the lines' rates. Nothing is left
    behind when one thing is refused.
    """
    with tx.begin_nested() as all_of_it:
        made = save(tx, "order", [{**row, "status": "draft"}], mode=Mode.CREATE)[0]
        errors: Sequence[HubError] = made.errors
        if made.id is not None and not errors:
            taxed = not row.keys() & {"taxes", "tax_total", "total"}
            errors = _place_draft(tx, made.id, _places(row.get("lines") or ()), taxed=taxed)
        if errors:
            all_of_it.rollback()
            return Result(None, "refused", tuple(errors))
    return made


def transition(tx: sa.Connection, number: int, to: str, if_version: int | None = None) -> Result:
    """Take an order to another status by command. Raises ``Conflict`` or ``Invalid`` for a step that it cannot take."""
    order = tx.execute(
        sa.select(Order.number, Order.status).where(Order.id == number).with_for_update(key_share=True)
    ).one()
    if if_version is None or aggregate.lock(tx, "order", [number]).get(number) == if_version:
        order_transition.check(tx, order.number, order.status, to)
    with tx.begin_nested() as all_of_it:
        if order.status == "draft" and to in ("placed", "confirmed"):
            errors = _place_draft(tx, number, {}, taxed=False)
            if errors:
                all_of_it.rollback()
                return Result(number, "refused", tuple(errors))
        return save(tx, "order", [{"id": number, "status": to}], mode=Mode.UPDATE, if_version=[if_version])[0]


def tax_rows(tx: sa.Connection, number: int) -> list[Json]:
    """The taxes that follow from the rates of an order's lines, as input rows; none where no line has a rate."""
    order = tx.execute(sa.select(Order.currency, Order.tax_included).where(Order.id == number)).one()
    lines = tx.execute(
        sa.select(OrderLine.total, OrderLine.tax_rate).where(
            OrderLine.order_id == number, OrderLine.tax_rate.is_not(None)
        )
    )
    taxes = money.taxes(
        [(line.total, line.tax_rate) for line in lines], order.currency, included=order.tax_included
    )
    return [{"rate": each.rate, "base": each.base, "amount": each.amount} for each in taxes]


def _place_draft(tx: sa.Connection, number: int, places: dict[int, int], *, taxed: bool) -> list[HubError]:
    """Place a draft; what keeps it from it, with ``places`` from a line's position to where it stands in the input."""
    errors = _not_on_offer(tx, number, places)
    if not errors:
        taxes = tax_rows(tx, number) if taxed else []
        row: Json = {"id": number, "status": "placed"} | ({"taxes": taxes} if taxes else {})
        errors = list(save(tx, "order", [row], mode=Mode.UPDATE)[0].errors)
    return errors or [_short(each, places) for each in order_stock.reserve(tx, number)]


def _places(lines: Sequence[Json]) -> dict[int, int]:
    return {line.get("position", place): place for place, line in enumerate(lines)}


def _not_on_offer(tx: sa.Connection, number: int, places: dict[int, int]) -> list[HubError]:
    """The lines whose variants the channel does not offer now, and an order without lines."""
    now = sa.func.now()
    listed = sa.exists().where(
        Listing.product_id == Variant.product_id,
        Listing.channel_id == Order.channel_id,
        sa.or_(Listing.starts_at.is_(None), Listing.starts_at <= now),
        sa.or_(Listing.ends_at.is_(None), Listing.ends_at > now),
    )
    lines = tx.execute(
        sa.select(OrderLine.position, Variant.sku, Channel.code, (Variant.id.is_(None) | listed).label("on"))
        .join(Order, Order.id == OrderLine.order_id)
        .join(Channel, Channel.id == Order.channel_id)
        .outerjoin(Variant, Variant.id == OrderLine.variant_id)
        .where(OrderLine.order_id == number)
        .order_by(OrderLine.position)
    ).all()
    if not lines:
        return [Required("An order needs at least one line to be placed: give lines.", ("lines",))]
    return [_unlisted(line, places) for line in lines if not line.on]


def _unlisted(line: Any, places: dict[int, int]) -> NotFound:
    said = f'Variant "{line.sku}" is not on offer in channel "{line.code}" now'
    return NotFound(
        f"{said}: list its product there, or leave it out.", _path(line.position, places, "variant")
    )


def _short(shortage: order_stock.Short, places: dict[int, int]) -> Conflict:
    said = f'Of "{shortage.sku}" {shortage.available} pieces are available, not {shortage.wanted}'
    return Conflict(f"{said}: order fewer, or wait for more.", _path(shortage.position, places, "quantity"))


def _path(position: int, places: dict[int, int], name: str) -> tuple[str | int, ...]:
    return ("lines", places[position], name) if position in places else ()
