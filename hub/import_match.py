"""What a batch of an import is about: one statement for all of its rows."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from hub.external_id import ExternalId
from hub.product import Identifier, Product, Variant


def products(tx: sa.Connection, key: str, values: Sequence[str]) -> dict[str, int]:
    """The products that have a mapping's key, by its value."""
    wanted = sa.cast(list(values), sa.ARRAY(sa.Text))
    if key == "slug":
        statement = sa.select(Product.slug, Product.id).where(Product.slug == sa.any_(wanted))
    elif key == "variants[].sku":
        statement = sa.select(Variant.sku, Variant.product_id).where(Variant.sku == sa.any_(wanted))
    else:
        statement = sa.select(ExternalId.value, ExternalId.entity_id).where(
            ExternalId.entity == "product",
            ExternalId.system == key.removeprefix("external_ids."),
            ExternalId.value == sa.any_(wanted),
        )
    return {str(value): number for value, number in tx.execute(statement)}


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
