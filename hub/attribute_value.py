"""Attribute values: checked against the definition of their attribute, and brought to the stored form.

Stored: code → channel code or ``*`` → locale or ``*`` → value. ``*`` stands for "all".
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple, TypeVar

from hub import unit, value
from hub.errors import HubError, Invalid, Limit, NotFound

Moment = TypeVar("Moment", bound=date)

ALL = "*"
EVERYWHERE = (ALL, ALL)
NOT_APPLICABLE = {"not_applicable": True}


@dataclass(frozen=True)
class Definition:
    """What an attribute's values must keep. ``options`` are the codes of its choices."""

    code: str
    type: str
    localizable: bool
    per_channel: bool
    unit_family: str | None
    unit: str | None
    rules: dict[str, Any]
    options: frozenset[str]


class Given(NamedTuple):
    """One value as it was given. ``channel`` and ``locale`` are null for "all"; a null value removes it."""

    code: str
    value: Any
    channel: str | None = None
    locale: str | None = None


TARGETS = ("product", "asset")
"""What a reference may refer to."""

CELLS = ("text", "rich_text", "integer", "decimal", "boolean", "date", "datetime", "money")
"""The types that a column of a table may have."""

Resolve = Callable[[str, Any], int]
"""Noun and reference → id. Raises ``NotFound``."""


def plain(number: Decimal) -> str:
    """A decimal without exponent and without trailing zeros, so that equal numbers are equal texts."""
    shown = format(number, "f")
    return (shown.rstrip("0").rstrip(".") or "0") if "." in shown else shown


def checked(given: Given, definition: Definition, resolve: Resolve) -> Any:
    """The stored form of a value. Raises ``Invalid``, ``Limit`` or ``NotFound`` naming the attribute."""
    try:
        if given.value == NOT_APPLICABLE:
            return NOT_APPLICABLE
        stored = _BY_TYPE[definition.type](given.value, definition, resolve)
    except HubError as wrong:
        wrong.message = f'Attribute "{definition.code}" ({definition.type}): {wrong.message}'
        raise
    return stored


def place(given: Given, definition: Definition) -> tuple[str, str]:
    """Channel and locale that a value is kept under. Raises ``Invalid`` where the attribute has no such values."""
    if given.channel is None and given.locale is None and not definition.localizable:
        return EVERYWHERE  # by far the most values
    if given.channel is not None and not definition.per_channel:
        raise Invalid(f'Attribute "{definition.code}" has one value for every channel: leave channel out.')
    if given.locale is not None and not definition.localizable:
        raise Invalid(f'Attribute "{definition.code}" has one value for every locale: leave locale out.')
    if definition.localizable and given.locale is None:
        raise Invalid(
            f'Attribute "{definition.code}" is kept per locale: name the locale of {value.shown(given.value)}.'
        )
    return given.channel or ALL, value.locale(given.locale) if given.locale else ALL


def put(values: dict[str, Any], code: str, where: tuple[str, str], stored: Any) -> None:
    """Set one value; null removes it, and what is empty then. Only ``values`` itself changes: what lies in it may be shared."""
    channel, locale = where
    channels: dict[str, dict[str, Any]] = values.get(code, {})
    locales = {**channels.get(channel, {}), locale: stored}
    if stored is None:
        del locales[locale]
    left = {**channels, channel: locales}
    if not locales:
        del left[channel]
    if left:
        values[code] = left
    else:
        values.pop(code, None)


def check_rules(rules: dict[str, Any], type_: str) -> None:
    """Raises ``Invalid`` for a rule that no value of the type could be held against."""
    for name, given in rules.items():
        try:
            _RULES[name](given, type_)
        except HubError as wrong:
            wrong.message = f"Rule {name}: {wrong.message}"
            raise


def _limit(given: Any, type_: str) -> None:
    plain_definition = Definition("", type_, False, False, None, None, {}, frozenset())
    if type_ in ("date", "datetime"):
        _BY_TYPE[type_](given, plain_definition, _unresolved)
    else:
        value.amount(Decimal(str(given)) if isinstance(given, float) else given)


def _pattern(given: Any, _: str) -> None:
    try:
        re.compile(value.text(given))
    except re.error as wrong:
        raise Invalid(f"{value.shown(given)} is no regular expression: {wrong}.") from wrong


def _target(given: Any, _: str) -> None:
    if given not in TARGETS:
        raise Invalid(f"{value.shown(given)} is not one of {', '.join(TARGETS)}.")


def _cells(given: Any, _: str) -> None:
    if not isinstance(given, dict) or not given:
        raise Invalid(f"{value.shown(given)} names no columns with their types.")
    for one in given.values():
        if one not in CELLS:
            raise Invalid(f"{value.shown(one)} is not one of {', '.join(CELLS)}.")


def _unresolved(noun: str, _: Any) -> int:
    raise NotFound(f"A rule refers to no {noun}.")


def _text(given: Any, definition: Definition, _: Resolve) -> str:
    checked_text = value.text(given)
    if not definition.rules:
        return checked_text
    longest = definition.rules.get("max_length")
    if longest is not None and len(checked_text) > longest:
        raise Limit(
            f"{value.shown(given)} has {len(checked_text)} characters: at most {longest} are allowed."
        )
    pattern = definition.rules.get("pattern")
    if pattern is not None and not re.fullmatch(pattern, checked_text):
        raise Invalid(f"{value.shown(given)} does not match {pattern}.")
    return checked_text


