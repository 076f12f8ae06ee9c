"""The Icecat catalogue, imported, against a count of the file that shares no code with the hub.

``make soak`` takes the whole file, ``make test`` every tenth product of it.
"""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from hub import import_rejects, importing, mapping
from hub.db import Database
from hub.importing import Summary

pytestmark = [pytest.mark.data, pytest.mark.soak, pytest.mark.timeout(900)]

WHOLE, ATTRIBUTES = 19_406, 5_353
"""Products of the whole file, and names of attributes in it."""
NAMED = "2101957"
"""A product that is looked at by itself."""


def is_gtin(text: str) -> bool:
    """The check digit, counted here once more: weights 1 and 3 from the right over all digits make a multiple of ten."""
    if len(text) not in (8, 12, 13, 14) or not text.isdecimal():
        return False
    return sum(int(digit) * (1, 3)[place % 2] for place, digit in enumerate(text[::-1])) % 10 == 0


@dataclass
class Count:
    """What is in the file."""

    ids: list[str] = field(default_factory=list)
    gtins: dict[str, str] = field(default_factory=dict)
    refused: list[tuple[str, str]] = field(default_factory=list)
    values: int = 0
    untyped: int = 0
    types: set[str] = field(default_factory=set)
    attributes: set[str] = field(default_factory=set)
    suppliers: set[str] = field(default_factory=set)
    pictures: set[str] = field(default_factory=set)
    cents: int = 0
    described: int = 0


@dataclass
class Imported:
    database: Database
    path: Path
    summary: Summary
    count: Count
    rejects: list[dict[str, Any]]


def counted(path: Path) -> Count:
    count = Count()
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for product in map(json.loads, lines):
            _add(count, product)
    return count


def _add(count: Count, product: dict[str, Any]) -> None:
    count.ids.append(product["id"])
    for ean in product["ean"]:
        if is_gtin(ean):
            count.gtins[ean.rjust(14, "0")] = product["id"]
        else:
            count.refused.append((product["id"], ean))
    named = {name for name in product if name.startswith("attr_")} - {"attr_t_product_type"}
    count.attributes |= named
    count.values += len(named)
    if "attr_t_product_type" in product:
        count.types.add(product["attr_t_product_type"])
    else:
        count.untyped += 1
    count.suppliers.add(product["supplier"])
    count.pictures.add(product["img_high"])
    count.cents += product["price"]
    count.described += "short_description" in product


@pytest.fixture(scope="module")
def icecat(
    module_database: Database, outside_data: Path, soaking: bool, tmp_path_factory: pytest.TempPathFactory
) -> Imported:
    path = outside_data / "icecat" / "products.jsonl.gz"
    if not soaking:
        path = sampled(path, tmp_path_factory.mktemp("sample") / path.name)
    how = mapping.load("icecat")
    summary = importing.run(module_database, path, how, lambda _: None)
    count = counted(path)
    assert (len(count.ids), len(count.attributes)) == (WHOLE, ATTRIBUTES) or not soaking
    rejects = tmp_path_factory.mktemp("icecat") / "rejects.jsonl"
    with module_database.read() as tx:
        import_rejects.write(tx, summary.run, path, how.form, rejects)
    importing.finish(module_database, summary.run)
    lines = [json.loads(line) for line in rejects.read_text().splitlines()]
    return Imported(module_database, path, summary, count, lines)


def sampled(path: Path, sample: Path) -> Path:
    """A file of every tenth product, of those whose codes are refused, and of the one that is looked at by itself."""

    def taken(place: int, product: dict[str, Any]) -> bool:
        return place % 10 == 0 or product["id"] == NAMED or not all(map(is_gtin, product["ean"]))

    with gzip.open(path, "rt", encoding="utf-8") as lines, gzip.open(sample, "wt", encoding="utf-8") as some:
        some.writelines(line for place, line in enumerate(lines) if taken(place, json.loads(line)))
    return sample


def one(icecat: Imported, statement: str) -> Any:
    with icecat.database.read() as tx:
        return tx.scalar(sa.text(statement))


def column(icecat: Imported, statement: str) -> list[Any]:
    with icecat.database.read() as tx:
        return list(tx.execute(sa.text(statement)).scalars())


def test_every_product_is_imported(icecat: Imported) -> None:
    products = len(icecat.count.ids)
    assert products > WHOLE / 11
    done = icecat.summary
    assert (done.read, done.created, done.skipped) == (products, products, 0)
    assert one(icecat, "SELECT count(*) FROM product") == products
    found = column(icecat, "SELECT value FROM external_id WHERE entity = 'product' AND system = 'icecat'")
    assert sorted(found) == sorted(icecat.count.ids)


