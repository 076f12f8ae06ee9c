"""Choosing weights: each query is scored by weights that were chosen without it.

A few weights with a few values each, all combinations. What is chosen on all queries alike is what ships; how well such
a choice does on queries that it has not seen is what may be expected of it.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

from bench import Tell
from bench.relevance.ground import Judged
from bench.relevance.judgments import Ratings
from bench.relevance.score import Score
from search.weights import SHIPPED, Weights

GRID: Mapping[str, tuple[float, ...]] = {
    "labels": (1.0, 2.0, 3.0),
    "body": (1.0, 2.0),
    "head": (15.0, 30.0, 45.0),
    "kind": (0.0, 20.0, 40.0),
    "tie": (0.1, 0.3),
}
"""Weight → the values that are tried. The others are tiers, which only have to stand apart."""

FOLDS = 10


@dataclass(frozen=True)
class Choice:
    """``unseen``: the scores of queries by weights that were chosen on the others. ``chosen``: on all queries.

    ``times``: how many of the folds chose what was chosen most often.
    """

    unseen: Mapping[str, Score]
    chosen: Weights
    times: int
    sets: int


def candidates() -> list[Weights]:
    """Every combination, that which ships among them or not."""
    return [replace(SHIPPED, **dict(zip(GRID, values, strict=True))) for values in product(*GRID.values())]


def choose(judged: Judged, judgments: Mapping[str, Ratings], tell: Tell) -> Choice:
    """Weights by cross-validation over queries, in folds that take every tenth query."""
    tried = candidates()
    scored = []
    for done, weights in enumerate(tried):
        scored.append(judged.scores(judgments, weights))
        tell(done + 1, len(tried))
    queries = sorted(judgments)
    unseen: dict[str, Score] = {}
    picks = Counter[int]()
    for fold in range(min(FOLDS, len(queries))):
        held = queries[fold::FOLDS]
        pick = _best(scored, [query for query in queries if query not in held] or held)
        picks[pick] += 1
        unseen |= {query: scored[pick][query] for query in held}
    return Choice(unseen, tried[_best(scored, queries)], picks.most_common(1)[0][1], len(tried))


def _best(scored: Sequence[Mapping[str, Score]], queries: Sequence[str]) -> int:
    """The set with the best mean of both measures: the one alone would follow what happens to be judged."""
    means = [
        statistics.fmean(each[query].ndcg + each[query].condensed for query in queries) for each in scored
    ]
    return means.index(max(means))
