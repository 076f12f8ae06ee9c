"""Mutations of stock: movements, promises, and what is not ordered again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from enum import Enum
from typing import Any

import sqlalchemy as sa
import strawberry
from strawberry.types import Info
from strawberry.types.base import get_object_definition
from strawberry.types.field import StrawberryField
from strawberry.utils.str_converters import to_snake_case

from hub import registry, reorder_proposal, reservation, stock_move, value
from hub.db import Json
from hub.errors import Conflict, HubError, InUse, Invalid, Limit, OutOfStock
from hub.ids import encode
from hub.reference import Directory, way
from hub.reservation import RESERVATION, Wanted
from hub.save import Result
from hub.stock_move import Move
from hub.stock_rules import STATED
from schema import declare, payload
from schema.command import Request, answered, carry_out
from schema.errors import UserError, user_error
from schema.input import Reference, StockDocumentInput, local_id, reference
from schema.loader import by_id
from schema.mutation import (
    LARGEST_BATCH,
    IdempotencyKey,
    InChannel,
    InLocale,
    described,
    field,
    reading,
)
from schema.reservation import Reservation
from schema.scalar import Long


@strawberry.enum(description="What happened to pieces.")
class StockMoveKind(Enum):
    """What happened to pieces."""

    RECEIVED = strawberry.enum_value("received", description="They came from a supplier.")
    RETURNED = strawberry.enum_value("returned", description="They came back, and can be sold again.")
    MOVED = strawberry.enum_value("moved", description="They went to another location.")
    SHIPPED = strawberry.enum_value(
        "shipped", description="They left for an order that the hub does not have."
    )
    SCRAPPED = strawberry.enum_value("scrapped", description="They were lost or thrown away.")
    CORRECTED = strawberry.enum_value(
        "corrected", description="There were more, or below zero fewer, than noted."
    )


@strawberry.input(description="Pieces that came to a location, left it, or went to another one.")
class StockMoveInput:
    """Pieces that came to a location, left it, or went to another one."""

    variant: Reference = strawberry.field(description="The variant; its key is the SKU.")
    location: Reference = strawberry.field(description="Where they came to, or left.")
    kind: StockMoveKind = strawberry.field(description="What happened to them.")
    quantity: Long = strawberry.field(description="How many: 1 or more, for CORRECTED also below zero.")
    to: Reference | None = strawberry.field(
        description="For MOVED, where they went.", default=strawberry.UNSET
    )
    delivery: str | None = strawberry.field(
        description="For RECEIVED, the reference of the expected delivery that they are of.",
        default=strawberry.UNSET,
    )
    document: StockDocumentInput | None = strawberry.field(
        description="What it stands on: sent again with the same content it changes nothing.",
        default=strawberry.UNSET,
    )
    reason: str | None = strawberry.field(description="What is to be said of it.", default=strawberry.UNSET)


@strawberry.input(description="How many of a variant a holder has reserved: sent again it changes nothing.")
class ReservationInput:
    """How many of a variant a holder has reserved."""

    variant: Reference = strawberry.field(description="The variant; its key is the SKU.")
    quantity: Long = strawberry.field(description="How many it holds from now on, all locations together.")
    holder: str = strawberry.field(
        description="Who holds them: a cart, an offer, an order of another system. One holder holds a variant once."
    )
    channel: str | None = strawberry.field(
        description="Code of the channel whose locations promise, in their order; null: all.",
        default=strawberry.UNSET,
    )
    location: Reference | None = strawberry.field(
        description="The only location that promises; null: as the channel says.", default=strawberry.UNSET
    )
    expires_at: datetime | None = strawberry.field(
        description="When they are free again by themselves; null: when they are released.",
        default=strawberry.UNSET,
    )


# Commands take them as they came in: what they name is only known inside the transaction.
for _taken in (StockMoveInput, ReservationInput):
    get_object_definition(_taken, strict=True).from_input = lambda _, raw, __: {
        to_snake_case(name): given for name, given in raw.items()
    }


@strawberry.type(description="What reservationCreate answers.")
class ReservationCreatePayload:
    """What reservationCreate answers."""

    reservations: list[Reservation] = strawberry.field(
        description="What the holder holds of the variant now, one for each location; empty when it was refused."
    )
    user_errors: list[UserError] = strawberry.field(description="Why it was refused; empty when it was done.")


@strawberry.type(description="What reservationRelease answers.")
class ReservationReleasePayload:
    """What reservationRelease answers."""

    released: Long = strawberry.field(description="How many pieces are free again; 0 where nothing was held.")
    user_errors: list[UserError] = strawberry.field(description="Why it was refused; empty when it was done.")


@strawberry.type(description="What reorderProposalDismiss answers.")
class ReorderProposalDismissPayload:
    """What reorderProposalDismiss answers."""

    dismissed: bool = strawberry.field(
        description="Whether it is dismissed by this; false where it was already, or is closed."
    )
    user_errors: list[UserError] = strawberry.field(description="Why it was refused; empty when it was done.")


def fields() -> list[StrawberryField]:
    """These mutations."""
    return [_stock_move(), _reservation_create(), _reservation_release(), _reorder_proposal_dismiss()]


def _stock_move() -> StrawberryField:
    part = registry.part("stock")

    async def stock_move(
        info: Info,
        rows: list[Json],
        idempotency_key: str | None = None,
        channel: str | None = None,
        locale: str | None = None,
    ) -> Any:
        info.context.viewer.require(part.kept.scope, "write")
        if len(rows) > LARGEST_BATCH:
            said = f"A batch of {len(rows)} rows is too large: send at most {LARGEST_BATCH} at once."
            return payload.many(part, answered([], Limit(said, ("rows",))), (channel, locale))
        request = Request("stock_move", rows, idempotency_key)
        answer = await carry_out(info.context, request, lambda tx: answered(_moved(tx, rows)))
        return payload.many(part, answer, (channel, locale))

    return field(
        "stock_move",
        stock_move,
        f"Write down up to {LARGEST_BATCH} movements of stock, all or none. Each answer shows the level that it names.",
        payload.batch(part),
        **reading(
            rows=described(list[StockMoveInput], "What happened."),
            idempotency_key=IdempotencyKey,
        ),
    )


def _moved(tx: sa.Connection, rows: Sequence[Json]) -> list[Result]:
    directory = Directory(tx)
    results: list[Result] = []
    moves: list[Move] = []
    for noun, names in (("variant", ("variant",)), ("location", ("location", "to"))):
        directory.look_up(noun, _ways(rows, noun, names))
    for row in rows:
        try:
            moves.append(_move(directory, row))
            results.append(Result(None, "refused"))
        except HubError as wrong:
            results.append(Result(None, "refused", (wrong,)))
    if not moves or len(moves) < len(rows):
        return results
    try:
        results = stock_move.move(tx, moves)
    except HubError as wrong:
        return [Result(None, "refused", (wrong,)) for _ in rows]
    refused = any(each.errors for each in results)
    return [replace(each, outcome="refused") for each in results] if refused else results


def _ways(rows: Sequence[Json], noun: str, names: Sequence[str]) -> list[Any]:
    found = []
    for row in rows:
        for name in names:
            if row.get(name) is not None:
                try:
                    found.append(way(reference(row[name], noun), noun))
                except HubError:
                    continue  # said of the row itself, with its place
    return found


def _move(directory: Directory, row: Json) -> Move:
    """The move that a row means. Raises ``HubError``."""
    to = row.get("to")
    made = Move(
        variant_id=_named(directory, row["variant"], "variant", "variant"),
        location_id=_named(directory, row["location"], "location", "location"),
        quantity=_checked(row, "quantity", "whole"),
        kind=row["kind"].value if isinstance(row["kind"], Enum) else row["kind"],
        to_location_id=None if to is None else _named(directory, to, "location", "to"),
        document=_checked(row, "document", "document"),
        delivery=_checked(row, "delivery", "key"),
        reason=_checked(row, "reason", "line"),
    )
    made.check()
    return made


def _named(directory: Directory, named: Json, noun: str, place: str) -> int:
    try:
        return directory.resolve(noun, reference(named, noun))
    except HubError as wrong:
        raise wrong.under(place) from None


def _checked(row: Json, name: str, kind: str) -> Any:
    given = row.get(name)
    try:
        return None if given is None else value.CHECKS[kind](given)
    except HubError as wrong:
        raise wrong.under(name) from None


def _reservation_create() -> StrawberryField:
    async def reservation_create(
        info: Info,
        input: Json,  # noqa: A002 - the argument's name in the API
        idempotency_key: str | None = None,
        channel: str | None = None,
        locale: str | None = None,
    ) -> ReservationCreatePayload:
        info.context.viewer.require("stock", "write")
        request = Request("reservation_create", input, idempotency_key)
        answer = await carry_out(info.context, request, lambda tx: _reserved(tx, input))
        noun = declare.by_name("reservation")
        assert noun is not None
        held: list[Any] = []
        if answer.get("reservations") and info.context.viewer.may("stock", "read"):
            scope = await info.context.scope(channel, locale)
            loader = by_id(info.context, noun, scope)
            held = [row for row in await loader.load_many(answer["reservations"]) if row is not None]
        errors = [user_error(each, ("input",)) for each in answer["errors"]]
        return ReservationCreatePayload(reservations=held, user_errors=errors)

    return field(
        "reservation_create",
        reservation_create,
        "Reserve pieces for a holder, or change how many it has reserved. Refused with OUT_OF_STOCK, and nothing changed,"
        " where fewer can be promised.",
        ReservationCreatePayload,
        input=described(ReservationInput, "What is to be reserved."),
        idempotency_key=IdempotencyKey,
        channel=InChannel,
        locale=InLocale,
    )


def _reserved(tx: sa.Connection, given: Json) -> Json:
    with tx.begin_nested() as all_of_it:
        try:
            wanted = _wanted(tx, given)
            short = reservation.state(tx, wanted)
            if short:
                raise OutOfStock(short[0].message, ("quantity",))
        except HubError as refused:
            all_of_it.rollback()
            return answered([], refused)
    held = sa.select(RESERVATION.c.id).where(RESERVATION.c.holder == wanted.holder)
    own = held.where(RESERVATION.c.stock_id.in_(reservation.levels_of(wanted.variant_id)))
    return answered([]) | {"reservations": list(tx.scalars(own.order_by(RESERVATION.c.id)))}


def _wanted(tx: sa.Connection, given: Json) -> Wanted:
    channel, location = given.get("channel"), given.get("location")
    return Wanted(
        variant_id=_one(tx, given["variant"], "variant", "variant"),
        quantity=_checked(given, "quantity", "whole"),
        holder=_holder(given),
        channel_id=None if channel is None else _one(tx, {"key": channel}, "channel", "channel"),
        location_id=None if location is None else _one(tx, location, "location", "location"),
        expires_at=_checked(given, "expires_at", "moment"),
    )


def _holder(given: Json) -> str:
    holder: str = _checked(given, "holder", "key")
    if holder == STATED:
        said = f'"{STATED}" stands for what is promised outside the hub: state reserved of the level instead.'
        raise Invalid(said, ("holder",))
    return holder


def _one(tx: sa.Connection, named: Json, noun: str, place: str) -> int:
    directory = Directory(tx)
    try:
        directory.look_up(noun, [way(reference(named, noun), noun)])
    except HubError as wrong:
        raise wrong.under(place) from None
    return _named(directory, named, noun, place)


def _reservation_release() -> StrawberryField:
    async def reservation_release(
        info: Info,
        id: str | None = None,  # noqa: A002 - the argument's name in the API
        holder: str | None = None,
        variant: Json | None = None,
        quantity: int | None = None,
        idempotency_key: str | None = None,
    ) -> ReservationReleasePayload:
        info.context.viewer.require("stock", "write")
        given = {"id": id, "holder": holder, "variant": variant, "quantity": quantity}
        request = Request("reservation_release", given, idempotency_key)
        answer = await carry_out(info.context, request, lambda tx: _released(tx, given))
        errors = [user_error(each) for each in answer["errors"]]
        return ReservationReleasePayload(released=answer.get("released", 0), user_errors=errors)

    return field(
        "reservation_release",
        reservation_release,
        "Free reserved pieces: one reservation by its id, or what a holder holds, all of it or of one variant.",
        ReservationReleasePayload,
        id=described(strawberry.ID | None, "The reservation's id."),
        holder=described(str | None, "The holder, as reservationCreate named it."),
        variant=described(Reference | None, "Only of this variant; null: of all."),
        quantity=described(Long | None, "How many; null: all."),
        idempotency_key=IdempotencyKey,
    )


def _released(tx: sa.Connection, given: Json) -> Json:
    try:
        column, who, variant_id = _target(tx, given)
        quantity = _checked(given, "quantity", "count")
    except HubError as refused:
        return answered([], refused)
    freed = reservation.release(tx, **{column: [who]}, quantity=quantity, variant_id=variant_id)
    return answered([]) | {"released": freed}


def _target(tx: sa.Connection, given: Json) -> tuple[str, Any, int | None]:
    """Whose promises are meant, and of which variant. Raises ``HubError``."""
    if (given["id"] is None) == (given["holder"] is None):
        raise Invalid("Name what is released in one way: id or holder.")
    variant = given["variant"]
    if given["holder"] is not None:
        variant_id = None if variant is None else _one(tx, variant, "variant", "variant")
        return "holders", _holder(given), variant_id
    number = local_id(given["id"], "reservation")
    found = tx.execute(sa.select(RESERVATION).where(RESERVATION.c.id == number)).mappings().first()
    if found is None:
        said = f'Reservation "{encode("reservation", number)}" is not there: it was shipped, released or its time was over.'
        raise Conflict(said, ("id",))
    if found["order_line_id"] is not None:
        raise InUse("It is held by an order: edit or cancel the order instead.", ("id",))
    return "reservation_ids", number, None


def _reorder_proposal_dismiss() -> StrawberryField:
    async def reorder_proposal_dismiss(
        info: Info,
        id: str,  # noqa: A002 - the argument's name in the API
        idempotency_key: str | None = None,
    ) -> ReorderProposalDismissPayload:
        info.context.viewer.require("stock", "write")
        request = Request("reorder_proposal_dismiss", id, idempotency_key)
        answer = await carry_out(info.context, request, lambda tx: _dismissed(tx, id))
        errors = [user_error(each) for each in answer["errors"]]
        return ReorderProposalDismissPayload(dismissed=answer.get("dismissed", False), user_errors=errors)

    return field(
        "reorder_proposal_dismiss",
        reorder_proposal_dismiss,
        "Note that nothing will be ordered: no other proposal is made for the level before enough was there again.",
        ReorderProposalDismissPayload,
        id=described(strawberry.ID, "The proposal's id."),
        idempotency_key=IdempotencyKey,
    )


def _dismissed(tx: sa.Connection, global_id: str) -> Json:
    try:
        done = reorder_proposal.dismiss(tx, local_id(global_id, "reorder_proposal"))
    except HubError as refused:
        return answered([], refused)
    return answered([]) | {"dismissed": done}
