"""What attribute values a reader sees: of the stored ones the right channel's and locale's, level by level.

The channel's value comes before everyone's, then the first locale of the chain, then the value for all locales. What a
variant does not say itself it inherits from its product.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from hub.attribute import Attribute as AttributeTable
from hub.attribute_value import ALL, NOT_APPLICABLE, Definition
from schema.sql import by_codes

if TYPE_CHECKING:
    from schema.context import Context, Scope


DEFINING = ("id", "code", "type", "localizable", "per_channel", "unit_family", "unit", "rules")
"""The columns of an attribute that its values are read by."""

AXES = "axes"
"""The column of values that tell variants apart: they are the same everywhere."""

Place = tuple[str, str]
"""Channel and locale that a value is kept for, ``*`` for all."""


@dataclass(frozen=True)
class Known:
    """An attribute that values are read by."""

    id: int
    definition: Definition


class Leaf(NamedTuple):
    """One stored value and where it stands. ``column``: axes or attributes; ``provenance``: that of the row it is in."""

    known: Known
    channel: str | None
    locale: str | None
    inherited: bool
    stored: Any
    column: str
    provenance: Mapping[str, Sequence[str]]

    @property
    def value(self) -> Any:
        """The stored value; null for "not applicable"."""
        return None if self.stored == NOT_APPLICABLE else self.stored

    @property
    def written(self) -> Sequence[str]:
        """Who wrote the value: the nearest entry, upwards from the value itself."""
        path = f"{self.column}/{self.known.definition.code}"
        if self.column != AXES:
            path += f"/{self.channel or ALL}/{self.locale or ALL}"
        while path and path not in self.provenance:
            path = path.rpartition("/")[0]
        return self.provenance[path or "*"]


def known_of(row: Any) -> Known:
    """The attribute of a row that has the ``DEFINING`` columns."""
    own = {name: row[name] for name in DEFINING if name != "id"}
    return Known(row["id"], Definition(**own, options=frozenset()))


async def known(context: Context, codes: tuple[str, ...]) -> dict[str, Known]:
    """The attributes of these codes, without those that do not exist."""

    async def batch(asked: list[tuple[str, ...]]) -> list[dict[str, Known]]:
        wanted: set[str] = set().union(*asked)
        statement = by_codes(AttributeTable.__table__, DEFINING)
        rows = await context.database.rows(statement, {"codes": sorted(wanted)})
        every = {row["code"]: known_of(row) for row in rows}
        return [{code: every[code] for code in some if code in every} for some in asked]

    found: dict[str, Known] = await context.loader("attributes", batch).load(codes)
    return found


def places(definition: Definition, scope: Scope) -> tuple[Place, ...]:
    """Where a reader in this scope looks for the value of an attribute, the best place first."""
    channels = [scope.channel.code, ALL] if scope.channel and definition.per_channel else [ALL]
    locales = [*scope.locales, ALL] if definition.localizable else [ALL]
    return tuple((channel, locale) for channel in channels for locale in locales)


class Level(NamedTuple):
    """The values that a row has of its own, or hands down, by column."""

    columns: Mapping[str, Mapping[str, Any]]
    provenance: Mapping[str, Sequence[str]]
    inherited: bool

    def codes(self) -> set[str]:
        """The attributes that have any value here."""
        return set().union(*self.columns.values())

    def find(self, known: Known, looked: Sequence[Place]) -> Leaf | None:
        """The value of an attribute at the first of the places where it is looked for; an axis has but one place."""
        code = known.definition.code
        for column, values in self.columns.items():
            stored = values.get(code)
            if stored is None:
                continue
            if column == AXES:
                return Leaf(known, None, None, self.inherited, stored, column, self.provenance)
            for channel, locale in looked:
                value = stored[channel].get(locale) if channel in stored else None
                if value is not None:
                    shown = (None if channel == ALL else channel, None if locale == ALL else locale)
                    return Leaf(known, *shown, self.inherited, value, column, self.provenance)
        return None


def stored_codes(levels: Sequence[Level], codes: Sequence[str] | None) -> list[str]:
    """The codes that have any value: of those asked for in their order, or of all by code."""
    stored: set[str] = set().union(*(level.codes() for level in levels))
    return sorted(stored) if codes is None else [code for code in dict.fromkeys(codes) if code in stored]


def seen(
    levels: Sequence[Level], codes: Sequence[str], looked: Mapping[str, tuple[Known, Sequence[Place]]]
) -> list[Leaf]:
    """The values of some codes over all levels, the first level that has one winning.

    ``looked``: by code the attribute, and where its values are looked for; a code that is not there has no attribute.
    """
    found = []
    for code in codes:
        if code in looked:
            known, at = looked[code]
            for level in levels:
                one = level.find(known, at)
                if one is not None:
                    found.append(one)
                    break
    return found


async def leaves(
    levels: Sequence[Level], codes: Sequence[str] | None, scope: Scope, context: Context
) -> list[Leaf]:
    """The values that a reader sees over all levels.

    ``codes``: only these, in this order; null for all, by code.
    """
    wanted = stored_codes(levels, codes)
    attributes = await known(context, tuple(wanted)) if wanted else {}
    looked = {code: (each, places(each.definition, scope)) for code, each in attributes.items()}
    return seen(levels, wanted, looked)
