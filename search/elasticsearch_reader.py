"""Reading from Elasticsearch: questions to one index, or to the alias of the one in use."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from elasticsearch import Elasticsearch, NotFoundError

from search import elasticsearch_ask, fields
from search.document import Key
from search.elasticsearch_client import WRITE_SECONDS, told
from search.engine import Ask, Held, Ranked, State, UnavailableError

STATE_ID = "state"
PAGE = 5_000
NONE: Mapping[str, str] = {}
SPECIAL = re.compile(r'([.?+*|{}\[\]()"\\#@&<>~^$/-])')
"""Characters that mean something in Lucene's regular expressions."""


def document_id(key: Key) -> str:
    """The id of a document: the product's, and the channel's or 0."""
    return f"{key[0]}-{key[1] or fields.STAFF}"


class ElasticsearchReader:
    """Questions to an index, by its name or alias."""

    def __init__(self, client: Elasticsearch, name: str) -> None:
        self._client = client
        self._name = name

    @property
    def generation(self) -> str:
        """The name of the index."""
        with told():
            found = self._client.indices.get_alias(index=self._name)
            return str(next(iter(found)))

    def refresh(self) -> None:
        """Show everything that was written before."""
        with told():
            self._patient().indices.refresh(index=self._name)

    def state(self) -> State:
        """What the index says of itself."""
        with told():
            said = self._client.get(index=self._name, id=STATE_ID, source_includes="content")
        content = said["_source"]["content"]
        return State(content["sequence"], content["origin"], content["mapping"], content["filled"])

    def ask(self, asked: Ask) -> Ranked:
        """The answer to a question."""

        def search(body: dict[str, Any]) -> Mapping[str, Any]:
            named = {"include_named_queries_score": "true"} if asked.explain else {}
            return self._search(body, named)

        return elasticsearch_ask.answer(asked, search)

    def _patient(self) -> Elasticsearch:
        """A client for what reads much: nobody waits for it as for a question."""
        return self._client.options(request_timeout=WRITE_SECONDS)

    def _search(
        self, body: dict[str, Any], parameters: Mapping[str, str] = NONE, *, patient: bool = False
    ) -> Mapping[str, Any]:
        with told():
            said = (self._patient() if patient else self._client).perform_request(
                "POST",
                f"/{self._name}/_search",
                params={"request_cache": "false", **parameters},
                headers={"accept": "application/json", "content-type": "application/json"},
                body=body,
            )
        found: Mapping[str, Any] = said.body
        if found.get("timed_out") or found["_shards"]["failed"]:
            raise UnavailableError("The search engine answered only in part: try again.")
        return found

    def count(self) -> int:
        """How many documents there are."""
        with told():
            said = self._patient().count(index=self._name, query=_documents())
        if said["_shards"]["failed"]:
            raise UnavailableError("The search engine counted only a part: try again.")
        return int(said["count"])

    def scan(self, first: int, last: int) -> Iterator[Held]:
        """The documents of the products with ids from ``first`` to ``last``."""
        columns = ("product", "channel", "sequence", "hash")
        body: dict[str, Any] = {
            "query": {
                "bool": {"filter": [_documents(), {"range": {"product": {"gte": first, "lte": last}}}]}
            },
            "sort": [{"product": "asc"}, {"channel": "asc"}],
            "size": PAGE,
            "docvalue_fields": list(columns),
            "_source": False,
            "track_total_hits": False,
        }
        while True:
            hits = self._search(body, patient=True)["hits"]["hits"]
            for hit in hits:
                product, channel, sequence, hash_ = (hit["fields"][name][0] for name in columns)
                yield Held((product, channel or None), sequence, hash_)
            if len(hits) < PAGE:
                return
            body["search_after"] = hits[-1]["sort"]

    def newest(self) -> int:
        """The highest product id of a document; 0 where there is none."""
        body = {"query": _documents(), "sort": [{"product": "desc"}], "size": 1, "_source": False}
        hits = self._search(body)["hits"]["hits"]
        return int(hits[0]["sort"][0]) if hits else 0

    def content(self, key: Key) -> dict[str, Any] | None:
        """What a document was made of; null where there is none."""
        with told():
            try:
                said = self._client.get(index=self._name, id=document_id(key), source_includes="content")
            except NotFoundError as error:
                if error.body.get("found") is False:
                    return None
                raise
        content: dict[str, Any] | None = said["_source"].get("content")
        return content

    def words(self, prefix: str, size: int, field: str = "vocabulary") -> list[tuple[str, int]]:
        """The terms of a field that begin so, the most frequent first."""
        terms = {"field": field, "include": SPECIAL.sub(r"\\\1", prefix) + ".*", "size": size}
        return self._terms({"prefix": {field: prefix}}, terms)

    def held(self, field: str, terms: Collection[str]) -> set[str]:
        """Those of the terms that a field has."""
        if not terms:
            return set()
        sought = {"field": field, "include": list(terms), "size": len(terms)}
        return {term for term, _ in self._terms({"terms": {field: list(terms)}}, sought)}

    def _terms(self, of: dict[str, Any], terms: dict[str, Any]) -> list[tuple[str, int]]:
        """Counted in the documents that have any of them alone: in all of them it would take long."""
        said = self._search(
            {"size": 0, "query": of, "aggs": {"words": {"terms": terms}}, "track_total_hits": False}
        )
        return [(each["key"], each["doc_count"]) for each in said["aggregations"]["words"]["buckets"]]

    def similar(self, sought: Mapping[str, int], fixed: int) -> Mapping[str, Sequence[str]]:
        """Terms of ``vocabulary`` close to terms that are not in it."""
        names = list(sought)
        suggest = {str(place): _similar(term, sought[term], fixed) for place, term in enumerate(names)}
        said = self._search({"size": 0, "query": {"match_none": {}}, "suggest": suggest})["suggest"]
        found = {
            term: [each["text"] for entry in said[str(place)] for each in entry["options"]]
            for place, term in enumerate(names)
        }
        return {term: close for term, close in found.items() if close}

    def check(self) -> None:
        """The engine keeps watch over its own files."""


def _documents() -> dict[str, Any]:
    return {"range": {"channel": {"gte": fields.STAFF}}}


def _similar(term: str, slips: int, fixed: int) -> dict[str, Any]:
    return {
        "text": term,
        "term": {
            "field": "vocabulary",
            "analyzer": "keyword",
            "suggest_mode": "missing",
            "max_edits": slips,
            "prefix_length": fixed,
            "min_word_length": fixed,
            "string_distance": "damerau_levenshtein",
            "size": 3,
        },
    }
