"""Clauses: what documents must be like and what they score, said without an engine's words.

``search.ranking`` and ``search.condition`` make them, each engine translates them. Scores follow BM25 (k1 1.2, b 0.75)
with the factor k1 + 1, as tantivy and Elasticsearch count it; Lucene by itself dropped it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Every:
    """Every document, with score 1."""


@dataclass(frozen=True)
class Term:
    """A term in a field. ``key``: which key of a keyed field. Scored by BM25 in text fields, 1 in others."""

    field: str
    value: str | int
    key: str | None = None


@dataclass(frozen=True)
class OneOf:
    """One of some terms; score 1."""

    field: str
    values: tuple[str | int, ...]
    key: str | None = None


@dataclass(frozen=True)
class Prefix:
    """A term that begins so, in a field of keywords or texts; score 1."""

    field: str
    text: str


@dataclass(frozen=True)
class Phrase:
    """Terms of a text field, next to each other in this order. Scored by BM25."""

    field: str
    terms: tuple[str, ...]


@dataclass(frozen=True)
class Between:
    """A number from ``low`` to ``high``; null bounds are open. ``key``: which key of ``numbers``. Score 1."""

    field: str
    low: float | None = None
    high: float | None = None
    key: str | None = None
    with_low: bool = True
    with_high: bool = True


@dataclass(frozen=True)
class Exists:
    """A field, or a key of one, that has a value; score 1."""

    field: str
    key: str | None = None


@dataclass(frozen=True)
class Listed:
    """A listing window that holds the moment; score 1. The document of staff has none."""

    moment: datetime


@dataclass(frozen=True)
class Both:
    """All of the clauses; scores add up. ``shoulds`` add their score where they match and are not needed."""

    clauses: tuple[Clause, ...]
    shoulds: tuple[Clause, ...] = ()


@dataclass(frozen=True)
class Either:
    """At least one of the clauses; scores add up."""

    clauses: tuple[Clause, ...]


@dataclass(frozen=True)
class Best:
    """At least one of the clauses; the best score, and ``tie`` times the others."""

    clauses: tuple[Clause, ...]
    tie: float = 0.0


@dataclass(frozen=True)
class Not:
    """Not the clause; score 1."""

    clause: Clause


@dataclass(frozen=True)
class Always:
    """The clause with one score for all that match."""

    clause: Clause
    score: float


@dataclass(frozen=True)
class Times:
    """The clause with its score multiplied."""

    clause: Clause
    factor: float


@dataclass(frozen=True)
class Named:
    """The clause, whose share of a hit's score is told under this name when a question is explained."""

    name: str
    clause: Clause


Clause = (
    Every
    | Term
    | OneOf
    | Prefix
    | Phrase
    | Between
    | Exists
    | Listed
    | Both
    | Either
    | Best
    | Not
    | Always
    | Times
    | Named
)
"""Anything that says which documents, and how well they fit."""


def names(clause: Clause) -> list[Named]:
    """The named clauses inside, outer ones first."""
    found = [clause] if isinstance(clause, Named) else []
    return [*found, *(name for part in _parts(clause) for name in names(part))]


def _parts(clause: Clause) -> tuple[Clause, ...]:
    match clause:
        case Both():
            return (*clause.clauses, *clause.shoulds)
        case Either() | Best():
            return clause.clauses
        case Not() | Always() | Times() | Named():
            return (clause.clause,)
        case _:
            return ()


def bare(clause: Clause) -> Clause:
    """The clause without names and factors, for where its parts only choose and score nothing."""
    match clause:
        case Named():
            return bare(clause.clause)
        case Both():
            return Both(tuple(map(bare, clause.clauses)), tuple(map(bare, clause.shoulds)))
        case Either():
            return Either(tuple(map(bare, clause.clauses)))
        case Best():
            return Best(tuple(map(bare, clause.clauses)), clause.tie)
        case Times():
            return bare(clause.clause)
        case _:
            return clause
