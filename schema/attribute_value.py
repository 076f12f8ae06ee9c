"""Attribute values as the API shows them: a type for each type of attribute, all under one interface."""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

import strawberry
from strawberry.scalars import JSON

from hub import ids
from hub.attribute_value import NOT_APPLICABLE
from schema import rule
from schema.attribute_level import Leaf, Level, leaves
from schema.declare import NOUNS, Field, by_name
from schema.loader import build, by_id
from schema.node import Node
from schema.scalar import Long, moment
from schema.spec import Spec, Values
from schema.sql import Frame, options

if TYPE_CHECKING:
    from schema.attribute import Attribute, AttributeOption  # noqa: TC004 - schema.nouns fills them in
    from schema.context import Context, Scope
    from schema.declare import Resolver


@dataclass(frozen=True, eq=False, kw_only=True)
class OfLeaf(Spec):
    """A field that is read from the stored value, and where it stands, alone.

    ``plain``: what of the leaf it is where that is neither list nor object, null for what is more than that.
    """

    read: Callable[[Leaf], Any]
    plain: str | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class Leading(Spec):
    """A field that leads from the value to other rows. ``to``: ``attribute``, or how the value names them."""

    to: Literal["attribute", "choice", "choices", "reference"]


def _read(description: str, read: Callable[[Leaf], Any], plain: str | None = None) -> Any:
    return Field(
        spec=OfLeaf(description=description, read=read, plain=plain),
        resolver=lambda source, _info, _arguments: read(source.leaf),
    )


def _valued(description: str, read: Callable[[Any], Any] = lambda value: value) -> Any:
    """The field that holds the value in its type; null where the attribute does not apply."""

    def shown(leaf: Leaf) -> Any:
        value = leaf.value
        return None if value is None else read(value)

    return _read(f"{description}; null where the attribute does not apply.", shown)


def _loaded(
    description: str,
    to: Literal["choice", "choices", "reference"],
    load: Callable[[Any, Any], Awaitable[Any]],
) -> Any:
    """The field that leads from the value to other rows."""

    def shown(source: AttributeValue, info: Any, _arguments: Any) -> Any:
        return None if source.leaf.value is None else load(source, info.context)

    return _leading(f"{description}; null where the attribute does not apply.", to, shown)


def _leading(
    description: str, to: Literal["attribute", "choice", "choices", "reference"], resolver: Resolver
) -> Any:
    return Field(spec=Leading(description=description, to=to), resolver=resolver)


def _written(name: str, description: str, read: Callable[[Sequence[str]], Any]) -> Any:
    """Who wrote the value: for those who may know."""

    def shown(source: AttributeValue, info: Any, _arguments: Any) -> Any:
        rule.passed(info.context.viewer, "staff", name)
        return read(source.leaf.written)

    spec = OfLeaf(
        description=f"{description} Staff and apps only.",
        read=lambda leaf: read(leaf.written),
        requires="staff",
    )
    return Field(spec=spec, resolver=shown)


def _attribute(source: AttributeValue, info: Any, _: Any) -> Any:
    return by_id(info.context, NOUNS["Attribute"], source.scope).load(source.leaf.known.id)


def _stored(leaf: Leaf) -> Any:
    value = leaf.value
    if leaf.known.definition.type == "reference" and value is not None:
        return {"type": value["type"], "id": ids.encode(value["type"], value["id"])}
    return value


@strawberry.interface(
    description="A value of an attribute. Its type has the value itself, in a field of its own."
)
class AttributeValue:
    """A value of an attribute."""

    leaf: strawberry.Private[Leaf]
    scope: strawberry.Private[Any]

    code: str = _read(
        "The attribute's code.", lambda leaf: leaf.known.definition.code, "known.definition.code"
    )
    attribute: Attribute | None = _leading("The attribute.", "attribute", _attribute)
    channel: str | None = _read(
        "The code of the channel that the value is kept for; null: for all channels.",
        lambda leaf: leaf.channel,
        "channel",
    )
    locale: str | None = _read(
        "The locale that the value came from; null: it is for all locales.",
        lambda leaf: leaf.locale,
        "locale",
    )
    inherited: bool = _read(
        "Whether a variant has it from its product.", lambda leaf: leaf.inherited, "inherited"
    )
    not_applicable: bool = _read(
        "Whether the attribute is said not to apply, which is not the same as unknown. The value is null then.",
        lambda leaf: leaf.stored == NOT_APPLICABLE,
    )
    value: JSON | None = _read(
        "The value as it is stored, whatever its type: text, number, boolean, list or object; null where the attribute "
        "does not apply. Decimals are text; a reference is an object with type and id.",
        _stored,
        "stored",
    )
    source: str | None = _written("source", "The system that the value comes from.", lambda mark: mark[0])
    actor: str | None = _written("actor", "Who wrote the value, for example token:7.", lambda mark: mark[1])
    written_at: datetime | None = _written(
        "writtenAt", "When the value was written.", lambda mark: moment(mark[2])
    )


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


