"""CDNOW's purchases, imported as orders, against a count of the file that shares no code with the hub."""

from __future__ import annotations

import gzip
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest

from hub import import_rejects, importing, mapping
from hub.db import Database
from hub.importing import Summary
from tests.shop import LONGER, all_rows

pytestmark = [pytest.mark.data, pytest.mark.timeout(900)]

SAMPLE = 3_000
"""Lines of the file that are imported where time is short; all of them under ``make soak``."""


def lines(data: Path) -> list[str]:
    with gzip.open(data / "cdnow" / "CDNOW_master.txt.gz", "rt", encoding="ascii") as file:
        found = file.readlines()
    return found if LONGER > 1 else found[: SAMPLE + 1]


def run(database: Database, path: Path) -> Summary:
    summary = importing.run(database, path, mapping.load("cdnow"), lambda _: None)
    with database.read() as tx:
        assert not import_rejects.write(
            tx, summary.run, path, mapping.load("cdnow").form, path.with_suffix(".rejects")
        )
    importing.finish(database, summary.run)
    return summary


@pytest.mark.soak
def test_all_purchases_come_in_once(database: Database, outside_data: Path, tmp_path: Path) -> None:
    text = lines(outside_data)
    path = tmp_path / "cdnow.txt"
    path.write_text("".join(text))
    purchases = [line.split() for line in text[1:]]
    buys = Counter(customer for customer, *_ in purchases)
    summary = run(database, path)
    assert (summary.read, summary.created) == (len(purchases), len(purchases))
    if LONGER > 1:
        assert (len(purchases), len(buys)) == (69_659, 23_570)
    assert all_rows(
        database,
        "SELECT count(*), count(DISTINCT customer_id), sum(total), min(placed_at)::date::text, max(placed_at)::date::text"
        ' FROM "order"',
    ) == [
        (
            len(purchases),
            len(buys),
            sum((Decimal(dollars) for *_, dollars in purchases), Decimal(0)),
            *(
                f"{day[:4]}-{day[4:6]}-{day[6:]}"
                for day in (min(p[1] for p in purchases), max(p[1] for p in purchases))
            ),
        )
    ]
    assert all_rows(
        database, "SELECT sum(quantity), count(*) FILTER (WHERE total = 0), count(*) FROM order_line"
    ) == [
        (
            sum(int(count) for _, _, count, _ in purchases),
            sum(Decimal(dollars) == 0 for *_, dollars in purchases),
            len(purchases),
        )
    ]
    again = (
        'SELECT count(*) FROM (SELECT FROM "order" GROUP BY customer_id HAVING count(*) > 1) AS bought_again'
    )
    assert all_rows(database, again) == [(sum(count > 1 for count in buys.values()),)]
    head = all_rows(database, "SELECT count(*) FROM pending")
    assert run(database, path).unchanged == len(purchases)
    assert all_rows(database, "SELECT count(*) FROM pending") == head
