"""What readers call the makers that the index counts under one spelling of their names."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import sqlalchemy as sa

from hub.aggregate import Aggregate
from hub.attribute import Attribute, AttributeOption
from hub.db import Database, Json
from schema.fixed import Fixed
from search.identifier import normal
from search.product import BRANDS

if TYPE_CHECKING:
    from schema.context import Context

Names = Mapping[str, Json]
"""Spelling as the index keeps it → the name by locale; ``*`` for one that is the same in all."""

_kept: WeakKeyDictionary[Database, dict[int, tuple[int, Names]]] = WeakKeyDictionary()
"""The names by attribute, with the version of the attribute that they are of: makers are many and change seldom."""

MAKERS = Fixed(
    sa.select(Attribute.id, Aggregate.version)
    .join(Aggregate, sa.and_(Aggregate.type == "attribute", Aggregate.id == Attribute.id))
    .where(Attribute.code.in_(BRANDS), Attribute.type.in_(("choice", "choices")))
)


async def names(context: Context, shown: Collection[Mapping[str, Any]]) -> dict[str, Json]:
    """The names of makers: options by their names, and what the products that are ``shown`` say in so many words."""
    kept = _kept.setdefault(context.database, {})
    versions = {row["id"]: row["version"] for row in await MAKERS.rows(context.database, {})}
    stale = [number for number, version in versions.items() if kept.get(number, (None,))[0] != version]
    if stale:
        read = await _read(context, stale)
        kept |= {number: (versions[number], read[number]) for number in stale}
    found: dict[str, Json] = {normal(text): {"*": text} for row in shown for text in _said(row)}
    for number in versions:
        found |= kept[number][1]
    return found


async def _read(context: Context, attributes: list[int]) -> dict[int, dict[str, Json]]:
    found: dict[int, dict[str, Json]] = defaultdict(dict)
    option = AttributeOption
    statement = sa.select(option.attribute_id, option.code, option.name).where(
        option.attribute_id.in_(attributes)
    )
    for row in await context.database.rows(statement):
        texts = row["name"] or {"*": row["code"]}
        for text in texts.values():
            found[row["attribute_id"]][normal(text)] = texts
    return found


def _said(row: Mapping[str, Any]) -> Iterator[str]:
    """The texts under which a product names its maker."""
    for code in BRANDS:
        for by_locale in row["attributes"].get(code, {}).values():
            yield from (text for text in by_locale.values() if isinstance(text, str))
