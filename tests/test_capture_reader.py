"""A reader that polls at random moments, while four writers commit in any order, misses nothing and sees no gap."""

from __future__ import annotations

import random
import threading
import time

import psycopg
import pytest

from hub import postgres
from tests.running import Server

CHANGES = 10_000
WRITERS = 4
PAGE = """query ($after: String, $first: Int) { changes(after: $after, first: $first) {
    nodes { sequence entityId entityVersion } pageInfo { endCursor } } }"""


def write(address: str, number: int, changes: int) -> None:
    """Transactions of one to sixty changes; some draw their versions early and commit late."""
    chance = random.Random(number)
    with psycopg.connect(address) as connection:
        while changes:
            size = min(changes, chance.randint(1, 60))
            connection.execute(
                "INSERT INTO category (code) SELECT %s || n FROM generate_series(1, %s) n",
                [f"r{number}-{changes}-", size],
            )
            if chance.random() < 0.3:
                connection.execute("SET CONSTRAINTS hub_flush IMMEDIATE")
                time.sleep(chance.uniform(0, 0.05))
            connection.commit()
            changes -= size


def follow(server: Server, seen: list[int], done: threading.Event, seed: int) -> None:
    chance, after = random.Random(seed), None
    while True:
        ending = done.is_set()
        page = server.data(PAGE, {"after": after, "first": chance.choice((1, 7, 100, 1000))})["changes"]
        seen.extend(node["sequence"] for node in page["nodes"])
        after = page["pageInfo"]["endCursor"]
        if ending and not page["nodes"]:
            return
        if not page["nodes"] or chance.random() < 0.2:
            time.sleep(chance.uniform(0, 0.05))


@pytest.mark.timeout(240)
def test_reader_that_polls_during_commits_misses_nothing(server: Server) -> None:
    address = postgres.libpq(str(server.settings.database_url))
    seen: tuple[list[int], list[int]] = ([], [])
    done = threading.Event()
    readers = [
        threading.Thread(target=follow, args=(server, each, done, seed)) for seed, each in enumerate(seen)
    ]
    writers = [
        threading.Thread(target=write, args=(address, number, CHANGES // WRITERS))
        for number in range(WRITERS)
    ]
    for thread in (*readers, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    pending = True
    with psycopg.connect(address, autocommit=True) as connection:
        while pending:
            pending = connection.execute("SELECT FROM pending LIMIT 1").fetchone() is not None
            time.sleep(0.02)
    done.set()
    for thread in readers:
        thread.join()
    assert seen[0] == list(range(1, CHANGES + 1))
    assert seen[1] == seen[0]
