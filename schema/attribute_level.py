"""What attribute values a reader sees: of the stored ones the right channel's and locale's, level by level.

The channel's value comes before everyone's, then the first locale of the chain, then the value for all locales. What a
variant does not say itself it inherits from its product.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hub.attribute import Attribute as AttributeTable
from hub.attribute_value import ALL, NOT_APPLICABLE, Definition
from schema.sql import by_codes

if TYPE_CHECKING:
    from schema.context import Context, Scope


@dataclass(frozen=True)
class Known:
    """An attribute that values are read by."""

    id: int
    definition: Definition


@dataclass(frozen=True)
class Leaf:
    """One stored value, where it stands and who wrote it."""

    known: Known
    channel: str | None
    locale: str | None
    inherited: bool
    stored: Any
    written: Sequence[str]

    @property
    def value(self) -> Any:
        """The stored value; null for "not applicable"."""
        return None if self.stored == NOT_APPLICABLE else self.stored


def _definition(row: Any) -> Definition:
    names = ("code", "type", "localizable", "per_channel", "unit_family", "unit", "rules")
    return Definition(**{name: row[name] for name in names}, options=frozenset())


async def known(context: Context, codes: tuple[str, ...]) -> dict[str, Known]:
    """The attributes of these codes, without those that do not exist."""

    async def batch(asked: list[tuple[str, ...]]) -> list[dict[str, Known]]:
        wanted: set[str] = set().union(*asked)
        rows = await context.database.rows(by_codes(AttributeTable.__table__, sorted(wanted)))
        every = {row["code"]: Known(row["id"], _definition(row)) for row in rows}
        return [{code: every[code] for code in some if code in every} for some in asked]

    found: dict[str, Known] = await context.loader("attributes", batch).load(codes)
    return found


def leaf(stored: Mapping[str, Any], definition: Definition, scope: Scope) -> tuple[str, str] | None:
    """Channel and locale of the value that a reader in this scope sees among those of one code; null without one."""
    channels = [scope.channel.code, ALL] if scope.channel and definition.per_channel else [ALL]
    locales = [*scope.locales, ALL] if definition.localizable else [ALL]
    return next(
        (
            (channel, locale)
            for channel in channels
            for locale in locales
            if stored.get(channel, {}).get(locale) is not None
        ),
        None,
    )


@dataclass(frozen=True)
class Level:
    """The values that a row has of its own, or hands down."""

    columns: Mapping[str, Mapping[str, Any]]
    provenance: Mapping[str, Sequence[str]]
    inherited: bool

    def codes(self) -> set[str]:
        """The attributes that have any value here."""
        return set().union(*self.columns.values())

    def find(self, known: Known, scope: Scope) -> Leaf | None:
        """The value of an attribute for a reader in this scope."""
        code = known.definition.code
        for column, values in self.columns.items():
            if code not in values:
                continue
            if column == "axes":
                return Leaf(known, None, None, self.inherited, values[code], self._written(f"axes/{code}"))
            place = leaf(values[code], known.definition, scope)
            if place is not None:
                return self._leaf(known, values[code], place)
        return None

    def _leaf(self, known: Known, stored: Mapping[str, Any], place: tuple[str, str]) -> Leaf:
        channel, locale = place
        return Leaf(
            known,
            None if channel == ALL else channel,
            None if locale == ALL else locale,
            self.inherited,
            stored[channel][locale],
            self._written(f"attributes/{known.definition.code}/{channel}/{locale}"),
        )

    def _written(self, path: str) -> Sequence[str]:
        while path and path not in self.provenance:
            path = path.rpartition("/")[0]
        return self.provenance[path or "*"]


async def leaves(
    levels: Sequence[Level], codes: Sequence[str] | None, scope: Scope, context: Context
) -> list[Leaf]:
    """The values that a reader sees over all levels, the first level that has one winning.

    ``codes``: only these, in this order; null for all, by code.
    """
    stored: set[str] = set().union(*(level.codes() for level in levels))
    wanted = sorted(stored) if codes is None else [code for code in dict.fromkeys(codes) if code in stored]
    attributes = await known(context, tuple(wanted)) if wanted else {}
    found = (
        next((each for level in levels if (each := level.find(attributes[code], scope))), None)
        for code in wanted
        if code in attributes
    )
    return [each for each in found if each is not None]
