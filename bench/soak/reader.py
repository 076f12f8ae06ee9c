"""A reader outside: follows the feed through GraphQL from its cursor, at random moments."""

from __future__ import annotations

import random
import time
from multiprocessing.synchronize import Event

from bench.soak.api_writer import Api
from bench.soak.ground import Ground
from bench.soak.journal import Journal

CHANGES = """query ($after: String, $first: Int) { changes(after: $after, first: $first) {
    nodes { sequence } pageInfo { endCursor } } }"""
AGAIN_SECONDS = 0.1


def follow(ground: Ground, name: str, seed: int, stop: Event) -> None:
    """A process that reads on until it is told to stop and there is no more."""
    api, journal = Api(ground), Journal(ground.journal(name))
    chance = random.Random(seed)
    after: str | None = None
    while True:
        ending = stop.is_set()
        try:
            page = api.ask(CHANGES, after=after, first=chance.randint(1, 500))["changes"]
        except OSError:
            time.sleep(AGAIN_SECONDS)
            continue
        for node in page["nodes"]:
            journal.note(sequence=node["sequence"])
        after = page["pageInfo"]["endCursor"]
        if ending and not page["nodes"]:
            return
        time.sleep(0 if ending else chance.uniform(0, 0.15))
