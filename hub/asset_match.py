"""Which product a file is of, told by its name: ``{sku}_{position}`` finds the product of the SKU before the underscore."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote

import sqlalchemy as sa

from hub import gtin
from hub.errors import Invalid, NotFound
from hub.product import Identifier, Product, Variant

FIELDS = {
    "sku": "(?P<sku>.+)",
    "gtin": r"(?P<gtin>\d{8,14})",
    "slug": "(?P<slug>.+)",
    "position": r"(?P<position>\d{1,4})",
    "role": "(?P<role>[a-z][a-z0-9_]*)",
    "any": ".*?",
}
"""What may stand in a pattern, in braces."""

NAMING = ("sku", "gtin", "slug")
"""Those that tell the product: one of them must be there."""

DEFAULT = (
    "{sku}",
    "{sku}_{position}",
    "{sku}-{position}",
    "{gtin}",
    "{gtin}_{position}",
    "{gtin}-{position}",
)
FIELD = re.compile(r"\{([^{}]*)\}")

Way = tuple[str, str]
"""How a product is named: by what, and by which value."""


@dataclass(frozen=True)
class Match:
    """What a name may mean. ``position``, ``role``: null where it says nothing of them."""

    way: Way
    position: int | None
    role: str | None


@dataclass(frozen=True)
class Pattern:
    """How files are named. One with a slash is held against the path in the folder, others against the name alone."""

    text: str
    compiled: re.Pattern[str]

    def match(self, name: str) -> Match | None:
        """What a file's name means, its ending left out; null where it is not named so."""
        path = PurePosixPath(name)
        stem = str(path.with_suffix("")) if "/" in self.text else path.stem
        found = self.compiled.fullmatch(stem)
        if found is None:
            return None
        told = found.groupdict()
        field = next(each for each in NAMING if each in told)
        value = unquote(told[field])  # a slash in a SKU is written %2F
        position = told.get("position")
        return Match((field, value), None if position is None else int(position), told.get("role"))


def pattern(text: str) -> Pattern:
    """A pattern as it was given. Raises ``Invalid`` for one that tells no product."""
    fields = FIELD.findall(text)
    for field in fields:
        if field not in FIELDS:
            known = ", ".join(f"{{{each}}}" for each in FIELDS)
            raise Invalid(f'Pattern "{text}" holds {{{field}}}, which is none of {known}.')
        if field != "any" and fields.count(field) > 1:
            raise Invalid(f'Pattern "{text}" holds {{{field}}} twice: once is enough.')
    if sum(field in NAMING for field in fields) != 1:
        raise Invalid(f'Pattern "{text}" must tell the product by one of {{sku}}, {{gtin}} and {{slug}}.')
    parts = FIELD.split(text)
    made = "".join(FIELDS[part] if place % 2 else re.escape(part) for place, part in enumerate(parts))
    return Pattern(text, re.compile(made))


def matches(patterns: Sequence[Pattern], name: str) -> list[Match]:
    """Everything that a name may mean, in the order of the patterns."""
    found = (each.match(name) for each in patterns)
    return [match for match in found if match is not None]


def products(tx: sa.Connection, ways: Iterable[Way]) -> Mapping[Way, int]:
    """The products that are named, by how they are."""
    named: dict[str, dict[str, list[str]]] = {field: {} for field in NAMING}
    for field, value in ways:
        stored = _stored(field, value)
        if stored is not None:
            named[field].setdefault(stored, []).append(value)
    found: dict[Way, int] = {}
    for field, values in named.items():
        for stored, product in tx.execute(_statement(field, list(values))) if values else ():
            found |= {(field, value): product for value in values[stored]}
    return found


def _stored(field: str, value: str) -> str | None:
    """A value as the hub stores it; null for one that it cannot store."""
    if field != "gtin":
        return value
    try:
        return gtin.parse(value)
    except Invalid:
        return None


def _statement(field: str, values: list[str]) -> Any:
    wanted = sa.any_(sa.cast(values, sa.ARRAY(sa.Text)))
    if field == "slug":
        return sa.select(Product.slug, Product.id).where(Product.slug == wanted)
    if field == "sku":
        return sa.select(Variant.sku, Variant.product_id).where(Variant.sku == wanted)
    own = sa.select(Identifier.value, Identifier.product_id)
    return own.where(Identifier.type == "gtin", Identifier.value == wanted)


def chosen(found: Sequence[Match], known: Mapping[Way, int], name: str) -> tuple[int, Match]:
    """The product that a name tells, by the first pattern that tells one. Raises ``NotFound`` or ``Invalid``."""
    if not found:
        raise Invalid(f'File "{name}" is named by none of the patterns: rename it, or give one with --match.')
    for match in found:
        if match.way in known:
            return known[match.way], match
    tried = " or ".join(dict.fromkeys(f'{field} "{value}"' for field, value in (each.way for each in found)))
    raise NotFound(f'File "{name}" tells no product: there is none with {tried}.')
