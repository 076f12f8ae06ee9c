"""The attributes that a search names: their definitions as the index knows them, and what readers call them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from hub.attribute import Attribute, AttributeOption
from hub.db import Json
from schema.fixed import Fixed
from search.operand import Definition

if TYPE_CHECKING:
    from schema.context import Context, Scope

DEFINING = tuple(Definition.__dataclass_fields__)
CODES = sa.bindparam("codes", type_=ARRAY(sa.Text))
COLUMNS = (Attribute.id, Attribute.name, *(getattr(Attribute, name) for name in DEFINING))
OPTIONS = (
    sa.select(AttributeOption.code)
    .where(
        AttributeOption.attribute_id == Attribute.id,
        AttributeOption.code == sa.any_(sa.bindparam("options", type_=ARRAY(sa.Text))),
    )
    .scalar_subquery()
)
NAMED = Fixed(
    sa.select(*COLUMNS, sa.func.array(OPTIONS, type_=ARRAY(sa.Text)).label("options"))
    .where(Attribute.code == sa.any_(CODES))
    .order_by(Attribute.code)
)


@dataclass(frozen=True)
class Named:
    """An attribute, with its name by locale. ``options``: those of its options that were asked for."""

    id: int
    definition: Definition
    name: Json
    options: frozenset[str] = frozenset()


async def named(context: Context, codes: Collection[str], options: Collection[str] = ()) -> dict[str, Named]:
    """The attributes of these codes, without those that do not exist, each with the options that it has of these."""
    if not codes:
        return {}
    return _named(await NAMED.rows(context.database, {"codes": sorted(codes), "options": sorted(options)}))


async def facets(context: Context, most: int) -> dict[str, Named] | None:
    """The attributes that are counted by unless a question says otherwise; null where they are more than ``most``."""
    found = await _read(context, Attribute.facet.is_(True), (), most + 1)
    return found if len(found) <= most else None


async def facets_of(context: Context, rows: Collection[Mapping[str, Any]], most: int) -> dict[str, Named]:
    """Those of them that these products have themselves, the most frequent first, at most so many."""
    counts: dict[str, int] = {}
    for row in rows:
        for code in row["attributes"]:
            counts[code] = counts.get(code, 0) + 1
    every = await _read(context, sa.and_(Attribute.facet, Attribute.code == sa.any_(CODES)), counts)
    by_count = sorted(every, key=lambda code: (-counts[code], code))
    return {code: every[code] for code in by_count[:most]}


async def _read(
    context: Context, condition: sa.ColumnElement[bool], codes: Collection[str], most: int | None = None
) -> dict[str, Named]:
    statement = sa.select(*COLUMNS).where(condition).order_by(Attribute.code).limit(most)
    given = {"codes": sorted(codes)} if codes else {}
    return _named(await context.database.rows(statement, given))


def _named(rows: Iterable[Mapping[Any, Any]]) -> dict[str, Named]:
    return {
        row["code"]: Named(row["id"], _definition(row), row["name"], frozenset(row.get("options") or ()))
        for row in rows
    }


def _definition(row: Any) -> Definition:
    return Definition(**{name: row[name] for name in DEFINING})


def label(texts: Mapping[str, str], scope: Scope) -> str | None:
    """A text in the reader's locale, or the first behind it that has one."""
    return next(_in_order(texts, scope), None)


def _in_order(texts: Mapping[str, str], scope: Scope) -> Iterator[str]:
    return (texts[locale] for locale in scope.locales if texts.get(locale))
