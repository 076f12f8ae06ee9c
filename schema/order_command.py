"""Mutations of orders: placing them, taking them to another status, and what is noted of them afterwards."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from strawberry.types import Info
from strawberry.types.field import StrawberryField

from hub import aggregate, order_edit, order_note, order_place, registry, save
from hub.db import Json
from hub.errors import HubError, Invalid, NotFound, Path
from hub.order import Order
from hub.save import Mode, Result
from hub.viewer import Viewer
from schema import input as inputs
from schema import payload, reach
from schema.command import Request, answered, carry_out
from schema.input import Given
from schema.mutation import IdempotencyKey, IfVersion, described, field, reading
from schema.order import OrderStatus
from schema.shortcut import find, reference_to

Work = Callable[[sa.Connection, int], Result]
"""What is done to the order of that id. Raises ``HubError`` with a path into the arguments."""

PART_OF_EDIT = ("lines", "discounts", "taxes", "shipping_total", "tax_total")
"""What of an order's input an edit can change."""


def fields() -> list[StrawberryField]:
    """These mutations."""
    return [
        _order_place(),
        _order_transition(),
        _part("fulfilment_create", "fulfilment", f"Note what was sent of an order. {ONCE}"),
        _part(
            "fulfilment_update",
            "fulfilment",
            "Change what is told of a fulfilment: tracking, status.",
            _there,
        ),
        _part("return_create", "order_return", f"Note what came back of an order. {ONCE}"),
        _part("refund_create", "refund", f"Note what was paid back of an order. {ONCE}"),
        _note_add(),
        _edit_stage(),
        _edit_end("apply", order_edit.apply, "Apply the staged edit of an order."),
        _edit_end("discard", order_edit.discard, "Discard the staged edit of an order."),
    ]


def _order_place() -> StrawberryField:
    part = registry.part("order")

    async def order_place_(
        info: Info,
        input: Given,  # noqa: A002 - the argument's name in the API
        idempotency_key: str | None = None,
        channel: str | None = None,
        locale: str | None = None,
    ) -> Any:
        viewer: Viewer = info.context.viewer
        viewer.require(part.kept.scope, "write")
        request = Request("order_place", input.raw, idempotency_key)
        row, errors = input.row()
        beyond: list[HubError] = list(errors)

        def command(tx: sa.Connection) -> Json:
            refused = [*beyond, *(each for each in reach.check(tx, viewer, part, [row]) if each)]
            if refused:
                return answered([Result(None, "refused", tuple(refused))])
            return answered([order_place.place(tx, {"placed_at": datetime.now(UTC), **row})])

        return payload.one(part, await carry_out(info.context, request, command), (channel, locale), "input")

    return field(
        "order_place",
        order_place_,
        "Place an order: all its variants are on offer in its channel, and their pieces are promised to it. Prices that the"
        " input leaves out are those of the moment; taxes follow from the lines' rates. From then on it is fixed.",
        payload.single(part),
        **reading(input=described(inputs.of(part), "The order."), idempotency_key=IdempotencyKey),
    )


def _order_transition() -> StrawberryField:
    async def order_transition(
        info: Info,
        order: Json,
        to: OrderStatus,
        if_version: int | None = None,
        idempotency_key: str | None = None,
        channel: str | None = None,
        locale: str | None = None,
    ) -> Any:
        request = Request("order_transition", [order, to.value, if_version], idempotency_key)

        def work(tx: sa.Connection, number: int) -> Result:
            return order_place.transition(tx, number, to.value, if_version)

        return await change(info, request, order, work, (channel, locale))

    return field(
        "order_transition",
        order_transition,
        "Take an order to another status: place a draft, confirm, cancel, close. A cancelled or closed order holds no stock.",
        payload.single(registry.part("order")),
        **reading(
            order=reference_to("The order; its key is its number."),
            to=described(OrderStatus, "The status that it is to have."),
            if_version=IfVersion,
            idempotency_key=IdempotencyKey,
        ),
    )


ONCE = "The same number with the same content again changes nothing; with other content it is refused."


def _part(
    name: str,
    noun: str,
    description: str,
    check: Callable[[sa.Connection, registry.Part, int, Json], None] | None = None,
) -> StrawberryField:
    part = registry.part(noun)
    collection = str(part.kept.collection)

    async def write_part(
        info: Info,
        order: Json,
        input: Given,  # noqa: A002 - the argument's name in the API
        if_version: int | None = None,
        idempotency_key: str | None = None,
        channel: str | None = None,
        locale: str | None = None,
    ) -> Any:
        request = Request(name, [order, input.raw, if_version], idempotency_key)

        def work(tx: sa.Connection, number: int) -> Result:
            row, errors = input.row()
            if errors:
                return _under(Result(None, "refused", tuple(errors)), ())
            if check is not None:
                check(tx, part, number, row)
            written = save.save(
                tx, "order", [{"id": number, collection: [row]}], mode=Mode.UPDATE, if_version=[if_version]
            )[0]
            return _under(written, (collection, 0))

        return await change(info, request, order, work, (channel, locale))

    return field(
        name,
        write_part,
        description,
        payload.single(registry.part("order")),
        **reading(
            order=reference_to("The order; its key is its number."),
            input=described(inputs.of(part), f"The {noun.removeprefix('order_')}."),
            if_version=IfVersion,
            idempotency_key=IdempotencyKey,
        ),
    )


