"""``hub bench reads`` in small: four servers give the same data, and what each took is counted."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from bench.reads import measure
from bench.reads.contender import NAMES, running
from bench.reads.ground import prepared
from bench.reads.questions import Question
from bench.reads.run import _compare
from hub.config import Settings

SCALE = 0.005


@pytest.mark.soak(only=True)
def test_the_bench_asks_all_and_counts(settings: Settings) -> None:
    seen: list[tuple[int, int | None]] = []
    figures = measure(
        settings,
        lambda *at: seen.append(at),
        scale=SCALE,
        seconds=0.2,
        rounds=1,
        only="customers",
        known=True,
    )
    table = figures["customers"]
    assert list(table) == [*NAMES, "ratios"]
    for name in NAMES:
        row = table[name]
        assert row["failed"] == 0
        assert row["requests"] > 16
        assert 0 < row["p50"] <= row["p99"]
        assert row["memory"] > 10
    assert table["plain"]["cpu"] > table["by hand"]["cpu"]
    assert table["plain"]["server"] > table["plain"]["database"]
    assert seen[-1] == (8, 8)
    assert orjson.loads(orjson.dumps(figures))["customers"]["ratios"]["aim"] == 1.5
    assert "compiled/by hand" in f"{table}"


def test_servers_that_differ_are_not_compared(settings: Settings, tmp_path: Path) -> None:
    """The statement by hand is chosen by the operation's name: it answers more than this document asks for."""
    document = "query Detail($slug: String!) { product(slug: $slug) { slug } }"
    question = Question("detail", document, "storefront", [{"slug": "product-1"}], 2.0)
    with (
        prepared(settings, SCALE, keep=False) as ground,
        running("by hand", ground.url, tmp_path, "s" * 40) as one,
        running("plain", ground.url, tmp_path, "s" * 40) as other,
        pytest.raises(AssertionError, match="plain answers detail unlike by hand"),
    ):
        _compare([one, other], question, "no token")
    assert one.tree.memory() == other.tree.memory() == 0
