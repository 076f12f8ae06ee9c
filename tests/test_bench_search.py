"""``hub bench search`` in small: every question is answered, and what each part took is told."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace

import pytest

from bench.search import measure
from bench.search.asking import Took, _spent
from bench.search.table import PARTS, Table
from hub.config import Settings
from search.asking import ASKING
from search.clause import Every
from search.elasticsearch_ask import answer
from search.engine import Ask


def test_the_bench_asks_all_and_tells_the_parts(settings: Settings) -> None:
    told: list[int] = []
    figures = measure(
        settings, lambda done, _: told.append(done), scale=0.005, engine="tantivy", questions=20, rounds=1
    )
    table = figures["questions"]
    assert list(table) == ["tantivy 200", "tantivy 500", "tantivy 1,000"]
    for row in table.values():
        assert list(row) == list(PARTS)
        assert all(0 < row[part]["p50"] <= row[part]["p95"] for part in PARTS if part != "transport")
        assert row["transport"]["p95"] == 0
        assert row["total"]["p50"] > row["engine"]["p50"] + row["database"]["p50"]
        assert row["ours"]["p50"] > row["finding"]["p50"]
    assert figures["tantivy documents_per_second"] > 0
    assert told[-1] == 1_000


def test_a_part_is_told_once() -> None:
    took = Took(total=1.0, engine=0.2, transport=0.1, database=0.3, finding=0.05)
    assert took.ours == pytest.approx(0.4)
    line = f"{Table({'one': [took, took]})}".splitlines()[-1]
    assert line.split()[1:11:2] == ["1000.00", "200.00", "100.00", "300.00", "400.00"]


def test_what_searching_took_is_noted_by_part() -> None:
    before = _spent()
    found = SimpleNamespace(engine_seconds=0.25, transport_seconds=0.5)

    def work() -> SimpleNamespace:
        time.sleep(0.8)
        return found

    assert asyncio.run(ASKING.ask(work)) is found
    gained = {part: after - before[part] for part, after in _spent().items()}
    assert (gained["engine"], gained["transport"]) == pytest.approx((0.25, 0.5))
    assert 0.04 < gained["hub"] < 0.5


def test_the_way_to_the_engine_is_no_time_of_the_engine() -> None:
    def search(_: object) -> dict[str, object]:
        time.sleep(0.05)
        return {"took": 10, "hits": {"hits": [], "total": {"value": 0, "relation": "eq"}}}

    ranked = answer(Ask(Every()), search)
    assert ranked.engine_seconds == pytest.approx(0.01)
    assert 0.035 < ranked.transport_seconds < 0.5
