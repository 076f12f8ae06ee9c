"""Values: what a product's attributes say, in the form in which they are filtered, counted and sorted by.

A key is the attribute's code; of an attribute that is kept per locale (or, for staff, per channel) each locale has a key
of its own. Everything is a term or a number under its key, so that attributes add no field to the index.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from hub.db import Json
from search.wording import ALL, Attribute, Attributes, View
from search.wording import values as shown

LONGEST = 200
"""Characters of a text that are kept: enough to filter and count by, a longer one is cut."""

EVERY = "-"
"""Stands in a key for all channels or locales; none of them is called so, and engines read a star as a pattern."""

PRESENT = "\ufffd"
"""Stands for a value that can be asked for but not compared: a rich text, a table."""

NOT_APPLICABLE = "\ufffc"
"""Stands for the answer that the question does not apply; that is a value, too."""

Values = dict[str, list[str]]
Numbers = dict[str, list[float]]


def key(code: str, channel: str | None = None, locale: str | None = None) -> str:
    """The key of an attribute's value; null for all channels or locales."""
    if channel in (None, ALL) and locale in (None, ALL):
        return code
    return "/".join((code, *(EVERY if place in (None, ALL) else str(place) for place in (channel, locale))))


def gathered(
    attributes: Attributes,
    holders: Iterable[tuple[Json, Json]],
    views: Mapping[str, View],
    channel: str | None,
) -> tuple[Values, Numbers]:
    """The values and numbers of a product and its variants, each given as attributes and axes.

    ``channel``: the channel's code, where only attributes count that can be filtered or counted by; null for staff, who
    ask by any attribute.
    """
    values: dict[str, dict[str, None]] = {}
    numbers: dict[str, dict[float, None]] = {}
    for said, axes in holders:
        for at, attribute, stored in _stored(attributes, said, axes, views, channel):
            for term in terms(attribute.type, stored):
                values.setdefault(at, {})[term] = None
            for at_, number in _numbers(at, attribute.type, stored):
                numbers.setdefault(at_, {})[number] = None
    return {at: sorted(found) for at, found in values.items()}, {
        at: sorted(found) for at, found in numbers.items()
    }


def _stored(
    attributes: Attributes, said: Json, axes: Json, views: Mapping[str, View], channel: str | None
) -> Iterator[tuple[str, Attribute, Any]]:
    for code in (*said, *(axis for axis in axes if axis not in said)):
        attribute = attributes.get(code)
        if attribute is None or not (channel is None or attribute.filterable or attribute.facet):
            continue
        if code in axes:
            yield code, attribute, axes[code]
        for at, stored in _placed(attribute, said.get(code, {}), views, channel):
            yield at, attribute, stored


def _placed(
    attribute: Attribute, leaves: Json, views: Mapping[str, View], channel: str | None
) -> Iterator[tuple[str, Any]]:
    if channel is None:
        for place, by_locale in leaves.items():
            for locale, stored in by_locale.items():
                yield attribute.code, stored
                if (place, locale) != (ALL, ALL):
                    yield key(attribute.code, place, locale), stored
    elif attribute.localizable:
        for locale, view in views.items():
            for stored in shown(leaves, view):
                yield key(attribute.code, None, locale), stored
    else:
        yield from ((attribute.code, stored) for stored in shown(leaves, next(iter(views.values()))))


def terms(type_: str, stored: Any) -> Sequence[str]:
    """What a stored value is found by as a term; numbers and moments have none."""
    if stored == {"not_applicable": True}:
        return (NOT_APPLICABLE,)
    match type_, stored:
        case "rich_text" | "table", _:
            return (PRESENT,)
        case _, bool():
            return ("true" if stored else "false",)
        case (("date" | "datetime" | "integer" | "decimal" | "measurement"), _):
            return ()
        case _, str():
            return (stored[:LONGEST],)
        case _, list():
            return [each[:LONGEST] for each in stored if isinstance(each, str)]
        case _, {"type": noun, "id": number}:
            return (f"{noun}:{number}",)
        case _:
            return ()


def _numbers(at: str, type_: str, stored: Any) -> Iterator[tuple[str, float]]:
    match type_, stored:
        case (("integer" | "decimal"), int() | float() | str()):
            yield at, float(stored)
        case "measurement", {"base": base}:
            yield at, float(base)
        case "money", {"amount": amount, "currency": currency}:
            yield at, float(amount)
            yield f"{at}#{currency}", float(amount)
        case (("date" | "datetime"), str()):
            yield at, milliseconds(stored)


def milliseconds(moment: str) -> float:
    """A date or time as milliseconds since 1970, UTC."""
    read = datetime.fromisoformat(moment)
    return (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp() * 1000
