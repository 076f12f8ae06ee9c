"""A small shop with a running search lane, for the tests of search."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import orjson
import sqlalchemy as sa

from hub import feed, gtin, sequencer
from hub.db import Database
from hub.outbox import Pending
from search import lane
from search.engine import Index, UnavailableError
from search.query import Found, Question, find
from search.tantivy_index import TantivyIndex
from tests.capturing import ERP, run

SHOP = """
INSERT INTO locale (code) VALUES ('de'), ('en'), ('fr');
INSERT INTO channel (code, currency, order_prefix) VALUES ('web', 'EUR', 'W'), ('market', 'EUR', 'M');
INSERT INTO channel_locale (channel_id, locale_id, position) VALUES (1, 1, 0), (1, 2, 1), (2, 2, 0);
INSERT INTO price_list (code, currency) VALUES ('retail', 'EUR');
INSERT INTO channel_price_list (channel_id, price_list_id) VALUES (1, 1), (2, 1);
INSERT INTO product_type (code, name) VALUES ('thing', '{"de": "Zubehör", "en": "Accessory"}');
INSERT INTO category (code, name) VALUES ('home', '{"de": "Wohnen"}');
INSERT INTO category (code, name, parent_id) VALUES ('kitchen', '{"de": "Küchen"}', 1);
INSERT INTO attribute (code, type, searchable, localizable, per_channel)
    VALUES ('brand', 'choice', true, false, false), ('material', 'text', true, true, true),
        ('secret', 'text', false, false, false);
INSERT INTO attribute_option (attribute_id, code, name)
    VALUES (1, '007', '{"de": "Nordlicht", "en": "Northlight"}'), (1, 'acme', '{}');
"""

WEB, MARKET = 1, 2
_numbers = count(1)


class Shop:
    """A shop, its index, and the threads that keep the one true to the other."""

    def __init__(self, database: Database, index: Index | Path) -> None:
        self.database = database
        self.index: Index = TantivyIndex(index) if isinstance(index, Path) else index
        self._threads: list[tuple[threading.Event, threading.Thread]] = []

    def write(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Run SQL in a transaction of its own, as ``psql`` would."""
        with self.database.write(ERP) as tx:
            return run(tx, statement, values or None)

    def product(
        self,
        name: dict[str, str],
        *,
        description: dict[str, str] | None = None,
        attributes: dict[str, Any] | None = None,
        sku: str | None = None,
        channels: Sequence[int] = (WEB,),
    ) -> int:
        """A product with one variant, listed for ever in these channels."""
        texts = [orjson.dumps(each or {}).decode() for each in (name, description, attributes)]
        ((product,),) = self.write(
            "WITH p AS (INSERT INTO product (product_type_id, name, description, attributes)"
            " VALUES (1, %s, %s, %s) RETURNING id),"
            " v AS (INSERT INTO variant (product_id, sku) SELECT id, %s FROM p),"
            " l AS (INSERT INTO listing (product_id, channel_id) SELECT id, unnest(%s::bigint[]) FROM p)"
            " SELECT id FROM p",
            *texts,
            sku or f"sku {next(_numbers)}",
            list(channels),
        )
        return int(product)

    def identify(self, product: int, kind: str, value: str) -> None:
        """Give the product's variant another identifier."""
        self.write(
            "INSERT INTO identifier (product_id, variant_id, type, value)"
            " SELECT product_id, id, %s, %s FROM variant WHERE product_id = %s",
            kind,
            value,
            product,
        )

    def gtin(self, product: int) -> str:
        """Give the product's variant a GTIN of 13 digits."""
        digits = f"40063813{next(_numbers):04d}"
        whole = digits + gtin.check_digit(digits)
        self.identify(product, "gtin", whole.zfill(14))
        return whole

    def answer(self, text: str, channel: int | None = WEB, locale: str | None = "de", **more: Any) -> Found:
        """The first page of answers."""
        return find(self.index, Question(text, channel, locale, **more), first=100)

    def ask(self, text: str, channel: int | None = WEB, locale: str | None = "de", **more: Any) -> list[int]:
        """The products of the first page, best first."""
        return [hit.product_id for hit in self.answer(text, channel, locale, **more).hits]

    def content(self, product: int, channel: int | None = WEB) -> dict[str, Any] | None:
        """What the index holds of a product."""
        with self.index.reading() as reader:
            return reader.content((product, channel))

    def price(self, product: int, channel: int | None = WEB) -> str | None:
        """The price that the index holds of the product's only variant."""
        content = self.content(product, channel)
        price = content["variants"][0]["price"] if content else None
        return price and str(price["amount"])

    def settle(self) -> None:
        """Wait until the index shows everything that is committed now."""
        ((product,),) = self.write("SELECT max(id) FROM product")
        word = f"settled{next(_numbers)}"
        self.write(
            "UPDATE product SET attributes = attributes || %s WHERE id = %s",
            orjson.dumps({"material": {"*": {"de": word}}}).decode(),
            product,
        )
        eventually(lambda: product in self.ask(word, None, "de"))
        eventually(self._caught_up)

    def _caught_up(self) -> bool:
        """The word may be found by an earlier record's work, which reads the row as it is by then."""
        with self.database.read() as tx:
            waiting = tx.scalar(sa.select(sa.func.count()).select_from(Pending))
            return waiting == 0 and feed.position(tx, lane.NAME) == feed.ends(tx)[1]

    def follow(self) -> None:
        """Start the sequencer and the lane."""
        for target, arguments in ((sequencer.run, (self.database,)), (lane.run, (self.database, self.index))):
            stop = threading.Event()
            thread = threading.Thread(target=target, args=(*arguments, stop))
            thread.start()
            self._threads.append((stop, thread))

    def halt(self) -> None:
        """Stop them."""
        for stop, _ in self._threads:
            stop.set()
        for _, thread in self._threads:
            thread.join(30)
        assert not any(thread.is_alive() for _, thread in self._threads)
        self._threads.clear()

    @contextmanager
    def halted(self) -> Iterator[None]:
        """Nothing follows the feed within the block."""
        self.halt()
        try:
            yield
        finally:
            self.follow()


def eventually(holds: Callable[[], Any], seconds: float = 60) -> float:
    """Wait until it holds; gives how long that took."""
    began = time.monotonic()
    while True:
        try:
            if holds():
                return time.monotonic() - began
        except UnavailableError:
            pass
        assert time.monotonic() - began < seconds, "It never came true."
        time.sleep(0.01)
