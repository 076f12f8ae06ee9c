"""Attribute values as the API shows them: a type for each type of attribute, all under one interface.

Of the values stored for a code the reader gets one: the channel's before everyone's, then the first locale of the
chain, then the one for all. What a variant does not say itself it inherits from its product.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date as Day
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
import strawberry
from strawberry.scalars import JSON

from hub import ids
from hub.attribute import Attribute as AttributeTable
from hub.attribute_value import ALL, NOT_APPLICABLE, Definition
from schema import rule
from schema.declare import NOUNS, Values, by_name
from schema.loader import build, by_id
from schema.node import Node
from schema.scalar import Long, moment
from schema.sql import Frame

if TYPE_CHECKING:
    from schema.attribute import Attribute, AttributeOption
    from schema.context import Context, Scope
    from schema.declare import Resolver


@dataclass(frozen=True)
class Known:
    """An attribute that values are read by."""

    id: int
    definition: Definition


@dataclass(frozen=True)
class Leaf:
    """One stored value, where it stands and who wrote it."""

    known: Known
    channel: str | None
    locale: str | None
    inherited: bool
    stored: Any
    written: Sequence[str]

    @property
    def value(self) -> Any:
        """The stored value; null for "not applicable"."""
        return None if self.stored == NOT_APPLICABLE else self.stored


async def _known(codes: Sequence[str], context: Context) -> dict[str, Known]:
    table = AttributeTable.__table__
    rows = await context.database.rows(
        sa.select(table).where(table.c.code == sa.any_(sa.literal(list(codes), sa.ARRAY(sa.Text))))
    )
    return {row["code"]: Known(row["id"], _definition(row)) for row in rows}


def _definition(row: Mapping[str, Any]) -> Definition:
    names = ("code", "type", "localizable", "per_channel", "unit_family", "unit", "rules")
    return Definition(**{name: row[name] for name in names}, options=frozenset())


async def known(context: Context, codes: tuple[str, ...]) -> dict[str, Known]:
    """The attributes of these codes, without those that do not exist."""

    async def batch(asked: list[tuple[str, ...]]) -> list[dict[str, Known]]:
        every = await _known(sorted(set().union(*asked)), context)
        return [{code: every[code] for code in some if code in every} for some in asked]

    found: dict[str, Known] = await context.loader("attributes", batch).load(codes)
    return found


def leaf(stored: Mapping[str, Any], definition: Definition, scope: Scope) -> tuple[str, str] | None:
    """Channel and locale of the value that a reader in this scope sees among those of one code; null without one."""
    channels = [scope.channel.code, ALL] if scope.channel and definition.per_channel else [ALL]
    locales = [*scope.locales, ALL] if definition.localizable else [ALL]
    return next(
        (
            (channel, locale)
            for channel in channels
            for locale in locales
            if stored.get(channel, {}).get(locale) is not None
        ),
        None,
    )


@dataclass(frozen=True)
class Level:
    """The values that a row has of its own, or hands down."""

    columns: Mapping[str, Mapping[str, Any]]
    provenance: Mapping[str, Sequence[str]]
    inherited: bool

    def codes(self) -> set[str]:
        """The attributes that have any value here."""
        return set().union(*self.columns.values())

    def find(self, known: Known, scope: Scope) -> Leaf | None:
        """The value of an attribute for a reader in this scope."""
        code = known.definition.code
        for column, values in self.columns.items():
            if code not in values:
                continue
            if column == "axes":
                return Leaf(known, None, None, self.inherited, values[code], self._written(f"axes/{code}"))
            place = leaf(values[code], known.definition, scope)
            if place is not None:
                return self._leaf(known, values[code], place)
        return None

    def _leaf(self, known: Known, stored: Mapping[str, Any], place: tuple[str, str]) -> Leaf:
        channel, locale = place
        return Leaf(
            known,
            None if channel == ALL else channel,
            None if locale == ALL else locale,
            self.inherited,
            stored[channel][locale],
            self._written(f"attributes/{known.definition.code}/{channel}/{locale}"),
        )

    def _written(self, path: str) -> Sequence[str]:
        while path and path not in self.provenance:
            path = path.rpartition("/")[0]
        return self.provenance[path or "*"]


def resolver(spec: Values) -> Resolver:
    """What resolves ``attributes(codes:)``, or ``attribute(code:)``."""

    async def resolve(source: Any, info: Any, arguments: dict[str, Any]) -> Any:
        codes = [arguments["code"]] if spec.single else arguments["codes"]
        levels = [level async for level in _levels(spec, source, info.context)]
        found = list(await _leaves(levels, codes, source.scope, info.context))
        shown = [show(each, source.scope) for each in found]
        return next(iter(shown), None) if spec.single else shown

    return resolve


async def _levels(spec: Values, source: Any, context: Context) -> Any:
    row = source.__dict__
    yield Level({name: row[name] for name in spec.own}, row["provenance"], inherited=False)
    if spec.inherits:
        product = await by_id(context, NOUNS["Product"], source.scope).load(row[spec.inherits])
        if product is not None:
            own = product.__dict__
            yield Level({"attributes": own["attributes"]}, own["provenance"], inherited=True)


async def _leaves(
    levels: Sequence[Level], codes: Sequence[str] | None, scope: Scope, context: Context
) -> Iterator[Leaf]:
    stored = set().union(*(level.codes() for level in levels))
    wanted = sorted(stored) if codes is None else [code for code in dict.fromkeys(codes) if code in stored]
    attributes = await known(context, tuple(wanted)) if wanted else {}
    found = (
        next((each for level in levels if (each := level.find(attributes[code], scope))), None)
        for code in wanted
        if code in attributes
    )
    return (each for each in found if each is not None)


def show(found: Leaf, scope: Scope) -> AttributeValue:
    """The value in the type that shows it."""
    type_ = TYPES[found.known.definition.type]
    made = type_.__new__(type_)
    made.leaf, made.scope = found, scope
    return made


@strawberry.interface(description="A value of an attribute. Its type has the value itself, in a field of its own.")
class AttributeValue:
    """A value of an attribute."""

    leaf: strawberry.Private[Leaf]
    scope: strawberry.Private[Any]

    @strawberry.field(description="The attribute's code.")
    def code(self) -> str:
        """The attribute's code."""
        return self.leaf.known.definition.code

    @strawberry.field(description="The attribute.")
    async def attribute(self, info: strawberry.Info[Any]) -> Attribute | None:
        """The attribute."""
        found: Attribute | None = await by_id(info.context, NOUNS["Attribute"], self.scope).load(self.leaf.known.id)
        return found

    @strawberry.field(description="The code of the channel that the value is kept for; null: for all channels.")
    def channel(self) -> str | None:
        """The channel."""
        return self.leaf.channel

    @strawberry.field(description="The locale that the value came from; null: it is for all locales.")
    def locale(self) -> str | None:
        """The locale."""
        return self.leaf.locale

    @strawberry.field(description="Whether a variant has it from its product.")
    def inherited(self) -> bool:
        """Whether it is the product's."""
        return self.leaf.inherited

    @strawberry.field(
        description="Whether the attribute is said not to apply, which is not the same as unknown. The value is null then."
    )
    def not_applicable(self) -> bool:
        """Whether it does not apply."""
        return bool(self.leaf.stored == NOT_APPLICABLE)

    @strawberry.field(
        description="The value as it is stored, whatever its type: text, number, boolean, list or object; null where "
        "the attribute does not apply. A reference is an object with type and id."
    )
    def value(self) -> JSON | None:
        """The stored value."""
        value = self.leaf.value
        if self.leaf.known.definition.type == "reference" and value is not None:
            value = {"type": value["type"], "id": ids.encode(value["type"], value["id"])}
        return value  # type: ignore[no-any-return]

    @strawberry.field(description="The system that the value comes from. Staff and apps only.")
    def source(self, info: strawberry.Info[Any]) -> str | None:
        """The system."""
        return self._written(info, "source", 0)

    @strawberry.field(description="Who wrote the value, for example token:7. Staff and apps only.")
    def actor(self, info: strawberry.Info[Any]) -> str | None:
        """Who wrote it."""
        return self._written(info, "actor", 1)

    @strawberry.field(description="When the value was written. Staff and apps only.")
    def written_at(self, info: strawberry.Info[Any]) -> datetime | None:
        """When it was written."""
        return moment(self._written(info, "writtenAt", 2))

    def _written(self, info: strawberry.Info[Any], field: str, place: int) -> str:
        rule.passed(info.context.viewer, "staff", field)
        return self.leaf.written[place]


