"""Documents that were never seen before: what the first one costs, and what ten thousand of them leave behind."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from typing import Any

import orjson

from bench.reads.client import Connection, request
from bench.reads.contender import Contender
from bench.reads.questions import PRODUCT

SIGHTS = 100
"""Documents whose first sight is measured."""
DOCUMENTS = 10_000
SETTLED = 2_000
"""After so many documents every store is full that has an end."""


def _document(number: int) -> str:
    """A document like the product's detail, unlike every other one."""
    return f"query D{number}($slug: String!) {{ own{number}: product(slug: $slug) {{ {PRODUCT} extra{number}: slug }} }}"


def _timed(connection: Connection, sent: bytes) -> float:
    began = time.perf_counter()
    connection.send(sent)
    while (answer := connection.receive()) is None:
        pass
    assert b'"errors":' not in answer, answer[-500:]
    return (time.perf_counter() - began) * 1000


def sights(contender: Contender, token: str) -> dict[str, float]:
    """Milliseconds that a document costs more at first sight than when it is known, the median of many."""
    connection = Connection(contender.port)
    first, known = [], []
    for number in range(SIGHTS):
        sent = request(_body(number), token)
        first.append(_timed(connection, sent))
        known.append(min(_timed(connection, sent) for _ in range(3)))
    connection.socket.close()
    more = [one - other for one, other in zip(first, known, strict=True)]
    return {
        "first_sight_ms": round(statistics.median(more), 2),
        "first_sight_p99_ms": round(sorted(more)[int(len(more) * 0.99)], 2),
    }


def flood(contender: Contender, token: str) -> Iterator[dict[str, Any]]:
    """Send ever new documents; gives what is known so far, at the end all of it."""
    connection = Connection(contender.port)
    before = settled = contender.tree.memory()
    began = time.perf_counter()
    for number in range(DOCUMENTS):
        _timed(connection, request(_body(SIGHTS + number), token))
        if number == SETTLED:
            settled = contender.tree.memory()
        if number % 100 == 0:
            yield {}
    connection.socket.close()
    yield {
        "documents": DOCUMENTS,
        "documents_a_minute": round(DOCUMENTS / (time.perf_counter() - began) * 60),
        "memory_before_mb": round(before, 1),
        f"memory_after_{SETTLED}_mb": round(settled, 1),
        f"memory_after_{DOCUMENTS}_mb": round(contender.tree.memory(), 1),
    }


def _body(number: int) -> bytes:
    return orjson.dumps({"query": _document(number), "variables": {"slug": f"product-{number % 90 + 1}"}})
