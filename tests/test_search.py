from __future__ import annotations

import random
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import psycopg
import pytest
from typer.testing import CliRunner

from hub import cli_search, feed, migrations, postgres, sequencer
from hub.db import Database
from hub.errors import Invalid, Limit
from search import affected, app, lane, verify
from search.document import Batch
from search.engine import Index, UnavailableError
from search.product import build
from search.query import Question, Step, find
from search.rebuild import rebuild
from search.tantivy_index import TantivyIndex
from search.tantivy_reader import TantivyReader
from search.tantivy_writer import TantivyWriter
from tests import capturing
from tests.searching import MARKET, SHOP, WEB, Shop, eventually


@pytest.fixture(scope="module")
def shop(module_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    made = Shop(module_database, tmp_path_factory.mktemp("search"))
    made.write(SHOP)
    made.follow()
    yield made
    made.halt()


@pytest.fixture
def empty(tmp_path: Path) -> Index:
    return TantivyIndex(tmp_path / "search")


# Asking


def test_german_words_are_found_in_their_other_forms(shop: Shop) -> None:
    product = shop.product({"de": "Schöne Häuser für Igel"})
    eventually(lambda: shop.ask("Igel") == [product])
    assert shop.ask("haus schön") == [product]
    assert shop.ask("HÄUSERN") == [product]
    assert shop.answer("haus", locale="en").step is Step.BEGINNINGS


def test_english_words_are_found_in_their_other_forms(shop: Shop) -> None:
    product = shop.product({"de": "Laufschuh", "en": "Running shoes"})
    eventually(lambda: shop.ask("run shoe", locale="en") == [product])
    assert shop.answer("run", locale="de").step is not Step.ALL_WORDS


def test_a_text_is_searched_where_it_is_shown_by_fallback(shop: Shop) -> None:
    product = shop.product({"de": "Zwirnspule"})
    eventually(lambda: shop.ask("zwirnspule", locale="en") == [product])


def test_products_with_all_terms_come_before_those_with_some(shop: Shop) -> None:
    some = shop.product({"de": "Kupferkessel Kupferkessel Kupferkessel"})
    every = shop.product(
        {"de": "Deckel"}, description={"de": "Ein langer Text, in dem zuletzt der Kupferkessel vorkommt"}
    )
    eventually(lambda: shop.ask("kupferkessel deckel") == [every, some])


def test_a_title_weighs_more_than_a_description(shop: Shop) -> None:
    described = shop.product({"de": "Etwas"}, description={"de": "Quitte"})
    named = shop.product({"de": "Quitte"})
    eventually(lambda: shop.ask("quitte") == [named, described])


def test_words_that_say_nothing_need_not_match(shop: Shop) -> None:
    product = shop.product({"de": "Rahmen Zeder"})
    eventually(lambda: shop.ask("zeder") == [product])
    assert shop.answer("ein Rahmen für die Zeder").hits[0].score > 500


@pytest.mark.parametrize(
    "typed",
    [
        lambda gtin: gtin,
        lambda gtin: f"{gtin[0]} {gtin[1:7]}-{gtin[7:]}",
        lambda gtin: gtin.zfill(14),
        lambda gtin: f" {gtin}. ",
    ],
)
def test_a_gtin_is_found_however_it_is_typed(shop: Shop, typed: Callable[[str], str]) -> None:
    product = shop.product({"de": "Ding"})
    digits = shop.gtin(product)
    eventually(lambda: shop.ask(typed(digits))[:1] == [product])
    assert shop.answer(typed(digits)).hits[0].score >= 10_000


def test_a_part_number_stands_above_every_other_match(shop: Shop) -> None:
    loud = shop.product({"de": "PN 77-a PN 77-a PN 77-a"})
    quiet = shop.product({"de": "Rest"})
    shop.identify(quiet, "mpn", "PN-77/A")
    eventually(lambda: shop.ask("pn 77a")[:1] == [quiet])
    eventually(lambda: shop.ask("pn-77 a") == [quiet, loud])


def test_a_sku_is_found_whole_and_by_its_parts(shop: Shop) -> None:
    product = shop.product({"de": "Rest"}, sku="ZX/0081-b")
    eventually(lambda: shop.ask("zx0081B") == [product])
    assert shop.ask("0081") == [product]


def test_external_ids_are_found_by_staff_alone(shop: Shop) -> None:
    product = shop.product({"de": "Rest"})
    shop.write(
        "INSERT INTO external_id (entity, entity_id, aggregate, aggregate_id, system, value)"
        " VALUES ('product', %s, 'product', %s, 'erp', 'E-9917')",
        product,
        product,
    )
    eventually(lambda: shop.ask("e9917", None, None) == [product])
    assert shop.ask("e9917") == []


def test_searchable_attributes_are_found_and_others_not(shop: Shop) -> None:
    said = {
        "brand": {"*": {"*": "007"}},
        "material": {"*": {"de": "Kirschholz"}, "market": {"en": "Plumwood"}},
        "secret": {"*": {"*": "Geheim"}},
    }
    product = shop.product({"de": "Rest"}, attributes=said, channels=(WEB, MARKET))
    eventually(lambda: shop.ask("nordlicht kirschholz") == [product])
    assert shop.ask("northlight", locale="en") == [product]
    assert shop.ask("plumwood", MARKET, "en") == [product]
    assert shop.ask("plumwood") == shop.ask("geheim") == shop.ask("geheim", None, None) == []
    assert shop.ask("plumwood kirschholz", None, None) == [product]


@pytest.mark.parametrize("text", ["!?%&/()", "\x00\x07", "\U0001f600", '"((', "zzzzqqqq"])
def test_a_text_that_says_nothing_finds_nothing(shop: Shop, text: str) -> None:
    eventually(lambda: shop.answer(text).step is Step.NOTHING)
    assert shop.answer(text).hits == ()


def test_wild_texts_are_texts(shop: Shop) -> None:
    product = shop.product({"de": "Sternchen AND OR NOT"})
    eventually(lambda: shop.ask("sternchen") == [product])
    for text in ('"sternchen', "sternchen*", "title_de:sternchen", "+sternchen -[a TO b]", "(sternchen"):
        assert product in shop.ask(text), text


def test_too_long_a_text_is_refused(shop: Shop) -> None:
    with pytest.raises(Limit, match="1001 characters"):
        shop.answer("x" * 1001)
    with pytest.raises(Limit, match="33 different words"):
        shop.answer(" ".join(f"w{number}" for number in range(33)))


def test_only_what_is_wanted_is_found(shop: Shop) -> None:
    products = [shop.product({"de": "Auswahl"}) for _ in range(3)]
    eventually(lambda: shop.ask("auswahl") == products)
    assert shop.ask("auswahl", within=products[1:]) == products[1:]
    assert shop.ask("auswahl", within=[]) == []


# Paging


def pages(shop: Shop, text: str, first: int, between: Callable[[], object] = lambda: None) -> list[int]:
    question, found, after = Question(text, WEB, "de"), list[int](), None
    while True:
        page = find(shop.index, question, first=first, after=after)
        found += [hit.product_id for hit in page.hits]
        assert page.total == 23
        if not page.has_next:
            return found
        after = page.hits[-1].cursor
        between()


def test_pages_hold_each_equal_hit_once_even_while_the_index_is_built_anew(shop: Shop) -> None:
    products = [shop.product({"de": "Zwilling"}) for _ in range(20)]
    products += [shop.product({"de": "Zwilling und noch mehr"}) for _ in range(3)]
    eventually(lambda: len(shop.ask("zwilling")) == 23)
    assert pages(shop, "zwilling", 7) == products
    assert pages(shop, "zwilling", 1) == products
    assert pages(shop, "zwilling", 5, lambda: rebuild(shop.database, shop.index)) == products


def test_a_cursor_of_another_question_is_refused(shop: Shop) -> None:
    products = [shop.product({"de": "Fremdling"}) for _ in range(2)]
    eventually(lambda: shop.ask("fremdling") == products)
    cursor = find(shop.index, Question("fremdling", WEB, "de"), first=1).hits[0].cursor
    with pytest.raises(Invalid, match="another search"):
        find(shop.index, Question("anders", WEB, "de"), first=1, after=cursor)
    with pytest.raises(Invalid, match="not a cursor"):
        find(shop.index, Question("fremdling", WEB, "de"), first=1, after="nonsense")
    with pytest.raises(Limit, match="first 10000 hits"):
        find(shop.index, Question("fremdling", WEB, "de"), first=10_001)


# What is shown where


def test_what_is_not_listed_is_for_staff_alone(shop: Shop) -> None:
    product = shop.product({"de": "Entwurf"}, channels=())
    eventually(lambda: shop.ask("entwurf", None) == [product])
    assert shop.ask("entwurf", WEB) == []


def test_each_channel_shows_what_is_listed_there(shop: Shop) -> None:
    product = shop.product({"en": "Lantern"}, channels=(WEB, MARKET))
    eventually(lambda: shop.ask("lantern", MARKET, "en") == shop.ask("lantern", WEB, "en") == [product])
    shop.write("DELETE FROM listing WHERE product_id = %s AND channel_id = %s", product, MARKET)
    eventually(lambda: shop.ask("lantern", MARKET, "en") == [])
    assert shop.ask("lantern", WEB, "en") == shop.ask("lantern", None, "en") == [product]


def test_a_window_opens_and_closes_at_its_moment(shop: Shop) -> None:
    product = shop.product({"de": "Fensterware"}, channels=())
    now = datetime.now(UTC)
    windows = [(now + timedelta(days=1), now + timedelta(days=2)), (now + timedelta(days=3), None)]
    for window in windows:
        shop.write(
            "INSERT INTO listing (product_id, channel_id, starts_at, ends_at) VALUES (%s, 1, %s, %s)",
            product,
            *window,
        )
    eventually(lambda: shop.ask("fensterware", moment=now + timedelta(days=9)) == [product])
    found = [
        bool(shop.ask("fensterware", moment=now + timedelta(days=days))) for days in (0, 1, 1.5, 2, 2.5, 3, 4)
    ]
    assert found == [False, True, True, False, False, True, True]


def test_a_window_that_ends_hides_at_once_without_the_relay(shop: Shop) -> None:
    product = shop.product({"de": "Eintagsfliege"}, channels=())
    end = datetime.now(UTC) + timedelta(seconds=2)
    shop.write("INSERT INTO listing (product_id, channel_id, ends_at) VALUES (%s, 1, %s)", product, end)
    eventually(lambda: shop.ask("eintagsfliege") == [product])
    with shop.halted():
        time.sleep(max((end - datetime.now(UTC)).total_seconds(), 0))
        assert shop.ask("eintagsfliege") == []


# How a change travels


def psql(shop: Shop, statement: str) -> None:
    """Commit as someone who knows nothing of the hub."""
    url = postgres.libpq(shop.database.engine.url.render_as_string(hide_password=False))
    with psycopg.connect(url) as connection:
        connection.execute(statement.encode())


def test_a_change_made_in_psql_is_found_within_a_second(shop: Shop) -> None:
    product = shop.product({"de": "Rest"})
    took = list[float]()
    for word in ("Morgentau", "Abendrot", "Mittagsruh"):
        psql(shop, f"""UPDATE product SET name = '{{"de": "{word}"}}' WHERE id = {product}""")
        took.append(eventually(lambda word=word: shop.ask(word) == [product]))  # type: ignore[misc]
    # The best of three: neighbours on the machine must not decide.
    assert min(took) < 1


def test_a_price_arrives(shop: Shop) -> None:
    product = shop.product({"de": "Rest"})
    shop.write(
        "INSERT INTO price (product_id, variant_id, price_list_id, amount, currency)"
        " SELECT product_id, id, 1, 10.50, 'EUR' FROM variant WHERE product_id = %s",
        product,
    )
    eventually(lambda: shop.price(product) == "10.5")
    shop.write("UPDATE price SET amount = 8 WHERE product_id = %s", product)
    eventually(lambda: shop.price(product) == "8")
    assert shop.price(product, None) is None


def test_a_product_that_is_deleted_is_gone(shop: Shop) -> None:
    product = shop.product({"de": "Vergänglich"})
    eventually(lambda: shop.ask("vergänglich") == [product])
    shop.write("DELETE FROM product WHERE id = %s", product)
    eventually(lambda: shop.ask("vergänglich") == shop.ask("vergänglich", None) == [])
    assert shop.content(product) is None


def test_what_a_product_shows_of_others_is_followed(shop: Shop) -> None:
    shop.write(
        "INSERT INTO product_type (code, name) VALUES ('t2', '{\"de\": \"Altart\"}');"
        "INSERT INTO category (code, name) VALUES ('c2', '{\"de\": \"Altrubrik\"}');"
        "INSERT INTO category (code, parent_id) SELECT 'c3', id FROM category WHERE code = 'c2';"
        "INSERT INTO asset (code, address, alt) VALUES ('a2', 'https://a.example/a.png', '{\"de\": \"Altbild\"}');"
        "INSERT INTO attribute_option (attribute_id, code, name) VALUES (1, 'o2', '{\"de\": \"Altmarke\"}')"
    )
    product = shop.product({"de": "Rest"}, attributes={"brand": {"*": {"*": "o2"}}})
    shop.write(
        f"UPDATE product SET product_type_id = (SELECT id FROM product_type WHERE code = 't2') WHERE id = {product};"
        f"INSERT INTO product_category (product_id, category_id) SELECT {product}, id FROM category WHERE code = 'c3';"
        f"INSERT INTO product_asset (product_id, asset_id) SELECT {product}, id FROM asset WHERE code = 'a2'"
    )
    for word, change in {
        "art": "UPDATE product_type SET name = '{\"de\": \"Neuart\"}' WHERE code = 't2'",
        "rubrik": "UPDATE category SET name = '{\"de\": \"Neurubrik\"}' WHERE code = 'c2'",
        "bild": "UPDATE asset SET alt = '{\"de\": \"Neubild\"}' WHERE code = 'a2'",
        "marke": "UPDATE attribute_option SET name = '{\"de\": \"Neumarke\"}' WHERE code = 'o2'",
    }.items():
        eventually(lambda word=word: shop.ask(f"alt{word}") == [product])  # type: ignore[misc]
        shop.write(change)
        eventually(lambda word=word: shop.ask(f"neu{word}") == [product])  # type: ignore[misc]
        assert shop.ask(f"alt{word}") == []


def test_an_option_named_after_it_was_chosen_is_followed(shop: Shop) -> None:
    said = {"brand": {"*": {"*": "spät"}}}
    held = [shop.product({"de": "Rest"}, attributes=said) for _ in range(3)]
    shop.write('UPDATE product SET attributes = \'{"brand": {"web": {"*": "spät"}}}\' WHERE id = %s', held[1])
    shop.write("UPDATE product SET attributes = '{}' WHERE id = %s", held[2])
    shop.write('UPDATE variant SET axes = \'{"brand": "spät"}\' WHERE product_id = %s', held[2])
    varied = shop.product({"de": "Rest"})
    shop.write(
        "UPDATE variant SET attributes = %s WHERE product_id = %s", orjson.dumps(said).decode(), varied
    )
    eventually(lambda: sorted(shop.ask("spät")) == [*held, varied])
    shop.write(
        "INSERT INTO attribute_option (attribute_id, code, name) VALUES (1, 'spät', '{\"de\": \"Benannt\"}')"
    )
    eventually(lambda: sorted(shop.ask("benannt")) == [*held, varied])


def test_new_options_and_names_of_an_attribute_touch_no_product(shop: Shop) -> None:
    shop.product({"de": "Rest"}, attributes={"brand": {"*": {"*": "acme"}}})
    with shop.halted():
        last = capturing.drain(shop.database)
        shop.write(
            "INSERT INTO attribute_option (attribute_id, code) SELECT 1, 'new ' || n FROM generate_series(1, 50) n"
        )
        shop.write('UPDATE attribute SET name = \'{"de": "Marke"}\' WHERE id = 1')
        capturing.drain(shop.database)
        assert touched(shop, last) == []
        shop.write("UPDATE attribute SET searchable = false WHERE id = 1")
        capturing.drain(shop.database)
        assert touched(shop, last) != []
        shop.write("UPDATE attribute SET searchable = true WHERE id = 1")


def touched(shop: Shop, after: int) -> list[int]:
    with shop.database.read() as tx:
        page = feed.page(after, limit=1000).with_only_columns(*affected.columns())
        found = affected.products(tx, tx.execute(page).mappings().all())
        return [*found.own, *found.showing]


def test_a_channel_that_changes_changes_its_documents(shop: Shop) -> None:
    product = shop.product({"de": "Rest", "fr": "Parapluie"}, channels=(MARKET,))
    eventually(lambda: shop.ask("parapluie", None) == [product])
    assert shop.ask("parapluie", MARKET, "fr") == []
    shop.write("INSERT INTO channel_locale (channel_id, locale_id, position) VALUES (2, 3, 1)")
    eventually(lambda: shop.ask("parapluie", MARKET, "fr") == [product])
    shop.write("DELETE FROM channel_locale WHERE channel_id = 2 AND locale_id = 3")
    eventually(lambda: shop.ask("parapluie", MARKET, "fr") == [])


def test_many_products_take_as_many_statements_as_one(shop: Shop) -> None:
    products = [shop.product({"de": "Zahl"}, attributes={"brand": {"*": {"*": "acme"}}}) for _ in range(30)]

    def statements(ids: list[int]) -> int:
        with shop.database.read() as tx:
            before = shop.database.statements
            assert len(build(tx, ids).documents) == 2 * len(ids)
            return shop.database.statements - before

    with shop.halted():
        assert statements(products) == statements(products[:1])


# The index and the feed


def read_everything(reader: TantivyReader) -> None:
    for product in range(1, reader.newest() + 1):
        reader.content((product, None))


def test_work_that_is_older_than_what_is_there_changes_nothing(tmp_path: Path, shop: Shop) -> None:
    index = TantivyIndex(tmp_path / "search")
    rebuild(shop.database, index)
    product = shop.product({"de": "Urfassung"})
    with shop.database.read() as tx:
        old = build(tx, [product])
    writer, state = index.writer(index.current() or ""), index.opened(index.current() or "").state()
    fresh = replace(
        old,
        sequence=old.sequence + 5,
        documents=tuple(replace(each, sequence=each.sequence + 5, texts={}) for each in old.documents),
    )
    gone = Batch(old.sequence + 9, (product,), ())
    for batch, found in ((old, True), (fresh, False), (old, False), (gone, False), (fresh, False)):
        writer.put(batch)
        writer.commit(state)
        assert [hit.product_id for hit in find(index, Question("urfassung", WEB, "de"), first=1).hits] == [
            product
        ] * found
    writer.close()
    assert index.opened(index.current() or "").sequences([product]) == {product: old.sequence + 9}


def test_the_cursor_tells_others_how_far_the_index_is(shop: Shop) -> None:
    shop.settle()

    def lag() -> int | None:
        ready = app.ready(shop.database, shop.index)
        assert ready.problem is None
        assert ready.documents > 0
        return ready.lag

    eventually(lambda: lag() == 0)
    with shop.halted():
        shop.product({"de": "Rückstand"})
        capturing.drain(shop.database)
        assert lag() == 1
    eventually(lambda: lag() == 0)


def test_without_an_index_search_says_so(empty: Index, shop: Shop) -> None:
    with pytest.raises(UnavailableError, match="no index yet"):
        find(empty, Question("x", None, None), first=1)
    assert "no index yet" in str(app.ready(shop.database, empty).problem)


def folder(shop: Shop) -> Path:
    return disk(shop).folder / (disk(shop).current() or "")


def disk(shop: Shop) -> TantivyIndex:
    assert isinstance(shop.index, TantivyIndex)
    return shop.index


def broken(shop: Shop) -> None:
    for file in folder(shop).glob("*.json"):
        file.write_text("{")


def scratched(shop: Shop) -> None:
    for file in folder(shop).glob("*.idx"):
        content = bytearray(file.read_bytes())
        content[0] ^= 255
        file.write_bytes(content)


def found_broken_by_a_reader(shop: Shop) -> None:
    for file in folder(shop).glob("*.store"):
        content = file.read_bytes()
        file.write_bytes(bytes(len(content) // 2) + content[len(content) // 2 :])
    with (
        pytest.raises(UnavailableError, match="cannot be read"),
        TantivyIndex(disk(shop).folder).reading() as reader,
    ):
        read_everything(reader)


def lost(shop: Shop) -> None:
    shutil.rmtree(disk(shop).folder)


def of_another_database(shop: Shop) -> None:
    restate(shop, origin="elsewhere")


def of_other_rules(shop: Shop) -> None:
    restate(shop, mapping="other")


def from_the_future(shop: Shop) -> None:
    restate(shop, sequence=10**9)


def restate(shop: Shop, **changes: object) -> None:
    generation = shop.index.current() or ""
    state = shop.index.opened(generation).state()
    writer = shop.index.writer(generation)
    writer.commit(replace(state, **changes))  # type: ignore[arg-type]
    writer.close()


@pytest.mark.parametrize(
    "spoil",
    [broken, scratched, found_broken_by_a_reader, lost, of_another_database, of_other_rules, from_the_future],
)
def test_an_index_that_cannot_be_carried_on_is_built_anew(shop: Shop, spoil: Callable[[Shop], None]) -> None:
    product = shop.product({"de": "Standhaft"})
    eventually(lambda: product in shop.ask("standhaft"))
    before = shop.index.current()
    with shop.halted():
        spoil(shop)
    eventually(lambda: product in shop.ask("standhaft"))
    eventually(lambda: shop.index.current() not in (before, None))
    assert verify.verify(shop.database, shop.index).faults == ()


def test_damage_that_a_reader_meets_is_mended_while_the_lane_runs(shop: Shop) -> None:
    product = shop.product({"de": "Unverwüstlich"})
    eventually(lambda: shop.ask("unverwüstlich") == [product])
    before = shop.index.current()
    for path in folder(shop).glob("*.store"):
        with path.open("r+b") as file:
            file.write(bytes(path.stat().st_size // 2))
    with pytest.raises(UnavailableError, match="cannot be read"), disk(shop).reading() as reader:
        read_everything(reader)
    eventually(lambda: shop.index.current() not in (before, None))
    eventually(lambda: shop.ask("unverwüstlich") == [product])


def test_an_index_from_a_backup_catches_up(shop: Shop, tmp_path: Path) -> None:
    shop.settle()
    with shop.halted():
        shutil.copytree(disk(shop).folder, tmp_path / "backup")
    product = shop.product({"de": "Nachzügler"})
    eventually(lambda: shop.ask("nachzügler") == [product])
    generation = shop.index.current()
    with shop.halted():
        shutil.rmtree(disk(shop).folder)
        shutil.copytree(tmp_path / "backup", disk(shop).folder)
        assert shop.ask("nachzügler") == []
    eventually(lambda: shop.ask("nachzügler") == [product])
    assert shop.index.current() == generation


def test_an_index_that_the_feed_no_longer_reaches_is_built_anew(shop: Shop) -> None:
    with shop.halted():
        product = shop.product({"de": "Verspätet"})
        last = capturing.drain(shop.database)
        shop.write("UPDATE head SET first = %s", last + 1)
        shop.write("DELETE FROM feed")
    eventually(lambda: shop.ask("verspätet") == [product])


LANE = """
import sys, threading
from pathlib import Path
from hub import models
from hub.db import Database
from search import lane
from search.tantivy_index import TantivyIndex
models.load()
lane.run(Database(sys.argv[1]), TantivyIndex(Path(sys.argv[2])), threading.Event())
"""


def test_killing_the_indexing_process_loses_nothing(shop: Shop) -> None:
    url = shop.database.engine.url.render_as_string(hide_password=False)
    chance, products = random.Random(7), list[int]()
    with shop.halted():
        stop = threading.Event()
        numbering = threading.Thread(target=sequencer.run, args=(shop.database, stop))
        numbering.start()
        for round_ in range(5):
            indexing = subprocess.Popen([sys.executable, "-c", LANE, url, str(disk(shop).folder)])
            eventually(lambda: _position(shop.database) is not None)
            until = time.monotonic() + chance.uniform(0.8, 2)
            while time.monotonic() < until:
                products.append(shop.product({"de": f"Unverloren {round_}"}))
                if chance.random() < 0.3:
                    shop.write(
                        "DELETE FROM product WHERE id = %s", products.pop(chance.randrange(len(products)))
                    )
            indexing.kill()
            indexing.wait()
        stop.set()
        numbering.join()
    shop.settle()
    report = verify.verify(shop.database, shop.index)
    assert report.faults == ()
    assert len(products) > 10
    assert set(products) >= set(shop.ask("unverloren", None)) != set()


def _position(database: Database) -> int | None:
    with database.read() as tx:
        return feed.position(tx, lane.NAME)


def test_one_process_writes_and_the_next_takes_over(shop: Shop) -> None:
    with shop.halted(), shop.index.writing() as mine, TantivyIndex(disk(shop).folder).writing() as other:
        assert (mine is None, other is None) == (False, True)
    product = shop.product({"de": "Ablösung"})
    eventually(lambda: shop.ask("ablösung") == [product])


# Verifying


def plant(shop: Shop, *products: int) -> int:
    """A document lost, one altered, one stale of a product that is gone, one twice; gives the last's id."""
    lost_, altered, doubled = products
    state = shop.index.opened(shop.index.current() or "").state()
    with shop.database.read() as tx:
        batch = build(tx, products)
    of = {each.key: each for each in batch.documents}
    writer = TantivyWriter(folder(shop))
    writer.put(
        Batch(batch.sequence, (lost_,), tuple(of[key] for key in of if key == (lost_, None))), repair=True
    )
    wrong = replace(of[altered, WEB], texts={"de": {"title": ["Falsch"]}})
    writer.put(Batch(batch.sequence, (altered,), (of[altered, None], wrong)), repair=True)
    writer.put(
        Batch(batch.sequence, (doubled,), (of[doubled, None], of[doubled, WEB], of[doubled, WEB])),
        repair=True,
    )
    writer.put(Batch(batch.sequence, (10**9,), (replace(of[altered, None], product_id=10**9),)), repair=True)
    writer.commit(state)
    writer.close()
    return 10**9


@pytest.mark.parametrize("running", [False, True], ids=["alone", "beside the relay"])
def test_verify_finds_planted_faults_and_repairs_them(shop: Shop, running: bool) -> None:
    products = [shop.product({"de": f"Prüfling {name}"}) for name in ("eins", "zwei", "drei")]
    shop.settle()
    with shop.halted():
        assert verify.verify(shop.database, shop.index).faults == ()
        foreign = plant(shop, *products)
        if not running:
            check(shop, products, foreign)
    if running:
        eventually(lambda: not _turn(shop))
        check(shop, products, foreign)


def _turn(shop: Shop) -> bool:
    with shop.index.writing() as mine:
        return mine is not None


def check(shop: Shop, products: list[int], foreign: int) -> None:
    lost_, altered, doubled = products
    wanted = {
        ((lost_, WEB), "missing"),
        ((altered, WEB), "different"),
        ((doubled, WEB), "doubled"),
        ((foreign, None), "extra"),
    }
    report = verify.verify(shop.database, shop.index)
    assert {(fault.key, fault.kind) for fault in report.faults} == wanted
    assert next(fault for fault in report.faults if fault.kind == "different").parts == ("texts",)
    assert report.remaining == 4
    repaired = verify.verify(shop.database, shop.index, repair=True)
    assert (len(repaired.faults), repaired.remaining) == (4, 0)
    assert verify.verify(shop.database, shop.index).faults == ()


def test_the_commands_rebuild_and_verify(shop: Shop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    url = shop.database.engine.url.render_as_string(hide_password=False)
    monkeypatch.setattr(migrations, "prepared", lambda _: Database(url))
    monkeypatch.setenv("HUB_VAR", str(tmp_path))
    hub = CliRunner()
    missing = hub.invoke(cli_search.app, ["verify"])
    assert (missing.exit_code, "no index yet" in missing.output) == (1, True)
    mended = hub.invoke(cli_search.app, ["verify", "--repair"])
    assert (mended.exit_code, "Faults: 0." in mended.output) == (0, True), mended.output
    built = hub.invoke(cli_search.app, ["rebuild"])
    assert (built.exit_code, "Documents: " in built.output) == (0, True), built.output
    with shop.halted():
        right = hub.invoke(cli_search.app, ["verify"])
        assert (right.exit_code, "Faults: 0. Remaining: 0." in right.output) == (0, True), right.output
        shop.product({"de": "Unbemerkt"})
        wrong = hub.invoke(cli_search.app, ["verify"])
        assert (wrong.exit_code, "is missing." in wrong.output, "Faults: 2." in wrong.output) == (
            1,
            True,
            True,
        )
        mended = hub.invoke(cli_search.app, ["verify", "--repair"])
        assert (mended.exit_code, "Remaining: 0." in mended.output) == (0, True), mended.output
        assert hub.invoke(cli_search.app, ["verify"]).exit_code == 0
