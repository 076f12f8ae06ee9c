"""Scalars: how numbers, money and moments are written in JSON, once for the whole schema."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import NewType

import strawberry
from strawberry.types.scalar import ScalarDefinition

Long = NewType("Long", int)
"""A whole number of up to 64 bits: versions, sequences, quantities."""

Operand = NewType("Operand", object)
"""A value to compare an attribute with: text, number or boolean."""

LARGEST = 2**63 - 1


def big(value: object) -> int:
    """A 64-bit number. Raises ``ValueError`` for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError(f"{value!r} is not a whole number.")
    number = int(value)
    if not -LARGEST - 1 <= number <= LARGEST:
        raise ValueError(f"{value} does not fit into 64 bits.")
    return number


def number(value: object) -> Decimal:
    """A decimal as it was written. Raises ``ValueError`` for text that is no number."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(f'{value!r} is not a decimal: write it like "12.50".')
    try:
        parsed = Decimal(str(value))
    except InvalidOperation as wrong:
        raise ValueError(f'"{value}" is not a decimal: write it like "12.50".') from wrong
    if not parsed.is_finite():
        raise ValueError(f'"{value}" is not a decimal: write it like "12.50".')
    return parsed


def plain(value: Decimal) -> str:
    """A decimal as JSON shows it: a string without exponent, its decimals kept."""
    return format(value, "f")


def moment(value: object) -> datetime:
    """A moment with its offset from UTC. Raises ``ValueError`` without one."""
    if not isinstance(value, str):
        raise ValueError(f'{value!r} is not a moment: write it like "2026-01-31T12:00:00Z".')
    parsed = datetime.fromisoformat(value)
    if parsed.tzinfo is None:
        raise ValueError(f'"{value}" names no offset from UTC: write it like "2026-01-31T12:00:00Z".')
    return parsed.astimezone(UTC)


def stamp(value: datetime) -> str:
    """A moment in UTC as RFC 3339 text ending in Z."""
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def operand(value: object) -> object:
    """A text, a number or a boolean. Raises ``ValueError`` for lists and objects."""
    if isinstance(value, str | int | float | bool):
        return value
    raise ValueError(f"{value!r} is not text, number or boolean.")


SCALARS: dict[object, ScalarDefinition] = {
    Long: strawberry.scalar(
        name="Long",
        description="A whole number of up to 64 bits, printed as a JSON number.",
        serialize=int,
        parse_value=big,
    ),
    Decimal: strawberry.scalar(
        name="Decimal",
        description='An exact decimal number, printed as a JSON string ("12.50") so that no client rounds it.',
        serialize=plain,
        parse_value=number,
    ),
    datetime: strawberry.scalar(
        name="DateTime",
        description='A moment in UTC by RFC 3339, "2026-01-31T12:00:00Z". An input must name its offset.',
        specified_by_url="https://www.rfc-editor.org/rfc/rfc3339",
        serialize=stamp,
        parse_value=moment,
    ),
    Operand: strawberry.scalar(
        name="Operand",
        description="A text, a number or a boolean, read by the type of the attribute that it is compared with.",
        serialize=lambda value: value,
        parse_value=operand,
    ),
}
"""Every scalar of the schema, for ``StrawberryConfig(scalar_map=…)``."""
