"""A run's scores, as a table and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from bench.relevance.score import Score, mean, standard_error

HEAD = f"{'':<26}{'nDCG@10':>9}{'condensed':>11}{'P@10':>7}{'unjudged':>10}"


class Table(dict[str, Any]):
    """The scores of every query, the worst first, with their means; as text it is a table."""

    def __init__(self, scores: Mapping[str, Score]) -> None:
        self._scores = dict(sorted(scores.items(), key=lambda each: each[1].ndcg))
        self._mean = mean(scores.values())
        self._error = standard_error([each.ndcg for each in scores.values()])
        super().__init__(
            mean=_rounded(self._mean),
            standard_error=round(self._error, 4),
            queries={query: _rounded(each) for query, each in self._scores.items()},
        )

    def __format__(self, _: str) -> str:
        rows = [_line(query, each) for query, each in self._scores.items()]
        total = _line(f"mean of {len(self._scores)}", self._mean)
        return "\n" + "\n".join([HEAD, *rows, total, f"{'standard error':<26}{self._error:>9.3f}"])


def _line(name: str, score: Score) -> str:
    return (
        f"{name[:25]:<26}{score.ndcg:>9.3f}{score.condensed:>11.3f}{score.precision:>7.2f}"
        f"{score.unjudged:>10.2f}"
    )


def _rounded(score: Score) -> dict[str, float]:
    return {name: round(value, 4) for name, value in asdict(score).items()}


def difference(first: Mapping[str, Score], second: Mapping[str, Score]) -> str:
    """How much better the second is, query by query, and how sure that is."""
    told = []
    for name in ("ndcg", "condensed"):
        gains = [getattr(second[query], name) - getattr(first[query], name) for query in first]
        gained = sum(gain > 0 for gain in gains)
        lost = sum(gain < 0 for gain in gains)
        told.append(
            f"{name} {sum(gains) / len(gains):+.4f} ± {standard_error(gains):.4f}"
            f" ({gained} better, {lost} worse)"
        )
    return ", ".join(told)
