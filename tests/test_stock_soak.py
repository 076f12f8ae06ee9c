"""Stock under fire: eight processes write at once, one is killed again and again, and the sums are always right."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
import sqlalchemy as sa

from hub import stock_check
from hub.db import Database
from tests.shop import all_rows, opened, written

WRITERS = 8
HOUSE = Path(__file__).parent.parent

OVERSOLD = """SELECT v.sku, s.on_hand, s.reserved FROM stock s JOIN variant v ON v.id = s.variant_id
WHERE v.id % 2 = 0 AND NOT s.backorder AND (s.on_hand - s.reserved - s.safety < 0 OR s.on_hand < 0)"""


def filled(database: Database) -> None:
    """50 variants at three locations, and lines of an order for each writer."""
    opened(database)
    products = [
        {
            "slug": f"p{number}",
            "type": {"key": "shirt"},
            "variants": [{"sku": f"p{number}", "axes": {"colour": "red"}}],
        }
        for number in range(50)
    ]
    written(database, "product", *products)
    places = ("hall", "attic", "cellar")
    written(database, "location", *({"code": place} for place in places))
    rows = [
        {
            "variant": {"key": f"p{number}"},
            "location": {"key": place},
            "on_hand": 6,
            "backorder": place == "cellar" and number % 10 == 0,
            "reorder_point": 5,
        }
        for number in range(50)
        for place in places
    ]
    written(database, "stock", *rows)
    lines = [
        {"variant": {"key": f"p{number % 50}"}, "name": "x", "quantity": 1_000_000, "unit_price": "0"}
        for number in range(50 * WRITERS)
    ]
    written(database, "order", {"channel": {"key": "web"}, "lines": lines})


def started(database: Database, seconds: float, seed: int) -> subprocess.Popen[bytes]:
    """A writer in a process of its own."""
    command = [sys.executable, "-m", "tests.stocking", database.url, str(seconds), str(seed)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=HOUSE, stdin=pipe, stdout=pipe)


def fire(writer: subprocess.Popen[bytes]) -> None:
    """Let a writer begin, once it is ready."""
    assert writer.stdin is not None
    assert writer.stdout is not None
    assert writer.stdout.readline() == b"ready\n"
    writer.stdin.write(b"go\n")
    writer.stdin.flush()


def faults(database: Database) -> list[str]:
    """What is wrong at this moment."""
    with database.read() as tx:
        tx.execute(sa.text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
        oversold = [
            f"{sku} is oversold: {on_hand}, {reserved}"
            for sku, on_hand, reserved in tx.execute(sa.text(OVERSOLD))
        ]
        return stock_check.faults(tx) + oversold


def attack(
    database: Database, seconds: float, seed: int, *, writing: int = WRITERS, all_well: bool = True
) -> tuple[list[str], Counter[str]]:
    """Fire for so long; gives the first faults that were seen, and what was done."""
    writers = [started(database, seconds, seed + each) for each in range(writing)]
    for writer in writers:
        fire(writer)
    victim = writers.pop()
    counts: Counter[str] = Counter()
    found: list[str] = []
    end = time.monotonic() + seconds
    while time.monotonic() < end and not found:
        found = faults(database)
        time.sleep(0.5)
        if end - time.monotonic() < seconds * 0.7 and not counts["killed"]:
            victim.kill()
            victim.communicate()
            counts["killed"] += 1
            # With its own seed: two writers with the same lines would both ship what was promised once, a fact that is taken.
            victim = started(database, seconds * 0.3, seed + writing - 1)
            fire(victim)
    for writer in (*writers, victim):
        out, _ = writer.communicate(timeout=60)
        assert writer.returncode == 0 or not all_well
        counts.update(json.loads(out or b"{}"))
    return found or faults(database), counts


@pytest.mark.soak
@pytest.mark.timeout(300)
def test_the_sums_hold_under_fire(database: Database, soak_seconds: float) -> None:
    filled(database)
    seed = random.randrange(10**6)
    wrong, counts = attack(database, soak_seconds, seed)
    print(seed, dict(counts))
    assert wrong == []
    assert min(counts[each] for each in ("killed", "reserve", "ship", "release", "push", "move", "short")) > 0
    one_each = (
        "SELECT count(*) FROM reorder_proposal WHERE closed_at IS NULL GROUP BY stock_id HAVING count(*) > 1"
    )
    assert all_rows(database, one_each) == []
    assert all_rows(database, "SELECT count(*) FROM frag") == [(0,)]


def test_a_fault_in_the_rules_is_seen(database: Database) -> None:
    filled(database)
    with database.engine.begin() as tx:
        tx.execute(sa.text("ALTER TABLE reservation DISABLE TRIGGER rule_reserved_u"))
    wrong, _ = attack(database, 4, 1, writing=2, all_well=False)
    assert any("reservations add up to" in each for each in wrong)
