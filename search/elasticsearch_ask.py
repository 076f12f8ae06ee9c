"""Asking Elasticsearch: one question is one request; a page that goes on after a hit may take a second one."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from search.clause import Between, Clause, Either, Exists, Not, Term
from search.elasticsearch_clause import Query, chosen, path, query
from search.elasticsearch_mapping import number
from search.engine import (
    EXACTLY,
    Anchor,
    Ask,
    Bucket,
    Counts,
    Facet,
    HistogramFacet,
    Place,
    RangesFacet,
    Ranked,
    StatsFacet,
    TermsFacet,
)
from search.fields import DECIMALS

DIGITS = 4
"""Decimals of a score that are told."""

MOST_NUMBERS = 60_000
"""Different numbers of an attribute that a histogram is made of; beyond, it is of those that most products have."""

MOST_VALUES = 10_000
"""Values of each key of an attribute that is counted by several."""

Search = Callable[[dict[str, Any]], Mapping[str, Any]]


def answer(asked: Ask, search: Search) -> Ranked:
    """The answer to a question. ``search`` sends a request's body."""
    body = _body(asked)
    timed = _Timed(search)
    if asked.after:
        body["search_after"] = _after(asked, asked.after, timed)
    said = timed(body)
    hits = said["hits"]["hits"]
    return Ranked(
        tuple(_place(hit, asked) for hit in hits[: asked.size]),
        total=int(said["hits"]["total"]["value"]),
        exact=said["hits"]["total"]["relation"] == "eq",
        more=len(hits) > asked.size,
        facets={name: _counts(facet, said["aggregations"][name]) for name, facet in asked.facets.items()},
        engine_seconds=timed.engine,
        transport_seconds=timed.whole - timed.engine,
    )


class _Timed:
    """Sends requests, and adds up what the engine says it took of the time that passed."""

    def __init__(self, search: Search) -> None:
        self._search = search
        self.engine = 0.0
        self.whole = 0.0

    def __call__(self, body: dict[str, Any]) -> Mapping[str, Any]:
        began = time.perf_counter()
        said = self._search(body)
        passed = time.perf_counter() - began
        self.whole += passed
        # The engine counts whole milliseconds.
        self.engine += min(said["took"] / 1000, passed)
        return said


def _body(asked: Ask) -> dict[str, Any]:
    body: dict[str, Any] = {
        "query": _query(asked),
        "sort": _sort(asked),
        "size": asked.size + 1 if asked.size else 0,
        "track_total_hits": EXACTLY,
        "track_scores": asked.explain,
        "_source": False,
    }
    if asked.chosen:
        body["post_filter"] = _all(asked.chosen.values())
    if asked.facets:
        body["aggs"] = {name: _faceted(asked, name, facet) for name, facet in asked.facets.items()}
    return body


def _query(asked: Ask) -> Query:
    return {
        "bool": {
            "must": [query(asked.query, named=asked.explain)],
            "filter": [chosen(each) for each in asked.filters],
        }
    }


def _all(clauses: Any) -> Query:
    return {"bool": {"filter": [chosen(each) for each in clauses]}}


def _sort(asked: Ask) -> list[dict[str, Any]]:
    sort = asked.sort
    direction = "desc" if sort.descending else "asc"
    if sort.field == "score":
        return [{"_score": "desc"}, {"product": "asc"}]
    # The least of several values counts either way, as in the other engine.
    by = {"order": direction, "missing": "_last", "mode": "min"}
    return [{path(sort.field, sort.key): by}, {"product": "asc"}]


def _after(asked: Ask, anchor: Anchor, search: Search) -> list[Any]:
    """What hits have to come after. Scores shift with every change of the index: the anchor's is asked anew."""
    if asked.sort.field != "score":
        return [anchor.value, anchor.product_id]
    only: tuple[Clause, ...] = (*asked.filters, *asked.chosen.values(), Term("product", anchor.product_id))
    said = search(_body(Ask(asked.query, filters=only, size=1)))
    hits = said["hits"]["hits"]
    value = hits[0]["sort"][0] if hits else anchor.value
    return [value, anchor.product_id]


def _place(hit: Mapping[str, Any], asked: Ask) -> Place:
    score = hit["_score"] or 0.0
    shares = hit.get("matched_queries") or {}
    place = Place(int(hit["_id"].partition("-")[0]), hit["sort"][0], round(score, DIGITS))
    if not asked.explain:
        return place
    return replace(place, shares={name: round(share, DIGITS) for name, share in shares.items()})


