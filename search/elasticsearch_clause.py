"""Clauses as Elasticsearch's query language."""

from __future__ import annotations

from typing import Any

from search import clause, fields
from search.elasticsearch_mapping import GREATEST, LEAST, sortable
from search.entry import milliseconds

Query = dict[str, Any]


def path(field: str, key: str | None) -> str:
    """A key inside a keyed field."""
    return field if key is None else f"{field}.{key}"


def query(said: clause.Clause, *, named: bool = False) -> Query:
    """The query of a clause. ``named``: keep the names, so that the answer tells their shares."""
    match said:
        case clause.Every():
            return {"match_all": {}}
        case clause.Term(field, value, key) if field in fields.TEXTS and key is None:
            return {"term": {field: {"value": value}}}
        case clause.Phrase(field, terms):
            return {"match_phrase": {field: {"query": " ".join(terms), "analyzer": "whitespace"}}}
        case clause.Both() | clause.Either() | clause.Best() | clause.Times() | clause.Named():
            return _scored(said, named=named)
        case clause.Always(inner, score):
            return {"constant_score": {"filter": query(inner), "boost": score}}
        case _:
            return {"constant_score": {"filter": chosen(said)}}


def _scored(said: clause.Clause, *, named: bool) -> Query:
    match said:
        case clause.Both(clauses, shoulds):
            return _bool(
                must=[query(each, named=named) for each in clauses],
                should=[query(each, named=named) for each in shoulds],
            )
        case clause.Either(clauses):
            if not clauses:
                return {"match_none": {}}
            return {
                "bool": {
                    "should": [query(each, named=named) for each in clauses],
                    "minimum_should_match": 1,
                }
            }
        case clause.Best(clauses, tie):
            return {
                "dis_max": {"queries": [query(each, named=named) for each in clauses], "tie_breaker": tie}
            }
        case clause.Times(inner, factor):
            return _times(query(inner, named=named), factor)
        case clause.Named(name, inner):
            return _named(query(inner, named=named), name) if named else query(inner)
    raise TypeError(f"{said!r} is no clause that scores.")


def _bool(**parts: list[Query]) -> Query:
    return {"bool": {name: queries for name, queries in parts.items() if queries}}


def _times(made: Query, factor: float) -> Query:
    if "term" in made:
        ((field, body),) = made["term"].items()
        return {"term": {field: {**body, "boost": body.get("boost", 1.0) * factor}}}
    return {"bool": {"must": [made], "boost": factor}}


def _named(made: Query, name: str) -> Query:
    return {"bool": {"must": [made], "_name": name}}


def chosen(said: clause.Clause) -> Query:
    """The query of a clause where scores do not count."""
    match said:
        case clause.Every():
            return {"match_all": {}}
        case clause.Term(field, value, key):
            return {"term": {path(field, key): value}}
        case clause.OneOf(field, values, key):
            return {"terms": {path(field, key): list(values)}}
        case clause.Prefix(field, text):
            return {"prefix": {field: text}}
        case clause.Between():
            return _between(said)
        case clause.Exists(field, key):
            return {"exists": {"field": path(field, key)}}
        case clause.Listed(moment):
            return {"term": {"windows": milliseconds(moment)}}
        case _:
            return _combined(said)


def _combined(said: clause.Clause) -> Query:
    match said:
        case clause.Both(clauses):
            return {"bool": {"filter": [chosen(each) for each in clauses]}}
        case clause.Either(clauses) | clause.Best(clauses):
            if not clauses:
                return {"match_none": {}}
            return {"bool": {"should": [chosen(each) for each in clauses], "minimum_should_match": 1}}
        case clause.Not(inner):
            return {"bool": {"must_not": [chosen(inner)]}}
        case clause.Always(inner) | clause.Times(inner):
            return chosen(inner)
        case clause.Named(_, inner):
            return chosen(inner)
    return query(said)


def _between(said: clause.Between) -> Query:
    if said.low is None and said.high is None:
        return {"exists": {"field": path(said.field, said.key)}}
    bounds: dict[str, float | str] = {}
    for name, bound in (
        ("gte" if said.with_low else "gt", said.low),
        ("lte" if said.with_high else "lt", said.high),
    ):
        if bound is not None:
            bounds[name] = bound if said.key is None else sortable(bound)
        elif said.key is not None:
            bounds[name] = LEAST if name.startswith("g") else GREATEST
    return {"range": {path(said.field, said.key): bounds}}
