"""Comparing two records: for each thing that both tell, how well it agrees, as one of a few levels.

What one of them leaves out says nothing, and has no level.
"""

from __future__ import annotations

from functools import lru_cache

from rapidfuzz.distance import OSA, JaroWinkler
from rapidfuzz.fuzz import ratio

from hub.identity_profile import Address, Profile

LEVELS: dict[str, tuple[str, ...]] = {
    "given_name": ("same", "near", "other"),
    "family_name": ("same", "near", "other"),
    "birth_date": ("same", "near", "partly", "other"),
    "address": ("same", "near", "partly", "place", "other"),
    "email": ("same", "near", "other"),
    "phone": ("same", "near", "other"),
}
"""The levels of each comparison, the best first. A place is a city or a postal code without the street."""

NEAR_NAME = 0.88
"""Jaro–Winkler similarity of two spellings of one name."""

NEAR_STREET = 0.8
PARTLY_STREET = 0.6
LONG = 7
"""Letters from which a name may have two slips."""

Levels = tuple[str | None, ...]
"""One level for each comparison, in the order of ``LEVELS``."""


def compare(one: Profile, other: Profile) -> Levels:
    """How well two records agree."""
    given, family = _names(one.given, one.family, other.given, other.family)
    return (
        given,
        family,
        _born(one.born, other.born),
        _addresses(one.addresses, other.addresses),
        _contacts(one.of("email"), other.of("email")),
        _contacts(one.of("phone"), other.of("phone")),
    )


def _names(given: str, family: str, given2: str, family2: str) -> tuple[str | None, str | None]:
    straight = _name(given, given2), _name(family, family2)
    if straight[0] == "same" or straight[1] == "same":
        return straight
    # Entered the wrong way round: that is a slip, so it is no better than near.
    if {_name(given, family2), _name(family, given2)} <= {"same", "near"} and given and family:
        return "near", "near"
    return straight


@lru_cache(maxsize=1 << 18)
def _name(one: str, other: str) -> str | None:
    if not one or not other:
        return None
    if one == other or one.replace(" ", "") == other.replace(" ", ""):
        return "same"
    short, long = sorted((one, other), key=len)
    slips = OSA.distance(one, other)
    if slips <= (2 if len(short) >= LONG else 1) and len(short) > 2:  # noqa: PLR2004 - two letters are no spelling
        return "near"
    if JaroWinkler.similarity(one, other) >= NEAR_NAME or (len(short) == 1 and long.startswith(short)):
        return "near"
    # One of several given names, or half of a double name.
    return "near" if set(short.split()) < set(long.split()) else "other"


def _born(one: str, other: str) -> str | None:
    if not one or not other:
        return None
    if one == other:
        return "same"
    if OSA.distance(one, other) == 1 or one == other[:4] + other[6:] + other[4:6]:
        return "near"
    parts = zip(
        (one[:4], one[4:6], one[6:]),
        (other[:4], other[4:6], other[6:]),
        strict=True,
    )
    return "partly" if sum(a == b for a, b in parts) == 2 else "other"  # noqa: PLR2004 - of year, month and day


def _addresses(ours: tuple[Address, ...], theirs: tuple[Address, ...]) -> str | None:
    found = [_address(one, other) for one in ours for other in theirs]
    order = LEVELS["address"]
    return min(filter(None, found), key=order.index, default=None)


@lru_cache(maxsize=1 << 16)
def _address(one: Address, other: Address) -> str | None:
    street = _street(one, other)
    place = _place(one, other)
    if street is None:
        return "place" if place else ("other" if place is not None else None)
    number = not one.number or not other.number or OSA.distance(one.number, other.number) <= 1
    if street >= NEAR_STREET and number and place is not False:
        return "same" if place == 2 and street >= NEAR_NAME else "near"  # noqa: PLR2004 - city and postal code
    if street >= PARTLY_STREET and place:
        return "partly"
    if street >= NEAR_STREET and number:
        return "partly"
    return "place" if place else "other"


def _street(one: Address, other: Address) -> float | None:
    if not one.line or not other.line:
        return None
    found = ratio(one.line, other.line) / 100
    if one.street and other.street:
        found = max(found, ratio(one.street, other.street) / 100)
    return found


def _place(one: Address, other: Address) -> int | None:
    """How many of city and postal code agree; null where nothing can be compared. ``False`` is none."""
    agree = []
    if one.postal_code and other.postal_code:
        agree.append(OSA.distance(one.postal_code, other.postal_code) <= 1)
    if one.city and other.city:
        agree.append(JaroWinkler.similarity(one.city, other.city) >= NEAR_NAME)
    return sum(agree) or False if agree else None


def _contacts(ours: list[str], theirs: list[str]) -> str | None:
    if not ours or not theirs:
        return None
    if not set(ours).isdisjoint(theirs):
        return "same"
    near = any(OSA.distance(one, other) <= 1 for one in ours for other in theirs)
    return "near" if near else "other"
