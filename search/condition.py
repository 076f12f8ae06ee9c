"""Conditions: what a question filters by, in the words of the catalogue, and what that means for a document.

Every condition is checked here, once, for GraphQL, rules and saved searches alike: an attribute that does not exist or
cannot be filtered by, an operator that its type does not have, a value that it cannot take.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from hub.errors import Invalid, Limit, NotFound
from search import operand, values
from search.clause import Between, Both, Clause, Either, Exists, Not, OneOf
from search.entry import milliseconds
from search.identifier import normal
from search.operand import NUMBERS, UNCOMPARABLE, Definition

MOST = 500
"""Values of one condition, and conditions of one question."""

PRICELESS = "Prices belong to a channel, and are those of what is listed there: name the channel and take only what is listed,"


@dataclass(frozen=True)
class AllOf:
    """All of the conditions."""

    conditions: tuple[Condition, ...]


@dataclass(frozen=True)
class AnyOf:
    """At least one of the conditions."""

    conditions: tuple[Condition, ...]


@dataclass(frozen=True)
class NoneOf:
    """None of the conditions."""

    conditions: tuple[Condition, ...]


@dataclass(frozen=True)
class AttributeIn:
    """An attribute that has one of these values, of the product or of one of its variants.

    Numbers and amounts are given as text or numbers in ``unit``, dates and times in ISO 8601, choices by option code.
    """

    code: str
    values: tuple[str | int | float | bool | Decimal, ...]
    unit: str | None = None
    currency: str | None = None


@dataclass(frozen=True)
class AttributeBetween:
    """An attribute with a number, amount or moment within bounds; a null bound is open."""

    code: str
    low: str | int | float | Decimal | None = None
    high: str | int | float | Decimal | None = None
    with_low: bool = True
    with_high: bool = True
    unit: str | None = None
    currency: str | None = None


@dataclass(frozen=True)
class AttributeEmpty:
    """An attribute without any value, or (``empty`` false) with one.

    ``channel`` and ``locale``: for staff, whose values are looked at; null: all.
    """

    code: str
    empty: bool = True
    channel: str | None = None
    locale: str | None = None


@dataclass(frozen=True)
class InCategory:
    """In one of these categories (ids) or below."""

    ids: tuple[int, ...]


@dataclass(frozen=True)
class InCollection:
    """In one of these collections (ids)."""

    ids: tuple[int, ...]


@dataclass(frozen=True)
class OfType:
    """Of one of these product types, by code."""

    codes: tuple[str, ...]


@dataclass(frozen=True)
class OfBrand:
    """Of one of these makers, by name, whatever the spelling of it."""

    names: tuple[str, ...]


@dataclass(frozen=True)
class PriceBetween:
    """With a variant that costs so much in the channel now, in its currency; null bounds are open."""

    low: Decimal | None = None
    high: Decimal | None = None
    with_low: bool = True
    with_high: bool = True


@dataclass(frozen=True)
class Available:
    """With a variant in stock, or (``available`` false) with none."""

    available: bool = True


@dataclass(frozen=True)
class ListedIn:
    """For staff: on offer now in one of these channels (ids)."""

    channels: tuple[int, ...]


@dataclass(frozen=True)
class Products:
    """One of these products (ids)."""

    ids: tuple[int, ...]


@dataclass(frozen=True)
class Created:
    """Made from ``since`` on, and before ``until``; null bounds are open."""

    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True)
class Changed:
    """For staff: last changed from ``since`` on and before ``until``, by one of ``actors``; empty: whenever, whoever."""

    since: datetime | None = None
    actors: tuple[str, ...] = ()
    until: datetime | None = None


Condition = (
    AllOf
    | AnyOf
    | NoneOf
    | AttributeIn
    | AttributeBetween
    | AttributeEmpty
    | InCategory
    | InCollection
    | OfType
    | OfBrand
    | PriceBetween
    | Available
    | ListedIn
    | Products
    | Created
    | Changed
)
"""A condition on a product."""


@dataclass(frozen=True)
class Ground:
    """What conditions stand on: the attributes, and who asks where.

    ``channel_id``: null for staff. ``locale``: whose values of attributes that are kept per locale are meant.
    """

    definitions: Mapping[str, Definition]
    channel_id: int | None = None
    locale: str | None = None

    def definition(self, code: str) -> Definition:
        """The definition of an attribute that can be asked for. Raises ``NotFound`` or ``Invalid``."""
        found = self.definitions.get(code)
        if found is None:
            raise NotFound(f'Attribute "{code}" does not exist: attributes lists those that do.', ("filter",))
        if self.channel_id is not None and not (found.filterable or found.facet):
            raise Invalid(
                f'Attribute "{code}" is not filterable: attributes(filter: {{filterable: true}}) lists those that are.',
                ("filter",),
            )
        return found

    def key(self, definition: Definition) -> str:
        """The key of an attribute's values as this reader sees them."""
        if self.channel_id is None or not definition.localizable:
            return definition.code
        return values.key(definition.code, None, self.locale)


