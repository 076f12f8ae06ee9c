"""Mutations of one variant: made, changed and taken away without its product's whole input."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from strawberry.types import Info
from strawberry.types.field import StrawberryField

from hub import registry
from hub.db import Json
from hub.errors import Duplicate
from hub.product import Variant
from schema import input as inputs
from schema import payload
from schema.command import Request
from schema.indexing import WaitForIndex, waiting
from schema.input import Given
from schema.mutation import IdempotencyKey, IfVersion, described, field, reading
from schema.shortcut import CHANGE, change_product, find, reference_to, row_of, variant_of


def fields() -> list[StrawberryField]:
    """These mutations."""
    return [_variant_create(), _variant_update(), _variant_delete()]


def _variant_create() -> StrawberryField:
    async def variant_create(
        info: Info,
        product: Json,
        input: Given,  # noqa: A002 - the argument's name in the API
        if_version: int | None = None,
        idempotency_key: str | None = None,
        channel: str | None = None,
        locale: str | None = None,
    ) -> Any:
        request = Request("variant_create", [product, input.raw, if_version], idempotency_key)

        def row(tx: sa.Connection) -> Json:
            variant = row_of(input)
            taken = sa.select(Variant.id).where(Variant.sku == str(variant.get("sku", "")).strip())
            if tx.execute(taken).first() is not None:
                raise Duplicate(
                    f'Variant "{variant["sku"]}" exists already: update it, or choose another SKU.',
                    ("input", "sku"),
                )
            return {"id": find(tx, "product", product), "variants": [variant]}

        how = replace(CHANGE, if_version=if_version)
        return await change_product(info, request, row, how, (channel, locale), ("variants", 0))

    return field(
        "variant_create",
        waiting(variant_create, registry.part("product")),
        "Add a variant to a product.",
        payload.single(registry.part("product")),
        **reading(
            product=reference_to("The product."),
            input=described(inputs.of(registry.part("variant")), "The variant."),
            if_version=IfVersion,
            idempotency_key=IdempotencyKey,
            wait_for_index=WaitForIndex,
        ),
    )


def _variant_update() -> StrawberryField:
    async def variant_update(
        info: Info,
        variant: Json,
        input: Given,  # noqa: A002 - the argument's name in the API
        if_version: int | None = None,
        idempotency_key: str | None = None,
        channel: str | None = None,
        locale: str | None = None,
    ) -> Any:
        request = Request("variant_update", [variant, input.raw, if_version], idempotency_key)

        def row(tx: sa.Connection) -> Json:
            number, product_id = variant_of(tx, variant)
            return {"id": product_id, "variants": [{**row_of(input), "id": number}]}

        how = replace(CHANGE, if_version=if_version)
        return await change_product(info, request, row, how, (channel, locale), ("variants", 0))

    return field(
        "variant_update",
        waiting(variant_update, registry.part("product")),
        "Change a variant. What the input leaves out stays as it is; the version is the product's.",
        payload.single(registry.part("product")),
        **reading(
            variant=reference_to("The variant; its key is the SKU."),
            input=described(inputs.of(registry.part("variant")), "The variant."),
            if_version=IfVersion,
            idempotency_key=IdempotencyKey,
            wait_for_index=WaitForIndex,
        ),
    )


def _variant_delete() -> StrawberryField:
    async def variant_delete(
        info: Info,
        variant: Json,
        if_version: int | None = None,
        idempotency_key: str | None = None,
        channel: str | None = None,
        locale: str | None = None,
    ) -> Any:
        request = Request("variant_delete", [variant, if_version], idempotency_key)

        def row(tx: sa.Connection) -> Json:
            number, product_id = variant_of(tx, variant)
            return {"id": product_id, "variants": [{"id": number, "remove": True}]}

        how = replace(CHANGE, if_version=if_version)
        return await change_product(info, request, row, how, (channel, locale), ("variants", 0), ("variant",))

    return field(
        "variant_delete",
        waiting(variant_delete, registry.part("product")),
        "Take a variant away from its product, with its prices, identifiers and stock. The answer is the product.",
        payload.single(registry.part("product")),
        **reading(
            variant=reference_to("The variant; its key is the SKU."),
            if_version=IfVersion,
            idempotency_key=IdempotencyKey,
            wait_for_index=WaitForIndex,
        ),
    )
