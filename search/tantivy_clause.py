"""Clauses as the embedded engine's queries."""

from __future__ import annotations

import math
from collections.abc import Iterable

from tantivy import FieldType, Index, Occur, Query

from search import clause, fields
from search.entry import milliseconds
from search.tantivy_schema import path, schema

Part = tuple[Occur, Query]


class Translator:
    """Makes queries for one opened index, whose parser it needs for numbers under keys."""

    def __init__(self, index: Index) -> None:
        self._index = index

    def query(self, said: clause.Clause) -> Query:
        """The query of a clause."""
        match said:
            case clause.Every():
                return Query.all_query()
            case clause.Term():
                return _term(said)
            case clause.OneOf():
                return _one_of(said)
            case clause.Prefix():
                return Query.const_score_query(_prefix(said), 1.0)
            case clause.Phrase():
                return _phrase(said)
            case clause.Between():
                return Query.const_score_query(self._between(said), 1.0)
            case clause.Exists():
                return Query.const_score_query(Query.exists_query(path(said.field, said.key)), 1.0)
            case clause.Listed():
                return Query.const_score_query(_listed(said), 1.0)
            case _:
                return self._combined(said)

    def _combined(self, said: clause.Clause) -> Query:
        match said:
            case clause.Both():
                return self._boolean((Occur.Must, said.clauses), (Occur.Should, said.shoulds))
            case clause.Either():
                return self._boolean((Occur.Should, said.clauses))
            case clause.Best():
                return Query.disjunction_max_query([self.query(each) for each in said.clauses], said.tie)
            case clause.Not():
                without = [(Occur.Must, Query.all_query()), (Occur.MustNot, self.query(said.clause))]
                return Query.const_score_query(Query.boolean_query(without), 1.0)
            case clause.Always():
                return Query.const_score_query(self.query(said.clause), said.score)
            case clause.Times():
                return Query.boost_query(self.query(said.clause), said.factor)
            case clause.Named():
                return self.query(said.clause)
        raise TypeError(f"{said!r} is no clause that this engine knows.")

    def _boolean(self, *groups: tuple[Occur, Iterable[clause.Clause]]) -> Query:
        parts = [(occur, self.query(each)) for occur, clauses in groups for each in clauses]
        return Query.boolean_query(parts) if parts else Query.empty_query()

    def _between(self, said: clause.Between) -> Query:
        if said.key is not None:
            return self._between_keyed(said)
        whole = said.field in fields.INTEGERS
        low, high = _whole(said) if whole else (said.low, said.high)
        if low is None and high is None:
            return Query.exists_query(said.field)
        kind = FieldType.Integer if whole else FieldType.Float
        strict = {
            "include_low": whole or said.low is None or said.with_low,
            "include_upper": whole or said.high is None or said.with_high,
        }
        return Query.range_query(
            schema(), said.field, kind, low, high, strict["include_low"], strict["include_upper"]
        )

    def _between_keyed(self, said: clause.Between) -> Query:
        """Ranges inside a keyed field exist only in the parser's language. Every number has a point, so that none is read as whole."""
        if said.low is None and said.high is None:
            return Query.exists_query(path(said.field, said.key))
        low = "*" if said.low is None else f"{said.low:.17f}"
        high = "*" if said.high is None else f"{said.high:.17f}"
        opening, closing = "[" if said.with_low else "{", "]" if said.with_high else "}"
        name = "".join(
            letter if letter.isalnum() or letter in "._" else f"\\{letter}"
            for letter in path(said.field, said.key)
        )
        return self._index.parse_query(f"{name}:{opening}{low} TO {high}{closing}", ["codes"])


def _whole(said: clause.Between) -> tuple[int | None, int | None]:
    """The bounds as whole numbers that are part of the range."""
    low = None if said.low is None else math.ceil(said.low)
    high = None if said.high is None else math.floor(said.high)
    low = low + 1 if low is not None and low == said.low and not said.with_low else low
    high = high - 1 if high is not None and high == said.high and not said.with_high else high
    return low, high


def _term(said: clause.Term) -> Query:
    if said.key is not None:
        return Query.const_score_query(
            Query.term_query(schema(), path(said.field, said.key), said.value), 1.0
        )
    if said.field in fields.TEXTS:
        return Query.term_query(schema(), said.field, said.value, index_option="freq")
    return Query.const_score_query(
        Query.term_query(schema(), said.field, said.value, index_option="basic"), 1.0
    )


def _one_of(said: clause.OneOf) -> Query:
    if not said.values:
        return Query.empty_query()
    named = Query.term_set_query(schema(), path(said.field, said.key), list(said.values))
    return Query.const_score_query(named, 1.0)


def _prefix(said: clause.Prefix) -> Query:
    letters = "".join(letter if letter.isalnum() else f"\\x{{{ord(letter):x}}}" for letter in said.text)
    return Query.regex_query(schema(), said.field, f"{letters}.*")


def _phrase(said: clause.Phrase) -> Query:
    if len(said.terms) == 1:
        return Query.term_query(schema(), said.field, said.terms[0], index_option="freq")
    return Query.phrase_query(schema(), said.field, list(said.terms))


def _listed(said: clause.Listed) -> Query:
    now = milliseconds(said.moment)
    return Query.boolean_query(
        [(Occur.Must, between("starts", None, now)), (Occur.Must, between("ends", now + 1, None))]
    )


def between(field: str, lowest: int | None, highest: int | None) -> Query:
    """Whole numbers from ``lowest`` to ``highest``, both included."""
    return Query.range_query(schema(), field, FieldType.Integer, lowest, highest)
