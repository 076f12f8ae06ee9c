"""Reconciliation: every difference is told with who is right, nothing is written unless asked, and only what is owned."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from hub import mapping
from hub.cli import app
from hub.db import Database, Json, Writer
from hub.errors import Required
from hub.reconcile import Difference, Source, Total, reconcile
from hub.save import save
from tests.shop import all_rows, opened, shirt, written

MAPPING = b"""
name: theirs
system: erp
key: variants[].sku
fields:
  - {from: sku, to: "variants[].sku", required: true}
  - {from: sku, to: external_ids.erp}
  - {from: title, to: name.en}
  - {from: price, to: "variants[].prices[retail]"}
"""


@pytest.fixture
def shop(database: Database) -> Database:
    opened(database)
    rules = [
        {"code": "prices", "noun": "product", "path": "variants/prices", "system": "erp"},
        {"code": "names", "noun": "product", "path": "name", "system": "pim"},
        {"code": "levels", "noun": "stock", "path": "on_hand", "system": "erp"},
    ]
    assert not [each.errors for each in written(database, "field_owner", *rules) if each.errors]
    price = {"price_list": {"key": "retail"}, "amount": "10.00"}
    for number in (1, 2, 3):
        row = shirt(f"shirt-{number}") | {"external_ids": [{"system": "erp", "id": f"shirt-{number}-red"}]}
        row["name"] = {"en": "Shirt"}
        row["variants"] = [{**row["variants"][0], "prices": [price]}]
        said(database, "hub", "product", row)
    said(database, "hub", "location", {"code": "main"})
    for number in (1, 2):
        said(database, "hub", "stock", level(number, 5))
    return database


def level(number: int, pieces: int) -> Json:
    variant = {"key": f"shirt-{number}-red"}
    return {"variant": variant, "location": {"key": "main"}, "on_hand": pieces, "safety": 1}


def said(database: Database, source: str, noun: str, row: Json) -> None:
    with database.write(Writer("hub", source)) as tx:
        (result,) = save(tx, noun, [row])
    assert not result.errors, result


def compared(
    database: Database, noun: str, folder: Path, records: list[Any], *, repair: bool = False
) -> tuple[Total, list[Difference]]:
    path = folder / "theirs.jsonl"
    path.write_text("".join(f"{each if isinstance(each, str) else json.dumps(each)}\n" for each in records))
    shown: list[Difference] = []
    by = None if noun == "stock" else mapping.parse(MAPPING, "theirs.yaml")
    total = reconcile(database, "erp", Source(noun, by, path), path, shown.append, repair=repair)
    return total, shown


THEIRS = [
    {"sku": "shirt-1-red", "title": "Shirt", "price": "10.00"},
    {"sku": "shirt-2-red", "title": "Blouse", "price": "11.50"},
    {"sku": "hat-1", "title": "Hat", "price": "3.00"},
    "{no record",
]
TOLD = [
    ("refused", "record 4", "", None, None),
    ("differs", "shirt-2-red", "/name/en", "pim", "names"),
    ("differs", "shirt-2-red", "amount", "erp", "prices"),
    ("only_here", "shirt-3-red", "", None, None),
]


def told(shown: list[Difference]) -> list[tuple[str, str, str, str | None, str | None]]:
    return [
        (each.kind, each.key, "amount" if each.path.endswith("/amount") else each.path, each.right, each.rule)
        for each in shown
    ]


def state(database: Database) -> Any:
    names = "SELECT p.slug, p.name->>'en', min(r.amount)::text FROM product p JOIN variant v ON v.product_id = p.id JOIN price r ON r.variant_id = v.id GROUP BY 1, 2 ORDER BY 1"
    return all_rows(database, names), all_rows(
        database, "SELECT type, id, version FROM aggregate ORDER BY 1, 2"
    )


def test_every_difference_is_told_with_who_is_right_and_nothing_is_written(
    shop: Database, tmp_path: Path
) -> None:
    before = state(shop)
    total, shown = compared(shop, "product", tmp_path, THEIRS)
    found = told(shown)
    new = [each for each in found if each[1] == "hat-1"]
    assert len(new) == 1, "the hat is told of, made or not"
    assert [each for each in found if each[1] != "hat-1"] == TOLD
    assert (total.records, total.same, total.different, total.only_here, total.values) == (4, 1, 1, 1, 2)
    assert total.right == {"pim": 1, "erp": 1}
    assert (shown[1].here, shown[1].there) == ("Shirt", "Blouse") or (shown[2].here, shown[2].there) == (
        "Shirt",
        "Blouse",
    )
    assert state(shop) == before


def test_a_repair_writes_what_the_other_owns_and_nothing_else(shop: Database, tmp_path: Path) -> None:
    total, _ = compared(shop, "product", tmp_path, THEIRS, repair=True)
    assert total.repaired == 1
    rows = state(shop)[0]
    assert [(name, float(amount)) for _, name, amount in rows] == [
        ("Shirt", 10),
        ("Shirt", 11.5),
        ("Shirt", 10),
    ]
    assert all_rows(shop, "SELECT count(*) FROM proposal") == [(0,)]
    again, left = compared(shop, "product", tmp_path, THEIRS, repair=True)
    assert again.repaired == 0
    assert [each.path for each in left if each.kind == "differs"] == ["/name/en"]


def test_levels_are_compared_by_sku_and_location(shop: Database, tmp_path: Path) -> None:
    theirs = [
        {"sku": "shirt-1-red", "location": "main", "on_hand": 9, "safety": 3},
        {"sku": "none", "location": "main", "on_hand": 1},
        {"sku": "shirt-1-red"},
    ]
    total, shown = compared(shop, "stock", tmp_path, theirs, repair=True)
    values = {each.path: (each.here, each.there) for each in shown if each.kind == "differs"}
    assert values == {"/on_hand": (5, 9), "/safety": (1, 3)}
    assert sorted((each.kind, each.key, each.right or "") for each in shown) == [
        ("differs", "shirt-1-red at main", ""),
        ("differs", "shirt-1-red at main", "erp"),
        ("only_here", "shirt-2-red at main", ""),
        ("refused", "none at main", ""),
        ("refused", "record 3", ""),
    ]
    assert (total.records, total.refused, total.repaired) == (3, 2, 1)
    assert all_rows(shop, "SELECT on_hand, safety FROM stock ORDER BY id") == [(9, 1), (5, 1)]


def test_the_command_tells_a_line_each_and_its_exit_code_says_whether_both_agree(
    shop: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = shop.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    monkeypatch.setenv("HUB_DATABASE_URL", address)
    monkeypatch.setenv("HUB_VAR", str(tmp_path))
    path = tmp_path / "levels.csv"
    path.write_text("sku,location,on_hand\nshirt-1-red,main,9\nshirt-2-red,main,5\n")
    command = ["reconcile", str(path), "--system", "erp", "--noun", "stock"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 3, done.output
    assert '~ stock "shirt-1-red at main" /on_hand: here 5, there 9: erp is right (levels)' in done.output
    assert CliRunner().invoke(app, [*command, "--repair"]).exit_code == 3
    agreed = CliRunner().invoke(app, [*command, "--json"])
    assert (agreed.exit_code, json.loads(agreed.output)["total"]["same"]) == (0, 2)


def test_records_that_need_a_mapping_say_so(tmp_path: Path) -> None:
    with pytest.raises(Required, match="name one with --mapping"):
        Source("order", None, tmp_path / "orders.jsonl")
