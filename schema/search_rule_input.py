"""How rules of search are given: typed, one field for each kind of rule."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import Enum, StrEnum
from typing import Any

import strawberry
from strawberry.types.base import get_object_definition

from hub.db import Json
from hub.errors import HubError, Path
from hub.search_rule_check import LARGEST_FACTOR, LARGEST_POINTS
from schema import input as inputs
from schema.input import Reference

NOUNS = {"products": "product", "category": "category"}
"""The fields that hold references, and to what."""


@strawberry.enum(
    description="How a query is compared, without case, accents, punctuation and endings. EXACT: it is these words."
    " CONTAINS: it has them side by side. ALL_WORDS: it has them, wherever."
)
class SearchMatch(StrEnum):
    """How a query is compared."""

    EXACT = "EXACT"
    CONTAINS = "CONTAINS"
    ALL_WORDS = "ALL_WORDS"


@strawberry.input(description="Which queries a rule holds for.")
class SearchMatchInput:
    """Which queries a rule holds for."""

    query: str = strawberry.field(description="The words.")
    match: SearchMatch = strawberry.field(
        description="How the query is compared with them.", default=SearchMatch.EXACT
    )


@strawberry.input(description="Products that have a value of an attribute: one of some, or within bounds.")
class SearchRuleAttributeInput:
    """Products that have a value of an attribute."""

    code: str = strawberry.field(description="The attribute's code; it has to be filterable or a facet.")
    values: list[str] | None = strawberry.field(
        description="One of these; options by code, booleans as true or false.", default=strawberry.UNSET
    )
    min: float | None = strawberry.field(
        description="A number from this on, for integers and decimals.", default=strawberry.UNSET
    )
    max: float | None = strawberry.field(
        description="A number up to this, for integers and decimals.", default=strawberry.UNSET
    )


@strawberry.input(one_of=True, description="Which products a rule is about: one of these.")
class SearchRuleConditionInput:
    """Which products a rule is about."""

    attribute: SearchRuleAttributeInput | None = strawberry.field(
        description="By a value.", default=strawberry.UNSET
    )
    category: Reference | None = strawberry.field(
        description="In this category or below.", default=strawberry.UNSET
    )
    brand: list[str] | None = strawberry.field(
        description="Of one of these makers, by name.", default=strawberry.UNSET
    )
    type: list[str] | None = strawberry.field(
        description="Of one of these product types, by code.", default=strawberry.UNSET
    )
    products: list[Reference] | None = strawberry.field(description="One of these.", default=strawberry.UNSET)
    available: bool | None = strawberry.field(
        description="With a variant in stock; false: with none.", default=strawberry.UNSET
    )


@strawberry.input(description="Words that count as each other: either words, or from and to.")
class SearchSynonymInput:
    """Words that count as each other."""

    words: list[str] | None = strawberry.field(
        description="Two-way: each of these words and phrases also finds the others.",
        default=strawberry.UNSET,
    )
    from_: list[str] | None = strawberry.field(
        name="from", description="One-way: who searches for these …", default=strawberry.UNSET
    )
    to: list[str] | None = strawberry.field(description="… finds these too.", default=strawberry.UNSET)


WHEN = "For which queries; null: for all, and for lists without a query."
STARTS, ENDS = "From when on; null: at once.", "From when on no more; null: no end."


@strawberry.input(
    description="Products that count more, or less, than their words alone: either factor or points."
)
class SearchBoostInput:
    """Products that count more, or less."""

    condition: SearchRuleConditionInput = strawberry.field(description="Which products.")
    factor: float | None = strawberry.field(
        description=f"What their score is multiplied by: 0.01 to {LARGEST_FACTOR:g}.",
        default=strawberry.UNSET,
    )
    points: float | None = strawberry.field(
        description=f"What is added to their score, up to {LARGEST_POINTS:g}.", default=strawberry.UNSET
    )
    when: SearchMatchInput | None = strawberry.field(description=WHEN, default=strawberry.UNSET)
    starts_at: datetime | None = strawberry.field(description=STARTS, default=strawberry.UNSET)
    ends_at: datetime | None = strawberry.field(description=ENDS, default=strawberry.UNSET)


@strawberry.input(description="Products that stand below all others.")
class SearchBuryInput:
    """Products that stand below all others."""

    condition: SearchRuleConditionInput = strawberry.field(description="Which products.")
    when: SearchMatchInput | None = strawberry.field(description=WHEN, default=strawberry.UNSET)
    starts_at: datetime | None = strawberry.field(description=STARTS, default=strawberry.UNSET)
    ends_at: datetime | None = strawberry.field(description=ENDS, default=strawberry.UNSET)


@strawberry.input(description="Products that stand at the top for a query, in this order.")
class SearchPinInput:
    """Products that stand at the top for a query."""

    when: SearchMatchInput = strawberry.field(description="For which queries.")
    products: list[Reference] = strawberry.field(description="The products; those not on offer are left out.")
    starts_at: datetime | None = strawberry.field(description=STARTS, default=strawberry.UNSET)
    ends_at: datetime | None = strawberry.field(description=ENDS, default=strawberry.UNSET)


@strawberry.input(description="Where a query leads instead of its hits: either url or category.")
class SearchRedirectInput:
    """Where a query leads instead of its hits."""

    when: SearchMatchInput = strawberry.field(description="For which queries.")
    url: str | None = strawberry.field(
        description="An address, or a path in the shop that begins with a slash.", default=strawberry.UNSET
    )
    category: Reference | None = strawberry.field(description="A category.", default=strawberry.UNSET)
    starts_at: datetime | None = strawberry.field(description=STARTS, default=strawberry.UNSET)
    ends_at: datetime | None = strawberry.field(description=ENDS, default=strawberry.UNSET)


@strawberry.input(description="Rules of search by kind; what is left out has no rules.")
class SearchRulesInput:
    """Rules of search by kind."""

    synonyms: list[SearchSynonymInput] | None = strawberry.field(
        description="Words that count as each other.", default=strawberry.UNSET
    )
    stop_words: list[str] | None = strawberry.field(
        description="Words that need not match, beside the language's own.", default=strawberry.UNSET
    )
    boosts: list[SearchBoostInput] | None = strawberry.field(
        description="Products that count more, or less.", default=strawberry.UNSET
    )
    buries: list[SearchBuryInput] | None = strawberry.field(
        description="Products that stand below all others.", default=strawberry.UNSET
    )
    pins: list[SearchPinInput] | None = strawberry.field(
        description="Products that stand at the top for a query.", default=strawberry.UNSET
    )
    redirects: list[SearchRedirectInput] | None = strawberry.field(
        description="Where queries lead instead of hits.", default=strawberry.UNSET
    )


# Rules are kept as they came in: what they name is only known inside the transaction.
get_object_definition(SearchRulesInput, strict=True).from_input = lambda _, raw, __: dict(raw)


def read(raw: Mapping[str, Any], path: Path, _: list[HubError]) -> Json:
    """Rules in the form of ``hub.search_rule_check``. Raises ``Invalid`` for an id of another noun."""
    return {name: _plain(name, each, (*path, name)) for name, each in raw.items()}


def _plain(name: str, given: Any, path: Path) -> Any:
    if isinstance(given, list | tuple):
        return [_plain(name, each, (*path, place)) for place, each in enumerate(given)]
    if isinstance(given, Mapping) and name in NOUNS:
        return inputs.reference(given, NOUNS[name], path)
    if isinstance(given, Mapping):
        return {key: _plain(key, each, (*path, key)) for key, each in given.items()}
    if isinstance(given, Enum):
        return given.value
    return given


inputs.BY_KIND["search_rules"] = (SearchRulesInput, read)
