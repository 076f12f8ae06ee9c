"""The smallest shop that tests of the write engine stand on."""

from __future__ import annotations

import os
from typing import Any

import sqlalchemy as sa

from hub.db import Database, Json, Writer
from hub.save import Mode, Policy, Result, save

WRITER = Writer(actor="test", source="erp")

LONGER = float(os.environ.get("HUB_SOAK_SECONDS", "15")) / 15
"""How many times as many examples a property is tried with in a soak."""


def written(
    database: Database, noun: str, *rows: Json, mode: Mode = Mode.UPSERT, policy: Policy = Policy.REJECT_ALL
) -> list[Result]:
    """Save rows in a transaction of their own."""
    with database.write(WRITER) as tx:
        return save(tx, noun, list(rows), mode=mode, policy=policy)


def opened(database: Database) -> None:
    """Two locales, a price list, a channel and what a shirt is."""
    for noun, rows in OPENING.items():
        results = written(database, noun, *rows)
        assert all(result.outcome == "created" for result in results), results


def all_rows(database: Database, statement: str, **values: Any) -> list[tuple[Any, ...]]:
    """The rows of a plain statement."""
    with database.read() as tx:
        return [tuple(row) for row in tx.execute(sa.text(statement), values)]


OPENING: dict[str, list[Json]] = {
    "locale": [{"code": "en"}, {"code": "de"}],
    "price_list": [{"code": "retail", "currency": "EUR"}, {"code": "club", "currency": "EUR"}],
    "channel": [
        {
            "code": "web",
            "currency": "EUR",
            "order_prefix": "WEB-",
            "locales": [{"locale": {"key": "de"}}, {"locale": {"key": "en"}}],
            "price_lists": [{"price_list": {"key": "club"}}, {"price_list": {"key": "retail"}}],
        }
    ],
    "attribute": [
        {"code": "colour", "type": "choice", "options": [{"code": "red"}, {"code": "blue"}, {"code": "01"}]},
        {"code": "weight", "type": "measurement", "unit_family": "mass"},
        {"code": "care", "type": "text", "localizable": True},
        {"code": "claim", "type": "text", "per_channel": True},
        {"code": "rating", "type": "integer", "rules": {"min": 1, "max": 5}},
        {"code": "organic", "type": "boolean"},
    ],
    "product_type": [{"code": "shirt", "attributes": [{"attribute": {"key": "colour"}, "axis": True}]}],
    "category": [{"code": "tops"}, {"code": "shirts", "parent": {"key": "tops"}}],
    "asset": [{"code": "front", "address": "https://example.com/front.jpg"}],
    "company": [{"code": "acme", "name": "Acme"}],
}


def shirt(slug: str = "shirt-1", **more: Any) -> Json:
    """A shirt in two colours."""
    variants = [{"sku": f"{slug}-{colour}", "axes": {"colour": colour}} for colour in ("red", "blue")]
    return {
        "slug": slug,
        "type": {"key": "shirt"},
        "name": {"en": "Shirt", "de": "Hemd"},
        "variants": variants,
    } | more