def _there(tx: sa.Connection, part: registry.Part, number: int, row: Json) -> None:
    """Raises ``NotFound`` for a number that the order does not have."""
    table = part.table
    own = sa.select(table.c.id).where(table.c.order_id == number, table.c.number == row.get("number"))
    if "id" not in row and tx.scalar(own) is None:
        said = f'The order has no {part.name} "{row.get("number")}"'
        raise NotFound(f"{said}: name one that it has, or make it.", ("input", "number"))


def _note_add() -> StrawberryField:
    async def order_note_add(
        info: Info,
        order: Json,
        text: str,
        public: bool = False,
        idempotency_key: str | None = None,
        channel: str | None = None,
        locale: str | None = None,
    ) -> Any:
        request = Request("order_note_add", [order, text, public], idempotency_key)

        def work(tx: sa.Connection, number: int) -> Result:
            order_note.add(tx, number, text, public=public)
            return Result(number, "updated")

        return await change(info, request, order, work, (channel, locale))

    return field(
        "order_note_add",
        order_note_add,
        "Add a note to an order.",
        payload.single(registry.part("order")),
        **reading(
            order=reference_to("The order; its key is its number."),
            text=described(str, f"The note, up to {order_note.LONGEST} characters."),
            public=described(bool, "Whether the customer sees it."),
            idempotency_key=IdempotencyKey,
        ),
    )


def _edit_stage() -> StrawberryField:
    part = registry.part("order")

    async def order_edit_stage(
        info: Info,
        order: Json,
        input: Given,  # noqa: A002 - the argument's name in the API
        reason: str | None = None,
        if_version: int | None = None,
        idempotency_key: str | None = None,
        channel: str | None = None,
        locale: str | None = None,
    ) -> Any:
        request = Request("order_edit_stage", [order, input.raw, reason, if_version], idempotency_key)

        def work(tx: sa.Connection, number: int) -> Result:
            row, errors = input.row()
            errors += [_not_edited(name) for name in row if name not in PART_OF_EDIT]
            if errors:
                return _under(Result(None, "refused", tuple(errors)), ())
            _expect(tx, number, if_version)
            return _under(order_edit.stage(tx, number, row, reason), ())

        return await change(info, request, order, work, (channel, locale))

    return field(
        "order_edit_stage",
        order_edit_stage,
        "Stage a change of a placed order, in place of the one that is staged: order.edits shows what it will do. Lines with"
        " a position change the line there, with quantity 0 take it away; lines without one are new.",
        payload.single(part),
        **reading(
            order=reference_to("The order; its key is its number."),
            input=described(
                inputs.of(part), f"What changes: {', '.join(PART_OF_EDIT[:3])}, shippingTotal, taxTotal."
            ),
            reason=described(str | None, "Why."),
            if_version=IfVersion,
            idempotency_key=IdempotencyKey,
        ),
    )


def _edit_end(verb: str, end: Work, description: str) -> StrawberryField:
    async def order_edit_end(
        info: Info,
        order: Json,
        if_version: int | None = None,
        idempotency_key: str | None = None,
        channel: str | None = None,
        locale: str | None = None,
    ) -> Any:
        request = Request(f"order_edit_{verb}", [order, if_version], idempotency_key)

        def work(tx: sa.Connection, number: int) -> Result:
            _expect(tx, number, if_version)
            return end(tx, number)

        return await change(info, request, order, work, (channel, locale))

    return field(
        f"order_edit_{verb}",
        order_edit_end,
        description,
        payload.single(registry.part("order")),
        **reading(
            order=reference_to("The order; its key is its number."),
            if_version=IfVersion,
            idempotency_key=IdempotencyKey,
        ),
    )


async def change(info: Info, request: Request, order: Json, work: Work, read_in: payload.ReadIn) -> Any:
    """Do something to an order within the token's reach. Raises ``Forbidden`` for a token without the scope."""
    viewer, part = info.context.viewer, registry.part("order")
    viewer.require(part.kept.scope, "write")

    def command(tx: sa.Connection) -> Json:
        number = find(tx, "order", order)
        for beyond in reach.check(tx, viewer, part, [{"id": number}]):
            if beyond is not None:
                raise beyond.under("order")
        tx.execute(sa.select(Order.id).where(Order.id == number).with_for_update(key_share=True))
        return answered([work(tx, number)])

    return payload.one(part, await carry_out(info.context, request, command), read_in)


def _expect(tx: sa.Connection, number: int, if_version: int | None) -> None:
    """Raises ``Conflict`` where the order is at another version than expected."""
    if if_version is not None:
        current = aggregate.lock(tx, "order", [number]).get(number, 0)
        if current != if_version:
            label = tx.scalar(sa.select(Order.number).where(Order.id == number))
            raise save.stale(registry.part("order"), {"id": number, "number": label}, if_version, current)


def _under(result: Result, place: Path) -> Result:
    """The result with its refusals' paths as the argument ``input`` has them."""
    for error in result.errors:
        if getattr(error, "version", None) is None and error.path[: len(place)] in (place, ()):
            error.path = ("input", *error.path[len(place) :])
    return result


def _not_edited(name: str) -> HubError:
    return Invalid(f"An edit changes no {name}: it changes {', '.join(PART_OF_EDIT)}.", (name,))