def test_every_valid_ean_finds_the_variant_of_its_product(icecat: Imported) -> None:
    statement = (
        "SELECT i.value, e.value FROM identifier i JOIN external_id e"
        " ON e.entity = 'product' AND e.entity_id = i.product_id AND e.system = 'icecat' WHERE i.type = 'gtin'"
    )
    with icecat.database.read() as tx:
        found = {row[0]: row[1] for row in tx.execute(sa.text(statement))}
    assert found == icecat.count.gtins


def test_every_refused_ean_is_in_the_rejects_with_its_reason(icecat: Imported) -> None:
    refused = [(line["id"], error["value"]) for line in icecat.rejects for error in line["error"]]
    assert refused == icecat.count.refused != []
    for line in icecat.rejects:
        for error in line["error"]:
            assert (error["code"], error["field"], error["imported"]) == ("INVALID", "ean", True)
            assert f'GTIN "{error["value"]}" has {len(error["value"])} digits' in error["message"]
    assert icecat.summary.refused == len(refused)


def test_every_attribute_value_is_there(icecat: Imported) -> None:
    assert one(icecat, "SELECT count(*) FROM product, jsonb_object_keys(attributes)") == (
        icecat.count.values + 2 * len(icecat.count.ids)  # supplier and date_released
    )
    used = "SELECT count(DISTINCT code) FROM product, jsonb_object_keys(attributes) AS code"
    assert one(icecat, used) == len(icecat.count.attributes) + 2
    # The mapping names all of the whole file's.
    assert one(icecat, "SELECT count(*) FROM attribute") == ATTRIBUTES + 2


def test_types_suppliers_pictures_prices_and_texts_agree(icecat: Imported) -> None:
    count = icecat.count
    names = column(icecat, "SELECT name ->> 'en' FROM product_type WHERE code <> 'product'")
    assert sorted(names) == sorted(count.types)
    untyped = "SELECT count(*) FROM product p JOIN product_type t ON t.id = product_type_id WHERE t.code = 'product'"
    assert count.untyped > len(count.ids) / 2
    assert one(icecat, untyped) == count.untyped
    options = "SELECT o.code FROM attribute_option o JOIN attribute a ON a.id = attribute_id WHERE a.code = 'supplier'"
    assert set(column(icecat, options)) == count.suppliers
    assert set(column(icecat, "SELECT address FROM asset")) == count.pictures
    assert one(icecat, "SELECT count(*) FROM product_asset WHERE role = 'gallery'") == len(count.ids)
    assert one(icecat, "SELECT sum(amount) FROM price WHERE currency = 'EUR'") == Decimal(count.cents) / 100
    assert one(icecat, "SELECT count(*) FROM product WHERE description ? 'en'") == count.described
    assert one(icecat, "SELECT count(*) FROM product WHERE name ? 'en' AND slug IS NOT NULL") == len(
        count.ids
    )


def test_every_product_is_listed_in_the_channel_that_was_made(icecat: Imported) -> None:
    with icecat.database.read() as tx:
        listed = tx.execute(
            sa.text(
                "SELECT c.code, c.currency, count(*) FROM listing l JOIN channel c ON c.id = l.channel_id"
                " WHERE l.open GROUP BY c.id"
            )
        ).all()
    assert [tuple(row) for row in listed] == [("icecat", "EUR", len(icecat.count.ids))]


def test_one_product_is_as_the_file_says(icecat: Imported) -> None:
    stored = one(
        icecat,
        "SELECT attributes FROM product p JOIN external_id e ON e.entity = 'product' AND e.entity_id = p.id"
        f" WHERE e.value = '{NAMED}'",
    )
    at = {code: values["*"]["*"] for code, values in stored.items()}
    assert at["display_diagonal"] == {"amount": "17", "unit": "in", "base": "0.4318", "base_unit": "m"}
    assert at["weight"] == {"amount": "3460", "unit": "g", "base": "3.46", "base_unit": "kg"}
    assert at["compatible_memory_cards"] == ["Memory Stick (MS)", "MMC", "MS PRO", "SD", "xD"]
    assert at["supplier"] == "HP"
    assert at["date_released"] == "2008-12-19"
    assert at["touchscreen"] is False
    assert at["usb_2_0_ports_quantity"] == 4
    assert at["processor_frequency"] == "2.13"


def test_each_product_is_one_change_and_the_same_file_again_is_none(icecat: Imported) -> None:
    products = len(icecat.count.ids)
    assert one(icecat, "SELECT count(*) FROM aggregate WHERE type = 'product' AND version = 1") == products
    before = one(icecat, "SELECT count(*) FROM pending")
    again = importing.run(icecat.database, icecat.path, mapping.load("icecat"), lambda _: None)
    importing.finish(icecat.database, again.run)
    assert (again.read, again.unchanged, again.made) == (products, products, {})
    assert one(icecat, "SELECT count(*) FROM pending") == before
