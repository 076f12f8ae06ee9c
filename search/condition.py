"""Conditions: what a question filters by, in the words of the catalogue, and what that means for a document.

Every condition is checked here, once, for GraphQL, rules and saved searches alike: an attribute that does not exist or
cannot be filtered by, an operator that its type does not have, a value that it cannot take.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from hub import unit, value
from hub.errors import Invalid, Limit, NotFound
from search import values
from search.clause import Between, Both, Clause, Either, Exists, Not, OneOf
from search.entry import milliseconds
from search.identifier import normal

MOST = 500
"""Values of one condition, and conditions of one question."""

NUMBERS = frozenset({"integer", "decimal", "measurement", "money", "date", "datetime"})
UNCOMPARABLE = frozenset({"rich_text", "table"})


@dataclass(frozen=True)
class Definition:
    """What an attribute's definition says about asking for its values."""

    code: str
    type: str
    filterable: bool = False
    facet: bool = False
    localizable: bool = False
    per_channel: bool = False
    unit_family: str | None = None
    unit: str | None = None


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
class Changed:
    """For staff: last changed from ``since`` on, and by one of ``actors``; null and empty: whenever, whoever."""

    since: datetime | None = None
    actors: tuple[str, ...] = ()


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
                f'Attribute "{code}" is not filterable: make it so, or filter by another.', ("filter",)
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
        case PriceBetween(low, high):
            return _price(low, high, ground)
        case _:
            return _for_staff(condition, ground)


def _for_staff(condition: Condition, ground: Ground) -> Clause:
    if ground.channel_id is not None:
        raise Invalid("This condition is for staff, who search without a channel.", ("filter",))
    match condition:
        case ListedIn(channels):
            return _one_of("listed", [str(each) for each in channels])
        case Changed(since, actors):
            parts: list[Clause] = [] if since is None else [Between("updated", milliseconds(since))]
            return Both((*parts, *([_one_of("actors", list(actors))] if actors else [])))
    raise TypeError(f"{condition!r} is no condition.")


def _one_of(field: str, given: list[str]) -> Clause:
    if len(given) > MOST:
        raise Limit(f"{len(given)} values are asked for: give {MOST} at most.", ("filter",))
    return OneOf(field, tuple(given))


def _price(low: Decimal | None, high: Decimal | None, ground: Ground) -> Clause:
    """The cheapest variant costs at most the upper bound, the dearest at least the lower."""
    if ground.channel_id is None:
        raise Invalid("Prices belong to a channel: name the channel to filter by them.", ("filter",))
    if low is not None and high is not None and low > high:
        raise Invalid(f"No price is from {low} to {high}: give the lower bound first.", ("filter",))
    bounds = [
        Between("price", None, None if high is None else float(high)),
        Between("price_high", None if low is None else float(low), None),
    ]
    return Both(tuple(bounds))


def _attribute_in(condition: AttributeIn, ground: Ground) -> Clause:
    definition = ground.definition(condition.code)
    if definition.type in UNCOMPARABLE:
        raise _wrong(definition, "its values cannot be compared: use isEmpty")
    if len(condition.values) > MOST:
        raise Limit(
            f'{len(condition.values)} values of attribute "{condition.code}" are asked for: give {MOST} at most.',
            ("filter",),
        )
    key = ground.key(definition)
    if definition.type in NUMBERS:
        numbers = (_number(definition, each, condition.unit) for each in condition.values)
        at = _currency_key(definition, key, condition.currency)
        return Either(tuple(Between("numbers", number, number, at) for number in numbers))
    return OneOf("values", tuple(_term(definition, each) for each in condition.values), key)


def _attribute_between(condition: AttributeBetween, ground: Ground) -> Clause:
    definition = ground.definition(condition.code)
    if definition.type not in NUMBERS:
        raise _wrong(definition, "its values have no order: use eq or in")
    low, high = (
        None if bound is None else _number(definition, bound, condition.unit)
        for bound in (condition.low, condition.high)
    )
    at = _currency_key(definition, ground.key(definition), condition.currency)
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


def _currency_key(definition: Definition, key: str, currency: str | None) -> str:
    if currency is None:
        return key
    if definition.type != "money":
        raise _wrong(definition, "it has no currency: leave currency out")
    return f"{key}#{value.currency(currency)}"


def _term(definition: Definition, given: object) -> str:
    if definition.type == "boolean":
        said = str(given).lower()
        if said not in ("true", "false"):
            raise _wrong(definition, f"{value.shown(given)} is neither true nor false")
        return said
    return str(given)[: values.LONGEST]


def _number(definition: Definition, given: object, asked_unit: str | None) -> float:
    if definition.type in ("date", "datetime"):
        try:
            return values.milliseconds(str(given))
        except ValueError as wrong:
            raise _wrong(
                definition, f'{value.shown(given)} is no date: write it like "2026-01-31"'
            ) from wrong
    try:
        number = value.amount(Decimal(str(given)) if isinstance(given, float) else given)
    except Invalid as wrong:
        raise _wrong(definition, wrong.message.rstrip(".")) from wrong
    if definition.type != "measurement":
        if asked_unit is not None:
            raise _wrong(definition, "it has no unit: leave unit out")
        return float(number)
    return float(unit.to_base(number, _unit(definition, asked_unit)))


def _unit(definition: Definition, asked: str | None) -> unit.Unit:
    found = unit.find(asked or definition.unit or unit.base(definition.unit_family or ""))
    if found.family != definition.unit_family:
        raise _wrong(definition, f'unit "{found.code}" measures {found.family}, not {definition.unit_family}')
    return found


def _wrong(definition: Definition, why: str) -> Invalid:
    return Invalid(f'Attribute "{definition.code}" ({definition.type}): {why}.', ("filter",))
