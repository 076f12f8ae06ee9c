"""What identity compares of a record: its names, birth date, addresses and identifiers in the form they are compared in."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from hub.db import Json

ADDRESS = ("street", "street2", "postal_code", "city")
"""The fields of an address that are compared."""

_NO_LETTER = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True)
class Address:
    """An address in the form it is compared in; empty where unknown. ``number``: the house's, with its letter."""

    number: str
    street: str
    second: str
    line: str
    postal_code: str
    city: str


@dataclass(frozen=True, slots=True)
class Profile:
    """A record as identity sees it. Texts are folded and empty where unknown; ``born`` is ``YYYYMMDD``.

    ``identifiers``: those that count, as (type, value); ``proven``: those of them that alone say who it is.
    """

    given: str
    family: str
    born: str
    addresses: tuple[Address, ...]
    identifiers: frozenset[tuple[str, str]]
    proven: frozenset[tuple[str, str]]

    def of(self, type_: str) -> list[str]:
        """Its identifiers of a type, in order."""
        return sorted(value for kind, value in self.identifiers if kind == type_)


@lru_cache(maxsize=1 << 16)
def folded(text: str) -> str:
    """A text without case, accents and signs: ``Müller-Lüdenscheidt`` becomes ``muller ludenscheidt``."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    letters = "".join(each for each in plain if not unicodedata.combining(each))
    return _NO_LETTER.sub(" ", letters).strip()


def profile(
    fields: Json, identifiers: frozenset[tuple[str, str]], proven: frozenset[tuple[str, str]]
) -> Profile:
    """The profile of a record's fields (``hub.source_record``) and of those of its identifiers that count."""
    return Profile(
        given=folded(fields.get("given_name") or ""),
        family=folded(fields.get("family_name") or ""),
        born=(fields.get("birth_date") or "").replace("-", ""),
        addresses=tuple(filter(None, map(_address, fields.get("addresses") or ()))),
        identifiers=identifiers,
        proven=proven,
    )


def _address(given: Json) -> Address | None:
    street, second, postal_code, city = (_text(given.get(name)) for name in ADDRESS)
    numbers = [word for word in street.split() if word[0].isdigit()]
    words = [word for word in street.split() if not word[0].isdigit()]
    line = " ".join(sorted([*words, *second.split()]))
    found = Address(
        number=" ".join(numbers),
        street=" ".join(words),
        second=second.replace(" ", ""),
        line=line,
        postal_code=postal_code.replace(" ", ""),
        city=city.replace(" ", ""),
    )
    return found if found.line or found.postal_code or found.city else None


def _text(given: Any) -> str:
    return folded(given) if isinstance(given, str) else ""