def _measurement(held: Any) -> Measurement:
    return Measurement(
        amount=Decimal(held["amount"]),
        unit=held["unit"],
        base_amount=Decimal(held["base"]),
        base_unit=held["base_unit"],
    )


def _money(held: Any) -> Money:
    return Money(amount=Decimal(held["amount"]), currency=held["currency"])


async def _choice(source: AttributeValue, context: Context) -> Any:
    return (await _options(source, context, [source.leaf.value]))[0]


async def _choices(source: AttributeValue, context: Context) -> list[Any]:
    return [each for each in await _options(source, context, source.leaf.value) if each is not None]


async def _reference(source: AttributeValue, context: Context) -> Any:
    held = source.leaf.value
    noun = by_name(held["type"])
    return None if noun is None else await by_id(context, noun, source.scope).load(held["id"])


async def _options(value: AttributeValue, context: Context, codes: Sequence[str]) -> list[Any]:
    """The options of a choice; null for one that is gone."""

    async def batch(keys: list[tuple[int, str]]) -> list[Any]:
        frame = Frame(NOUNS["AttributeOption"])
        attributes, named = zip(*keys, strict=True)
        asked = {"attributes": list(attributes), "codes": list(named)}
        rows = await context.database.rows(options(frame), asked)
        found = {(row["attribute_id"], row["code"]): build(frame.noun, row, value.scope) for row in rows}
        return [found.get(key) for key in keys]

    loader = context.loader(("options", value.scope), batch)
    return await loader.load_many([(value.leaf.known.id, code) for code in codes])


@strawberry.type(description="A text.")
class TextValue(AttributeValue):
    """A text."""

    text: str | None = _valued("The text")


@strawberry.type(description="A text with markup.")
class RichTextValue(AttributeValue):
    """A text with markup."""

    text: str | None = _valued("The text with its markup")


@strawberry.type(description="A whole number.")
class IntegerValue(AttributeValue):
    """A whole number."""

    integer: Long | None = _valued("The number")


@strawberry.type(description="A decimal number.")
class DecimalValue(AttributeValue):
    """A decimal number."""

    decimal: Decimal | None = _valued("The number", Decimal)


@strawberry.type(description="True or false.")
class BooleanValue(AttributeValue):
    """True or false."""

    boolean: bool | None = _valued("True or false")


@strawberry.type(description="A day.")
class DateValue(AttributeValue):
    """A day."""

    date: dt.date | None = _valued("The day", dt.date.fromisoformat)


@strawberry.type(description="A moment.")
class DateTimeValue(AttributeValue):
    """A moment."""

    date_time: datetime | None = _valued("The moment", moment)


@strawberry.type(description="One of the attribute's options.")
class ChoiceValue(AttributeValue):
    """One of the attribute's options."""

    choice: AttributeOption | None = _loaded("The option, null too where it is gone", "choice", _choice)


@strawberry.type(description="Some of the attribute's options.")
class ChoicesValue(AttributeValue):
    """Some of the attribute's options."""

    choices: list[AttributeOption] | None = _loaded("The options", "choices", _choices)


@strawberry.type(description="A measured amount.")
class MeasurementValue(AttributeValue):
    """A measured amount."""

    measurement: Measurement | None = _valued("The amount and its unit", _measurement)


@strawberry.type(description="An amount of money.")
class MoneyValue(AttributeValue):
    """An amount of money."""

    money: Money | None = _valued("The amount and its currency", _money)


@strawberry.type(description="A product or an asset that the attribute points to.")
class ReferenceValue(AttributeValue):
    """A product or an asset that the attribute points to."""

    reference: Node | None = _loaded(
        "What it points to, null too where it is gone or this token does not see it", "reference", _reference
    )


@strawberry.type(description="A small table.")
class TableValue(AttributeValue):
    """A small table."""

    table: list[JSON] | None = _valued("Its rows, each an object by column code")


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


def show(found: Leaf, scope: Scope) -> AttributeValue:
    """The value in the type that shows it."""
    made: AttributeValue = object.__new__(TYPES[found.known.definition.type])
    made.leaf, made.scope = found, scope
    return made


def resolver(spec: Values) -> Resolver:
    """What resolves ``attributes(codes:)``, or ``attribute(code:)``."""

    async def resolve(source: Any, info: Any, arguments: dict[str, Any]) -> Any:
        codes = [arguments["code"]] if spec.single else arguments["codes"]
        levels = await _levels(spec, source, info.context)
        shown = [show(each, source.scope) for each in await leaves(levels, codes, source.scope, info.context)]
        return next(iter(shown), None) if spec.single else shown

    return resolve


async def _levels(spec: Values, source: Any, context: Context) -> list[Level]:
    """What the row says itself, then what its product hands down."""
    row = source.__dict__
    found = [Level({name: row[name] for name in spec.own}, row["provenance"], inherited=False)]
    if spec.inherits:
        product = await by_id(context, NOUNS["Product"], source.scope).load(row[spec.inherits])
        if product is not None:
            handed = {"attributes": product.__dict__["attributes"]}
            found.append(Level(handed, product.__dict__["provenance"], inherited=True))
    return found
