"""An import that is killed at any moment and run again ends like one clean run."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from hub.db import Database
from tests.shop import LONGER

MAPPING = """
name: killed
system: erp
key: external_ids.erp
channel: {code: web, currency: EUR, price_lists: [retail]}
make:
  price_lists: [{code: retail, currency: EUR}]
  product_types: [{code: product}]
fields:
  - {from: id, to: external_ids.erp, required: true}
  - {from: id, to: "variants[].sku", transforms: [{template: "sku-{id}"}]}
  - {from: [name, id], to: slug, transforms: [{template: "{name} {id}"}, slugify]}
  - {from: name, to: name}
  - {from: kind, to: type, default: product, transforms: [slugify], make: true}
  - {from: gtin, to: "variants[].identifiers[gtin]", refuse: value}
  - {from: price, to: "variants[].prices[retail]"}
  - {from: picture, to: "assets[gallery]", make: true}
attributes:
  - {from: colour, code: colour, type: choice, make: true}
  - {from: weight, code: weight, type: measurement, unit: g}
"""

STATE = {
    "product": """SELECT e.value, p.slug, p.name, t.code, p.attributes, a.version, a.actor FROM product p
        JOIN external_id e ON e.entity = 'product' AND e.entity_id = p.id JOIN product_type t ON t.id = p.product_type_id
        JOIN aggregate a ON a.type = 'product' AND a.id = p.id""",
    "variant": """SELECT v.sku, pr.amount, (SELECT array_agg(i.type || i.value ORDER BY i.value) FROM identifier i
        WHERE i.variant_id = v.id) FROM variant v LEFT JOIN price pr ON pr.variant_id = v.id""",
    "listing": "SELECT p.slug, c.code FROM listing l JOIN product p ON p.id = l.product_id JOIN channel c ON c.id = l.channel_id",
    "asset": "SELECT p.slug, s.address, l.role FROM product_asset l JOIN asset s ON s.id = asset_id JOIN product p ON p.id = product_id",
    "option": "SELECT a.code, o.code, o.name FROM attribute_option o JOIN attribute a ON a.id = attribute_id",
    "versions": """SELECT a.type, coalesce(t.code, b.code, c.code), a.version FROM aggregate a
        LEFT JOIN product_type t ON a.type = 'product_type' AND t.id = a.id
        LEFT JOIN attribute b ON a.type = 'attribute' AND b.id = a.id
        LEFT JOIN channel c ON a.type = 'channel' AND c.id = a.id WHERE a.type NOT IN ('product', 'asset')""",
    "changes": "SELECT type, count(*) FROM pending GROUP BY type",
    "reject": "SELECT number, code, field, value, message, imported FROM import_reject",
    "run": "SELECT read, created, updated, unchanged, skipped, refused, finished_at IS NOT NULL FROM import_run",
    "seen": "SELECT count(*) FROM import_seen",
}
"""The whole state by names, never by ids: those are drawn anew after a rollback."""


OF_THE_RUN: dict[str, list[str]] = {"run": [], "reject": []}
"""What tells of the import itself and not of what it brought."""


def state(database: Database) -> dict[str, list[str]]:
    with database.read() as tx:
        return {
            name: sorted(repr(tuple(row)) for row in tx.execute(sa.text(sql))) for name, sql in STATE.items()
        }


def lines(count: int) -> Iterator[bytes]:
    chance = random.Random(4711)
    for number in range(count):
        record: dict[str, Any] = {
            "id": str(number if number % 97 else number // 2),  # some repeat an earlier one
            "name": f"Thing {number % 50}",
            "price": f"{number % 90}.{chance.randrange(100):02}",
            "gtin": "4006381333931" if number % 83 == 0 else f"{number}",
            "picture": f"https://example.com/{number % 400}.jpg",
            "colour": f"colour {number // 40}",
            "weight": number,
        }
        if number % 3 == 0:
            record["kind"] = f"Kind {number // 300}"
        yield b"{broken" if number % 101 == 7 else json.dumps(record).encode()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "killed.yaml").write_text(MAPPING)
    (tmp_path / "things.jsonl").write_bytes(b"\n".join(lines(int(3000 * LONGER))))
    return tmp_path


def start(folder: Path, url: str) -> subprocess.Popen[bytes]:
    environment = os.environ | {"HUB_DATABASE_URL": url, "HUB_VAR": str(folder)}
    command = [sys.executable, "-m", "hub", "import", "products", "things.jsonl", "--mapping", "killed.yaml"]
    house = Path(__file__).parent.parent
    return subprocess.Popen(
        command,
        cwd=folder,
        env=environment | {"PYTHONPATH": str(house)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def killed_until_done(folder: Path, database: Database, seconds: float, whole: float) -> tuple[int, str]:
    """Kill and start again until one run comes through; gives how often it was killed and what the last one said.

    ``whole`` is how long a clean run takes: kills fall well within it, on a quick machine and on a busy one.
    """
    chance, kills, until = random.Random(time.time_ns()), 0, time.monotonic() + seconds
    while True:
        process = start(folder, database.url)
        try:
            wait = whole * chance.uniform(0.2, 0.7) if time.monotonic() < until else None
            said, wrong = process.communicate(timeout=wait)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.communicate()
            kills += 1
        else:
            assert process.returncode == 0, wrong.decode()
            return kills, said.decode()


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_killed_at_any_moment_and_run_again_it_ends_like_a_clean_run(
    database: Database, module_database: Database, folder: Path, soak_seconds: float
) -> None:
    began = time.monotonic()
    clean = start(folder, module_database.url)
    said, wrong = clean.communicate()
    whole = time.monotonic() - began
    assert clean.returncode == 0, wrong.decode()
    rejects = (folder / "things.rejects.jsonl").read_bytes()
    (folder / "things.rejects.jsonl").unlink()
    kills, last = killed_until_done(folder, database, soak_seconds, whole)
    assert kills > 0
    killed, wanted = state(database), state(module_database)
    assert {**killed, **OF_THE_RUN} == {**wanted, **OF_THE_RUN}
    if len(killed["run"]) > 1:
        # Killed between its end and its goodbye: the file was then imported once more, and nothing was left to do.
        return
    assert killed == wanted
    assert (folder / "things.rejects.jsonl").read_bytes() == rejects
    assert last.splitlines()[-2:] == said.decode().splitlines()[-2:]
