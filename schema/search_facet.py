"""Facets of a search as the API has them: what to count by, and the counts with the names that readers know."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Any

import strawberry

from hub import unit, value
from hub.errors import Invalid, Limit, Required
from schema.scalar import Operand, stamp
from search import operand, values
from search.facet import DEFAULT_VALUES, MOST, MOST_VALUES, FacetAsked
from search.operand import NUMBERS

if TYPE_CHECKING:
    from schema.context import Scope
    from schema.product_search_attribute import Named

DAY = 86_400_000.0
"""Milliseconds: widths of dates are given in days."""

MOST_BUCKETS = 50

DIGITS = 12
"""Digits of a number that are shown: what lies behind them is the noise of binary fractions."""


@strawberry.enum(description="What hits are counted by.")
class SearchFacetKind(Enum):
    """What hits are counted by."""

    ATTRIBUTE = strawberry.enum_value("attribute", description="The values of an attribute.")
    CATEGORY = strawberry.enum_value(
        "category",
        description="The categories below one, or the topmost, each with all that is below. Without `parent` those "
        "below the one that the filter chose; beside it where nothing is below.",
    )
    COLLECTION = strawberry.enum_value("collection", description="Collections.")
    TYPE = strawberry.enum_value("type", description="Product types.")
    BRAND = strawberry.enum_value("brand", description="Makers.")
    PRICE = strawberry.enum_value("price", description="The price of the cheapest variant in the channel.")
    AVAILABLE = strawberry.enum_value("available", description="Whether a variant is in stock.")


@strawberry.input(
    description="A range of numbers, prices or dates: from its lower bound up to but without its upper."
)
class SearchFacetRangeInput:
    """A range to count."""

    from_: Operand | None = strawberry.field(
        name="from", description="The lower bound; null: open.", default=None
    )
    to: Operand | None = strawberry.field(description="The upper bound; null: open.", default=None)


@strawberry.input(
    description="What to count the hits by. Numbers, prices and dates give their ends, and one of ranges, interval and "
    "buckets if asked for."
)
class SearchFacetInput:
    """What to count the hits by."""

    by: SearchFacetKind = strawberry.field(description="What to count by.", default=SearchFacetKind.ATTRIBUTE)
    attribute: str | None = strawberry.field(
        description="Code of the attribute; with ATTRIBUTE, and only then.", default=None
    )
    first: int = strawberry.field(
        description=f"Values that are told, the most frequent first: 1 to {MOST_VALUES}.",
        default=DEFAULT_VALUES,
    )
    ranges: list[SearchFacetRangeInput] | None = strawberry.field(
        description="Ranges to count, at most 50.", default=None
    )
    interval: float | None = strawberry.field(
        description="Width of a histogram's buckets, for dates in days.", default=None
    )
    buckets: int | None = strawberry.field(
        description="About so many buckets of a round width, at most 50.", default=None
    )
    unit: str | None = strawberry.field(
        description="Unit of the numbers, here and in the answer; null: the attribute's own.", default=None
    )
    currency: str | None = strawberry.field(
        description="For an attribute of type MONEY: the currency that counts; null: the channel's.",
        default=None,
    )
    parent: str | None = strawberry.field(
        description="With CATEGORY: code of the category whose children are counted.", default=None
    )


@strawberry.type(description="One value with its hits.")
class SearchFacetValue:
    """One value with its hits."""

    value: str = strawberry.field(
        description="The value as filters take it: an option's or category's code, a text, true or false, an id."
    )
    name: str | None = strawberry.field(
        description="What readers call it, in their locale; null where it has no name."
    )
    count: int = strawberry.field(
        description="How many hits have it, as if nothing had been chosen in this facet."
    )
    selected: bool = strawberry.field(description="Whether the filter chose it.")
    has_children: bool = strawberry.field(
        description="Whether it is a category with others below; false for all else."
    )


@strawberry.type(description="One range with its hits.")
class SearchFacetRange:
    """One range with its hits."""

    from_: Operand | None = strawberry.field(name="from", description="From here on; null: open.")
    to: Operand | None = strawberry.field(description="Up to here, without it; null: open.")
    count: int = strawberry.field(
        description="How many hits lie in it, as if nothing had been chosen in this facet."
    )
    selected: bool = strawberry.field(description="Whether the filter chose just this range.")


@strawberry.type(description="A category on the way down to those that are counted.")
class SearchFacetStep:
    """A category above."""

    value: str = strawberry.field(description="Its code.")
    name: str | None = strawberry.field(
        description="What it is called; null without a name in the locale chain."
    )


@strawberry.type(description="What the hits are counted by, with the counts.")
class SearchFacet:
    """What the hits are counted by, with the counts."""

    by: SearchFacetKind = strawberry.field(description="What they are counted by.")
    attribute: str | None = strawberry.field(description="The attribute's code; null for all else.")
    name: str | None = strawberry.field(
        description="What the attribute is called; null without a name, and for all else."
    )
    unit: str | None = strawberry.field(
        description="Unit of the numbers; null where they have none. Prices: the currency."
    )
    values: list[SearchFacetValue] = strawberry.field(
        description="The values, the most frequent first; empty for numbers and dates."
    )
    others: int = strawberry.field(
        description="How often hits have values beyond those told. A product may have several."
    )
    ranges: list[SearchFacetRange] = strawberry.field(
        description="The ranges as asked for, or the buckets of the histogram that hold something."
    )
    min: Operand | None = strawberry.field(
        description="The least number or date; null where there is none, with ranges, and for values."
    )
    max: Operand | None = strawberry.field(
        description="The greatest number or date; null where there is none, with ranges, and for values."
    )
    path: list[SearchFacetStep] = strawberry.field(
        description="With CATEGORY: the categories above those that are counted, from the top; otherwise empty."
    )


@dataclass(frozen=True)
class Scale:
    """How numbers of the index are told: in a unit, as dates, as they are."""

    kind: str
    unit: unit.Unit | None = None

    @property
    def width(self) -> float:
        """How many of the index's numbers one that is told is wide."""
        if self.kind in ("date", "datetime"):
            return DAY
        return float(self.unit.factor) if self.unit else 1.0

    def told(self, number: float | None) -> Any:
        """A number of the index as the API tells it: a date as text, all else as a number."""
        if number is None:
            return None
        if self.kind in ("date", "datetime"):
            moment = datetime.fromtimestamp(number / 1000, UTC)
            return moment.date().isoformat() if self.kind == "date" else stamp(moment)
        exact = Decimal(repr(number))
        if self.unit:
            exact = (exact - self.unit.offset) / self.unit.factor
        told = float(f"{exact:.{DIGITS}g}")
        return int(told) if told.is_integer() else told


