"""The ground of the bench: the judged catalogue, imported and indexed, and its queries asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import sqlalchemy as sa

from bench import Tell, engines, scratch
from bench.relevance.judgments import Ratings
from bench.relevance.score import Score, score
from hub import importing, mapping
from hub.config import Settings
from hub.db import Database
from hub.errors import NotFound
from search.engine import Index
from search.query import Question, find
from search.rebuild import rebuild
from search.weights import Weights

DEEP = 1_000
"""Hits that are looked at, so that the condensed ranking has ten."""

PRODUCTS = """
SELECT e.entity_id, e.value, c.id AS channel_id FROM external_id e, channel c
WHERE e.entity = 'product' AND e.system = :system AND c.code = :channel
"""


@dataclass(frozen=True)
class Judged:
    """One engine with the catalogue in it. ``names``: product id → its id in the supplier's file."""

    index: Index
    channel_id: int
    locale: str
    names: Mapping[int, str]

    def scores(self, judgments: Mapping[str, Ratings], weights: Weights) -> dict[str, Score]:
        """How well each query is answered with these weights."""
        return {query: self._score(query, ratings, weights) for query, ratings in judgments.items()}

    def _score(self, query: str, ratings: Ratings, weights: Weights) -> Score:
        question = Question(query, self.channel_id, self.locale, weights=weights)
        found = find(self.index, question, first=DEEP)
        return score([self.names[hit.product_id] for hit in found.hits], ratings)


@contextmanager
def judged(settings: Settings, tell: Tell, only: str | None) -> Iterator[dict[str, Judged]]:
    """Each engine with the whole catalogue, by name. Raises ``NotFound`` without the outside data."""
    path = settings.data / "icecat" / "products.jsonl.gz"
    if not path.is_file():
        raise NotFound(f'There is no "{path}": set HUB_DATA to the folder with the outside data.')
    with (
        scratch.database(settings) as database,
        engines.opened(settings, database, only) as indexes,
    ):
        how = mapping.load("icecat")
        summary = importing.run(database, path, how, lambda at: tell(at.offset, at.size))
        importing.finish(database, summary.run)
        for index in indexes.values():
            rebuild(database, index, tell)
        yield {name: _judged(database, index) for name, index in indexes.items()}


def _judged(database: Database, index: Index) -> Judged:
    with database.read() as tx:
        rows = tx.execute(sa.text(PRODUCTS), {"system": "icecat", "channel": "icecat"}).all()
    return Judged(index, rows[0].channel_id, "en", {row.entity_id: row.value for row in rows})
