"""Asking the embedded engine: one question on one snapshot of the index.

It has no "search after": hits are taken from the first on until the anchor and a page behind it are among them.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import orjson
import tantivy
from tantivy import Occur, Query

from search import clause
from search.engine import (
    Ask,
    Bucket,
    Counts,
    Facet,
    HistogramFacet,
    Place,
    RangesFacet,
    Ranked,
    Sort,
    StatsFacet,
    TermsFacet,
)
from search.tantivy_clause import Translator
from search.tantivy_schema import SORT_PARTS, inside, path

LARGEST = 10_000
"""Values of a keyed field that a histogram or a list of values looks at."""

GROWTH = 8
"""How many times as many hits are taken where too few were."""

LEAST_TIED = 500
"""Hits of one score that are looked at for those with the lowest ids."""

Hit = tuple[int, float | None, tantivy.DocAddress | None]
"""A product, its score, and its address for explaining; both null where another order than by score is asked for."""

DIGITS = 4
"""Decimals of a score that count: below, two engines and two processors differ."""


class Asking:
    """One question."""

    def __init__(self, index: tantivy.Index, asked: Ask) -> None:
        self._searcher = index.searcher()
        self._translator = Translator(index)
        self._asked = asked
        self._seconds = 0.0

    def answer(self) -> Ranked:
        """The page, the total and the facets."""
        found = self._page_of_hits()
        facets = self._facets()
        return replace(found, facets=facets, engine_seconds=self._seconds)

    def _page_of_hits(self) -> Ranked:
        match self._asked:
            case Ask(size=0):
                return Ranked((), int(self._timed(self._searcher.search, self._query, limit=1).count))
            case Ask(sort=Sort(field="score")):
                return self._by_score()
            case Ask(sort=Sort(field="brief"), after=None):
                return self._briefest()
        return self._sorted()

    def _timed(self, call: Callable[..., Any], *given: Any, **more: Any) -> Any:
        """What the engine gives; its time is added up, as another engine would tell it."""
        began = time.perf_counter()
        try:
            return call(*given, **more)
        finally:
            self._seconds += time.perf_counter() - began

    @cached_property
    def _query(self) -> Query:
        """What the hits must be like; only the first part scores."""
        return self._matching(*self._asked.chosen)

    def _matching(self, *names: str) -> Query:
        only = [*self._asked.filters, *(self._asked.chosen[name] for name in names)]
        parts = [(Occur.Must, self._translator.query(self._asked.query))]
        parts += [(Occur.Must, Query.const_score_query(self._translator.query(each), 0.0)) for each in only]
        return Query.boolean_query(parts)

    # By score

    def _by_score(self) -> Ranked:
        """Hits are taken from the first on, further ones where the anchor has moved down meanwhile."""
        limit = self._depth
        while True:
            found = self._timed(self._searcher.search, self._query, limit=limit)
            total = int(found.count)
            whole = len(found.hits) == total
            places = self._after(self._ordered(found, whole=whole))
            if len(places) > self._asked.size or whole:
                return self._page(places, total)
            limit = min(limit * GROWTH, total)

    @property
    def _depth(self) -> int:
        return (self._asked.after.rank if self._asked.after else 0) + self._asked.size + 1

    def _ordered(self, found: tantivy.SearchResult, *, whole: bool) -> list[Hit]:
        """Better scores first, then lower ids. The engine breaks ties as it likes: the last one may be cut in two."""
        hits = self._scored(found)
        if whole or not hits:
            return hits
        worst = hits[-1][1]
        above = [hit for hit in hits if hit[1] != worst]
        tied = [hit for hit in hits if hit[1] == worst]
        return above + self._lowest(worst, tied, len(tied))

    def _scored(self, found: tantivy.SearchResult) -> list[Hit]:
        if not found.hits:
            return []
        scores, addresses = zip(*found.hits, strict=True)
        products = self._timed(self._searcher.fast_field_values, "product", list(addresses))
        falling = [-round(score, DIGITS) for score in scores]
        # The place breaks no tie, for a product is there once: it keeps addresses from being compared.
        hits = sorted(zip(falling, map(int, products), range(len(falling)), strict=True))
        return [(product, -score, addresses[at]) for score, product, at in hits]

    def _lowest(self, score: float | None, tied: list[Hit], wanted: int) -> list[Hit]:
        """Of all hits with a score the ``wanted`` ones with the lowest ids; ``tied`` are as many of them, any.

        None of those has a higher id than the highest of ``tied``. So only hits up to there are asked for, and again up
        to the highest of those that are lower still, until all of them were seen.
        """
        limit = LEAST_TIED + 2 * self._depth
        while True:
            bound = tied[-1][0]
            upto = Query.const_score_query(
                self._translator.query(clause.Between("product", None, bound)), 0.0
            )
            query = Query.boolean_query([(Occur.Must, self._query), (Occur.Must, upto)])
            found = self._timed(self._searcher.search, query, limit=limit)
            hits = self._scored(found)
            tied = [hit for hit in hits if hit[1] == score][:wanted]
            if len(hits) == found.count or hits[-1][1] != score:
                return tied
            if tied[-1][0] == bound:
                limit *= GROWTH

    def _after(self, places: list[Hit]) -> list[Hit]:
        anchor = self._asked.after
        if anchor is None:
            return places
        named = (rank for rank, hit in enumerate(places, start=1) if hit[0] == anchor.product_id)
        # Where the product is gone, the one behind it has taken its rank.
        return places[next(named, anchor.rank - 1) :]

    def _page(self, places: list[Hit], total: int) -> Ranked:
        shown = [
            Place(product, score, score or 0.0, self._shares(address))
            for product, score, address in places[: self._asked.size]
        ]
        return Ranked(tuple(shown), total, more=len(places) > self._asked.size)

    def _shares(self, address: tantivy.DocAddress | None) -> Mapping[str, float]:
        """The score of each named clause that matches. One that does not match cannot be explained."""
        shares: dict[str, float] = {}
        if address is None or not self._asked.explain:
            return shares
        for named in clause.names(self._asked.query):
            query = self._translator.query(named.clause)
            try:
                value = orjson.loads(query.explain(self._searcher, address).to_json())["value"]
            except ValueError:
                continue
            if value:
                shares[named.name] = round(shares.get(named.name, 0.0) + value, DIGITS)
        return shares

    def _briefest(self) -> Ranked:
        """By the one field that no two documents have alike, so that the engine's own order will do."""
        size = self._asked.size + 1
        found = self._timed(
            self._searcher.search, self._query, limit=size, order_by_field="brief", order=tantivy.Order.Asc
        )
        addresses = [address for _, address in found.hits]
        products = self._timed(self._searcher.fast_field_values, "product", addresses) if addresses else []
        return self._page([(int(product), None, None) for product in products], int(found.count))

    # By a field

    def _sorted(self) -> Ranked:
        """Documents that have a value, then those that have none; a segment's order decides nothing."""
        sort = self._asked.sort
        has = self._translator.query(clause.Exists(sort.field, sort.key and self._first_part))
        with_value = Query.boolean_query([(Occur.Must, self._query), (Occur.Must, has)])
        without = Query.boolean_query([(Occur.Must, self._query), (Occur.MustNot, has)])
        places = self._top(with_value, self._sort_fields, self._depth)
        if len(places) < self._depth:
            places += self._top(without, [], self._depth - len(places))
        found = self._timed(self._searcher.search, self._query, limit=1)
        return self._page(self._after(places), int(found.count))

    @property
    def _first_part(self) -> str | None:
        sort = self._asked.sort
        return f"{sort.key}#0" if sort.field == "order" else sort.key

    @property
    def _sort_fields(self) -> list[str]:
        sort = self._asked.sort
        if sort.field != "order" or sort.key is None:
            return [path(sort.field, sort.key)]
        return [f"order.{inside(sort.key)}#{part}" for part in range(SORT_PARTS)]

    def _top(self, query: Query, sort_fields: list[str], size: int) -> list[Hit]:
        direction = "desc" if self._asked.sort.descending else "asc"
        order = [*({name: direction} for name in sort_fields), {"product": "asc"}]
        wanted = {"size": size, "sort": order, "docvalue_fields": ["product"]}
        hits = self._timed(self._searcher.aggregate, query, {"top": {"top_hits": wanted}})["top"]["hits"]
        return [(int(hit["docvalue_fields"]["product"][0]), None, None) for hit in hits]

    # Facets

    def _facets(self) -> dict[str, Counts]:
        """Facets that the same conditions hold for are counted in one pass."""
        asked, chosen = self._asked.facets, self._asked.chosen
        free = {name: facet for name, facet in asked.items() if name not in chosen}
        found = self._count(free, self._query) if free else {}
        for name in asked.keys() & chosen.keys():
            others = self._matching(*(other for other in chosen if other != name))
            found |= self._count({name: asked[name]}, others)
        return {name: found[name] for name in asked}

    def _count(self, facets: Mapping[str, Facet], query: Query) -> dict[str, Counts]:
        wanted = {name: _aggregation(facet, facet.key) for name, facet in facets.items()}
        answer = dict(self._timed(self._searcher.aggregate, query, wanted))
        for name, facet in facets.items():
            if isinstance(facet, TermsFacet):
                answer[name] = _added([answer[name], *self._behind(facet, query)])
        return {name: _counts(facet, answer[name]) for name, facet in facets.items()}

    def _behind(self, facet: TermsFacet, query: Query) -> Iterator[Mapping[str, Any]]:
        """What the further keys count: each of them those hits that have none of the keys before it."""
        keys = (facet.key, *facet.instead)
        for place in range(1, len(keys)):
            earlier = clause.Either(tuple(clause.Exists(facet.field, key) for key in keys[:place]))
            without = Query.boolean_query(
                [(Occur.Must, query), (Occur.MustNot, self._translator.query(earlier))]
            )
            wanted = {"behind": _aggregation(facet, keys[place])}
            yield self._timed(self._searcher.aggregate, without, wanted)["behind"]


