"""The rules that hold for a question, read with it: what staff save holds for the next question on every server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import sqlalchemy as sa

from hub import search_rule
from hub.attribute import Attribute
from schema.fixed import Fixed
from search import rule
from search.operand import Definition
from search.rule import Rules

if TYPE_CHECKING:
    from hub.db import Database
    from schema.context import Context

STAMPS = Fixed(search_rule.STAMPS)

MOST_KEPT = 500
"""Channels and locales whose rules are kept ready, with their revisions."""

_ready: WeakKeyDictionary[Database, dict[Any, Rules]] = WeakKeyDictionary()


async def of(context: Context, channel_id: int | None, locale: str | None) -> Rules:
    """The rules of a channel (null: for those who search everything) and a locale.

    One small statement says which sets hold, and in which revision; what they say is read only when that is new.
    """
    place = _place(channel_id, locale)
    stamps = await STAMPS.rows(context.database, place)
    if not stamps:
        return rule.NONE
    known = _ready.setdefault(context.database, {})
    key = (channel_id, locale, tuple(tuple(row.values()) for row in stamps))
    if key not in known:
        made = await compiled(context, await sets(context, channel_id, locale), channel_id, locale)
        if len(known) >= MOST_KEPT:
            known.clear()
        known[key] = made
    return known[key]


async def sets(context: Context, channel_id: int | None, locale: str | None) -> Sequence[Mapping[str, Any]]:
    """The sets that hold, the most particular first."""
    return [dict(row) for row in await context.database.rows(search_rule.SETS, _place(channel_id, locale))]


async def compiled(
    context: Context, held: Sequence[Mapping[str, Any]], channel_id: int | None, locale: str | None
) -> Rules:
    """Sets of rules, ready to be asked."""
    codes = rule.attributes(held)
    if not codes:
        return rule.compiled(held, channel_id, locale)
    columns = [getattr(Attribute, name) for name in Definition.__dataclass_fields__]
    rows = await context.database.rows(sa.select(*columns).where(Attribute.code.in_(codes)))
    return rule.compiled(held, channel_id, locale, {row["code"]: Definition(**row) for row in rows})


def _place(channel_id: int | None, locale: str | None) -> dict[str, Any]:
    return {"channel": channel_id, "locales": search_rule.locales(locale)}
