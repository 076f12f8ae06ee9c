"""The client library's own bulk helper with documents that are ready: what indexing could be at best."""

from __future__ import annotations

import time
from typing import Any
from uuid import uuid4

import orjson
from elasticsearch import helpers

from hub.db import Database
from search import elasticsearch_mapping, product, rebuild
from search.elasticsearch_index import ElasticsearchIndex
from search.elasticsearch_writer import indexing

SAMPLE = 5_000
"""Products whose documents are written once more."""


def documents_per_second(database: Database, index: ElasticsearchIndex) -> float:
    """Ready documents, as the hub would write them, by ``helpers.bulk`` into an index of their own."""
    ids = next(rebuild.product_ids(database, SAMPLE))
    with database.read() as tx:
        batch = product.build(tx, ids)
    ready = [_action(document) for document in batch.documents]
    name = f"{index.alias}-bulk-{uuid4().hex[:6]}"
    client = index.client.options(request_timeout=60)
    client.indices.create(
        index=name, mappings=elasticsearch_mapping.MAPPINGS, settings=elasticsearch_mapping.settings(1)
    )
    try:
        began = time.perf_counter()
        helpers.bulk(client, ready, index=name)
        client.indices.refresh(index=name)
        return len(ready) / (time.perf_counter() - began)
    finally:
        client.indices.delete(index=name)


def _action(document: Any) -> dict[str, Any]:
    action, source = indexing(document, 1).lines.split(b"\n", 1)
    return {"_id": orjson.loads(action)["index"]["_id"], "_source": orjson.loads(source)}
