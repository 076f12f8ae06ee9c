"""Scalars: how numbers, money and moments are written in JSON, once for the whole schema."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from functools import wraps
from typing import NewType

import strawberry
from graphql import GraphQLError
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
    try:
        number = int(value)
    except ValueError as wrong:
        raise ValueError(f'"{value}" is not a whole number: write it like 12.') from wrong
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
    try:
        parsed = datetime.fromisoformat(value)
    except ValueError as wrong:
        raise ValueError(f'"{value}" is not a moment: write it like "2026-01-31T12:00:00Z".') from wrong
    if parsed.tzinfo is None:
        raise ValueError(f'"{value}" names no offset from UTC: write it like "2026-01-31T12:00:00Z".')
    try:
        return parsed.astimezone(UTC)
    except OverflowError as wrong:
        raise ValueError(f'"{value}" is outside the years 1 to 9999 in UTC.') from wrong


def stamp(value: datetime) -> str:
    """A moment in UTC as RFC 3339 text ending in Z."""
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def operand(value: object) -> object:
    """A text, a number or a boolean. Raises ``ValueError`` for lists and objects."""
    if isinstance(value, str | int | float | bool):
        return value
    raise ValueError(f"{value!r} is not text, number or boolean.")


def refusing(parse: Callable[[object], object]) -> Callable[[object], object]:
    """``parse`` whose refusal is the caller's error: as a plain ``ValueError`` it would be masked as a bug."""

    @wraps(parse)
    def parsed(value: object) -> object:
        try:
            return parse(value)
        except ValueError as wrong:
            raise GraphQLError(str(wrong), extensions={"code": "INVALID"}) from wrong

    return parsed


SCALARS: dict[object, ScalarDefinition] = {
    Long: strawberry.scalar(
        name="Long",
        description="A whole number of up to 64 bits, printed as a JSON number.",
        serialize=int,
        parse_value=refusing(big),
    ),
    Decimal: strawberry.scalar(
        name="Decimal",
        description='An exact decimal number, printed as a JSON string ("12.50") so that no client rounds it.',
        serialize=plain,
        parse_value=refusing(number),
    ),
    datetime: strawberry.scalar(
        name="DateTime",
        description='A moment in UTC by RFC 3339, "2026-01-31T12:00:00Z". An input must name its offset.',
        specified_by_url="https://www.rfc-editor.org/rfc/rfc3339",
        serialize=stamp,
        parse_value=refusing(moment),
    ),
    Operand: strawberry.scalar(
        name="Operand",
        description="A text, a number or a boolean, read by the type of the attribute that it is compared with.",
        serialize=lambda value: value,
        parse_value=refusing(operand),
    ),
}
"""Every scalar of the schema, for ``StrawberryConfig(scalar_map=…)``."""
