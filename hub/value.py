"""What a value of each kind looks like: checked once here, for GraphQL, imports and the demo alike.

A kind is named by a column (``hub.registry.Field.kind``). Each takes what people send and gives what is stored.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from functools import cache, lru_cache
from typing import Any

import phonenumbers
from babel import Locale, UnknownLocaleError
from babel.numbers import get_currency_precision, list_currencies
from email_validator import EmailNotValidError, validate_email

from hub import unit
from hub.errors import Invalid, Limit

SHOWN = 60
LONGEST_LINE = 1_000
LONGEST_TEXT = 200_000
EARLIEST_BIRTH = 1850
LARGEST_COUNT = 2**53 - 1
LARGEST_EXPONENT = 30

Check = Callable[[Any], Any]


WHOLE_PERCENT = 100


def shown(value: Any) -> str:
    """A value as messages show it: quoted, and cut where it is long."""
    text = str(value)
    return f'"{text[:SHOWN]}…"' if len(text) > SHOWN else f'"{text}"'


def text(value: Any, longest: int = LONGEST_TEXT) -> str:
    """A text. Raises ``Invalid`` for another type or a NUL, ``Limit`` for one that is too long."""
    if not isinstance(value, str):
        raise Invalid(f"{shown(value)} is not a text.")
    if len(value) > longest:
        raise Limit(f"The text {shown(value)} has {len(value)} characters: at most {longest} are kept.")
    if "\x00" in value:
        raise Invalid(f"The text {shown(value)} holds a NUL character, which cannot be stored.")
    return value


def line(value: Any) -> str:
    """A short text: a name, a city, a title."""
    return text(value, LONGEST_LINE)


def key(value: Any) -> str:
    """A text that something is known by; not empty, no spaces around it. Leading zeros are part of it."""
    checked = line(value).strip()
    if not checked:
        raise Invalid("A key cannot be empty.")
    return checked


def _matching(pattern: str, what: str, example: str) -> Check:
    compiled = re.compile(pattern)

    def check(value: Any) -> str:
        checked = key(value)
        if not compiled.fullmatch(checked):
            raise Invalid(f"{shown(value)} is not {what}: write it like {example}.")
        return checked

    return check


def locale(value: Any) -> str:
    """A BCP 47 tag in its usual form (``de-AT``). Raises ``Invalid`` for one that names no known language."""
    return _locale(key(value))


@lru_cache(maxsize=1_000)
def _locale(checked: str) -> str:
    try:
        parsed = Locale.parse(checked, sep="-")
    except (UnknownLocaleError, ValueError, TypeError) as wrong:
        raise Invalid(f'"{checked}" is not a BCP 47 locale: write it like "de" or "de-AT".') from wrong
    return "-".join(filter(None, (parsed.language, parsed.script, parsed.territory)))


@cache
def _currencies() -> frozenset[str]:
    return frozenset(list_currencies())


def currency(value: Any) -> str:
    """An ISO 4217 code."""
    checked = key(value)
    if checked not in _currencies():
        raise Invalid(f'"{checked}" is not an ISO 4217 currency: write it like "EUR".')
    return checked


@cache
def currency_digits(code: str) -> int:
    """How many decimals amounts of a currency have (Unicode CLDR)."""
    return int(get_currency_precision(code))


def fitting(number: Decimal, code: str) -> Decimal:
    """An amount with as many decimals as its currency has, or fewer. Raises ``Invalid`` for one with more."""
    digits = currency_digits(code)
    if number != round(number, digits):
        raise Invalid(f"{number} {code} has more than {digits} decimals: round it first.")
    return number


def amount(value: Any) -> Decimal:
    """A decimal number, never a float: a float has already lost the cents."""
    if isinstance(value, bool) or not isinstance(value, Decimal | int | str):
        raise Invalid(f"{shown(value)} is not a decimal number.")
    try:
        number = Decimal(value)
    except InvalidOperation as wrong:
        raise Invalid(f'{shown(value)} is not a decimal number: write it like "12.50".') from wrong
    if not number.is_finite() or abs(number.adjusted()) > LARGEST_EXPONENT:
        raise Invalid(f"{shown(value)} is not a number that can be kept.")
    return number


def whole(value: Any) -> int:
    """A whole number, also a negative one."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise Invalid(f"{shown(value)} is not a whole number.")
    if abs(value) > LARGEST_COUNT:
        raise Limit(f"{value} is larger than {LARGEST_COUNT}.")
    return value


