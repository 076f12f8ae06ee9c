"""The example of a consumer: it begins from a bulk export, follows the feed, and is killed at random moments."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from hub import postgres, verify_file
from tests.capturing import ERP, SHOP, run
from tests.running import Server, wait_until
from tests.test_capture_soak import Writer
from tests.test_house import HOUSE

KILLS = 6


@pytest.fixture(scope="module")
def server(module_server: Server) -> Server:
    """A served shop with a little of everything."""
    with module_server.database.write(ERP) as tx:
        run(tx, SHOP)
    return module_server


def mirroring(server: Server, file: Path, *words: str) -> subprocess.Popen[str]:
    demo = {"url": server.url, "graphql": f"{server.url}/graphql", "tokens": {"admin": server.token}}
    (server.settings.var / "demo.json").write_text(json.dumps(demo))
    return subprocess.Popen(
        [sys.executable, str(HOUSE / "examples" / "mirror.py"), str(file), *words],
        env=os.environ | {"HUB_VAR": str(server.settings.var)},
        stdout=subprocess.PIPE,
        text=True,
    )


def test_a_mirror_of_some_types_holds_only_those(server: Server, tmp_path: Path) -> None:
    file = tmp_path / "mirror.jsonl"
    with mirroring(server, file, "--once", "category", "price_list") as first:
        first.communicate(timeout=60)
    with server.database.write(ERP) as tx:
        run(
            tx,
            "DELETE FROM category WHERE code = 'tea'; UPDATE product SET slug = slug || '-other'; INSERT INTO category (code) VALUES ('new')",
        )
    with server.database.read() as tx:
        wait_until(lambda: run(tx, "SELECT count(*) FROM pending") == [(0,)])
    with mirroring(server, file, "--once") as again:
        told, _ = again.communicate(timeout=60)
    assert told == "3 objects mirrored.\n"
    assert verify_file.mirror(server.database, file).faults == []


def test_a_mirror_that_is_killed_again_and_again_is_the_database(server: Server, tmp_path: Path) -> None:
    file, stop = tmp_path / "mirror.jsonl", threading.Event()
    with server.database.write(ERP) as tx:
        run(
            tx, "INSERT INTO product (product_type_id, slug) SELECT 1, 'p' || n FROM generate_series(1, 30) n"
        )
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    chance = random.Random(seed)
    writer = Writer(postgres.libpq(server.database.url), seed, stop)
    writer.start()
    for _ in range(KILLS):
        with mirroring(server, file) as mirror:
            wait_until(file.exists, 60)
            time.sleep(chance.uniform(0, 1.5))
            assert mirror.poll() is None
            mirror.kill()
    stop.set()
    writer.join()
    assert writer.tally.broken == []
    # What waits for its sequence is not in the mirror yet.
    wait_until(lambda: verify_file.mirror(server.database, file).faults == [])
    with mirroring(server, file, "--once") as last:
        told, _ = last.communicate(timeout=30)
    report = verify_file.mirror(server.database, file)
    assert report.faults == []
    assert told == f"{report.rows} objects mirrored.\n"
    assert json.loads(file.open().readline())["cursor"]

    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(lines[:-1]))
    assert len(verify_file.mirror(server.database, file).faults) == 1