# Facets


def _faceted(asked: Ask, name: str, facet: Facet) -> dict[str, Any]:
    """A facet under everything that was chosen in other facets."""
    others = [each for other, each in asked.chosen.items() if other != name]
    return {"filter": _all(others), "aggs": _aggregations(facet)}


def _aggregations(facet: Facet) -> dict[str, Any]:
    field = path(facet.field, facet.key)
    native = facet.field in DECIMALS
    match facet:
        case TermsFacet() if facet.instead:
            return _by_keys(facet)
        case TermsFacet():
            only = {} if facet.only is None else {"include": list(facet.only)}
            return {"terms": {"terms": {"field": field, "size": facet.size, **only}}}
        case RangesFacet():
            return {"ranges": {"filters": {"filters": [_range(facet, each) for each in facet.ranges]}}}
        case HistogramFacet() if native:
            # An offset lies within a bucket: one a little below a whole bucket is one a little below none.
            width = {"field": field, "interval": facet.interval, "min_doc_count": 1}
            offset = {"offset": facet.interval - facet.slack} if facet.slack else {}
            return {"histogram": {"histogram": width | offset}}
        case HistogramFacet():
            return {"numbers": {"terms": {"field": field, "size": MOST_NUMBERS}}}
        case StatsFacet() if native:
            return {"low": {"min": {"field": field}}, "high": {"max": {"field": field}}}
        case StatsFacet():
            return {
                side: {"terms": {"field": field, "size": 1, "order": {"_key": order}}}
                for side, order in (("low", "asc"), ("high", "desc"))
            }


def _by_keys(facet: TermsFacet) -> dict[str, Any]:
    """An aggregation for each key, of those hits that have none of the keys before it."""
    keys = (facet.key, *facet.instead)
    return {
        f"key_{place}": {
            "filter": chosen(Not(Either(tuple(Exists(facet.field, each) for each in keys[:place])))),
            "aggs": {"terms": {"terms": {"field": path(facet.field, key), "size": MOST_VALUES}}},
        }
        for place, key in enumerate(keys)
    }


def _added(facet: TermsFacet, said: Mapping[str, Any]) -> Counts:
    counts: Counter[str] = Counter()
    beyond = 0
    for place in range(1 + len(facet.instead)):
        terms = said[f"key_{place}"]["terms"]
        counts.update({str(each["key"]): each["doc_count"] for each in terms["buckets"]})
        beyond += terms["sum_other_doc_count"]
    found = sorted(
        (Bucket(count, value) for value, count in counts.items()), key=lambda each: (-each.count, each.value)
    )
    others = sum(each.count for each in found[facet.size :]) + beyond
    return Counts(tuple(found[: facet.size]), others)


def _range(facet: RangesFacet, bounds: tuple[float | None, float | None]) -> Query:
    low, high = bounds
    return chosen(Between(facet.field, low, high, facet.key, with_high=False))


def _counts(facet: Facet, said: Mapping[str, Any]) -> Counts:
    match facet:
        case TermsFacet() if facet.instead:
            return _added(facet, said)
        case TermsFacet():
            found = [Bucket(each["doc_count"], str(each["key"])) for each in said["terms"]["buckets"]]
            return Counts(tuple(found), said["terms"]["sum_other_doc_count"])
        case RangesFacet():
            counted = zip(facet.ranges, said["ranges"]["buckets"], strict=True)
            return Counts(
                tuple(Bucket(each["doc_count"], low=low, high=high) for (low, high), each in counted)
            )
        case HistogramFacet():
            return _histogram(facet, said)
        case StatsFacet():
            return Counts(low=_end(said["low"]), high=_end(said["high"]))


def _histogram(facet: HistogramFacet, said: Mapping[str, Any]) -> Counts:
    if "histogram" in said:
        found = [facet.bucket(each["key"], each["doc_count"]) for each in said["histogram"]["buckets"]]
        return Counts(tuple(found))
    counted: Counter[int] = Counter()
    for each in said["numbers"]["buckets"]:
        counted[math.floor((number(each["key"]) + facet.slack) / facet.interval)] += each["doc_count"]
    return Counts(
        tuple(facet.bucket(place * facet.interval, count) for place, count in sorted(counted.items()))
    )


def _end(said: Mapping[str, Any]) -> float | None:
    if "value" in said:
        return None if said["value"] is None else float(said["value"])
    return number(said["buckets"][0]["key"]) if said["buckets"] else None
