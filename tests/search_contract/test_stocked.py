"""Pushes of stock: most of them show nothing, and nothing is built for those."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from hub.db import Database
from search.document import Batch
from search.follow import Follower
from search.product import build
from tests.capturing import drain
from tests.search_contract.conftest import Asked
from tests.shop import WRITER


@pytest.fixture
def follower(hub: Asked) -> Iterator[Follower]:
    current = hub.index.current()
    assert current is not None
    with hub.index.writing() as turn:
        assert turn is not None
        opened = Follower(hub.database, hub.index, current, turn)
        settled(opened)
        yield opened
        opened.close()


def settled(follower: Follower) -> None:
    while follower.step():
        pass


def pushed(database: Database, slug: str, on_hand: int) -> None:
    statement = """UPDATE stock SET on_hand = :on_hand WHERE variant_id =
        (SELECT v.id FROM variant v JOIN product p ON p.id = v.product_id WHERE p.slug = :slug)"""
    with database.write(WRITER) as tx:
        assert tx.execute(sa.text(statement), {"on_hand": on_hand, "slug": slug}).rowcount == 1
    drain(database)


def in_stock(hub: Asked, slug: str) -> bool:
    with hub.index.reading() as reader:
        content = reader.content((hub.ids[slug], hub.channels["web"]))
    assert content is not None
    return bool(content["variants"][0]["available"])


def test_documents_are_built_where_a_push_of_stock_shows(
    hub: Asked, follower: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[int] = []

    def noted(tx: Any, product_ids: Iterable[int]) -> Batch:
        built.extend(product_ids)
        return build(tx, product_ids)

    monkeypatch.setattr("search.follow.build", noted)
    alpha = hub.ids["alpha"]
    for on_hand, products, shown in ((7, [], True), (0, [alpha], False), (3, [alpha], True), (5, [], True)):
        built.clear()
        pushed(hub.database, "alpha", on_hand)
        settled(follower)
        assert (built, in_stock(hub, "alpha")) == (products, shown), on_hand


def test_what_is_in_no_document_yet_is_built(hub: Asked, follower: Follower) -> None:
    """A document that is missing shows nothing, whatever the stock."""
    alpha = hub.ids["alpha"]
    channels = tuple(sorted(hub.channels.values()))
    with hub.database.read() as tx:
        sequence = build(tx, [alpha]).sequence
    writer = follower._writer
    writer.put(Batch(sequence, (alpha,), (), channels), repair=True, trusting=False)
    follower.commit()
    pushed(hub.database, "alpha", 8)
    settled(follower)
    assert in_stock(hub, "alpha")
