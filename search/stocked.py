"""What a push of stock shows: mostly nothing, so that is looked at before whole documents are made."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from hub.product import Variant
from search.material import available

if TYPE_CHECKING:
    from search.document import Key
    from search.engine import Writer


def unchanged(tx: sa.Connection, writer: Writer, product_ids: Collection[int]) -> set[int]:
    """The products whose documents say already which of their variants are in stock where."""
    there = writer.stocked(product_ids)
    wanted = sa.literal(sorted(product_ids), ARRAY(sa.BigInteger))
    variants: dict[int, list[int]] = defaultdict(list)
    rows = tx.execute(sa.select(Variant.product_id, Variant.id).where(Variant.product_id == sa.any_(wanted)))
    for product, variant in rows:
        variants[product].append(variant)
    places = {channel for _, channel in there}
    shown = available(tx, places, [each for some in variants.values() for each in some])
    documents: dict[int, list[Key]] = defaultdict(list)
    for key in there:
        documents[key[0]].append(key)
    return {
        product
        for product, keys in documents.items()
        if all(there[key] == {each: (key[1], each) in shown for each in variants[product]} for key in keys)
    }
