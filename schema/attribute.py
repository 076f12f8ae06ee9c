"""Attributes: what can be said of a product, defined as data and typed."""

from __future__ import annotations

from enum import Enum

import strawberry
from strawberry.scalars import JSON

from hub import attribute as tables
from schema.declare import column, many, noun, one, text
from schema.look_up import by_code
from schema.node import Aggregate, Sourced


@strawberry.enum(description="What kind of values an attribute has.")
class AttributeType(Enum):
    """What kind of values an attribute has."""

    TEXT = "text"
    RICH_TEXT = "rich_text"
    INTEGER = "integer"
    DECIMAL = "decimal"
    BOOLEAN = "boolean"
    DATE = "date"
    DATETIME = "datetime"
    CHOICE = "choice"
    CHOICES = "choices"
    MEASUREMENT = "measurement"
    MONEY = "money"
    REFERENCE = "reference"
    TABLE = "table"


@noun(tables.AttributeOption, "One choice of an attribute.")
class AttributeOption(Sourced):
    """One choice of an attribute."""

    code: str = column("Its code: text, so leading zeros count.", filter=True)
    name: str | None = text("What it is called; null without a name in the locale chain.", filter=True)
    position: int = column("Its place among the options.")
    attribute: Attribute = one("Attribute", "The attribute that it is a choice of.", via="attribute_id")


@noun(
    tables.Attribute,
    "A typed property that products or variants may carry.",
    single="attribute",
    plural="attributes",
    look_ups={"code": by_code(tables.Attribute)},
)
class Attribute(Aggregate):
    """A typed property that products or variants may carry."""

    code: str = column("Its code.", filter=True, sort=True)
    type: AttributeType = column("What kind of values it has.", filter=True)
    name: str | None = text(
        "What it is called; null without a name in the locale chain.", filter=True, sort=True
    )
    localizable: bool = column("Whether it has a value per locale.", filter=True)
    per_channel: bool = column("Whether it may have a value per channel.", filter=True)
    unit_family: str | None = column("What is measured, for example length; null unless it is a measurement.")
    unit: str | None = column(
        "The unit that numbers are meant in where none is given; null for the base unit."
    )
    rules: JSON = column("What a value must keep, by type: min, max, max_length, pattern, to, columns.")
    searchable: bool = column("Whether search reads it.", filter=True)
    filterable: bool = column("Whether storefronts filter by it.", filter=True)
    facet: bool = column("Whether search counts its values.", filter=True)
    options: list[AttributeOption] = many(
        "AttributeOption",
        "Its choices in their order; empty unless its type is CHOICE or CHOICES.",
        key="attribute_id",
        order=("position", "id"),
        filter=True,
    )
