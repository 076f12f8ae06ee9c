"""A small shop, and how the tests of capture and feed write to it and read what was recorded."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from hub import feed, sequencer, verify
from hub.db import Database, Writer, raw

ERP = Writer(actor="token:7", source="erp", reason="night run")

SHOP = """
INSERT INTO product_type (code) VALUES ('default');
INSERT INTO channel (code, currency, order_prefix) VALUES ('web', 'EUR', 'W');
INSERT INTO price_list (code, currency) VALUES ('retail', 'EUR');
INSERT INTO category (code) VALUES ('coffee'), ('tea');
INSERT INTO product (product_type_id, slug, name, attributes)
    VALUES (1, 'kaffee', '{"de": "Kaffee"}', '{"colour": {"*": {"de": "braun", "en": "brown"}}}'), (1, 'tee', '{}', '{}');
INSERT INTO variant (product_id, sku) VALUES (1, 'K-250'), (1, 'K-500'), (2, 'T-100');
INSERT INTO price (product_id, variant_id, price_list_id, currency, amount)
    VALUES (1, 1, 1, 'EUR', 4.90), (1, 2, 1, 'EUR', 8.90), (2, 3, 1, 'EUR', 3.50);
"""


def drain(of: Database) -> int:
    """Sequence everything that is pending; gives the last sequence."""
    moved = 1
    while moved:
        with of.engine.begin() as tx:
            moved = sequencer.step(tx)
    with of.read() as tx:
        return feed.ends(tx)[1]


def sequence(url: str) -> None:
    """A sequencer that ends only by being killed."""
    sequencer.run(Database(url), threading.Event())


def run(tx: sa.Connection, sql: str, values: Sequence[Any] | None = None) -> list[tuple[Any, ...]]:
    """Run SQL as ``psql`` would, with nothing of SQLAlchemy's in between."""
    cursor = raw(tx).execute(sql.encode(), values)
    return cursor.fetchall() if cursor.description else []


class Log:
    """Writes, and what the feed says of them."""

    def __init__(self, of: Database) -> None:
        self.database = of

    def write(self, *statements: str, writer: Writer = ERP) -> list[dict[str, Any]]:
        """Run the statements in one transaction; gives its records."""
        after = drain(self.database)
        with self.database.write(writer) as tx:
            for statement in statements:
                run(tx, statement)
        return self.since(after)

    def since(self, after: int) -> list[dict[str, Any]]:
        """The records after a sequence."""
        drain(self.database)
        with self.database.read() as tx:
            return [dict(row) for row in tx.execute(feed.page(after)).mappings()]

    def faults(self) -> list[str]:
        """What the proof of the feed finds wrong."""
        return verify.verify(self.database).faults

    def left(self) -> list[int]:
        """What lies in the tables that are empty between transactions."""
        with self.database.read() as tx:
            return [run(tx, f"SELECT count(*) FROM {table}")[0][0] for table in ("frag", "tx_open")]
