"""Mutations of orders: placing them, taking them to another status, and what is noted of them afterwards."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from strawberry.types import Info
from strawberry.types.field import StrawberryField

from hub import aggregate, order_command, order_edit, order_note, order_place, pending_message, registry, save
from hub.db import Json
from hub.errors import HubError, Invalid, Path
from hub.order import Order
from hub.reference import Directory, way
from hub.save import Result
from hub.viewer import Viewer
from schema import input as inputs
from schema import payload, reach
from schema.command import Request, answered, carry_out
from schema.input import Given
from schema.mutation import IdempotencyKey, IfVersion, described, field, reading
from schema.order import OrderStatus
from schema.pending_message import MessageArgument, MessageInput, told
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
        _part("fulfilment_update", "fulfilment", "Change what is told of a fulfilment: tracking, status."),
        _part("return_create", "return", f"Note what came back of an order. {ONCE}"),
        _part("refund_create", "refund", f"Note what was paid back of an order. {ONCE}"),
        _part("order_payment_upsert", "payment", "Note a payment of an order, or what became of it."),
        _part(
            "order_external_id_upsert",
            "external id",
            "Note what another system calls an order, such as the number that an ERP gave it.",
        ),
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
        message: MessageInput | None = None,
        idempotency_key: str | None = None,
        channel: str | None = None,
        locale: str | None = None,
    ) -> Any:
        request = Request("order_transition", [order, to.value, if_version, told(message)], idempotency_key)
        given = {"to": to.value, "if_version": if_version}
        return await tell(info, request, order, message, given, (channel, locale))

    return field(
        "order_transition",
        order_transition,
        "Take an order to another status: place a draft, confirm, cancel, close. A cancelled or closed order holds no stock.",
        payload.single(registry.part("order")),
        **reading(
            order=reference_to("The order; its key is its number."),
            to=described(OrderStatus, "The status that it is to have."),
            if_version=IfVersion,
            message=MessageArgument,
            idempotency_key=IdempotencyKey,
        ),
    )


ONCE = "The same number with the same content again changes nothing; with other content it is refused."


def _part(name: str, title: str, description: str) -> StrawberryField:
    part = order_command.part_of(name)

    async def write_part(
        info: Info,
        order: Json,
        input: Given,  # noqa: A002 - the argument's name in the API
        if_version: int | None = None,
        message: MessageInput | None = None,
        idempotency_key: str | None = None,
        channel: str | None = None,
        locale: str | None = None,
    ) -> Any:
        request = Request(name, [order, input.raw, if_version, told(message)], idempotency_key)
        row, errors = input.row()
        given = {"row": row, "if_version": if_version}
        return await tell(info, request, order, message, given, (channel, locale), errors)

    return field(
        name,
        write_part,
        description,
        payload.single(registry.part("order")),
        **reading(
            order=reference_to("The order; its key is its number."),
            input=described(inputs.of(part), f"The {title}."),
            if_version=IfVersion,
            message=MessageArgument,
            idempotency_key=IdempotencyKey,
        ),
    )


def _note_add() -> StrawberryField:
    async def order_note_add(
        info: Info,
        order: Json,
        text: str,
        public: bool = False,
        message: MessageInput | None = None,
        idempotency_key: str | None = None,
        channel: str | None = None,
        locale: str | None = None,
    ) -> Any:
        request = Request("order_note_add", [order, text, public, told(message)], idempotency_key)
        given = {"text": text, "public": public}
        return await tell(info, request, order, message, given, (channel, locale))

    return field(
        "order_note_add",
        order_note_add,
        "Add a note to an order.",
        payload.single(registry.part("order")),
        **reading(
            order=reference_to("The order; its key is its number."),
            text=described(str, f"The note, up to {order_note.LONGEST} characters."),
            public=described(bool, "Whether the customer sees it."),
            message=MessageArgument,
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


async def tell(
    info: Info,
    request: Request,
    order: Json,
    message: MessageInput | None,
    given: Json,
    read_in: payload.ReadIn,
    errors: Sequence[HubError] = (),
) -> Any:
    """Carry out a command on an order by its name; as a message, once, and kept where its order is not there yet."""
    viewer: Viewer = info.context.viewer
    wrong = [*(each.under("input") for each in errors), *order_command.check(request.name, given)]
    if wrong:
        viewer.require("orders", "write")
        answer = answered([Result(None, "refused", tuple(wrong))])
        return payload.one(registry.part("order"), answer, read_in)
    if message is None:
        return await change(
            info,
            request,
            order,
            lambda tx, number: order_command.carry_out(tx, request.name, number, given),
            read_in,
        )
    viewer.require("orders", "write")
    known = message.known(viewer)

    def command(tx: sa.Connection) -> Json:
        named = way(inputs.reference(order, "order"), "order")
        directory = Directory(tx)
        directory.look_up("order", [named])
        number = directory.find("order", named)
        if number is not None:
            _hold(tx, viewer, number)
        return answered([pending_message.take(tx, known, request.name, (named, number), given)])

    return payload.one(registry.part("order"), await carry_out(info.context, request, command), read_in)


async def change(info: Info, request: Request, order: Json, work: Work, read_in: payload.ReadIn) -> Any:
    """Do something to an order within the token's reach. Raises ``Forbidden`` for a token without the scope."""
    viewer, part = info.context.viewer, registry.part("order")
    viewer.require(part.kept.scope, "write")

    def command(tx: sa.Connection) -> Json:
        number = find(tx, "order", order)
        _hold(tx, viewer, number)
        return answered([work(tx, number)])

    return payload.one(part, await carry_out(info.context, request, command), read_in)


def _hold(tx: sa.Connection, viewer: Viewer, number: int) -> None:
    """Lock an order. Raises ``Forbidden`` for one beyond the token's reach."""
    for beyond in reach.check(tx, viewer, registry.part("order"), [{"id": number}]):
        if beyond is not None:
            raise beyond.under("order")
    tx.execute(sa.select(Order.id).where(Order.id == number).with_for_update(key_share=True))


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
