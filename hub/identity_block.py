"""Blocking: which records are compared at all. Two records are compared where they share one of these keys.

Each key joins two things that seldom agree by chance, each cut so short that most slips of the pen leave it alone. A
pair of one person has to differ in nearly everything to share none of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from itertools import product

from hub.identity_profile import Profile

PAIRS = (
    "gs",
    "gd",
    "gp",
    "ga",
    "sd",
    "sp",
    "sa",
    "dp",
    "dc",
    "da",
    "pa",
    "ca",
    "an",
    "gm",
    "sm",
    "am",
    "pm",
    "gy",
    "sy",
    "gb",
    "sb",
    "db",
)
"""What is joined: (g)iven and family (s) name, (d)ate, (m)onth and day or (y)ear and month of birth, (p)ostal code,
(c)ity, street (a), second line (b) and (n)umber of the house."""

NAME = 4
"""Letters of a name that count: past them, slips would part what belongs together."""
PLACE = 5

MOST = 50
"""Records that share a key, beyond which the key says nothing and is left out. Other keys bring them together."""


def keys(record: Profile) -> set[int]:
    """The keys of a record, as signed numbers of 64 bits."""
    found = {_number(f"{type_}:{value}") for type_, value in record.identifiers}
    for of_address in _places(record):
        parts = _person(record) | of_address
        for first, second in map(tuple, PAIRS):
            for one, other in product(parts.get(first, ()), parts.get(second, ())):
                values = sorted((one, other)) if first + second == "gs" else (one, other)
                found.add(_number(f"{first}{second}:{values[0]}:{values[1]}"))
    return found


def _person(record: Profile) -> dict[str, set[str]]:
    # Names that were entered the wrong way round share the key of both names, which is sorted.
    found = {"g": {record.given.replace(" ", "")[:NAME]}, "s": {record.family.replace(" ", "")[:NAME]}}
    found |= {"d": {record.born}, "m": {record.born[4:]}, "y": {record.born[:6]}}
    return {name: values - {""} for name, values in found.items()}


def _places(record: Profile) -> Iterator[dict[str, set[str]]]:
    if not record.addresses:
        yield {}
    for each in record.addresses:
        words = each.street.split()
        # The longest word is the street's name; what follows it is "street" or "lane" or nothing.
        name = max(words[:-1] or words or [""], key=len)
        found = {"p": {each.postal_code}, "c": {each.city[:PLACE]}, "n": {each.number}}
        found |= {"a": {name[:PLACE]}, "b": {each.second[:PLACE]}}
        yield {part: values - {""} for part, values in found.items()}


def _number(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big", signed=True)
