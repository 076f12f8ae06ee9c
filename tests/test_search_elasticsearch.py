"""The lane on a real Elasticsearch: how changes travel, and what a refused, late or lost write comes to."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import Any

import orjson
import pytest
import sqlalchemy as sa
from elasticsearch import Elasticsearch

from hub import feed
from hub.config import Settings
from hub.db import Database
from search import app, queue, verify
from search.clause import Term
from search.document import Batch, Document
from search.elasticsearch_client import connected
from search.elasticsearch_index import ElasticsearchIndex
from search.engine import Ask, LostTurnError, State, UnavailableError
from search.follow import MOST_AT_ONCE, Follower
from search.product import build
from search.rebuild import rebuild
from tests import elasticsearch_node
from tests.capturing import drain
from tests.searching import MARKET, SHOP, WEB, Shop, eventually


@pytest.fixture(scope="module")
def client(testrun_uid: str) -> Iterator[Elasticsearch]:
    with elasticsearch_node.address(testrun_uid) as url:
        opened = connected(Settings(elasticsearch_url=url))
        # A test machine does several things at once.
        yield opened.options(request_timeout=60)
        opened.close()


def indexed(client: Elasticsearch, database: Database, name: str) -> Iterator[ElasticsearchIndex]:
    index = ElasticsearchIndex(client, f"{name}-{os.getpid()}-{time.monotonic_ns()}", database)
    yield index
    for generation in (index.current(), *index.unfinished()):
        if generation:
            index.drop(generation)


@pytest.fixture(scope="module")
def shop(module_database: Database, client: Elasticsearch) -> Iterator[Shop]:
    for index in indexed(client, module_database, "lane"):
        made = Shop(module_database, index)
        made.write(SHOP)
        made.follow()
        yield made
        made.halt()


@pytest.fixture
def index(database: Database, client: Elasticsearch) -> Iterator[ElasticsearchIndex]:
    yield from indexed(client, database, "own")


def test_a_change_is_found_within_a_second(shop: Shop) -> None:
    product = shop.product({"de": "Rest"})
    took = list[float]()
    for word in ("Morgentau", "Abendrot", "Mittagsruh", "Nebelbank", "Windstille"):
        shop.write("UPDATE product SET name = %s WHERE id = %s", orjson.dumps({"de": word}).decode(), product)
        took.append(eventually(lambda word=word: shop.ask(word) == [product]))  # type: ignore[misc]
    # The best of five: neighbours on the machine must not decide.
    assert min(took) < 1


def test_a_product_leaves_one_channel_and_stays_in_the_other(shop: Shop) -> None:
    product = shop.product({"en": "Lantern"}, channels=(WEB, MARKET))
    eventually(lambda: shop.ask("lantern", MARKET, "en") == shop.ask("lantern", WEB, "en") == [product])
    shop.write("DELETE FROM listing WHERE product_id = %s AND channel_id = %s", product, MARKET)
    eventually(lambda: shop.ask("lantern", MARKET, "en") == [])
    assert shop.ask("lantern", WEB, "en") == shop.ask("lantern", None, "en") == [product]


def test_prices_and_stock_arrive(shop: Shop) -> None:
    product = shop.product({"de": "Waage"})
    # A lane that has just begun writes also what is the same.
    shop.settle()
    shop.write(
        "INSERT INTO price (product_id, variant_id, price_list_id, amount, currency)"
        " SELECT product_id, id, 1, 10.50, 'EUR' FROM variant WHERE product_id = %s",
        product,
    )
    eventually(lambda: shop.price(product) == "10.5")
    assert not available(shop, product)
    shop.write("INSERT INTO location (code) VALUES ('main') ON CONFLICT DO NOTHING")
    shop.write(
        "INSERT INTO stock (variant_id, location_id, on_hand)"
        " SELECT v.id, l.id, 3 FROM variant v, location l WHERE v.product_id = %s",
        product,
    )
    eventually(lambda: available(shop, product))
    shop.product({"de": "Letztes"})
    # A document can be read before it can be found.
    shop.settle()
    version = held(shop, product)
    shop.write(
        "UPDATE stock SET on_hand = 2 WHERE variant_id IN (SELECT id FROM variant WHERE product_id = %s)",
        product,
    )
    shop.settle()
    # Two are in stock as three are: what nobody sees writes nothing.
    assert held(shop, product) == version
    shop.write(
        "DELETE FROM stock WHERE variant_id IN (SELECT id FROM variant WHERE product_id = %s)", product
    )
    eventually(lambda: not available(shop, product))


def available(shop: Shop, product: int) -> bool:
    content = shop.content(product)
    return bool(content and content["variants"][0]["available"])


def held(shop: Shop, product: int) -> int:
    with shop.index.reading() as reader:
        return next(each.sequence for each in reader.scan(product, product) if each.key == (product, WEB))


def test_a_price_s_window_ends_without_anyone_touching_it(shop: Shop) -> None:
    product = shop.product({"de": "Aktionsware"})
    shop.write(
        "INSERT INTO price (product_id, variant_id, price_list_id, amount, currency)"
        " SELECT product_id, id, 1, 20, 'EUR' FROM variant WHERE product_id = %s",
        product,
    )
    shop.write(
        "INSERT INTO price (product_id, variant_id, price_list_id, amount, currency, starts_at, ends_at)"
        " SELECT product_id, id, 1, 15, 'EUR', now() - interval '1 day', now() + interval '4 seconds'"
        " FROM variant WHERE product_id = %s",
        product,
    )
    eventually(lambda: shop.price(product) == "15")
    with turning(shop.database):
        eventually(lambda: shop.price(product) == "20")


class turning:  # noqa: N801 - used like a function
    """The relay's clock."""

    def __init__(self, database: Database) -> None:
        self._database, self._stop = database, threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        from hub import window
        from hub.db import HUB

        while not self._stop.wait(0.1):
            with self._database.write(HUB) as tx:
                window.turn(tx)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