@strawberry.type(description="An amount in a unit of measurement.")
class Measurement:
    """An amount in a unit of measurement."""

    amount: Decimal = strawberry.field(description="How many of the unit, as it was given.")
    unit: str = strawberry.field(description="The unit's code, for example cm.")
    base_amount: Decimal = strawberry.field(description="The same in the base unit, for comparing.")
    base_unit: str = strawberry.field(description="The base unit of the unit's family, for example m.")


@strawberry.type(description="An amount of money.")
class Money:
    """An amount of money."""

    amount: Decimal = strawberry.field(description="The amount, with the decimals of its currency.")
    currency: str = strawberry.field(description="ISO 4217 code.")


@strawberry.type(description="A text.")
class TextValue(AttributeValue):
    """A text."""

    @strawberry.field(description="The text; null where the attribute does not apply.")
    def text(self) -> str | None:
        """The text."""
        return self.leaf.value  # type: ignore[no-any-return]


@strawberry.type(description="A text with markup.")
class RichTextValue(AttributeValue):
    """A text with markup."""

    @strawberry.field(description="The text with its markup; null where the attribute does not apply.")
    def text(self) -> str | None:
        """The text."""
        return self.leaf.value  # type: ignore[no-any-return]


@strawberry.type(description="A whole number.")
class IntegerValue(AttributeValue):
    """A whole number."""

    @strawberry.field(description="The number; null where the attribute does not apply.")
    def integer(self) -> Long | None:
        """The number."""
        return self.leaf.value  # type: ignore[no-any-return]


