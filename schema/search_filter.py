"""Filters of a search: the typed input, and the conditions that it means to the index."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import strawberry

from hub.errors import Forbidden, HubError, Invalid
from schema import filter as filters
from schema.attribute_filter import AttributeValueFilter
from schema.declare import NOUNS
from search import condition
from search.condition import AllOf, AnyOf, Condition, NoneOf

if TYPE_CHECKING:
    from schema.context import Scope


def _given(description: str, name: str | None = None) -> Any:
    return strawberry.field(name=name, description=description, default=strawberry.UNSET)


@strawberry.input(description="Bounds of a price, in the currency of the channel.")
class SearchPriceFilter:
    """Bounds of a price."""

    gte: Decimal | None = _given("At least this much.")
    gt: Decimal | None = _given("More than this.")
    lte: Decimal | None = _given("At most this much.")
    lt: Decimal | None = _given("Less than this.")


@strawberry.input(description="Bounds of a moment.")
class SearchMomentFilter:
    """Bounds of a moment."""

    gte: datetime | None = _given("From this moment on.")
    lt: datetime | None = _given("Before this moment.")


@strawberry.input(description="One of these, named in one way. One value may stand without brackets.")
class SearchPlaceFilter:
    """Categories or collections."""

    id: list[strawberry.ID] | None = _given("By id.")
    code: list[str] | None = _given("By code.")
    slug: list[str] | None = _given("By slug.")


@strawberry.input(description="An attribute that has no value.")
class SearchMissingFilter:
    """An attribute that has no value."""

    attribute: str = strawberry.field(description="The attribute's code.")
    channel: str | None = _given("Code of the channel whose own value is missing; null: for all channels.")
    locale: str | None = _given("The locale whose own value is missing; null: for all locales.")


@strawberry.input(
    description="Which products a search takes. Conditions beside each other must all hold. One value may stand for a list."
)
class ProductSearchFilter:
    """Which products a search takes."""

    and_: list[ProductSearchFilter] | None = _given("All of these hold.", "and")
    or_: list[ProductSearchFilter] | None = _given("At least one of these holds.", "or")
    not_: ProductSearchFilter | None = _given("This does not hold.", "not")
    id: list[strawberry.ID] | None = _given("One of these products.")
    category: SearchPlaceFilter | None = _given("In one of these categories, or below.")
    collection: SearchPlaceFilter | None = _given("In one of these collections.")
    type: list[str] | None = _given("Of one of these product types, by code.")
    brand: list[str] | None = _given("Of one of these makers, by name in any spelling.")
    price: SearchPriceFilter | None = _given("A variant costs so much in the channel.")
    available: bool | None = _given("True: a variant is in stock; false: none is.")
    attribute: list[AttributeValueFilter] | None = _given(
        "By attributes of the product or its variants; all of these hold. contains and startsWith are for products(filter:)."
    )
    created_at: SearchMomentFilter | None = _given("When it was made.")
    listed: bool | None = _given(
        "Whether it is on offer in the channel of the query. Beside the other conditions, true searches as a storefront "
        "does: its prices and its attributes. For staff and apps."
    )
    missing: list[SearchMissingFilter] | None = _given(
        "Attributes without a value, all of these. For staff and apps."
    )
    updated_at: SearchMomentFilter | None = _given("When it changed last. For staff and apps.")
    changed_by: list[str] | None = _given(
        "Who changed it last, as changes tell the actor: one of these. For staff and apps."
    )


PLACES = ("category", "collection")

Named = tuple[str, str, str]
"""A category or collection as it is named: noun, way, value."""


@dataclass(frozen=True)
class Reading:
    """What filters are read with. ``places``: the ids of the categories and collections that are named.

    ``everything``: whether what is not listed is searched too; ``staff``: whether who asks may search that.
    """

    scope: Scope
    everything: bool
    staff: bool
    places: Mapping[Named, int] = field(default_factory=dict)


def attributes(filter_: ProductSearchFilter | None) -> set[str]:
    """The attributes that a filter names. Raises ``Limit`` where it is too deep or has too many conditions."""
    if filter_ is None:
        return set()
    codes = filters.attribute_codes(filter_)
    return codes | {each.attribute for part in parts(filter_) for each in part.missing or ()}


def parts(filter_: ProductSearchFilter) -> Iterator[ProductSearchFilter]:
    """The filter and all that stand in it."""
    yield filter_
    within = [*(filter_.and_ or ()), *(filter_.or_ or ()), *([filter_.not_] if filter_.not_ else ())]
    for each in within:
        yield from parts(each)


def read(filter_: ProductSearchFilter | None, reading: Reading) -> AllOf:
    """The conditions that a filter means. Raises ``Invalid`` or ``Limit``."""
    if filter_ is None:
        return AllOf(())
    return AllOf(
        tuple(each for name, given in filters.given(filter_) for each in _read(name, given, reading))
    )


def _read(name: str, given: Any, reading: Reading) -> Iterator[Condition]:
    _check_right(name, given, reading)
    match name:
        case "price" | "created_at" | "updated_at" if not dict(filters.given(given)):
            return  # it filters nothing, also not those without a price
        case "and_":
            yield from (read(each, reading) for each in given)
        case "or_":
            yield AnyOf(tuple(read(each, reading) for each in given))
        case "not_":
            yield NoneOf((read(given, reading),))
        case "attribute":
            for each in given:
                yield from _attribute(each)
        case "missing":
            yield from (
                condition.AttributeEmpty(each.attribute, True, each.channel or None, each.locale or None)
                for each in given
            )
        case "listed":
            yield from _listed(given, reading)
        case _:
            yield _plain(name, given, reading)


FOR_STAFF = {"updated_at": "updatedAt", "changed_by": "changedBy"}
"""Conditions that only those have who search everything, and what they are called outside."""


def _check_right(name: str, given: Any, reading: Reading) -> None:
    """Raises ``Forbidden`` for a condition that is closed to who asks, ``Invalid`` for one that has no place here."""
    if reading.everything:
        return
    if name in FOR_STAFF:
        raise _only_staff(FOR_STAFF[name], reading)
    if name == "listed" and not given:
        raise _only_staff("listed: false", reading)
    if name == "missing" and any(each.channel or each.locale for each in given):
        raise _only_staff("missing with a channel or locale", reading)


def _only_staff(what: str, reading: Reading) -> HubError:
    if not reading.staff:
        return Forbidden(f"{what} is closed to this token: it is for staff and apps.", ("filter",))
    return Invalid(
        f"{what} does not go with listed: true, which searches as a storefront does: leave one of them out.",
        ("filter",),
    )


def _plain(name: str, given: Any, reading: Reading) -> Condition:
    match name:
        case "id":
            return condition.Products(tuple(filters.number_of(each, NOUNS["Product"]) for each in given))
        case "category":
            return condition.InCategory(_ids("category", given, reading))
        case "collection":
            return condition.InCollection(_ids("collection", given, reading))
    return PLAIN[name](given)


def _ids(noun: str, given: SearchPlaceFilter, reading: Reading) -> tuple[int, ...]:
    ways = dict(filters.given(given))
    if len(ways) != 1:
        raise Invalid(f"{noun} is named in {len(ways)} ways: give one of id, code and slug.", ("filter",))
    ((way, values),) = ways.items()
    if way == "id":
        values = [str(filters.number_of(each, NOUNS[noun.capitalize()])) for each in values]
    return tuple(reading.places[noun, way, each] for each in values)


def _price(given: SearchPriceFilter) -> Condition:
    bounds = dict(filters.given(given))
    for pair in (("gte", "gt"), ("lte", "lt")):
        if all(each in bounds for each in pair):
            raise Invalid(f"{pair[0]} and {pair[1]} cannot go together: give one of them.", ("filter",))
    return condition.PriceBetween(
        bounds.get("gte", bounds.get("gt")),
        bounds.get("lte", bounds.get("lt")),
        with_low="gt" not in bounds,
        with_high="lt" not in bounds,
    )


def _listed(given: bool, reading: Reading) -> Iterator[Condition]:
    """On offer now. A storefront, and staff who search as one does, are shown nothing else."""
    if not reading.everything:
        return
    if reading.scope.channel is None:
        raise Invalid("listed needs a channel: name one in the argument channel.", ("filter",))
    if reading.scope.as_of is not None:
        raise Invalid(
            "asOf goes with listed: true beside the other conditions, not inside and, or, not.", ("filter",)
        )
    met = condition.ListedIn((reading.scope.channel.id,))
    yield met if given else NoneOf((met,))


PLAIN: dict[str, Callable[[Any], Condition]] = {
    "type": lambda given: condition.OfType(tuple(given)),
    "brand": lambda given: condition.OfBrand(tuple(given)),
    "price": _price,
    "available": condition.Available,
    "created_at": lambda given: condition.Created(given.gte or None, given.lt or None),
    "updated_at": lambda given: condition.Changed(given.gte or None, (), given.lt or None),
    "changed_by": lambda given: condition.Changed(None, tuple(given)) if given else AnyOf(()),
}
"""Conditions that need nothing but what is given."""

BOUNDS = ("gte", "gt", "lte", "lt")
NEGATED = ("ne", "not_in")


def _attribute(given: AttributeValueFilter) -> Iterator[Condition]:
    """Each operator on its own, but bounds together: one value lies between them."""
    said = dict(filters.given(given))
    code, unit, currency = said.pop("code"), said.pop("unit", None), said.pop("currency", None)
    for name, value in said.items():
        if value is None:
            raise Invalid(f'Attribute "{code}" is compared with null: use isEmpty.', ("filter",))
        if name in ("contains", "starts_with"):
            raise Invalid(
                f'Attribute "{code}": a search has the operators eq, ne, in, notIn, lt, lte, gt, gte and isEmpty; '
                "products(filter:) has contains and startsWith too.",
                ("filter",),
            )
        if name not in BOUNDS:
            yield _compared(code, name, value, unit, currency)
    bounds = {name: said[name] for name in BOUNDS if name in said}
    for side in (("gte", "gt"), ("lte", "lt")):
        if all(name in bounds for name in side):
            raise Invalid(f'Attribute "{code}": give one of {side[0]} and {side[1]}.', ("filter",))
    if bounds:
        yield condition.AttributeBetween(
            code,
            bounds.get("gte", bounds.get("gt")),
            bounds.get("lte", bounds.get("lt")),
            with_low="gt" not in bounds,
            with_high="lt" not in bounds,
            unit=unit,
            currency=currency,
        )


def _compared(code: str, operator: str, value: Any, unit: str | None, currency: str | None) -> Condition:
    if operator == "is_empty":
        return condition.AttributeEmpty(code, value)
    values = tuple(value) if operator in ("in_", "not_in") else (value,)
    met = condition.AttributeIn(code, values, unit, currency)
    return NoneOf((met,)) if operator in NEGATED else met
