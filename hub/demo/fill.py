"""Filling a database with the shop: in batches that are each there whole or not at all, so that it can be resumed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import sqlalchemy as sa

from hub.asset import Asset
from hub.db import Database, Json
from hub.demo import customer, frame, order, product, stock
from hub.demo.gallery import DEMO, Gallery
from hub.demo.item import Item
from hub.demo.shop import BEGUN, FILLED, Shop
from hub.errors import InUse
from hub.external_id import ExternalId
from hub.file_store import Store
from hub.order import Order
from hub.product import Product, Variant
from hub.rendition import hash_of
from hub.save import save
from hub.stock import Stock

LOCK = 7_446_533

Progress = Callable[[str, int, int], None]
"""Told what is being made, how many of it are there, and how many there will be."""

Batch = tuple[str, list[Json]]
"""A noun and rows of it. Batches made together are written in one transaction."""


@dataclass(frozen=True)
class Step:
    """One part of the shop: ``count`` things, made ``size`` at a time.

    ``there`` selects a row if thing ``number`` was written already; null where things that were counted before only
    get something added: that is written again, which changes nothing.
    """

    title: str
    count: int
    size: int
    make: Callable[[range], list[Batch]]
    there: Callable[[int], sa.Select[Any]] | None = None


@dataclass
class Report:
    """What a fill did: rows made now, and rows that an earlier, interrupted one had made, by noun."""

    made: Counter[str] = field(default_factory=Counter)
    kept: Counter[str] = field(default_factory=Counter)
    pictures: int = 0


def fill(database: Database, shop: Shop, store: Store, progress: Progress) -> Report:
    """Write the shop into the database and draw its pictures into ``store``.

    A fill that was interrupted is resumed: what it wrote stays, the rest follows. Raises ``InUse`` while another
    process fills the same database.
    """
    report = Report()
    with _alone(database), gallery(database, shop, store, progress) as pictures:
        _begin(database, shop, report)
        for step in steps(shop, pictures):
            _run(database, step, report, progress)
        report.pictures = len(pictures)
        _end(database, shop)
    return report


def gallery(database: Database, shop: Shop, store: Store, progress: Progress) -> Gallery:
    """The pictures of the shop, which are drawn while the block lasts."""
    files = dict.fromkeys(shown.file for number in range(shop.products) for shown in Item(number).pictures)
    return Gallery(database, store, files, lambda done: progress("Pictures", done, len(files)))


@contextmanager
def _alone(database: Database) -> Iterator[None]:
    with database.engine.connect() as held:
        if not held.scalar(sa.select(sa.func.pg_try_advisory_lock(LOCK))):
            raise InUse("Another process is filling this database: wait until it is done.")
        try:
            yield
        finally:
            held.execute(sa.select(sa.func.pg_advisory_unlock(LOCK)))


def steps(shop: Shop, pictures: Gallery) -> Iterator[Step]:
    """The parts of the shop, in an order in which each finds what it refers to."""
    yield Step("Products", shop.products, 100, partial(_products, shop, pictures), _has_product)
    yield Step("Relations", shop.products, 200, partial(_links, shop))
    yield Step("Customers", shop.customers, 500, _customers, _has_customer)
    yield Step("Orders", shop.orders, 500, partial(_orders, shop), _has_order)
    yield Step("Stock", shop.products, 200, _stock, _has_stock)


def draw(database: Database, shop: Shop, store: Store, progress: Progress) -> None:
    """Draw the pictures again, where the database came without its files, and have the assets show them."""
    with _alone(database), gallery(database, shop, store, progress) as pictures:
        for number in range(shop.products):
            with database.write(DEMO) as tx:
                _save(tx, ("asset", product.assets(number, pictures.address)), Report())


def is_drawn(database: Database, store: Store) -> bool:
    """Whether the pictures are there, told by the first one of the documentation's cup."""
    shown = sa.select(Asset.address).where(Asset.code == Item(2).pictures[0].code)
    with database.read() as tx:
        content = hash_of(tx.scalar(shown) or "")
    return content is not None and store.local(content) is not None


def _begin(database: Database, shop: Shop, report: Report) -> None:
    """Everything before the products, together with the mark that this database is the demo's."""
    mark = {"code": frame.CHANNELS[0], "external_ids": [{"system": BEGUN, "id": shop.mark}]}
    with database.write(DEMO) as tx:
        for batch in frame.rows():
            _save(tx, batch, report)
        for batch in (("locale", frame.locale_names()), ("channel", [mark])):
            _save(tx, batch, Report())  # counted already


def _end(database: Database, shop: Shop) -> None:
    mark = {"code": frame.CHANNELS[0], "external_ids": [{"system": FILLED, "id": shop.mark}]}
    with database.write(DEMO) as tx:
        _save(tx, ("channel", [mark]), Report())
    with database.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        connection.execute(sa.text("ANALYZE"))


def _run(database: Database, step: Step, report: Report, progress: Progress) -> None:
    progress(step.title, 0, step.count)
    for start in range(0, step.count, step.size):
        numbers = range(start, min(start + step.size, step.count))
        with database.write(DEMO) as tx:
            batches = step.make(numbers)
            if step.there is not None and tx.scalar(step.there(numbers[-1])) is not None:
                report.kept.update({noun: len(rows) for noun, rows in batches})
            else:
                for batch in batches:
                    _save(tx, batch, report if step.there else Report())
        progress(step.title, numbers[-1] + 1, step.count)


def _save(tx: sa.Connection, batch: Batch, report: Report) -> None:
    noun, rows = batch
    results = save(tx, noun, rows)
    refused = [error for result in results for error in result.errors]
    if refused:
        raise refused[0]
    report.made[noun] += sum(result.outcome == "created" for result in results)
    report.kept[noun] += sum(result.outcome == "unchanged" for result in results)


def _products(shop: Shop, pictures: Gallery, numbers: range) -> list[Batch]:
    return [
        ("asset", _flat(product.assets(number, pictures.address) for number in numbers)),
        ("product", [product.row(number, shop.today) for number in numbers]),
    ]


def _links(shop: Shop, numbers: range) -> list[Batch]:
    found = (product.links(number, shop.products) for number in numbers)
    return [("product", [row for row in found if row is not None])]


def _customers(numbers: range) -> list[Batch]:
    return [("customer", [customer.row(number) for number in numbers])]


def _orders(shop: Shop, numbers: range) -> list[Batch]:
    sizes = shop.orders, shop.products, shop.customers
    return [("order", [order.row(number, *sizes, shop.today) for number in numbers])]


def _stock(numbers: range) -> list[Batch]:
    return [("stock", _flat(stock.rows(number) for number in numbers))]


def _flat(lists: Iterator[list[Json]]) -> list[Json]:
    return [row for rows in lists for row in rows]


def _has_product(number: int) -> sa.Select[Any]:
    return sa.select(Product.id).where(Product.slug == Item(number).slug)


def _has_customer(number: int) -> sa.Select[Any]:
    named = customer.row(number)["external_ids"][0]
    return sa.select(ExternalId.entity_id).where(
        ExternalId.entity == "customer", ExternalId.system == named["system"], ExternalId.value == named["id"]
    )


def _has_order(number: int) -> sa.Select[Any]:
    return sa.select(Order.id).where(Order.number == order.label(number))


def _has_stock(number: int) -> sa.Select[Any]:
    last: Sequence[Json] = stock.rows(number)
    sku = last[-1]["variant"]["key"]
    return (
        sa.select(Stock.id).join(Variant, Variant.id == Stock.variant_id).where(Variant.sku == sku).limit(1)
    )
