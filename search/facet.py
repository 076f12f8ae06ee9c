"""Facets: what a question counts its hits by, in the words of the catalogue, and how that is asked of an engine."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hub.errors import Invalid, Limit, NotFound
from search import engine
from search.condition import PRICELESS, Ground
from search.operand import NUMBERS, UNCOMPARABLE, currency_key

MOST = 50
"""Facets of one question."""

MOST_VALUES = 1_000
MOST_RANGES = 50
DEFAULT_VALUES = 20

TERMS = {"category": "categories", "collection": "collections", "type": "types", "brand": "brands"}
"""What is counted by value and is no attribute → its field."""

Range = tuple[float | None, float | None]


@dataclass(frozen=True)
class FacetAsked:
    """What to count by. ``subject``: ``attribute:<code>``, or category, collection, type, brand, price, available.

    ``size``: how many values. For numbers, one of ``ranges``, ``interval`` (a bucket's width) and ``buckets`` (about how
    many, of a round width); without any of them the least and the greatest value are told. All in the numbers of the
    index; ``scale``: how many of them make one of those that widths are to be round in.
    ``currency``: which amounts of money count; null: of all currencies, which says little.
    ``only``: count these values alone; null: all. ``keys``: of an attribute whose values are kept by channel and locale,
    where each of them is: a product counts with the first that it has. Empty: those that everyone in the channel sees.
    """

    subject: str
    size: int = DEFAULT_VALUES
    ranges: tuple[Range, ...] = ()
    interval: float | None = None
    buckets: int | None = None
    scale: float = 1.0
    currency: str | None = None
    only: tuple[str, ...] | None = None
    keys: tuple[str, ...] = ()


def checked(asked: Sequence[FacetAsked], ground: Ground) -> dict[str, tuple[FacetAsked, engine.Facet]]:
    """The facets by subject, as an engine is asked. Raises ``Invalid``, ``Limit`` or ``NotFound``.

    One with ``buckets`` or ``interval`` is asked for its ends first: ``narrowed`` makes a histogram of it.
    """
    if len(asked) > MOST:
        raise Limit(f"{len(asked)} facets are asked for: ask for {MOST} at most.", ("facets",))
    return {each.subject: (each, _facet(each, ground)) for each in asked}


def _facet(asked: FacetAsked, ground: Ground) -> engine.Facet:
    if not 1 <= asked.size <= MOST_VALUES:
        raise Limit(f"A facet shows 1 to {MOST_VALUES} values, not {asked.size}.", ("facets",))
    field, key, numeric = _place(asked, ground)
    if not numeric:
        if asked.ranges or asked.interval is not None or asked.buckets is not None:
            raise Invalid(f'Facet "{asked.subject}" has values, not numbers: ask for no ranges.', ("facets",))
        first, *instead = asked.keys or (key,)
        return engine.TermsFacet(field, first, asked.size, asked.only, tuple(map(str, instead)))
    if asked.ranges:
        return engine.RangesFacet(field, _ranges(asked), key)
    if asked.interval is not None:
        _check_interval(asked.interval)
    return engine.StatsFacet(field, key)


def _place(asked: FacetAsked, ground: Ground) -> tuple[str, str | None, bool]:
    """Field, key, and whether it holds numbers."""
    subject = asked.subject
    if subject in TERMS:
        return TERMS[subject], None, False
    if subject == "available":
        return "available", None, False
    if subject == "price":
        if ground.channel_id is None:
            raise Invalid(f"{PRICELESS} to count by them.", ("facets",))
        return "price", None, True
    kind, _, code = subject.partition(":")
    if kind != "attribute":
        known = ", ".join([*TERMS, "available", "price"])
        raise NotFound(f'Facet "{subject}" does not exist: there are {known}, and attributes.', ("facets",))
    try:
        definition = ground.definition(code)
    except (Invalid, NotFound) as wrong:
        wrong.path = ("facets",)
        raise
    if definition.type in UNCOMPARABLE:
        raise Invalid(
            f'Attribute "{code}" ({definition.type}) cannot be counted by: its values cannot be compared.',
            ("facets",),
        )
    numeric = definition.type in NUMBERS
    key = currency_key(definition, ground.key(definition), asked.currency)
    return "numbers" if numeric else "values", key, numeric


def _ranges(asked: FacetAsked) -> tuple[Range, ...]:
    if len(asked.ranges) > MOST_RANGES:
        raise Limit(f"{len(asked.ranges)} ranges are asked for: give {MOST_RANGES} at most.", ("facets",))
    for low, high in asked.ranges:
        if low is None and high is None:
            raise Invalid("A range without an end is no range: give from, to or both.", ("facets",))
        if low is not None and high is not None and low >= high:
            raise Invalid(
                f"The range from {low} to {high} is empty: give the lower bound first.", ("facets",)
            )
    return asked.ranges


def _check_interval(interval: float) -> None:
    if not (math.isfinite(interval) and interval > 0):
        raise Invalid(f"A bucket cannot be {interval} wide: give more than 0.", ("facets",))


def narrowed(
    asked: Mapping[str, tuple[FacetAsked, engine.Facet]], counted: Mapping[str, engine.Counts]
) -> dict[str, engine.Facet]:
    """The histograms that can be asked for once the ends of what there is are known."""
    found: dict[str, engine.Facet] = {}
    for subject, (wish, facet) in asked.items():
        ends = counted.get(subject)
        if not isinstance(facet, engine.StatsFacet) or ends is None or ends.low is None or ends.high is None:
            continue
        width = _width(wish, ends.low, ends.high)
        if width is not None:
            # What a decimal loses as a binary fraction, and as many times a width, is less.
            slack = SLACK * math.ulp(max(abs(ends.low), abs(ends.high), width))
            found[subject] = engine.HistogramFacet(facet.field, width, facet.key, slack)
    return found


SLACK = 4
"""So many times the distance of two binary fractions, a number counts as the one above."""


def _width(wish: FacetAsked, low: float, high: float) -> float | None:
    """How wide the buckets are; null where none are asked for. Raises ``Limit`` for more of them than are told."""
    if wish.buckets is not None:
        if not 1 <= wish.buckets <= MOST_RANGES:
            raise Limit(f"A histogram has 1 to {MOST_RANGES} buckets, not {wish.buckets}.", ("facets",))
        return round_width((high - low) / wish.scale, wish.buckets) * wish.scale
    if wish.interval is not None and (high - low) / wish.interval > MOST_VALUES:
        least = round_width((high - low) / wish.scale, MOST_VALUES)
        raise Limit(
            f'Facet "{wish.subject}": buckets of {wish.interval / wish.scale:g} would be'
            f" {math.floor((high - low) / wish.interval) + 1:,} in number, and at most {MOST_VALUES:,} are told:"
            f" give an interval of {least:g} or more, or buckets.",
            ("facets",),
        )
    return wish.interval


def round_width(spread: float, buckets: int) -> float:
    """A width of 1, 2 or 5 times a power of ten that needs about so many buckets."""
    if spread <= 0:
        return 1.0
    raw = spread / buckets
    power = math.floor(math.log10(raw))
    # Written as decimals: a product of fractions would not be round.
    steps = (float(f"{step}e{power}") for step in (1, 2, 5, 10))
    return next(step for step in steps if step >= raw * 0.999)
