"""What the filters of a search name has to exist: a value that nothing can have would find nothing, without a word.

Categories, collections, product types and the options of choices are looked up; what is not there is refused with what
is closest to it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from hub.attribute import AttributeOption
from hub.category import Category
from hub.collection import Collection as CollectionTable
from hub.errors import HubError, Invalid, NotFound
from hub.product_type import ProductType
from schema import filter as filters
from schema.declare import NOUNS
from schema.fixed import Fixed
from schema.nearest import hint
from schema.search_filter import PLACES, ProductSearchFilter, parts

if TYPE_CHECKING:
    from schema.attribute_filter import AttributeValueFilter
    from schema.context import Context
    from schema.product_search_attribute import Named as Attribute

Named = tuple[str, str, str]
"""What is named: noun, way, value."""

MOST_COMPARED = 5_000
"""Names that one that is not there is compared with."""

CHOSEN_FROM = ("choice", "choices")
COMPARED = ("eq", "ne", "in_", "not_in")
TABLES: dict[str, Any] = {"category": Category, "collection": CollectionTable, "type": ProductType}
TITLES = {"category": "Category", "collection": "Collection", "type": "ProductType"}
WORDS = {"category": "Category", "collection": "Collection", "type": "Product type"}

_values = sa.bindparam("values", type_=ARRAY(sa.Text))
_ids = sa.bindparam("ids", type_=ARRAY(sa.BigInteger))
STATEMENTS = {
    noun: Fixed(
        sa.select(model.id, model.code, model.slug).where(
            sa.or_(model.id == sa.any_(_ids), model.code == sa.any_(_values), model.slug == sa.any_(_values))
        )
    )
    for noun, model in TABLES.items()
    if noun in PLACES
} | {"type": Fixed(sa.select(ProductType.id, ProductType.code).where(ProductType.code == sa.any_(_values)))}


def named(filter_: ProductSearchFilter | None) -> set[Named]:
    """The categories, collections and product types that a filter names. Raises ``Invalid`` for what is no id of them."""
    return set() if filter_ is None else {each for part in parts(filter_) for each in _named(part)}


def _named(part: ProductSearchFilter) -> Iterator[Named]:
    yield from (("type", "code", each) for each in part.type or ())
    for noun in PLACES:
        place = getattr(part, noun) or None
        for way in ("code", "slug"):
            yield from ((noun, way, each) for each in getattr(place, way, None) or ())
        for each in getattr(place, "id", None) or ():
            yield noun, "id", str(filters.number_of(each, NOUNS[TITLES[noun]]))


async def found(context: Context, wanted: Collection[Named]) -> dict[Named, int]:
    """The ids of what is named. Raises ``NotFound`` with what is closest to it."""
    known: dict[Named, int] = {}
    for noun, statement in STATEMENTS.items():
        asked = [(way, value) for kind, way, value in wanted if kind == noun]
        if not asked:
            continue
        given: dict[str, Any] = {"values": sorted({value for way, value in asked if way != "id"})}
        if noun in PLACES:
            given["ids"] = sorted({int(value) for way, value in asked if way == "id"})
        for row in await statement.rows(context.database, given):
            known |= {(noun, way, str(row[way])): row["id"] for way in ("id", "code", "slug") if row.get(way)}
    for each in sorted(set(wanted) - known.keys()):
        raise await _missing(context, *each)
    return known


async def _missing(context: Context, noun: str, way: str, value: str) -> HubError:
    subject = WORDS[noun] if noun == "type" else f"{WORDS[noun]} with the {way}"
    plural = NOUNS[TITLES[noun]].plural
    if way == "id":
        return NotFound(
            f"{WORDS[noun]} {value} does not exist any more: {plural} lists those that do.", ("filter",)
        )
    model = TABLES[noun]
    column = getattr(model, way)
    statement = (
        sa.select(column.label("called"), model.name)
        .where(column.is_not(None))
        .order_by(column)
        .limit(MOST_COMPARED)
    )
    rows = await context.database.rows(statement, {})
    closest = hint(value, ((row["called"], (row["name"] or {}).values()) for row in rows))
    return NotFound(f'{subject} "{value}" does not exist: {closest}.', ("filter",))


def options(filter_: ProductSearchFilter | None) -> set[str]:
    """The texts that attributes are compared with: those of choices are to be option codes."""
    return {str(value) for _, values in _compared(filter_) for value in values}


def _compared(filter_: ProductSearchFilter | None) -> Iterator[tuple[str, Sequence[Any]]]:
    for part in parts(filter_) if filter_ is not None else ():
        for each in part.attribute or ():
            yield each.code, _operands(each)


def _operands(given: AttributeValueFilter) -> list[Any]:
    said = dict(filters.given(given))
    found_: list[Any] = []
    for name in COMPARED:
        value = said.get(name)
        found_ += value if isinstance(value, list) else [] if value is None else [value]
    return found_


async def check_options(
    context: Context, filter_: ProductSearchFilter | None, known: Mapping[str, Attribute], *, everything: bool
) -> None:
    """Raises ``NotFound`` for an option that a choice does not have, and ``Invalid`` for what is no option at all.

    ``everything``: whether any attribute may be asked for; of others than those that can be filtered by nothing is told.
    """
    for code, values in _compared(filter_):
        attribute = known.get(code)
        if attribute is None or attribute.definition.type not in CHOSEN_FROM:
            continue
        if not (everything or attribute.definition.filterable or attribute.definition.facet):
            continue
        for value in values:
            if str(value) not in attribute.options:
                raise await _no_option(context, attribute, value)


async def _no_option(context: Context, attribute: Attribute, value: Any) -> HubError:
    statement = (
        sa.select(AttributeOption.code, AttributeOption.name)
        .where(AttributeOption.attribute_id == attribute.id)
        .order_by(AttributeOption.position, AttributeOption.code)
        .limit(MOST_COMPARED)
    )
    rows = await context.database.rows(statement, {})
    closest = hint(str(value), ((row["code"], (row["name"] or {}).values()) for row in rows))
    definition = attribute.definition
    subject = f'Attribute "{definition.code}" ({definition.type})'
    if not isinstance(value, str):
        shown = str(value).lower() if isinstance(value, bool) else value
        kind = "a boolean" if isinstance(value, bool) else "a number"
        return Invalid(
            f"{subject}: {shown} is {kind}, and its values are codes of options: {closest}.", ("filter",)
        )
    return NotFound(f'{subject} has no option "{value}": {closest}.', ("filter",))
