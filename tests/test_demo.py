"""The demo: the same shop every time, whole, with all that a shop has that is not as it should be."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from hub import gtin, mapping, registry
from hub.attribute import TYPES
from hub.cli_demo import settled, summary
from hub.config import Settings
from hub.db import Database
from hub.demo import attribute, item, sample
from hub.demo.fill import LOCK, Report, fill
from hub.demo.shop import Shop, State, chosen, state
from hub.errors import InUse, Invalid
from hub.file_store import Folder
from tests.running import free_port, wait_until
from tests.shop import written

NOT_COMPARED = {"provenance", "opened_at", "file_key"}
"""What tells the moment of the fill, or is a secret of its own."""

HOUSE = Path(__file__).parent.parent
SHOP = Shop(0.02, date(2026, 3, 1))
Row = dict[str, Any]
Numbers = dict[str, dict[int, int]]


def quiet(_title: str, _done: int, _total: int) -> None:
    """Nobody watches."""


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("assets")


@pytest.fixture(scope="module")
def report(module_database: Database, pictures: Path) -> Report:
    return fill(module_database, SHOP, Folder(pictures), quiet)


@pytest.fixture
def shop(module_database: Database, report: Report) -> Iterator[sa.Connection]:
    """A look into the filled shop."""
    assert report.made
    with module_database.read() as tx:
        yield tx


def dump(database: Database) -> dict[str, list[Row]]:
    """All that is kept, with ids counted from 0: a sequence may leave numbers out, and time tells when it was written."""
    with database.read() as tx:
        rows = {part.name: _rows(tx, part.table) for part in registry.parts()}
    numbers = {name: {row["id"]: place for place, row in enumerate(of)} for name, of in rows.items()}
    return {
        part.name: [_counted(part.table, row, numbers) for row in rows[part.name]]
        for part in registry.parts()
    }


def _rows(tx: sa.Connection, table: sa.Table) -> list[Row]:
    columns = [column for column in table.columns if column.name not in NOT_COMPARED]
    return [dict(row) for row in tx.execute(sa.select(*columns).order_by(table.c.id)).mappings()]


def _counted(table: sa.Table, row: Row, numbers: Numbers) -> Row:
    found: Row = _referring(row, numbers) | {"id": numbers[table.name][row["id"]]}
    for column in table.columns:
        for key in column.foreign_keys:
            if key.column.name == "id" and row[column.name] is not None:
                found[column.name] = numbers[key.column.table.name][row[column.name]]
    if table.name == "external_id":
        found["entity_id"] = numbers[row["entity"]][row["entity_id"]]
        found["aggregate_id"] = numbers[row["aggregate"]][row["aggregate_id"]]
    return found


def _referring(value: Any, numbers: Numbers) -> Any:
    if isinstance(value, dict):
        if set(value) == {"type", "id"} and value["type"] in numbers and "sku" not in value:
            return {"type": value["type"], "id": numbers[value["type"]][value["id"]]}
        return {name: _referring(one, numbers) for name, one in value.items()}
    return [_referring(one, numbers) for one in value] if isinstance(value, list) else value


def one(tx: sa.Connection, statement: str) -> Any:
    return tx.execute(sa.text(statement)).scalar()


def column(tx: sa.Connection, statement: str) -> list[Any]:
    return list(tx.execute(sa.text(statement)).scalars())


def test_two_fills_are_the_same(
    module_database: Database, report: Report, database: Database, tmp_path: Path
) -> None:
    again = fill(database, SHOP, Folder(tmp_path), quiet)
    assert again == report
    first, second = dump(module_database), dump(database)
    for name, rows in first.items():
        assert rows == second[name], name


def test_the_shop_is_as_large_as_it_says(shop: sa.Connection) -> None:
    counted = {
        "channel": 3,
        "locale": 3,
        "location": 3,
        "product_type": 8,
        "product": 40,
        "customer": 100,
        "order": 400,
    }
    for table, count in counted.items():
        assert one(shop, f'SELECT count(*) FROM "{table}"') == count, table
    assert set(column(shop, "SELECT currency FROM channel")) == {"EUR", "USD"}
    variants = one(shop, "SELECT count(*) FROM variant")
    assert one(shop, "SELECT count(*) FROM stock") == 3 * variants


def test_the_report_counts_what_is_there(shop: sa.Connection, report: Report) -> None:
    assert sum(report.kept.values()) == 0
    for noun, made in report.made.items():
        assert one(shop, f'SELECT count(*) FROM "{noun}"') == made, noun


def test_the_usual_shop_has_its_size_and_no_name_twice() -> None:
    usual = Shop(1, SHOP.day)
    items = [item.Item(number) for number in range(usual.products)]
    choices = [choice for each in items for choice in each.choices]
    assert (usual.products, usual.customers, usual.orders) == (2_000, 5_000, 20_000)
    assert 5_000 <= len(choices) <= 8_000
    assert len({each.slug for each in items}) == len(items)
    assert len({choice.sku for choice in choices}) == len(choices)
    assert len({gtin.parse(choice.gtin) for choice in choices}) == len(choices)


def test_every_variant_has_a_valid_gtin_of_its_own(shop: sa.Connection) -> None:
    values = column(shop, "SELECT value FROM identifier WHERE type = 'gtin'")
    assert len(values) == len(set(values)) == one(shop, "SELECT count(*) FROM variant")
    assert all(gtin.parse(value) == value and value.startswith("02") for value in values)


def test_every_order_adds_up(shop: sa.Connection) -> None:
    for number, status, subtotal, shipping, tax, total, included, placed in shop.execute(
        sa.text(
            "SELECT number, status, subtotal, shipping_total, tax_total, total, tax_included, placed_at"
            ' FROM "order"'
        )
    ):
        lines = shop.execute(
            sa.text(
                'SELECT l.* FROM order_line l JOIN "order" o ON o.id = l.order_id WHERE o.number = :number'
            ),
            {"number": number},
        ).mappings()
        sums = [line["quantity"] * line["unit_price"] - line["discount"] for line in lines]
        assert sums, number
        assert sum(sums) == subtotal, number
        assert subtotal + shipping + (0 if included else tax) == total, number
        assert (placed is None) == (status == "draft"), number


def test_orders_are_numbered_without_a_gap_and_stand_differently(shop: sa.Connection) -> None:
    for prefix in ("WEB-", "US-", "MP-"):
        numbers = column(shop, f"SELECT number FROM \"order\" WHERE number LIKE '{prefix}%' ORDER BY id")
        assert numbers == [f"{prefix}{1001 + place}" for place in range(len(numbers))]
    assert len(set(column(shop, 'SELECT status FROM "order"'))) >= 5


def test_what_was_sent_came_back_and_was_paid_back_fits_the_orders(shop: sa.Connection) -> None:
    lines = """SELECT status, sum(quantity), sum(fulfilled), sum(returned)
        FROM order_line l JOIN "order" o ON o.id = l.order_id GROUP BY status"""
    pieces = {row[0]: row[1:] for row in shop.execute(sa.text(lines))}
    for status in ("fulfilled", "closed"):
        assert pieces[status][0] == pieces[status][1]
    for status in ("draft", "placed", "confirmed", "cancelled"):
        assert pieces.get(status, (0, 0, 0))[1] == 0
    assert 0 < pieces["partly_fulfilled"][1] < pieces["partly_fulfilled"][0]
    orders, returns = (
        one(shop, 'SELECT count(*) FROM "order"'),
        one(shop, "SELECT count(*) FROM order_return"),
    )
    assert 0.03 < returns / orders < 0.1
    assert one(shop, "SELECT count(*) FROM refund") == returns
    assert len(set(column(shop, "SELECT reason FROM order_return_line"))) >= 4
    assert one(shop, "SELECT count(*) FROM fulfilment f GROUP BY order_id ORDER BY 1 DESC LIMIT 1") == 2
    moments = sa.text("""SELECT count(*) FROM "order" o JOIN fulfilment f ON f.order_id = o.id
        LEFT JOIN order_return r ON r.order_id = o.id LEFT JOIN refund c ON c.order_id = o.id
        WHERE f.shipped_at < o.placed_at OR r.returned_at < f.shipped_at OR c.refunded_at < r.returned_at
        OR greatest(f.shipped_at, c.refunded_at) > :today""")
    assert shop.execute(moments, {"today": SHOP.today}).scalar_one() == 0


def test_values_of_every_type_occur(shop: sa.Connection) -> None:
    used = column(
        shop,
        "SELECT DISTINCT a.type FROM attribute a JOIN (SELECT jsonb_object_keys(attributes) code FROM product"
        " UNION SELECT jsonb_object_keys(attributes) FROM variant"
        " UNION SELECT jsonb_object_keys(axes) FROM variant) u USING (code)",
    )
    assert set(used) == set(TYPES)


@pytest.mark.parametrize(
    "flaw",
    [
        "description = '{}'",
        "NOT name ? 'fr'",
        "NOT EXISTS (SELECT FROM product_asset a WHERE a.product_id = product.id)",
        "NOT EXISTS (SELECT FROM listing l WHERE l.product_id = product.id)",
        "NOT EXISTS (SELECT FROM price p WHERE p.product_id = product.id)",
        "EXISTS (SELECT FROM listing l WHERE l.product_id = product.id AND ends_at < :today)",
        "EXISTS (SELECT FROM listing l WHERE l.product_id = product.id AND starts_at > :today)",
        "EXISTS (SELECT FROM price p WHERE p.product_id = product.id AND starts_at > :today)",
        "EXISTS (SELECT FROM price p WHERE p.product_id = product.id AND min_quantity > 1)",
        "EXISTS (SELECT FROM price p WHERE p.product_id = product.id AND company_id IS NOT NULL)",
        "EXISTS (SELECT FROM price p WHERE p.product_id = product.id AND compare_at > amount)",
        "attributes::text LIKE '%not_applicable%'",
    ],
)
def test_some_products_are_special_and_most_are_not(shop: sa.Connection, flaw: str) -> None:
    statement = sa.text(f"SELECT count(*) FROM product WHERE {flaw}")
    values = {"today": SHOP.today} if ":today" in flaw else {}
    assert 0 < shop.execute(statement, values).scalar_one() < SHOP.products


def test_every_picture_that_is_named_is_drawn(shop: sa.Connection, pictures: Path, report: Report) -> None:
    files = {address.removeprefix("hub:files/") for address in column(shop, "SELECT address FROM asset")}
    assert files == {path.name for path in pictures.glob("??/*")}
    assert len(files) == report.pictures
    assert all((pictures / name[:2] / name).read_bytes()[8:12] == b"WEBP" for name in files)


def test_an_interrupted_fill_is_resumed(
    module_database: Database, report: Report, database: Database, tmp_path: Path
) -> None:
    def break_off(title: str, done: int, _: int) -> None:
        if title == "Customers" and done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fill(database, SHOP, Folder(tmp_path), break_off)
    with database.read() as tx:
        assert state(tx) == State(SHOP, filled=False)
    resumed = fill(database, SHOP, Folder(tmp_path), quiet)
    assert resumed.kept["product"] == SHOP.products
    assert resumed.made["order"] == SHOP.orders
    assert resumed.made + resumed.kept == report.made
    assert "Customer           100 = 0 made + 100 there before" in summary(resumed)
    assert "Order              400 = 400 made + 0 there before" in summary(resumed)
    assert dump(database) == dump(module_database)
    with database.read() as tx:
        assert state(tx) == State(SHOP, filled=True)


def test_other_data_is_left_alone(database: Database) -> None:
    written(database, "location", {"code": "mine"})
    with database.read() as tx, pytest.raises(InUse, match="holds data that is not the demo's"):
        state(tx)


def test_icecat_goes_into_the_same_hub() -> None:
    """An attribute that both have must be of one shape: the import is refused otherwise."""
    imported = {each.code: each.definition("en") for each in mapping.load("icecat").attributes}
    shape = ("type", "unit_family", "localizable")
    for own in attribute.rows():
        other = imported.get(own["code"], own)
        assert [own.get(part, False) for part in shape] == [other.get(part, False) for part in shape], own


def test_one_fill_at_a_time(database: Database, tmp_path: Path) -> None:
    with database.engine.connect() as other:
        other.execute(sa.select(sa.func.pg_advisory_lock(LOCK)))
        with pytest.raises(InUse, match="Another process"):
            fill(database, SHOP, Folder(tmp_path), quiet)


def test_another_scale_is_refused() -> None:
    assert chosen(State(SHOP, filled=True), None, date(2027, 1, 1)) == SHOP
    with pytest.raises(Invalid, match=r"at scale 0\.02, not 3"):
        chosen(State(SHOP, filled=True), 3, date(2027, 1, 1))
    with pytest.raises(Invalid, match="out of range"):
        chosen(State(None, filled=False), -1, date(2027, 1, 1))


def test_production_is_refused() -> None:
    settings = Settings(env="production", database_url="postgresql://h/d", secret_key="x" * 40)
    with pytest.raises(Invalid, match="production"):
        settled(settings)


def test_the_demo_serves_tells_and_starts_again(database_url: str, tmp_path: Path) -> None:
    with started(database_url, tmp_path, "--scale", "0.01") as (told, output):
        assert set(told) == {"url", "graphql", "tokens", "channels"}
        assert told["channels"] == ["web", "us", "marketplace"]
        assert stat.S_IMODE((tmp_path / "demo.json").stat().st_mode) == 0o600
        for query in (*sample.QUERIES, sample.SUBSCRIBE, sample.CHANGE):
            answer = asked(told, query)
            assert "errors" not in answer, answer
            assert all(answer["data"].values()), (query.title, answer)
            assert '"userErrors": [{' not in json.dumps(answer)
        page = asked(told, sample.QUERIES[0])["data"]["product"]
        with urllib.request.urlopen(told["url"] + page["assets"][0]["asset"]["url"], timeout=10) as file:
            assert file.headers["content-type"] == "image/webp"
        second = subprocess.run(
            [sys.executable, "-m", "hub", "demo"],
            env=os.environ
            | {
                "HUB_DATABASE_URL": database_url,
                "HUB_VAR": str(tmp_path),
                "HUB_PORT": told["url"].rsplit(":", 1)[1],
            },
            cwd=HOUSE,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (second.returncode, "set HUB_PORT" in second.stderr) == (1, True), second.stderr
        assert json.loads((tmp_path / "demo.json").read_text()) == told
        cups = asked(told, sample.QUERIES[1])["data"]["products"]["nodes"]
        assert cups
        assert all("cup" in cup["slug"] and "asse" in cup["name"] for cup in cups)
    assert not (tmp_path / "demo.json").exists()
    text = output()
    assert all(token in text for token in told["tokens"].values())
    with started(database_url, tmp_path) as (again, output):
        assert again["tokens"] == told["tokens"]
    assert "The demo of" in output()
    assert "Filled in" not in output()


class started:  # noqa: N801 - reads as a word in ``with``
    """``hub demo`` as a process of its own, interrupted as a person would; gives what it told and how to read its output."""

    def __init__(self, url: str, var: Path, *options: str) -> None:
        self._var = var
        self._log = var / "output.txt"
        environment = os.environ | {
            "HUB_DATABASE_URL": url,
            "HUB_VAR": str(var),
            "HUB_PORT": str(free_port()),
        }
        command = [sys.executable, "-m", "hub", "demo", *options]
        with self._log.open("w") as log:
            self._process = subprocess.Popen(command, env=environment, cwd=HOUSE, stdout=log, stderr=log)

    def __enter__(self) -> tuple[dict[str, Any], Callable[[], str]]:
        file = self._var / "demo.json"
        wait_until(lambda: file.exists() or self._process.poll() is not None, seconds=150)
        assert file.exists(), self._log.read_text()
        return json.loads(file.read_text()), self._log.read_text

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGINT)
        assert self._process.wait(60) in (0, 1, 130, -signal.SIGINT), self._log.read_text()


def asked(told: dict[str, Any], query: sample.Sample) -> dict[str, Any]:
    """The answer to a sample, sent as the demo says."""
    headers = {
        "content-type": "application/json",
        "authorization": f"Bearer {told['tokens'][query.token]}",
    }
    body = json.dumps({"query": query.document}).encode()
    with urllib.request.urlopen(urllib.request.Request(told["graphql"], body, headers), timeout=30) as answer:
        found: dict[str, Any] = json.load(answer)
        return found