def _added(answers: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Counts of values, added up."""
    if len(answers) == 1:
        return answers[0]
    counts: Counter[str] = Counter()
    for each in answers:
        counts.update({str(bucket["key"]): int(bucket["doc_count"]) for bucket in each["buckets"]})
    return {
        "buckets": [{"key": key, "doc_count": count} for key, count in counts.items()],
        "sum_other_doc_count": sum(int(each["sum_other_doc_count"]) for each in answers),
    }


def _aggregation(facet: Facet, key: str | None) -> dict[str, Any]:
    name = path(facet.field, key)
    match facet:
        case TermsFacet():
            # Ordered here: the engine's order of equal counts is no order. One more says whether a tie was cut.
            return {"terms": {"field": name, "size": LARGEST, "segment_size": LARGEST}}
        case RangesFacet():
            ranges = [
                {side: value for side, value in (("from", low), ("to", high)) if value is not None}
                for low, high in facet.ranges
            ]
            return {"range": {"field": name, "ranges": ranges}}
        case HistogramFacet():
            width = {"field": name, "interval": facet.interval, "offset": -facet.slack, "min_doc_count": 1}
            return {"histogram": width}
        case StatsFacet():
            return {"stats": {"field": name}}


def _counts(facet: Facet, answer: Mapping[str, Any]) -> Counts:
    match facet:
        case TermsFacet():
            return _terms(facet, answer)
        case RangesFacet():
            found = {(each.get("from"), each.get("to")): int(each["doc_count"]) for each in answer["buckets"]}
            return Counts(
                tuple(Bucket(found.get((low, high), 0), low=low, high=high) for low, high in facet.ranges)
            )
        case HistogramFacet():
            return Counts(
                tuple(facet.bucket(each["key"], int(each["doc_count"])) for each in answer["buckets"])
            )
        case StatsFacet():
            return Counts(low=answer["min"], high=answer["max"])


def _terms(facet: TermsFacet, answer: Mapping[str, Any]) -> Counts:
    found = sorted(
        (
            Bucket(int(each["doc_count"]), str(each["key"]))
            for each in answer["buckets"]
            if facet.only is None or str(each["key"]) in facet.only
        ),
        key=lambda bucket: (-bucket.count, bucket.value),
    )
    beyond = int(answer["sum_other_doc_count"]) if facet.only is None else 0
    others = sum(bucket.count for bucket in found[facet.size :]) + beyond
    return Counts(tuple(found[: facet.size]), others)