def test_a_product_that_is_deleted_is_gone_and_late_work_does_not_bring_it_back(shop: Shop) -> None:
    product = shop.product({"de": "Vergänglich"})
    eventually(lambda: shop.ask("vergänglich") == [product])
    with shop.database.read() as tx:
        late = build(tx, [product])
    shop.write("DELETE FROM product WHERE id = %s", product)
    eventually(lambda: shop.ask("vergänglich") == shop.ask("vergänglich", None) == [])
    shop.index.writer(shop.index.current() or "").put(late, trusting=False)
    with shop.index.reading() as reader:
        reader.refresh()
    assert shop.ask("vergänglich", None) == []


def test_work_that_is_older_than_what_is_there_changes_nothing(
    index: ElasticsearchIndex, database: Database
) -> None:
    generation = index.create(State(0, "here", index.mapping()))
    index.adopt(generation)
    writer = index.writer(generation)

    def put(sequence: int, *titles: str) -> list[int]:
        documents = tuple(Document(1, None, sequence, texts={"de": {"title": [title]}}) for title in titles)
        writer.put(Batch(sequence, (1,), documents, (7,)))
        writer.commit(State(sequence, "here", index.mapping()))
        with index.reading() as reader:
            asked = Ask(Term("title_de", "neu"), filters=(Term("channel", 0),))
            return [place.product_id for place in reader.ask(asked).places]

    steps = [
        (5, ["alt"], []),
        (9, ["neu"], [1]),
        (7, ["alt"], [1]),
        (12, [], []),
        (9, ["neu"], []),
        (13, ["neu"], [1]),
    ]
    for sequence, titles, found in steps:
        assert put(sequence, *titles) == found, sequence


def test_a_refused_document_is_parked_and_stops_nothing(shop: Shop) -> None:
    generation = shop.index.current() or ""
    shop.settle()
    products = [shop.product({"de": "Sperrgut"}) for _ in range(3)]
    eventually(lambda: set(shop.ask("sperrgut")) == set(products))
    with shop.halted():
        # A document with a field that the definition does not have is refused by the engine itself.
        spoilt = Spoiling(shop.index.writer(generation), products[1])
        follower = Follower(shop.database, shop.index, generation, Always())
        follower._writer = spoilt
        for product in products:
            shop.write('UPDATE product SET name = \'{"de": "Gutsperr"}\' WHERE id = %s', product)
        drain(shop.database)
        while follower.step():
            pass
        assert set(shop.ask("gutsperr")) == {products[0], products[2]}
        with shop.database.read() as tx:
            parked = queue.parked(tx)
        assert {row["product_id"] for row in parked} == {products[1]}
        assert "strict" in parked[0]["reason"]
        assert app.ready(shop.database, shop.index).parked == len(parked)
        report = verify.verify(shop.database, shop.index)
        assert (report.faults, report.parked) == ((), len(parked))
        with shop.database.engine.begin() as tx:
            assert queue.retry(tx, generation) == 1
    eventually(lambda: set(shop.ask("gutsperr")) == set(products))
    with shop.database.read() as tx:
        assert queue.parked(tx) == []


