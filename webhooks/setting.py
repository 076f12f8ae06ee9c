"""What each setting of an endpoint may be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from hub import outside
from hub.errors import Invalid, Limit
from hub.outside import Allowed
from webhooks import event

TIMEOUTS = range(1, 31)
IN_FLIGHT = range(1, 257)
RATES = (0.01, 1_000.0)
"""Requests per second: from one in 100 seconds on."""

LONGEST_DOCUMENT = 20_000
LONGEST_TEXT = 1_000
MOST_SOURCES = 50
SIGNING = ("v1", "v1a", "both")


def _document(text: str, _allowed: Allowed) -> str:
    if len(text) > LONGEST_DOCUMENT:
        raise Limit(f"A payload document has at most {LONGEST_DOCUMENT} characters, not {len(text)}.")
    return text


def _description(text: str, _allowed: Allowed) -> str:
    if len(text) > LONGEST_TEXT:
        raise Limit(f"A description has at most {LONGEST_TEXT} characters, not {len(text)}.")
    if "\0" in text:
        raise Invalid("A description holds the character U+0000, which is no text: take it out.")
    return text


def _rate(value: float, _allowed: Allowed) -> float:
    least, most = RATES
    if not least <= value <= most:
        raise Invalid(f"A rate is {least:g} to {most:g} requests per second, not {value:g}.")
    return value


def _sources(given: Sequence[str], _allowed: Allowed) -> list[str] | None:
    if len(given) > MOST_SOURCES:
        raise Limit(f"At most {MOST_SOURCES} sources are ignored, not {len(given)}.")
    for place, name in enumerate(given):
        if not name.strip() or "\0" in name:
            raise Invalid("A source has a name, such as erp.", (place,))
    return list(dict.fromkeys(given)) or None


def _signing(value: str, _allowed: Allowed) -> str:
    if value not in SIGNING:
        raise Invalid(f"Deliveries are signed by {', '.join(SIGNING)}, not {value}.")
    return value


def _range(what: str, numbers: range) -> Callable[[int, Allowed], int]:
    def check(value: int, _allowed: Allowed) -> int:
        if value not in numbers:
            raise Invalid(f"{what} is {numbers.start} to {numbers.stop - 1}, not {value}.")
        return value

    return check


CHECKS: dict[str, Callable[[Any, Allowed], Any]] = {
    "url": outside.address,
    "description": _description,
    "event_types": lambda asked, _: event.check(asked),
    "document": _document,
    "thin": lambda value, _: value,
    "filter": lambda tree, _: tree,
    "ignore_sources": _sources,
    "signing": _signing,
    "timeout": _range("A timeout in seconds", TIMEOUTS),
    "rate": _rate,
    "in_flight": _range("The number of requests at one time", IN_FLIGHT),
    "ordered": lambda value, _: value,
    "verify": lambda value, _: value,
}
"""What may be given, and how it is checked. A null clears what may be null."""
