"""The same questions to each engine: an index for each, of one catalogue."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import sqlalchemy as sa
from elasticsearch import Elasticsearch

from hub.attribute import Attribute
from hub.config import Settings
from hub.db import Database
from search.elasticsearch_client import connected
from search.elasticsearch_index import ElasticsearchIndex
from search.engine import Index
from search.operand import Definition
from search.query import Found, Question, find
from search.rebuild import rebuild
from search.tantivy_index import TantivyIndex
from tests import elasticsearch_node
from tests.capturing import drain
from tests.search_contract import catalogue

ENGINES = ("tantivy", "elasticsearch")


@dataclass
class Asked:
    """One engine with the catalogue in it; products are told by their slugs."""

    index: Index
    database: Database
    ids: dict[str, int]
    channels: dict[str, int]
    definitions: dict[str, Definition]
    categories: dict[str, int] = field(default_factory=dict)

    def question(
        self, text: str = "", channel: str | None = "web", locale: str | None = "en", **more: Any
    ) -> Question:
        number = None if channel is None else self.channels[channel]
        return Question(text, number, locale, definitions=self.definitions, **more)

    def found(self, text: str = "", *, first: int = 100, after: str | None = None, **more: Any) -> Found:
        return find(self.index, self.question(text, **more), first=first, after=after)

    def slugs(self, text: str = "", **more: Any) -> list[str]:
        return self.names(self.found(text, **more))

    def names(self, found: Found) -> list[str]:
        slugs = {number: slug for slug, number in self.ids.items()}
        return [slugs[hit.product_id] for hit in found.hits]


@pytest.fixture(scope="session")
def elasticsearch_url(testrun_uid: str) -> Iterator[str]:
    """An Elasticsearch that the whole run shares."""
    with elasticsearch_node.address(testrun_uid) as url:
        yield url


@pytest.fixture(scope="session")
def elasticsearch(elasticsearch_url: str) -> Iterator[Elasticsearch]:
    client = connected(Settings(elasticsearch_url=elasticsearch_url))
    # A test machine does several things at once.
    yield client.options(request_timeout=60)
    client.close()


@pytest.fixture(scope="module")
def filled(module_database: Database) -> tuple[Database, dict[str, int]]:
    ids = catalogue.fill(module_database)
    drain(module_database)
    return module_database, ids


@pytest.fixture(scope="module", params=ENGINES)
def hub(
    request: pytest.FixtureRequest,
    filled: tuple[Database, dict[str, int]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Asked]:
    """Each engine in turn."""
    database, ids = filled
    index: Index
    if request.param == "tantivy":
        index = TantivyIndex(tmp_path_factory.mktemp("search"))
    else:
        client = request.getfixturevalue("elasticsearch")
        index = ElasticsearchIndex(client, f"contract-{os.getpid()}-{id(filled)}", database)
    assert rebuild(database, index)
    with database.read() as tx:
        channels = {row[0]: row[1] for row in tx.execute(sa.text("SELECT code, id FROM channel"))}
        categories = {row[0]: row[1] for row in tx.execute(sa.text("SELECT code, id FROM category"))}
        columns = [getattr(Attribute, name) for name in Definition.__dataclass_fields__]
        rows = tx.execute(sa.select(*columns)).mappings().all()
    definitions = {row["code"]: Definition(**row) for row in rows}
    yield Asked(index, database, ids, channels, definitions, categories)
    if isinstance(index, ElasticsearchIndex):
        for generation in (index.current(), *index.unfinished()):
            if generation:
                index.drop(generation)
