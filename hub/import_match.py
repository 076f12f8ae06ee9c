"""What a batch of an import is about: one statement for all of its rows."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import sqlalchemy as sa

from hub.channel import Channel
from hub.external_id import ExternalId
from hub.order import Order
from hub.product import Identifier, Product, Variant


def found(tx: sa.Connection, noun: str, key: str, values: Sequence[str]) -> dict[str, int]:
    """The objects of a noun that have a mapping's key, by its value."""
    wanted = sa.cast(list(values), sa.ARRAY(sa.Text))
    if key == "slug":
        statement = sa.select(Product.slug, Product.id).where(Product.slug == sa.any_(wanted))
    elif key == "variants[].sku":
        statement = sa.select(Variant.sku, Variant.product_id).where(Variant.sku == sa.any_(wanted))
    elif key == "number":
        statement = sa.select(Order.number, Order.id).where(Order.number == sa.any_(wanted))
    else:
        statement = sa.select(ExternalId.value, ExternalId.entity_id).where(
            ExternalId.entity == noun,
            ExternalId.system == key.removeprefix("external_ids."),
            ExternalId.value == sa.any_(wanted),
        )
    return {str(value): number for value, number in tx.execute(statement)}


def skus(tx: sa.Connection, wanted: Sequence[str]) -> set[str]:
    """Those of some SKUs that a variant has."""
    return set(
        tx.execute(
            sa.select(Variant.sku).where(Variant.sku == sa.any_(sa.cast(list(wanted), sa.ARRAY(sa.Text))))
        ).scalars()
    )


def currencies(tx: sa.Connection, codes: Collection[str]) -> dict[str, str]:
    """The currencies of channels, by their codes."""
    statement = sa.select(Channel.code, Channel.currency).where(Channel.code.in_(codes))
    return dict(tx.execute(statement).all())


def owners(tx: sa.Connection, numbers: Sequence[str]) -> dict[str, str]:
    """The SKUs of the variants that have these GTINs now."""
    statement = (
        sa.select(Identifier.value, Variant.sku)
        .join(Variant, Variant.id == Identifier.variant_id)
        .where(
            Identifier.type == "gtin", Identifier.value == sa.any_(sa.cast(list(numbers), sa.ARRAY(sa.Text)))
        )
    )
    return dict(tx.execute(statement).all())
