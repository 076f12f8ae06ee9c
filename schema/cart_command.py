"""The checkout: a cart becomes an order, once."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from strawberry.types import Info
from strawberry.types.field import StrawberryField

from hub import cart_checkout, registry
from hub.db import Json
from hub.errors import HubError, Invalid
from hub.save import Result
from schema import input as inputs
from schema import payload, reach
from schema.command import Request, answered, carry_out
from schema.input import Given
from schema.mutation import IdempotencyKey, described, field, reading
from schema.shortcut import find, reference_to

FROM_CART = ("id", "channel", "customer", "company", "lines", "status")
"""What an order has from its cart, so that the input cannot say it."""


def fields() -> list[StrawberryField]:
    """The mutation."""
    part = registry.part("order")

    async def cart_check_out(
        info: Info,
        cart: Json,
        input: Given | None = None,  # noqa: A002 - the argument's name in the API
        idempotency_key: str | None = None,
        channel: str | None = None,
        locale: str | None = None,
    ) -> Any:
        viewer = info.context.viewer
        viewer.require(part.kept.scope, "write")
        given = {} if input is None else input.raw
        request = Request("cart_checkout", [cart, given], idempotency_key)

        def command(tx: sa.Connection) -> Json:
            number = find(tx, "cart", cart)
            for beyond in reach.check(tx, viewer, registry.part("cart"), [{"id": number}]):
                if beyond is not None:
                    raise beyond.under("cart")
            row, errors = ({}, []) if input is None else input.row()
            errors += [_from_cart(name) for name in row if name in FROM_CART]
            if errors:
                return answered([Result(None, "refused", tuple(errors))])
            return answered([cart_checkout.check_out(tx, number, row)])

        return payload.one(part, await carry_out(info.context, request, command), (channel, locale), "input")

    return [
        field(
            "cart_checkout",
            cart_check_out,
            "Order what is in a cart, at the prices of this moment. Done again, it answers the order of the first time.",
            payload.single(part),
            **reading(
                cart=reference_to("The cart."),
                input=described(
                    inputs.of(part) | None,
                    "What else the order holds: e-mail, addresses, shipping, payments; the rest comes from the cart.",
                ),
                idempotency_key=IdempotencyKey,
            ),
        )
    ]


def _from_cart(name: str) -> HubError:
    return Invalid(f"An order has its {name} from the cart: change the cart instead.", (name,))