class Always:
    """A turn that nobody takes."""

    def check(self) -> None:
        return


class Spoiling:
    """A writer that gives one product's documents a field that there is not."""

    def __init__(self, writer: Any, product: int) -> None:
        self._writer, self._product = writer, product

    def put(self, batch: Batch, **how: bool) -> Any:
        send = self._writer._send

        def spoilt(chunk: list[Any], tried: int = 1) -> Any:
            return send(
                [
                    replace(each, lines=each.lines.replace(b'"values":', b'"nonsense":1,"values":', 1))
                    if each.key[0] == self._product
                    else each
                    for each in chunk
                ],
                tried,
            )

        self._writer._send = spoilt
        try:
            return self._writer.put(batch, **how)
        finally:
            self._writer._send = send

    def stocked(self, product_ids: Collection[int]) -> Any:
        return self._writer.stocked(product_ids)

    def purge(self, before: int) -> int:
        return int(self._writer.purge(before))

    def commit(self, state: State) -> None:
        self._writer.commit(state)

    def close(self) -> None:
        self._writer.close()


def test_a_change_that_touches_many_waits_behind_later_changes(shop: Shop) -> None:
    with shop.halted():
        generation = shop.index.current() or ""
        follower = Follower(shop.database, shop.index, generation, Always())
        category = many(shop)
        while follower.step():
            pass
        shop.write('UPDATE category SET name = \'{"de": "Jegliches"}\' WHERE id = %s', category)
        last = shop.product({"de": "Nachher"})
        drain(shop.database)
        follower.step()
        assert shop.ask("nachher", None) == [last]
        with shop.database.read() as tx:
            assert queue.length(tx, generation) > 0
            assert follower.waiting(tx) > 0
        while follower.step():
            pass
        with shop.database.read() as tx:
            assert queue.length(tx, generation) == follower.waiting(tx) == 0
        follower.close()
        assert shop.answer("jegliches", None).total == MOST_AT_ONCE + 200
        assert verify.verify(shop.database, shop.index).faults == ()


def many(shop: Shop) -> int:
    """A category with more products than are taken up at once."""
    made = "INSERT INTO category (code, name) VALUES ('all', '{\"de\": \"Alles\"}') RETURNING id"
    ((category,),) = shop.write(made)
    shop.write(
        'WITH p AS (INSERT INTO product (product_type_id, name) SELECT 1, \'{"de": "Masse"}\''
        " FROM generate_series(1, %s) RETURNING id)"
        " INSERT INTO product_category (product_id, category_id) SELECT id, %s FROM p",
        MOST_AT_ONCE + 200,
        category,
    )
    drain(shop.database)
    return int(category)


def test_one_process_writes_at_a_time_and_a_lost_turn_is_noticed(
    index: ElasticsearchIndex, database: Database
) -> None:
    other = ElasticsearchIndex(index.client, index.alias.removesuffix("-products"), database)
    with index.writing() as mine, other.writing() as theirs:
        assert (mine is None, theirs is None) == (False, True)
        assert mine
        mine.check()
        with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(
                sa.text(
                    "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND pid <> pg_backend_pid()"
                )
            )
        with pytest.raises(LostTurnError):
            mine.check()
        with other.writing() as theirs_now:
            assert theirs_now is not None
    with index.writing() as again:
        assert again is not None