def count(value: Any) -> int:
    """A whole number from 0 on."""
    checked = whole(value)
    if checked < 0:
        raise Invalid(f"{checked} is negative: give 0 or more.")
    return checked


def percent(value: Any) -> int:
    """A whole number of percent, from 0 to 100."""
    checked = whole(value)
    if not 0 <= checked <= WHOLE_PERCENT:
        raise Invalid(f"{checked} percent lies outside: give 0 to {WHOLE_PERCENT}.")
    return checked


def flag(value: Any) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise Invalid(f"{shown(value)} is neither true nor false.")
    return value


def moment(value: Any) -> datetime:
    """A point in time with its zone; kept in UTC."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError as wrong:
            raise Invalid(f'{shown(value)} is not a time: write it like "2026-01-31T00:00:00Z".') from wrong
    if not isinstance(value, datetime):
        raise Invalid(f"{shown(value)} is not a time.")
    if value.tzinfo is None:
        raise Invalid(f"{shown(value.isoformat())} names no time zone: add one, for example Z.")
    try:
        return value.astimezone(UTC)
    except OverflowError as wrong:
        raise Invalid(f"{shown(value.isoformat())} is outside of the years 1 to 9999.") from wrong


def texts(value: Any) -> dict[str, str | None]:
    """Texts by locale; null removes one."""
    if not isinstance(value, dict):
        raise Invalid(f"{shown(value)} is not a set of texts by locale.")
    return {locale(code): None if one is None else text(one) for code, one in value.items()}


def email(value: Any) -> str:
    """An e-mail address in lower case. Whether it can be reached is not asked."""
    try:
        return validate_email(
            line(value), check_deliverability=False, test_environment=True
        ).normalized.lower()
    except EmailNotValidError as wrong:
        raise Invalid(f"{shown(value)} is not an e-mail address: {wrong}") from wrong


def phone(value: Any) -> str:
    """A phone number in E.164."""
    try:
        number = phonenumbers.parse(line(value), None)
    except phonenumbers.NumberParseException as wrong:
        raise Invalid(f'{shown(value)} is not a phone number: write it like "+4915112345678".') from wrong
    if not phonenumbers.is_possible_number(number):
        raise Invalid(f'{shown(value)} cannot be a phone number: write it like "+4915112345678".')
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def birth_date(value: Any) -> str:
    """A day of birth, ``YYYY-MM-DD``, that has been."""
    try:
        day = date.fromisoformat(line(value))
    except ValueError as wrong:
        raise Invalid(f'{shown(value)} is not a date: write it like "1984-07-21".') from wrong
    if day > datetime.now(UTC).date():
        raise Invalid(f"{shown(value)} is a birth date in the future.")
    if day.year < EARLIEST_BIRTH:
        raise Invalid(f"{shown(value)} is a birth date before {EARLIEST_BIRTH}: nobody is that old.")
    return day.isoformat()


def rules(value: Any) -> dict[str, Any]:
    """An attribute's rules, by name; see ``hub.attribute.Attribute``."""
    known = {"min", "max", "max_length", "pattern", "to", "columns"}
    if not isinstance(value, dict) or set(value) - known:
        raise Invalid(f"{shown(value)} are not rules of an attribute: they are {', '.join(sorted(known))}.")
    return value


def address_snapshot(value: Any) -> dict[str, str]:
    """A postal address as it was, by field name."""
    fields = {"name", "company", "street", "street2", "postal_code", "city", "region", "country", "phone"}
    if not isinstance(value, dict) or set(value) - fields:
        raise Invalid(f"{shown(value)} is not an address: its fields are {', '.join(sorted(fields))}.")
    return {name: line(one) for name, one in value.items() if one is not None}