@dataclass(frozen=True)
class Wish:
    """A facet that is asked for. ``known``: its attribute; ``text``: how it names its numbers; null for values."""

    given: SearchFacetInput
    asked: FacetAsked
    known: Named | None = None
    scale: Scale | None = None
    unit: str | None = None


def subject(given: SearchFacetInput) -> str:
    """What a facet is about, as the index names it. Raises ``Required`` or ``Invalid``."""
    if given.by is not SearchFacetKind.ATTRIBUTE:
        if given.attribute is not None:
            raise Invalid(
                f"Facet {given.by.name} is asked with attribute {value.shown(given.attribute)}: leave one of them out.",
                ("facets",),
            )
        return str(given.by.value)
    if given.attribute is None:
        raise Required("A facet by ATTRIBUTE names none: give attribute, or another by.", ("facets",))
    return f"attribute:{given.attribute}"


def check(given: Iterable[SearchFacetInput]) -> None:
    """Raises ``Limit`` for too many, ``Invalid`` for one that is asked for again: the index tells them by what they are about."""
    asked = Counter(map(subject, given))
    if asked.total() > MOST:
        raise Limit(f"{asked.total()} facets are asked for: ask for {MOST} at most, each once.", ("facets",))
    for about, times in asked.items():
        if times > 1:
            often = "twice" if times == 2 else f"{times} times"  # noqa: PLR2004 - the word for two
            raise Invalid(f'Facet "{about}" is asked for {often}: ask once.', ("facets",))


def wish(given: SearchFacetInput, known: Named | None, scope: Scope, *, everything: bool = False) -> Wish:
    """A facet as the index is asked. Raises ``Invalid`` for numbers that its attribute cannot have.

    ``everything``: whether what is not listed is counted too.
    """
    scale, unit_ = _scale(given, known, scope)
    currency = None
    if known is not None and known.definition.type == "money":
        currency = unit_
    width = scale.width if scale else 1.0
    asked = FacetAsked(
        subject(given),
        given.first,
        tuple((_kept(each.from_, known, given), _kept(each.to, known, given)) for each in given.ranges or ()),
        None if given.interval is None else float(Decimal(repr(given.interval)) * Decimal(repr(width))),
        given.buckets,
        width,
        currency,
        keys=_keys(known, scope) if everything else (),
    )
    _check_one_way(given)
    return Wish(given, asked, known, scale, unit_)


def _keys(known: Named | None, scope: Scope) -> tuple[str, ...]:
    """Where values stand for staff, whose documents hold those of every channel and locale, as a reader falls back."""
    if known is None or not known.definition.localizable or known.definition.type in NUMBERS:
        return ()
    own = (scope.channel.code,) if scope.channel and known.definition.per_channel else ()
    return tuple(
        values.key(known.definition.code, channel, locale)
        for channel in (*own, None)
        for locale in scope.locales
    )


def _check_one_way(given: SearchFacetInput) -> None:
    ways = [name for name in ("ranges", "interval", "buckets") if getattr(given, name) not in (None, [])]
    if len(ways) > 1:
        raise Invalid(f"A facet counts in one way: give {' or '.join(ways)}.", ("facets",))
    if given.buckets is not None and not 1 <= given.buckets <= MOST_BUCKETS:
        raise Limit(f"A histogram has 1 to {MOST_BUCKETS} buckets, not {given.buckets}.", ("facets",))


def _scale(given: SearchFacetInput, known: Named | None, scope: Scope) -> tuple[Scale | None, str | None]:
    currency = scope.channel.currency if scope.channel else None
    if given.by is SearchFacetKind.PRICE:
        return Scale("price"), currency
    if known is None or known.definition.type not in NUMBERS:
        return None, None
    definition = known.definition
    if definition.type == "measurement":
        found = operand.unit_of(definition, given.unit)
        return Scale(definition.type, found), found.code
    if definition.type == "money":
        return Scale(definition.type), given.currency or currency
    return Scale(definition.type), None


def _kept(bound: Any, known: Named | None, given: SearchFacetInput) -> float | None:
    """A bound as a number of the index."""
    if bound is None:
        return None
    if known is None:
        return float(value.amount(Decimal(str(bound)) if isinstance(bound, float) else bound))
    if known.definition.type not in NUMBERS:
        return 0.0  # refused by the index's rules, with a sentence
    try:
        return operand.number(known.definition, bound, given.unit)
    except Invalid as refused:
        refused.path = ("facets",)
        raise
