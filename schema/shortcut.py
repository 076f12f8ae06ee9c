"""Mutations that say one thing of a product, a variant or stock, without its whole input."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from strawberry.types import Info
from strawberry.types.field import StrawberryField

from hub import registry
from hub.db import Json
from hub.errors import HubError, Path
from hub.product import Variant
from hub.save import Mode, Policy, Result
from schema import input as inputs
from schema import payload
from schema.command import Request, Writing, answered, carry_out, write_rows
from schema.indexing import WaitForIndex, waiting
from schema.input import Given
from schema.mutation import (
    LARGEST_STOCK_BATCH,
    IdempotencyKey,
    IfVersion,
    PolicyArgument,
    batch,
    described,
    field,
    found,
    reading,
)

Rows = Callable[[sa.Connection], Json]
"""Makes the row to save, inside the transaction. Raises ``HubError`` with a path into the arguments."""

CHANGE = Writing(Mode.UPDATE)


def fields() -> list[StrawberryField]:
    """These mutations."""
    return [
        _price_upsert(),
        _product_assets_set(),
        _stock_set(),
    ]


def _price_upsert() -> StrawberryField:
    async def price_upsert(
        info: Info,
        variant: Json,
        input: Given,  # noqa: A002 - the argument's name in the API
        if_version: int | None = None,
        idempotency_key: str | None = None,
        channel: str | None = None,
        locale: str | None = None,
    ) -> Any:
        request = Request("price_upsert", [variant, input.raw, if_version], idempotency_key)

        def row(tx: sa.Connection) -> Json:
            number, product_id = variant_of(tx, variant)
            return {"id": product_id, "variants": [{"id": number, "prices": [row_of(input)]}]}

        how = replace(CHANGE, if_version=if_version)
        return await change_product(info, request, row, how, (channel, locale), ("variants", 0, "prices", 0))

    return field(
        "price_upsert",
        waiting(price_upsert, registry.part("product")),
        "Give a variant a price, or change the one of the same list, company, quantity and start.",
        payload.single(registry.part("product")),
        **reading(
            variant=reference_to("The variant; its key is the SKU."),
            input=described(inputs.of(registry.part("price")), "The price."),
            if_version=IfVersion,
            idempotency_key=IdempotencyKey,
            wait_for_index=WaitForIndex,
        ),
    )


def _product_assets_set() -> StrawberryField:
    part = registry.part("product_asset")

    async def product_assets_set(
        info: Info,
        product: Json,
        assets: Sequence[Given],
        if_version: int | None = None,
        idempotency_key: str | None = None,
        channel: str | None = None,
        locale: str | None = None,
    ) -> Any:
        request = Request(
            "product_assets_set", [product, [each.raw for each in assets], if_version], idempotency_key
        )

        def row(tx: sa.Connection) -> Json:
            links = [row_of(each, ("assets", place)) for place, each in enumerate(assets)]
            return {"id": find(tx, "product", product), "assets": links}

        how = replace(CHANGE, if_version=if_version)
        return await change_product(info, request, row, how, (channel, locale), (), ())

    return field(
        "product_assets_set",
        waiting(product_assets_set, registry.part("product")),
        "Show these assets with a product, in this order, and no others.",
        payload.single(registry.part("product")),
        **reading(
            product=reference_to("The product."),
            assets=described(list[inputs.of(part)], "The assets, first to last."),  # type: ignore[misc]
            if_version=IfVersion,
            idempotency_key=IdempotencyKey,
            wait_for_index=WaitForIndex,
        ),
    )


def _stock_set() -> StrawberryField:
    part = registry.part("stock")

    async def stock_set(
        info: Info,
        rows: list[Given],
        policy: Policy = Policy.REJECT_ALL,
        idempotency_key: str | None = None,
        channel: str | None = None,
        locale: str | None = None,
    ) -> Any:
        request = Request("stock_set", [[row.raw for row in rows], policy], idempotency_key)
        return await batch(info, part, request, rows, policy, (channel, locale), LARGEST_STOCK_BATCH)

    return field(
        "stock_set",
        waiting(stock_set, registry.part("stock")),
        f"Set the levels of up to {LARGEST_STOCK_BATCH} variants and locations.",
        payload.batch(part),
        **reading(
            rows=described(list[inputs.of(part)], "The levels."),  # type: ignore[misc]
            policy=PolicyArgument,
            idempotency_key=IdempotencyKey,
            wait_for_index=WaitForIndex,
        ),
    )


async def change_product(
    info: Info,
    request: Request,
    row: Rows,
    how: Writing,
    read_in: payload.ReadIn,
    place: Path,
    argument: Path = ("input",),
) -> Any:
    """Save one row of a product. Refusals below ``place`` in it are told as being about ``argument``."""
    viewer, part = info.context.viewer, registry.part("product")
    viewer.require(part.kept.scope, "write")

    def command(tx: sa.Connection) -> Json:
        try:
            given = row(tx)
        except HubError as refused:
            return answered([], refused)
        results = write_rows(tx, viewer, part, [given], how)
        return answered([_told(result, place, argument) for result in results])

    return payload.one(part, await carry_out(info.context, request, command), read_in)


def _told(result: Result, place: Path, argument: Path) -> Result:
    for error in result.errors:
        if error.path[: len(place)] == place:
            error.path = (*argument, *error.path[len(place) :])
    return result


def row_of(given: Given, at: Path = ("input",)) -> Json:
    """The row of an input. Raises the first thing that is wrong with it."""
    row, errors = given.row()
    for error in errors:
        raise error.under(*at)
    return row


def find(tx: sa.Connection, noun: str, named: Json, argument: str | None = None) -> int:
    """The id of the object that an argument names; by default the argument is called like the noun. Raises ``HubError``."""
    try:
        return found(tx, noun, named)
    except HubError as refused:
        raise refused.under(argument or noun) from None


def variant_of(tx: sa.Connection, named: Json) -> tuple[int, int]:
    """The ids of a variant and of its product."""
    number = find(tx, "variant", named)
    return number, tx.execute(sa.select(Variant.product_id).where(Variant.id == number)).scalar_one()


def reference_to(description: str) -> Any:
    """The type of an argument that names an object."""
    return described(inputs.Reference, description)
