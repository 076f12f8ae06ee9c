"""Scores: how well a ranking agrees with ratings."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass

from bench.relevance.judgments import Ratings

DEPTH = 10


@dataclass(frozen=True)
class Score:
    """How good the first ten hits of a query are.

    ``ndcg``: normalised discounted cumulative gain with the gain 2^rating - 1 (Burges et al. 2005); a hit without a
    rating gains nothing. ``condensed``: the same over the ranking without such hits (Sakai 2007). ``precision``: the
    share of ten that has a positive rating. ``unjudged``: the share of the hits that has no rating.
    """

    ndcg: float
    condensed: float
    precision: float
    unjudged: float


def score(ranking: Sequence[str], ratings: Ratings) -> Score:
    """The score of a ranking, which is as long as the condensed one needs it."""
    best = _gain(sorted(ratings.values(), reverse=True))
    first = ranking[:DEPTH]
    return Score(
        ndcg=_gain(ratings.get(product, 0) for product in first) / best,
        condensed=_gain(ratings[product] for product in ranking if product in ratings) / best,
        precision=sum(ratings.get(product, 0) > 0 for product in first) / DEPTH,
        unjudged=sum(product not in ratings for product in first) / len(first) if first else 0.0,
    )


def _gain(ratings: Iterable[int]) -> float:
    shown = zip(range(DEPTH), ratings, strict=False)
    return sum(((1 << rating) - 1) / math.log2(place + 2) for place, rating in shown)


def mean(scores: Iterable[Score]) -> Score:
    """The mean of each figure."""
    return Score(*map(statistics.fmean, zip(*map(astuple, scores), strict=True)))


def standard_error(values: Sequence[float]) -> float:
    """The standard error of their mean; 0 of fewer than two."""
    return statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else 0.0