def search_rules(value: Any) -> dict[str, Any]:
    """Rules of search by kind; ``hub.search_rule_check`` looks into them."""
    if not isinstance(value, dict):
        raise Invalid(f"{shown(value)} are not rules of search: give lists of them by kind.")
    return value


def document(value: Any) -> dict[str, str]:
    """What another system calls the paper that a movement stands on: system, id, and the line where it has several."""
    if not isinstance(value, dict) or not {"system", "id"} <= set(value) <= {"system", "id", "line"}:
        raise Invalid(
            f"{shown(value)} is not a document: give its system and id, and its line where it has several."
        )
    return {name: key(value[name]) for name in ("system", "id", "line") if value.get(name) is not None}


def field_path(value: Any) -> str:
    """A path of fields as the hub names them: ``variants/compareAt`` is ``variants/compare_at``.

    What comes after ``attributes`` is the code of an attribute and stays as it is.
    """
    steps = key(value).strip("/").split("/")
    for place, step in enumerate(steps):
        steps[place] = re.sub(r"(?<=[a-z0-9])([A-Z])", lambda found: f"_{found[1].lower()}", step)
        if step in ("attributes", "axes"):
            break
    return "/".join(steps)


def one_of(*choices: str) -> Check:
    """A check that a value is one of a few words."""

    def check(value: Any) -> str:
        if value not in choices:
            raise Invalid(f"{shown(value)} is not one of {', '.join(choices)}.")
        return str(value)

    return check


def unit_code(value: Any) -> str:
    """A unit of measurement the hub knows."""
    return unit.find(key(value)).code


CHECKS: dict[str, Check] = {
    "text": text,
    "line": line,
    "key": key,
    "code": _matching(r"[A-Za-z0-9][A-Za-z0-9_.:-]*", "a code", '"summer-2026"'),
    "attribute_code": _matching(r"[A-Za-z0-9][A-Za-z0-9_.-]*", "an attribute code", '"cable_length"'),
    "option_code": key,
    "prefix": _matching(r"[A-Z0-9][A-Z0-9-]{0,11}", "a prefix of order numbers", '"WEB-"'),
    "slug": _matching(r"[^\s/?#A-Z]+", "a slug", '"espresso-cup"'),
    "address": _matching(r"(https?://|hub:)\S+", "an address", '"https://example.com/a.jpg"'),
    "country": _matching(r"[A-Z]{2}", "an ISO 3166 country code", '"AT"'),
    "locale": locale,
    "currency": currency,
    "amount": amount,
    "whole": whole,
    "count": count,
    "percent": percent,
    "flag": flag,
    "moment": moment,
    "texts": texts,
    "email": email,
    "phone": phone,
    "birth_date": birth_date,
    "rules": rules,
    "search_rules": search_rules,
    "address_snapshot": address_snapshot,
    "document": document,
    "noun": _matching(r"[a-z][a-z_]*", "the name of a noun", '"product"'),
    "field_path": field_path,
    "ownership": one_of("refuse", "propose", "allow"),
    "unit": unit_code,
    "unit_family": one_of(*unit.FAMILIES),
    "attribute_type": one_of(
        "text", "rich_text", "integer", "decimal", "boolean", "date", "datetime", "choice", "choices",
        "measurement", "money", "reference", "table",
    ),
    "asset_kind": one_of("image", "video", "document", "model"),
    "identifier_type": one_of("gtin", "mpn"),
    "contact_type": one_of("email", "phone"),
    "order_status": one_of(
        "draft", "placed", "confirmed", "partly_fulfilled", "fulfilled", "cancelled", "closed"
    ),
    "payment_state": one_of("authorized", "captured", "failed", "voided"),
    "fulfilment_status": one_of("shipped", "delivered", "lost"),
    "return_reason": one_of(
        "changed_mind", "damaged", "defective", "data_wrong", "wrong_item", "late", "not_delivered", "other"
    ),
}  # fmt: skip
"""The checks by kind. ``attributes`` and ``axes`` are not here: they need the attributes' definitions."""

BY_TYPE: dict[type[Any], str] = {
    bool: "flag",
    int: "whole",
    str: "text",
    Decimal: "amount",
    datetime: "moment",
}
"""The kind of a column that names none, by its Python type."""
