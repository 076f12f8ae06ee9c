"""Facets as they are answered: the index counts codes and numbers, here they get the names that readers know."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from hub import ids
from hub.attribute import AttributeOption
from hub.collection import Collection as CollectionTable
from hub.db import Json
from hub.product_type import ProductType
from schema import search_facet_brand
from schema.declare import NOUNS
from schema.fixed import Fixed
from schema.loader import by_id
from schema.product_search_attribute import label
from schema.search_facet import SearchFacet, SearchFacetKind, SearchFacetRange, SearchFacetValue, Wish
from search import condition, operand
from search.values import NOT_APPLICABLE

if TYPE_CHECKING:
    from schema.context import Context, Scope
    from schema.search_facet_level import Level
    from search.condition import Condition
    from search.engine import Bucket, Counts

_wanted = (
    sa.func.unnest(
        sa.bindparam("attributes", type_=ARRAY(sa.BigInteger)), sa.bindparam("codes", type_=ARRAY(sa.Text))
    )
    .table_valued(sa.column("attribute_id", sa.BigInteger), sa.column("code", sa.Text), name="wanted")
    .render_derived()
)
OPTIONS = Fixed(
    sa.select(AttributeOption.attribute_id, AttributeOption.code, AttributeOption.name).join(
        _wanted,
        sa.and_(
            AttributeOption.attribute_id == _wanted.c.attribute_id, AttributeOption.code == _wanted.c.code
        ),
    )
)
CHOSEN_FROM = ("choice", "choices")


@dataclass(frozen=True)
class Told:
    """How a value of the index is told: as filters take it, and as readers call it."""

    value: str
    name: str | None
    has_children: bool = False


@dataclass(frozen=True)
class Answering:
    """The facets of one answer. ``conditions``: what was filtered by; ``shown``: the rows of the products on the page."""

    context: Context
    scope: Scope
    conditions: Sequence[Condition]
    shown: Collection[Mapping[str, Any]]
    level: Level | None = None
    known: dict[str, Mapping[str, Told]] = field(default_factory=dict)

    async def told(self, wishes: Iterable[Wish], counted: Mapping[str, Counts]) -> list[SearchFacet]:
        """The facets with their counts, in the order in which they were asked for."""
        asked = [each for each in wishes if each.asked.subject in counted]
        await self._read(asked, counted)
        return [self._facet(each, counted[each.asked.subject]) for each in asked]

    async def _read(self, wishes: Sequence[Wish], counted: Mapping[str, Counts]) -> None:
        """Look up what the values are called: a statement for each kind of them, however many there are."""
        values = {
            each.asked.subject: [
                bucket.value for bucket in counted[each.asked.subject].buckets if bucket.value is not None
            ]
            for each in wishes
        }
        self.known.update(await self._options(wishes, values))
        for each in wishes:
            about, wanted = each.asked.subject, values[each.asked.subject]
            if wanted and about not in self.known:
                self.known[about] = await self._named(each, wanted)

    async def _options(
        self, wishes: Iterable[Wish], values: Mapping[str, list[str]]
    ) -> dict[str, dict[str, Told]]:
        subjects = {
            each.known.id: each.asked.subject
            for each in wishes
            if each.known is not None and each.known.definition.type in CHOSEN_FROM
        }
        pairs = [(number, code) for number, about in subjects.items() for code in values[about]]
        if not pairs:
            return {}
        attributes, codes = map(list, zip(*pairs, strict=True))
        rows = await OPTIONS.rows(self.context.database, {"attributes": attributes, "codes": codes})
        found: dict[str, dict[str, Told]] = {about: {} for about in subjects.values()}
        for row in rows:
            told = Told(row["code"], label(row["name"], self.scope))
            found[subjects[row["attribute_id"]]][row["code"]] = told
        return found

    async def _named(self, wish: Wish, wanted: list[str]) -> Mapping[str, Told]:
        match wish.given.by:
            case SearchFacetKind.CATEGORY:
                return self._categories()
            case SearchFacetKind.BRAND:
                names = await search_facet_brand.names(self.context, self.shown)
                return {each: Told(each, self._of_all(names.get(each, {}))) for each in wanted}
            case SearchFacetKind.TYPE:
                return await self._by_code(ProductType.code, ProductType, wanted)
            case SearchFacetKind.COLLECTION:
                return await self._by_code(sa.cast(CollectionTable.id, sa.Text), CollectionTable, wanted)
            case SearchFacetKind.AVAILABLE:
                return {"1": Told("true", None), "0": Told("false", None)}
        return await self._of_attribute(wish, wanted)

    def _of_all(self, texts: Json) -> str | None:
        return label(texts, self.scope) or texts.get("*") or next(iter(texts.values()), None)

    def _categories(self) -> Mapping[str, Told]:
        rows = self.level.categories if self.level else {}
        return {
            number: Told(row["code"], label(row["name"], self.scope), row["has_children"])
            for number, row in rows.items()
        }

    async def _by_code(self, key: Any, model: Any, wanted: list[str]) -> Mapping[str, Told]:
        statement = sa.select(key.label("key"), model.code, model.name).where(
            key == sa.any_(sa.bindparam("wanted", type_=ARRAY(sa.Text)))
        )
        rows = await self.context.database.rows(statement, {"wanted": wanted})
        return {row["key"]: Told(row["code"], label(row["name"], self.scope)) for row in rows}

    async def _of_attribute(self, wish: Wish, wanted: list[str]) -> Mapping[str, Told]:
        type_ = wish.known.definition.type if wish.known else ""
        if type_ == "text":
            return {each: Told(each, each) for each in wanted}
        if type_ != "reference":
            return {}
        named = {each: (each.partition(":")[0], int(each.partition(":")[2])) for each in wanted}
        products = [number for noun, number in named.values() if noun == "product"]
        loaded = await by_id(self.context, NOUNS["Product"], self.scope).load_many(products)
        names = {row.id: label(row.name, self.scope) for row in loaded if row is not None}
        return {
            each: Told(ids.encode(*place), names.get(place[1]) if place[0] == "product" else None)
            for each, place in named.items()
        }

    def _facet(self, wish: Wish, counts: Counts) -> SearchFacet:
        picked = condition.chosen(self.conditions, wish.asked.subject)
        definition = wish.known.definition if wish.known else None
        is_category = wish.given.by is SearchFacetKind.CATEGORY
        return SearchFacet(
            by=wish.given.by,
            attribute=definition.code if definition else None,
            name=label(wish.known.name, self.scope) if wish.known else None,
            unit=wish.unit,
            values=[] if wish.scale else list(self._values(wish, counts, picked)),
            others=counts.others,
            ranges=list(self._ranges(wish, counts, picked)) if wish.scale else [],
            min=wish.scale.told(counts.low) if wish.scale else None,
            max=wish.scale.told(counts.high) if wish.scale else None,
            path=self.level.told(self.scope) if is_category and self.level else [],
        )

    def _values(self, wish: Wish, counts: Counts, picked: set[object]) -> Iterator[SearchFacetValue]:
        known = self.known.get(wish.asked.subject, {})
        for bucket in counts.buckets:
            if bucket.value is None or bucket.value == NOT_APPLICABLE:
                continue
            told = known.get(bucket.value, Told(bucket.value, None))
            selected = bucket.value in picked or told.value in picked
            yield SearchFacetValue(
                value=told.value,
                name=told.name,
                count=bucket.count,
                selected=selected,
                has_children=told.has_children,
            )

    def _ranges(self, wish: Wish, counts: Counts, picked: set[object]) -> Iterator[SearchFacetRange]:
        bounds = {_bounds(each, wish) for each in picked}
        assert wish.scale is not None, "Only numbers have ranges."
        for bucket in counts.buckets:
            yield SearchFacetRange(
                from_=wish.scale.told(bucket.low),
                to=wish.scale.told(bucket.high),
                count=bucket.count,
                selected=_ends(bucket) in bounds,
            )


def _ends(bucket: Bucket) -> tuple[float | None, float | None]:
    return bucket.low, bucket.high


def _bounds(said: object, wish: Wish) -> tuple[float | None, float | None]:
    """The bounds that a filter chose, as numbers of the index."""
    match said:
        case condition.PriceBetween():
            return _number(said.low), _number(said.high)
        case condition.AttributeBetween() if wish.known is not None:
            definition = wish.known.definition
            low, high = (
                None if each is None else operand.number(definition, each, said.unit)
                for each in (said.low, said.high)
            )
            return low, high
    return None, None


def _number(amount: Decimal | None) -> float | None:
    return None if amount is None else float(amount)
