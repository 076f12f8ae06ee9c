"""Counting stock again: whether levels, promises and expectations are the sums of what they are made of."""

from __future__ import annotations

import sqlalchemy as sa

SUMS = (("on_hand", "stock_movement", "movements"), ("reserved", "reservation", "reservations"),
        ("incoming", "stock_incoming", "deliveries"))  # fmt: skip

UNEQUAL = """
SELECT v.sku, l.code, s.{column} AS stands, coalesce(t.quantity, 0) AS counted
FROM stock s JOIN variant v ON v.id = s.variant_id JOIN location l ON l.id = s.location_id
LEFT JOIN (SELECT stock_id, sum(quantity) AS quantity FROM {table} GROUP BY stock_id) t ON t.stock_id = s.id
WHERE s.{column} <> coalesce(t.quantity, 0) ORDER BY s.id
"""


def faults(tx: sa.Connection) -> list[str]:
    """One sentence for each sum that is wrong; empty where all are right."""
    return [
        f'"{row.sku}" at "{row.code}": {column} is {row.stands}, but its {words} add up to {row.counted}.'
        for column, table, words in SUMS
        for row in tx.execute(sa.text(UNEQUAL.format(column=column, table=table)))
    ]