def test_a_rebuild_that_was_killed_goes_on_where_it_stopped(
    index: ElasticsearchIndex, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = Shop(database, index)
    shop.write(SHOP)
    products = [shop.product({"de": "Baustein"}) for _ in range(6)]
    drain(database)
    old = rebuild(database, index)
    monkeypatch.setattr("search.rebuild.BATCH", 2)
    monkeypatch.setattr("search.rebuild.BETWEEN_COMMITS", 2)
    built: list[int] = []

    def dying(done: int, _: int) -> None:
        built.append(done)
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rebuild(database, index, dying)
    assert index.current() == old
    assert shop.ask("baustein") == products
    index.tidy()
    (half,) = index.unfinished()
    late = shop.product({"de": "Baustein"})
    drain(database)
    built.clear()
    assert rebuild(database, index, lambda done, _: built.append(done)) == half
    assert built[0] == 4
    assert shop.ask("baustein") == [*products, late]
    assert verify.verify(database, index).faults == ()
    index.tidy()
    assert index.unfinished() == []


def test_an_index_of_other_rules_is_told_and_built_anew(shop: Shop) -> None:
    shop.product({"de": "Rest"})
    shop.settle()
    generation = shop.index.current() or ""
    with shop.halted():
        state = shop.index.opened(generation).state()
        shop.index.writer(generation).commit(replace(state, mapping="other"))
        assert app.ready(shop.database, shop.index).outdated
    eventually(lambda: shop.index.current() not in (generation, None), 60)
    assert not app.ready(shop.database, shop.index).outdated


@pytest.mark.parametrize("running", [False, True], ids=["alone", "beside the relay"])
def test_verify_finds_planted_faults_and_repairs_them(shop: Shop, running: bool) -> None:
    lost, altered = (shop.product({"de": f"Prüfling {name}"}) for name in ("eins", "zwei"))
    shop.settle()
    generation = shop.index.current() or ""
    with shop.halted():
        assert verify.verify(shop.database, shop.index).faults == ()
        with shop.database.read() as tx:
            batch = build(tx, [lost, altered])
        documents = {each.key: each for each in batch.documents}
        wrong = replace(documents[altered, WEB], texts={"de": {"title": ["Falsch"]}})
        stray = replace(documents[altered, None], product_id=10**9)
        writer = shop.index.writer(generation)
        writer.put(Batch(batch.sequence, (lost,), (documents[lost, None],), batch.channels), repair=True)
        writer.put(
            Batch(batch.sequence, (altered,), (documents[altered, None], wrong), batch.channels), repair=True
        )
        writer.put(Batch(batch.sequence, (10**9,), (stray,), batch.channels), repair=True)
        with shop.index.reading() as reader:
            reader.refresh()
        if not running:
            check(shop, lost, altered)
    if running:
        eventually(lambda: _taken(shop))
        check(shop, lost, altered)


def _taken(shop: Shop) -> bool:
    with shop.index.writing() as turn:
        return turn is None


def check(shop: Shop, lost: int, altered: int) -> None:
    wanted = {((lost, WEB), "missing"), ((altered, WEB), "different"), ((10**9, None), "extra")}
    report = verify.verify(shop.database, shop.index)
    assert {(fault.key, fault.kind) for fault in report.faults} == wanted
    assert next(fault for fault in report.faults if fault.kind == "different").parts == ("texts",)
    repaired = verify.verify(shop.database, shop.index, repair=True)
    assert (len(repaired.faults), repaired.remaining) == (3, 0)
    assert verify.verify(shop.database, shop.index).faults == ()


def test_an_engine_that_is_away_is_told_in_a_sentence(database: Database) -> None:
    away = ElasticsearchIndex(connected(Settings(elasticsearch_url="http://127.0.0.1:9")), "hub", database)
    ready = app.ready(database, away)
    assert ready.problem == "The search engine cannot be reached: reads by id still work."
    with pytest.raises(UnavailableError, match="cannot be reached"):
        Shop(database, away).ask("x")


def test_two_thousand_attributes_add_no_field(index: ElasticsearchIndex, database: Database) -> None:
    shop = Shop(database, index)
    shop.write(SHOP)
    shop.write(
        "INSERT INTO attribute (code, type, searchable, filterable, facet, localizable, per_channel)"
        " SELECT 'a' || n, 'text', true, true, true, true, true FROM generate_series(1, 2000) n"
    )
    shop.write(
        "INSERT INTO locale (code) VALUES ('it'), ('es'), ('nl'), ('sv'), ('pl'), ('ja'), ('tr');"
        "INSERT INTO channel (code, currency, order_prefix) VALUES ('third', 'EUR', 'T');"
        "INSERT INTO channel_locale (channel_id, locale_id, position) SELECT 3, id, id FROM locale"
    )
    attributes = {
        f"a{number}": {
            channel: dict.fromkeys(
                ("de", "en", "fr", "it", "es", "nl", "sv", "pl", "ja", "tr"), f"{channel} {number}"
            )
            for channel in ("web", "market", "third")
        }
        for number in range(1, 2001)
    }
    product = shop.product({"de": "Vielfalt"}, attributes=attributes, channels=(WEB, MARKET, 3))
    drain(database)
    generation = rebuild(database, index)
    assert generation
    mapping = index.client.indices.get_mapping(index=generation)[generation]["mappings"]
    from search.elasticsearch_mapping import PROPERTIES

    assert mapping["properties"].keys() == PROPERTIES.keys()
    assert shop.ask("1977", 3, "tr") == [product]
    with database.read() as tx:
        assert feed.position(tx, "search") is None
