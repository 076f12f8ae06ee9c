"""What a soak stands on: the shop that is written to, and what every process must know."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from pathlib import Path

import psycopg

from hub import postgres
from hub.config import Settings

PRODUCTS = 40
CATEGORIES = 20

SHOP = f"""
INSERT INTO locale (code) VALUES ('de') ON CONFLICT DO NOTHING;
INSERT INTO product_type (code) VALUES ('soak');
INSERT INTO price_list (code, currency) VALUES ('soak', 'EUR');
INSERT INTO channel (code, currency, order_prefix) VALUES ('soak', 'EUR', 'S');
INSERT INTO category (code) SELECT 'soak-' || n FROM generate_series(1, {CATEGORIES}) n;
INSERT INTO product (product_type_id, slug) SELECT 1, 'soak-' || n FROM generate_series(1, {PRODUCTS}) n;
INSERT INTO variant (product_id, sku) SELECT id, 'soak-' || id || '-' || n FROM product, generate_series(1, 2) n;
INSERT INTO price (product_id, variant_id, price_list_id, currency, amount)
    SELECT product_id, id, 1, 'EUR', 1 FROM variant;
CREATE TABLE soak_done (name text PRIMARY KEY);
"""


@dataclass(frozen=True)
class Ground:
    """Where everything is. ``folder`` holds the journals."""

    settings: Settings
    folder: Path
    token: str

    @property
    def address(self) -> str:
        """The database as psycopg takes it."""
        return postgres.libpq(str(self.settings.database_url))

    def journal(self, name: str) -> Path:
        """Where a process writes."""
        return self.folder / f"{name}.journal"

    def connect(self) -> psycopg.Connection[tuple[object, ...]]:
        """A connection as any program of the shop's owner would open one."""
        return psycopg.connect(self.address, autocommit=True, connect_timeout=5)


def furnish(address: str) -> None:
    """Fill an empty hub with the shop of the soak."""
    with psycopg.connect(address) as connection:
        connection.execute(SHOP.encode())


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
