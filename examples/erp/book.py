"""What the ERP knows, in one SQLite file. Whatever is in it survives a kill; every write can be repeated."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

FIRST_NUMBER = 1001

TABLES = """
CREATE TABLE IF NOT EXISTS setting (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS message (
    id TEXT PRIMARY KEY, sequence INTEGER NOT NULL, type TEXT NOT NULL, order_id TEXT NOT NULL, version INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS todo (
    order_id TEXT PRIMARY KEY, version INTEGER NOT NULL, not_before REAL NOT NULL DEFAULT 0, trouble TEXT
);
CREATE TABLE IF NOT EXISTS sale (
    order_id TEXT PRIMARY KEY, number TEXT NOT NULL UNIQUE, hub_number TEXT NOT NULL UNIQUE,
    version INTEGER NOT NULL, status TEXT NOT NULL, currency TEXT NOT NULL, total TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS sale_line (
    order_id TEXT NOT NULL, position INTEGER NOT NULL, sku TEXT, name TEXT NOT NULL, quantity INTEGER NOT NULL,
    cancelled INTEGER NOT NULL, fulfilled INTEGER NOT NULL, returned INTEGER NOT NULL, total TEXT NOT NULL,
    PRIMARY KEY (order_id, position)
);
CREATE TABLE IF NOT EXISTS parcel (
    number TEXT PRIMARY KEY, order_id TEXT NOT NULL, location TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('planned', 'sent', 'dropped'))
);
CREATE TABLE IF NOT EXISTS parcel_line (
    number TEXT NOT NULL, position INTEGER NOT NULL, quantity INTEGER NOT NULL, PRIMARY KEY (number, position)
);
CREATE TABLE IF NOT EXISTS refund (
    order_id TEXT NOT NULL, number TEXT NOT NULL, amount TEXT NOT NULL, PRIMARY KEY (order_id, number)
);
CREATE TABLE IF NOT EXISTS invoice (number TEXT PRIMARY KEY, order_id TEXT NOT NULL UNIQUE, amount TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS item (sku TEXT PRIMARY KEY, price TEXT, cost TEXT, told INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS movement (
    document TEXT NOT NULL, line INTEGER NOT NULL, location TEXT NOT NULL, sku TEXT NOT NULL, quantity INTEGER NOT NULL,
    told INTEGER NOT NULL, PRIMARY KEY (document, line)
);
CREATE INDEX IF NOT EXISTS movement_sku ON movement (sku);
CREATE INDEX IF NOT EXISTS parcel_order ON parcel (order_id);
"""


class Book:
    """One connection to the book. Not to be shared between threads; the file may be."""

    def __init__(self, path: Path) -> None:
        self.database = sqlite3.connect(path, isolation_level=None, timeout=60)
        self.database.row_factory = sqlite3.Row
        self.database.execute("PRAGMA journal_mode = WAL")
        self.database.execute("PRAGMA synchronous = FULL")  # what was answered with 2xx is on the disk
        self.database.executescript(TABLES)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of it or nothing."""
        self.database.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self.database.execute("ROLLBACK")
            raise
        self.database.execute("COMMIT")

    def run(self, statement: str, *values: object) -> None:
        """Run a statement."""
        self.database.execute(statement, values)

    def rows(self, statement: str, *values: object) -> list[sqlite3.Row]:
        """The rows of a statement."""
        return self.database.execute(statement, values).fetchall()

    def one(self, statement: str, *values: object) -> Any:
        """The first value of the first row; null without one."""
        row = self.database.execute(statement, values).fetchone()
        return None if row is None else row[0]

    def setting(self, name: str) -> str | None:
        """What was kept under a name."""
        found: str | None = self.one("SELECT value FROM setting WHERE name = ?", name)
        return found

    def keep(self, name: str, value: str) -> None:
        """Keep something under a name."""
        self.run(
            "INSERT INTO setting VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value", name, value
        )

    def note(self, order_id: str, version: int) -> None:
        """An order is to be looked at, unless the book holds that version or a later one already."""
        held = self.one("SELECT version FROM sale WHERE order_id = ?", order_id) or 0
        if version > held:
            self.look_again(order_id, version)

    def look_again(self, order_id: str, version: int) -> None:
        """An order is to be looked at."""
        self.run(
            "INSERT INTO todo (order_id, version) VALUES (?, ?) ON CONFLICT DO UPDATE"
            " SET version = max(version, excluded.version), not_before = 0",
            order_id,
            version,
        )

    def draw(self, series: str) -> int:
        """The next number of a series. Within a transaction, so that none is left out or given twice."""
        number = int(self.setting(f"series {series}") or FIRST_NUMBER)
        self.keep(f"series {series}", str(number + 1))
        return number

    def on_hand(self, sku: str) -> dict[str, int]:
        """Pieces of an item by location: the sum of its movements."""
        found = self.rows("SELECT location, sum(quantity) FROM movement WHERE sku = ? GROUP BY location", sku)
        return dict(map(tuple, found))

    def print(self, number: str | None = None) -> None:
        """The book as a page of text, or of it the order that the hub calls so."""
        for sale in self.rows("SELECT * FROM sale WHERE ? IN (hub_number, '') ORDER BY number", number or ""):
            self._print_sale(sale)
        if number is None:
            self._print_sums()

    def _print_sums(self) -> None:
        pieces = self.one("SELECT sum(quantity - cancelled) FROM sale_line") or 0
        totals = self.rows("SELECT currency, total FROM sale WHERE status <> 'CANCELLED'")
        sums = {
            each: sum(Decimal(row["total"]) for row in totals if row["currency"] == each)
            for each, _ in totals
        }
        told = ", ".join(f"{amount} {currency}" for currency, amount in sums.items()) or "nothing"
        orders = self.one("SELECT count(*) FROM sale")
        print(f"{orders} order{'s' if orders != 1 else ''}, {pieces} pieces, {told}.")
        for row in self.rows("SELECT * FROM todo WHERE trouble IS NOT NULL"):
            print(f"Open: {row['order_id']}: {row['trouble']}")

    def _print_sale(self, sale: sqlite3.Row) -> None:
        order_id = sale["order_id"]
        invoice = self.one("SELECT number FROM invoice WHERE order_id = ?", order_id) or "not invoiced"
        print(
            f"{sale['number']}  {sale['hub_number']}  {sale['status']:16} {sale['total']:>9} {sale['currency']}  {invoice}"
        )
        for line in self.rows("SELECT * FROM sale_line WHERE order_id = ? ORDER BY position", order_id):
            sent = f"{line['fulfilled']} sent, {line['returned']} back, {line['cancelled']} cancelled"
            print(f"    {line['quantity']:4} × {line['sku'] or line['name']:24} {line['total']:>9}  {sent}")
        for parcel in self.rows("SELECT * FROM parcel WHERE order_id = ? AND state = 'sent'", order_id):
            print(f"    parcel {parcel['number']} from {parcel['location']}")
        for refund in self.rows("SELECT * FROM refund WHERE order_id = ? ORDER BY number", order_id):
            print(f"    refund {refund['number']}: {refund['amount']}")
