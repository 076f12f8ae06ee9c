"""Operands: what an attribute is compared with, checked by its type and brought to the form that an index keeps."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from hub import ids, unit, value
from hub.errors import Invalid
from search import values

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


def currency_key(definition: Definition, key: str, currency: str | None) -> str:
    """The key of amounts in one currency; null: in any."""
    if currency is None:
        return key
    if definition.type != "money":
        raise wrong(definition, "it has no currency: leave currency out")
    return f"{key}#{value.currency(currency)}"


def term(definition: Definition, given: object) -> str:
    """A value as the index keeps it. Raises ``Invalid`` for what the attribute cannot have."""
    if definition.type == "boolean":
        said = str(given).lower()
        if said not in ("true", "false"):
            raise wrong(definition, f"{value.shown(given)} is neither true nor false")
        return said
    if definition.type == "reference":
        return _referred(definition, str(given))
    return str(given)[: values.LONGEST]


def _referred(definition: Definition, given: str) -> str:
    """What a global id is kept as."""
    try:
        noun, number = ids.decode(given)
    except ValueError as refused:
        raise wrong(definition, str(refused).rstrip(".")) from refused
    return f"{noun}:{number}"


def number(definition: Definition, given: object, asked_unit: str | None) -> float:
    """A number, amount or moment as the index keeps it. Raises ``Invalid`` for what is none."""
    if definition.type in ("date", "datetime"):
        try:
            return values.milliseconds(str(given))
        except ValueError as refused:
            raise wrong(
                definition, f'{value.shown(given)} is no date: write it like "2026-01-31"'
            ) from refused
    try:
        amount = value.amount(Decimal(str(given)) if isinstance(given, float) else given)
    except Invalid as refused:
        raise wrong(definition, refused.message.rstrip(".")) from refused
    if definition.type != "measurement":
        if asked_unit is not None:
            raise wrong(definition, "it has no unit: leave unit out")
        return float(amount)
    return float(unit.to_base(amount, unit_of(definition, asked_unit)))


def unit_of(definition: Definition, asked: str | None) -> unit.Unit:
    """The unit that a measurement's numbers are meant in. Raises ``Invalid`` for one of another family."""
    found = unit.find(asked or definition.unit or unit.base(definition.unit_family or ""))
    if found.family != definition.unit_family:
        raise wrong(definition, f'unit "{found.code}" measures {found.family}, not {definition.unit_family}')
    return found


def wrong(definition: Definition, why: str) -> Invalid:
    """The refusal of a condition on an attribute."""
    return Invalid(f'Attribute "{definition.code}" ({definition.type}): {why}.', ("filter",))