@strawberry.type(description="A decimal number.")
class DecimalValue(AttributeValue):
    """A decimal number."""

    @strawberry.field(description="The number; null where the attribute does not apply.")
    def decimal(self) -> Decimal | None:
        """The number."""
        return None if self.leaf.value is None else Decimal(self.leaf.value)


@strawberry.type(description="True or false.")
class BooleanValue(AttributeValue):
    """True or false."""

    @strawberry.field(description="True or false; null where the attribute does not apply.")
    def boolean(self) -> bool | None:
        """True or false."""
        return self.leaf.value  # type: ignore[no-any-return]


@strawberry.type(description="A day.")
class DateValue(AttributeValue):
    """A day."""

    @strawberry.field(description="The day; null where the attribute does not apply.")
    def date(self) -> Day | None:
        """The day."""
        return None if self.leaf.value is None else Day.fromisoformat(self.leaf.value)


@strawberry.type(description="A moment.")
class DateTimeValue(AttributeValue):
    """A moment."""

    @strawberry.field(description="The moment; null where the attribute does not apply.")
    def date_time(self) -> datetime | None:
        """The moment."""
        return None if self.leaf.value is None else moment(self.leaf.value)


@strawberry.type(description="One of the attribute's options.")
class ChoiceValue(AttributeValue):
    """One of the attribute's options."""

    @strawberry.field(description="The option; null where the attribute does not apply, or the option is gone.")
    async def choice(self, info: strawberry.Info[Any]) -> AttributeOption | None:
        """The option."""
        if self.leaf.value is None:
            return None
        return (await options(self, info.context, [self.leaf.value]))[0]


@strawberry.type(description="Some of the attribute's options.")
class ChoicesValue(AttributeValue):
    """Some of the attribute's options."""

    @strawberry.field(description="The options; null where the attribute does not apply.")
    async def choices(self, info: strawberry.Info[Any]) -> list[AttributeOption] | None:
        """The options."""
        if self.leaf.value is None:
            return None
        return [each for each in await options(self, info.context, self.leaf.value) if each is not None]


@strawberry.type(description="A measured amount.")
class MeasurementValue(AttributeValue):
    """A measured amount."""

    @strawberry.field(description="The amount and its unit; null where the attribute does not apply.")
    def measurement(self) -> Measurement | None:
        """The amount and its unit."""
        held = self.leaf.value
        return held and Measurement(
            amount=Decimal(held["amount"]),
            unit=held["unit"],
            base_amount=Decimal(held["base"]),
            base_unit=held["base_unit"],
        )


@strawberry.type(description="An amount of money.")
class MoneyValue(AttributeValue):
    """An amount of money."""

    @strawberry.field(description="The amount; null where the attribute does not apply.")
    def money(self) -> Money | None:
        """The amount."""
        held = self.leaf.value
        return held and Money(amount=Decimal(held["amount"]), currency=held["currency"])


@strawberry.type(description="A product or an asset that the attribute points to.")
class ReferenceValue(AttributeValue):
    """A product or an asset that the attribute points to."""

    @strawberry.field(
        description="What it points to; null where the attribute does not apply, the object is gone, or this token does "
        "not see it."
    )
    async def reference(self, info: strawberry.Info[Any]) -> Node | None:
        """What it points to."""
        held = self.leaf.value
        noun = held and by_name(held["type"])
        if noun is None:
            return None
        found: Node | None = await by_id(info.context, noun, self.scope).load(held["id"])
        return found


@strawberry.type(description="A small table.")
class TableValue(AttributeValue):
    """A small table."""

    @strawberry.field(
        description="Its rows, each an object by column code; null where the attribute does not apply."
    )
    def table(self) -> list[JSON] | None:
        """Its rows."""
        return self.leaf.value  # type: ignore[no-any-return]


TYPES: dict[str, type[Any]] = {
    "text": TextValue,
    "rich_text": RichTextValue,
    "integer": IntegerValue,
    "decimal": DecimalValue,
    "boolean": BooleanValue,
    "date": DateValue,
    "datetime": DateTimeValue,
    "choice": ChoiceValue,
    "choices": ChoicesValue,
    "measurement": MeasurementValue,
    "money": MoneyValue,
    "reference": ReferenceValue,
    "table": TableValue,
}
"""The type that shows a value, by the type of its attribute."""


async def options(value: AttributeValue, context: Context, codes: Sequence[str]) -> list[Any]:
    """The options of a choice; null for one that is gone."""
    async def batch(keys: list[tuple[int, str]]) -> list[Any]:
        frame = Frame(NOUNS["AttributeOption"])
        rows = await context.database.rows(
            sa.select(*frame.columns(), frame.c.attribute_id).where(
                sa.tuple_(frame.c.attribute_id, frame.c.code).in_(sorted(set(keys)))
            )
        )
        found = {(row["attribute_id"], row["code"]): build(frame.noun, row, value.scope) for row in rows}
        return [found.get(key) for key in keys]

    loader = context.loader(("options", value.scope), batch)
    return await loader.load_many([(value.leaf.known.id, code) for code in codes])