def clause(condition: Condition, ground: Ground) -> Clause:
    """What a condition asks of documents. Raises ``Invalid``, ``Limit`` or ``NotFound``."""
    match condition:
        case AllOf(conditions):
            return Both(tuple(clause(each, ground) for each in _few(conditions)))
        case AnyOf(conditions):
            return Either(tuple(clause(each, ground) for each in _few(conditions)))
        case NoneOf(conditions):
            return Not(Either(tuple(clause(each, ground) for each in _few(conditions))))
        case AttributeIn():
            return _attribute_in(condition, ground)
        case AttributeBetween():
            return _attribute_between(condition, ground)
        case AttributeEmpty():
            return _attribute_empty(condition, ground)
        case _:
            return _plain(condition, ground)


def subject(condition: Condition) -> str | None:
    """What a condition is about, as facets name it: ``attribute:colour``, ``price``; null where it is about several things."""
    match condition:
        case AttributeIn(code=code) | AttributeBetween(code=code) | AttributeEmpty(code=code):
            return f"attribute:{code}"
        case AllOf(conditions) | AnyOf(conditions) | NoneOf(conditions):
            found = {subject(each) for each in conditions}
            return found.pop() if len(found) == 1 else None
        case _:
            return SUBJECTS.get(type(condition))


SUBJECTS: dict[type[object], str] = {
    InCategory: "category",
    InCollection: "collection",
    OfType: "type",
    OfBrand: "brand",
    PriceBetween: "price",
    Available: "available",
}
"""What plain conditions are about."""


def chosen(conditions: Iterable[Condition], about: str) -> set[object]:
    """What of a facet was chosen: values as the index keeps them, and bounds."""
    found: set[object] = set()
    for each in conditions:
        if subject(each) == about:
            found |= _chosen(each)
    return found


def _chosen(said: Condition) -> set[object]:
    match said:
        case AllOf(conditions) | AnyOf(conditions):
            return set().union(*map(_chosen, conditions))
        case InCategory(ids) | InCollection(ids):
            return {str(each) for each in ids}
        case OfType(codes):
            return set(codes)
        case OfBrand(names):
            return {normal(each) for each in names}
        case Available(available):
            return {str(int(available))}
        case AttributeIn(values=values):
            return {str(each).lower() if isinstance(each, bool) else str(each) for each in values}
        case AttributeBetween() | PriceBetween():
            return {said}
    return set()


def _few(given: tuple[Condition, ...]) -> tuple[Condition, ...]:
    if len(given) > MOST:
        raise Limit(f"{len(given)} conditions stand beside each other: give {MOST} at most.", ("filter",))
    return given


