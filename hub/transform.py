"""Transforms: the small steps that bring a value of a file into the form that the hub takes.

A step is named in a mapping, with its options: ``trim``, ``{split: ","}``. A list passes value by value.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from hub.attribute_value import plain
from hub.db import Json
from hub.errors import Invalid
from hub.value import shown

Step = Callable[[Any, Json], Any]
"""Value and whole record → value. Null for a value that is not there. Raises ``Invalid``."""

Change = Callable[[Any], Any]
"""A step that looks at nothing but the value."""

_HOLE = re.compile(r"\{([^{}]+)\}")
_QUANTITY = re.compile(r"\s*([-+]?[0-9][0-9.,' ]*)\s*(\S+)\s*")
_LETTERS = str.maketrans(
    {"ß": "ss", "ẞ": "ss", "æ": "ae", "Æ": "AE", "ø": "o", "Ø": "O", "đ": "d", "ł": "l", "Ł": "L"}
)
_OTHER = re.compile(r"[^a-z0-9]+")
LONGEST_SLUG = 120


def chain(specs: Sequence[Any]) -> Step:
    """The steps of a mapping as one; no steps leave a value as it is."""
    steps = [_step(spec) for spec in specs]

    def run(value: Any, record: Json) -> Any:
        for step in steps:
            if value is None:
                return None
            value = step(value, record)
        return value

    return run


def _step(spec: Any) -> Step:
    named: dict[str, Any] = {spec: None} if isinstance(spec, str) else spec
    name, options = next(iter(named.items()))
    return _template(options) if name == "template" else _each(_MAKERS[name](options))


def _each(change: Change) -> Step:
    def run(value: Any, _: Json) -> Any:
        if isinstance(value, list):
            return [done for one in value if (done := change(one)) is not None]
        return change(value)

    return run


def _text(value: Any) -> str:
    """A scalar as text; a number without an idle ``.0``."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise Invalid(f"{shown(value)} is not a text.")
    return plain(Decimal(str(value)))


def _decimal(value: Any) -> Decimal:
    try:
        return Decimal(str(value))
    except InvalidOperation as wrong:
        raise Invalid(f'{shown(value)} is not a number: write it like "12.50".') from wrong


def _trim(_: Any) -> Change:
    return lambda value: _text(value).strip() or None


def _split(separator: str) -> Change:
    return lambda value: [part.strip() for part in _text(value).split(separator) if part.strip()]


def _replace(options: dict[str, str]) -> Change:
    return lambda value: _text(value).replace(options["find"], options["with"])


def _regex(options: dict[str, str]) -> Change:
    pattern = re.compile(options["find"])
    return lambda value: pattern.sub(options["with"], _text(value))


def _case(name: str) -> Change:
    change = {"lower": str.lower, "upper": str.upper, "title": str.title}[name]
    return lambda value: change(_text(value))


def _number(options: dict[str, str]) -> Change:
    point, group = options.get("decimal", "."), options.get("group", "")

    def read(value: Any) -> str:
        text = _text(value).strip()
        ungrouped = text.replace(group, "") if group else text
        return plain(_decimal(ungrouped.replace(point, ".") if point != "." else ungrouped))

    return read


def _shift(places: int) -> Change:
    return lambda value: plain(_decimal(value).scaleb(places))


def _read_time(value: Any, form: str) -> datetime:
    try:
        return datetime.strptime(_text(value).strip(), form)  # noqa: DTZ007 - the caller knows the zone
    except ValueError as wrong:
        raise Invalid(f"{shown(value)} is not a date written as {form}.") from wrong


def _date(form: str) -> Change:
    return lambda value: _read_time(value, form).date().isoformat()


def _datetime(form: str) -> Change:
    def read(value: Any) -> str:
        moment = _read_time(value, form)
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return aware.astimezone(UTC).isoformat().replace("+00:00", "Z")

    return read


def _unit(code: str) -> Change:
    if code == "written":
        return _quantity
    return lambda value: {"amount": plain(_decimal(value)), "unit": code}


def _quantity(value: Any) -> dict[str, str]:
    """An amount with its unit behind it (``12.5 cm``)."""
    found = _QUANTITY.fullmatch(_text(value))
    if found is None:
        raise Invalid(f'{shown(value)} is not an amount with a unit: write it like "12.5 cm".')
    return {"amount": plain(_decimal(found[1].strip().replace(",", "."))), "unit": found[2]}


def _lookup(options: dict[str, Any]) -> Change:
    table: dict[str, Any] = options["table"]
    otherwise = options.get("otherwise", "refuse")

    def find(value: Any) -> Any:
        text = "true" if value is True else "false" if value is False else _text(value)
        if text in table:
            return table[text]
        if otherwise == "refuse":
            known = ", ".join(list(table)[:10])
            raise Invalid(f"{shown(value)} is not in the mapping's table: add it, or give one of {known}.")
        return value if otherwise == "keep" else None

    return find


def _template(text: str) -> Step:
    parts = _HOLE.split(text)
    literals, names = parts[::2], parts[1::2]

    def fill(_: Any, record: Json) -> str:
        made = [literals[0]]
        for name, literal in zip(names, literals[1:], strict=True):
            if record.get(name) is None:
                raise Invalid(f'The record has no "{name}", which the mapping needs here: give it.')
            made += (_text(record[name]), literal)
        return "".join(made)

    return fill


def slugify(text: str) -> str:
    """Lower-case letters a to z, digits and hyphens, at most 120 characters, cut at a word; empty for none of them.

    The last word is kept when it is cut, because it is what tells two long texts apart (an id).
    """
    ascii_ = text if text.isascii() else _plain_letters(text)
    slug = _OTHER.sub("-", ascii_.lower()).strip("-")
    if len(slug) <= LONGEST_SLUG:
        return slug
    front, _, last = slug.rpartition("-")
    cut = front[: max(LONGEST_SLUG - len(last) - 1, 0)].rpartition("-")[0]
    return f"{cut}-{last}"[-LONGEST_SLUG:].strip("-")


def _plain_letters(text: str) -> str:
    return unicodedata.normalize("NFKD", text.translate(_LETTERS)).encode("ascii", "ignore").decode()


def _slug(_: Any) -> Change:
    return lambda value: slugify(_text(value)) or None


def _check(pattern: str) -> Change:
    compiled = re.compile(pattern)

    def check(value: Any) -> Any:
        if not compiled.fullmatch(_text(value)):
            raise Invalid(f"{shown(value)} does not match {pattern}.")
        return value

    return check


_MAKERS: dict[str, Callable[[Any], Change]] = {
    "trim": _trim,
    "split": _split,
    "replace": _replace,
    "regex": _regex,
    "case": _case,
    "number": _number,
    "shift": _shift,
    "date": _date,
    "datetime": _datetime,
    "unit": _unit,
    "lookup": _lookup,
    "slugify": _slug,
    "check": _check,
}