def _within(number: Decimal, definition: Definition) -> Decimal:
    if not definition.rules:
        return number
    low, high = definition.rules.get("min"), definition.rules.get("max")
    if low is not None and number < Decimal(str(low)):
        raise Invalid(f"{number} is less than {low}.")
    if high is not None and number > Decimal(str(high)):
        raise Invalid(f"{number} is more than {high}.")
    return number


def _integer(given: Any, definition: Definition, _: Resolve) -> int:
    number = value.whole(given)
    _within(Decimal(number), definition)
    return number


def _decimal(given: Any, definition: Definition, _: Resolve) -> str:
    return plain(_within(value.amount(given), definition))


def _boolean(given: Any, _: Definition, __: Resolve) -> bool:
    return value.flag(given)


def _between(moment: Moment, definition: Definition, read: Callable[[Any], Moment]) -> Moment:
    low, high = definition.rules.get("min"), definition.rules.get("max")
    if low is not None and moment < read(low):
        raise Invalid(f"{moment.isoformat()} is before {low}.")
    if high is not None and moment > read(high):
        raise Invalid(f"{moment.isoformat()} is after {high}.")
    return moment


def _date(given: Any, definition: Definition, _: Resolve) -> str:
    return _between(_day(given), definition, _day).isoformat()


def _day(given: Any) -> date:
    try:
        return date.fromisoformat(value.line(given))
    except ValueError as wrong:
        raise Invalid(f'{value.shown(given)} is not a date: write it like "2026-01-31".') from wrong


def _datetime(given: Any, definition: Definition, _: Resolve) -> str:
    return _between(value.moment(given), definition, value.moment).isoformat().replace("+00:00", "Z")


def _choice(given: Any, definition: Definition, _: Resolve) -> str:
    code = value.key(given)
    if code not in definition.options:
        raise Invalid(
            f"{value.shown(code)} is not one of its options: add the option first, or give one it has."
        )
    return code


def _choices(given: Any, definition: Definition, resolve: Resolve) -> list[str]:
    if not isinstance(given, list):
        raise Invalid(f"{value.shown(given)} is not a list of option codes.")
    return list(dict.fromkeys(_choice(each, definition, resolve) for each in given))


def _measurement(given: Any, definition: Definition, _: Resolve) -> dict[str, str]:
    if not isinstance(given, dict) or set(given) != {"amount", "unit"}:
        raise Invalid(f"{value.shown(given)} is not a measurement: give an amount and a unit.")
    found = unit.find(value.key(given["unit"]))
    if found.family != definition.unit_family:
        raise Invalid(f'Unit "{found.code}" measures {found.family}, not {definition.unit_family}.')
    number = _within(value.amount(given["amount"]), definition)
    return {
        "amount": plain(number),
        "unit": found.code,
        "base": plain(unit.to_base(number, found)),
        "base_unit": unit.base(found.family),
    }


def _money(given: Any, definition: Definition, _: Resolve) -> dict[str, str]:
    if not isinstance(given, dict) or set(given) != {"amount", "currency"}:
        raise Invalid(f"{value.shown(given)} is not money: give an amount and a currency.")
    number = _within(value.amount(given["amount"]), definition)
    code = value.currency(given["currency"])
    digits = value.currency_digits(code)
    return {"amount": format(round(value.fitting(number, code), digits), "f"), "currency": code}


def _reference(given: Any, definition: Definition, resolve: Resolve) -> dict[str, Any]:
    noun = definition.rules.get("to", "product")
    return {"type": noun, "id": resolve(noun, given)}


def _table(given: Any, definition: Definition, resolve: Resolve) -> list[dict[str, Any]]:
    columns: dict[str, str] = definition.rules.get("columns", {})
    if not isinstance(given, list) or not all(isinstance(row, dict) for row in given):
        raise Invalid(f"{value.shown(given)} is not a list of rows.")
    return [_row(row, columns, resolve) for row in given]


def _row(row: dict[str, Any], columns: dict[str, str], resolve: Resolve) -> dict[str, Any]:
    unknown = set(row) - set(columns)
    if unknown:
        raise Invalid(f"Column {value.shown(min(unknown))} is not one of {', '.join(columns)}.")
    cell = {name: Definition(name, columns[name], False, False, None, None, {}, frozenset()) for name in row}
    return {name: _BY_TYPE[columns[name]](one, cell[name], resolve) for name, one in row.items()}


_BY_TYPE: dict[str, Callable[[Any, Definition, Resolve], Any]] = {
    "text": _text,
    "rich_text": _text,
    "integer": _integer,
    "decimal": _decimal,
    "boolean": _boolean,
    "date": _date,
    "datetime": _datetime,
    "choice": _choice,
    "choices": _choices,
    "measurement": _measurement,
    "money": _money,
    "reference": _reference,
    "table": _table,
}


_RULES: dict[str, Callable[[Any, str], object]] = {
    "min": _limit,
    "max": _limit,
    "max_length": lambda given, _: value.count(given),
    "pattern": _pattern,
    "to": _target,
    "columns": _cells,
}