def _plain(condition: Condition, ground: Ground) -> Clause:
    match condition:
        case InCategory(ids):
            return _one_of("categories", [str(each) for each in ids])
        case InCollection(ids):
            return _one_of("collections", [str(each) for each in ids])
        case OfType(codes):
            return _one_of("types", list(codes))
        case OfBrand(names):
            return _one_of("brands", [normal(name) for name in names])
        case Products(ids):
            return OneOf("product", ids)
        case Available(available):
            return OneOf("available", (int(available),))
        case PriceBetween():
            return _price(condition, ground)
        case Created(since, until):
            return _moments("created", since, until)
        case _:
            return _for_staff(condition, ground)


def _for_staff(condition: Condition, ground: Ground) -> Clause:
    if ground.channel_id is not None:
        raise Invalid("This condition is for staff, who search without a channel.", ("filter",))
    match condition:
        case ListedIn(channels):
            return _one_of("listed", [str(each) for each in channels])
        case Changed(since, actors, until):
            by = [_one_of("actors", list(actors))] if actors else []
            return Both((_moments("updated", since, until), *by))
    raise TypeError(f"{condition!r} is no condition.")


def _one_of(field: str, given: list[str]) -> Clause:
    if len(given) > MOST:
        raise Limit(f"{len(given)} values are asked for: give {MOST} at most.", ("filter",))
    return OneOf(field, tuple(given))


def _moments(field: str, since: datetime | None, until: datetime | None) -> Clause:
    low, high = (None if moment is None else milliseconds(moment) for moment in (since, until))
    return Between(field, low, high, with_high=False)


def _price(condition: PriceBetween, ground: Ground) -> Clause:
    """The cheapest variant costs at most the upper bound, the dearest at least the lower."""
    low, high = condition.low, condition.high
    if ground.channel_id is None:
        raise Invalid(f"{PRICELESS} to filter by them.", ("filter",))
    if low is not None and high is not None and low > high:
        raise Invalid(f"No price is from {low} to {high}: give the lower bound first.", ("filter",))
    bounds = [
        Between("price", None, None if high is None else float(high), with_high=condition.with_high),
        Between("price_high", None if low is None else float(low), None, with_low=condition.with_low),
    ]
    return Both(tuple(bounds))


def _attribute_in(condition: AttributeIn, ground: Ground) -> Clause:
    definition = ground.definition(condition.code)
    if definition.type in UNCOMPARABLE:
        raise operand.wrong(definition, "its values cannot be compared: the only operator is isEmpty")
    if len(condition.values) > MOST:
        raise Limit(
            f'{len(condition.values)} values of attribute "{condition.code}" are asked for: give {MOST} at most.',
            ("filter",),
        )
    key = ground.key(definition)
    if definition.type in NUMBERS:
        at = operand.currency_key(definition, key, condition.currency)
        wanted = (operand.number(definition, each, condition.unit) for each in condition.values)
        return Either(tuple(Between("numbers", each, each, at) for each in wanted))
    return OneOf("values", tuple(operand.term(definition, each) for each in condition.values), key)


def _attribute_between(condition: AttributeBetween, ground: Ground) -> Clause:
    definition = ground.definition(condition.code)
    if definition.type not in NUMBERS:
        allowed = "isEmpty" if definition.type in UNCOMPARABLE else "eq, ne, in, notIn and isEmpty"
        raise operand.wrong(definition, f"its values have no order: the operators are {allowed}")
    low, high = (
        None if bound is None else operand.number(definition, bound, condition.unit)
        for bound in (condition.low, condition.high)
    )
    at = operand.currency_key(definition, ground.key(definition), condition.currency)
    return Between("numbers", low, high, at, condition.with_low, condition.with_high)


def _attribute_empty(condition: AttributeEmpty, ground: Ground) -> Clause:
    definition = ground.definition(condition.code)
    if ground.channel_id is not None and (condition.channel or condition.locale):
        raise Invalid("Which channel or locale has no value is for staff to ask.", ("filter",))
    placed = condition.channel or condition.locale
    key = (
        values.key(definition.code, condition.channel, condition.locale) if placed else ground.key(definition)
    )
    has = Either((Exists("values", key), Exists("numbers", key)))
    return Not(has) if condition.empty else has
