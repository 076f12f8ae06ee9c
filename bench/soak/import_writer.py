"""A writer of the soak that imports a supplier's file, again and again with new values."""

from __future__ import annotations

import logging
import random
import time
from multiprocessing.synchronize import Event
from pathlib import Path

import orjson
import sqlalchemy as sa

from bench.soak.draft import Draft
from bench.soak.ground import Ground
from bench.soak.journal import Journal
from hub import importing
from hub.db import Database
from hub.errors import HubError
from hub.mapping import Mapping, parse

RECORDS = 30
BATCH = 10
AGAIN_SECONDS = 0.3

MAPPING = b"""
name: soak
system: soak
key: external_ids.soak
locale: de
make:
  product_types: [{code: product}]
fields:
  - {from: id, to: external_ids.soak, required: true}
  - {from: id, to: "variants[].sku", transforms: [{template: "import-{id}"}]}
  - {from: id, to: slug, transforms: [{template: "import-{id}"}]}
  - {from: id, to: type, transforms: [{template: "product"}]}
  - {from: name, to: name}
"""

FOUND = sa.text("SELECT value, entity_id FROM external_id WHERE entity = 'product' AND system = 'soak'")


def write(ground: Ground, name: str, seed: int, stop: Event) -> None:
    """A process that imports."""
    logging.disable()
    journal, mapping = Journal(ground.journal(name)), parse(MAPPING, "soak.yaml")
    database = Database(str(ground.settings.database_url), pool_size=3)
    chance = random.Random(seed)
    count = 0
    while not stop.is_set():
        count += 1
        draft = Draft(f"{name}-{count}")
        path = ground.folder / f"{draft.name}.jsonl"
        names = {str(number): draft.token() for number in range(1, RECORDS + 1)}
        path.write_bytes(
            b"".join(orjson.dumps({"id": key, "name": text}) + b"\n" for key, text in names.items())
        )
        for key, number in _imported(database, path, mapping).items():
            draft.wrote("product", number, "name", names[key])
        # Each batch is a transaction, but the file names each product once.
        journal.note(fate="committed", unsigned=True, any_kind=True, **draft.line())
        time.sleep(chance.uniform(0.2, 1.0))


def _imported(database: Database, path: Path, mapping: Mapping) -> dict[str, int]:
    """Import until it is done, whatever happens to the database; which record became which product."""
    while True:
        try:
            summary = importing.run(database, path, mapping, lambda _: None, BATCH)
            importing.finish(database, summary.run)
            with database.read() as tx:
                return {row.value: row.entity_id for row in tx.execute(FOUND)}
        except (sa.exc.SQLAlchemyError, HubError):
            time.sleep(AGAIN_SECONDS)
