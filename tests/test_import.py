"""Imports of small files: what is read, what is refused and how it is said, and that nothing partial stays."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from hub import aggregate, import_rejects, importing, mapping, reading
from hub.db import Database, Writer
from hub.errors import HubError
from hub.import_preview import Difference, preview
from hub.importing import Summary
from hub.save import save

MAPPING = b"""
name: small
system: erp
key: variants[].sku
channel: {code: web, currency: EUR, price_lists: [retail]}
make:
  price_lists: [{code: retail, currency: EUR}]
  product_types: [{code: product}]
fields:
  - {from: sku, to: "variants[].sku", required: true}
  - {from: slug, to: slug}
  - {from: name, to: name}
  - {from: "name:de", to: name.de}
  - {from: type, to: type, default: product}
  - {from: gtin, to: "variants[].identifiers[gtin]"}
  - {from: codes, to: "variants[].identifiers[mpn]"}
  - {from: price, to: "variants[].prices[retail]"}
  - {from: secret, to: attributes.secret}
attributes:
  - {from: weight, code: weight, type: measurement, unit: g}
  - {from: pieces, code: pieces, type: integer}
  - {from: rating, code: rating, type: integer, refuse: value}
  - {from: washable, code: washable, type: boolean}
  - {from: size, code: size, type: measurement, unit: cm, transforms: [{unit: written}]}
"""

CSV = MAPPING.replace(b"key:", b"format: {kind: csv, delimiter: ';'}\nkey:")

Import = Callable[..., tuple[Summary, list[dict[str, Any]]]]


@pytest.fixture
def run(database: Database, tmp_path: Path) -> Import:
    """Import lines (objects or bytes); gives the summary and the lines of the rejects."""

    def go(*lines: Any, text: bytes = MAPPING, batch: int = 500) -> tuple[Summary, list[dict[str, Any]]]:
        source, rejects = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
        source.write_bytes(
            b"\n".join(each if isinstance(each, bytes) else json.dumps(each).encode() for each in lines)
        )
        how = mapping.parse(text, "small.yaml")
        summary = importing.run(database, source, how, lambda _: None, batch)
        with database.read() as tx:
            import_rejects.write(tx, summary.run, source, how.form, rejects)
        importing.finish(database, summary.run)
        return summary, [
            json.loads(line) for line in rejects.read_text().splitlines()
        ] if rejects.exists() else []

    return go


def scalar(database: Database, statement: str) -> Any:
    with database.read() as tx:
        return tx.scalar(sa.text(statement))


def counts(summary: Summary) -> tuple[int, int, int, int, int]:
    return summary.read, summary.created, summary.updated, summary.unchanged, summary.skipped


def cup(**more: Any) -> dict[str, Any]:
    return {"sku": "cup-1", "slug": "cup", "name": "Cup", "price": "4.90", "weight": 250} | more


def test_a_file_becomes_products_listed_and_priced(database: Database, run: Import) -> None:
    summary, rejects = run(
        cup(gtin="4006381333931", washable=True, size="9.5 cm"), cup(sku="cup-2", slug="cup-two")
    )
    assert counts(summary) == (2, 2, 0, 0, 0)
    assert rejects == []
    assert summary.made == {"locale": 1, "price_list": 1, "product_type": 1, "attribute": 5, "channel": 1}
    stored = scalar(database, "SELECT attributes FROM product WHERE slug = 'cup'")
    assert stored["weight"]["*"]["*"] == {"amount": "250", "unit": "g", "base": "0.25", "base_unit": "kg"}
    assert stored["size"]["*"]["*"]["amount"] == "9.5"
    assert stored["washable"]["*"]["*"] is True
    assert (
        scalar(
            database, "SELECT count(*) FROM listing JOIN channel c ON c.id = channel_id WHERE c.code = 'web'"
        )
        == 2
    )
    assert (
        scalar(
            database, "SELECT amount::text FROM price JOIN variant v ON v.id = variant_id WHERE sku = 'cup-1'"
        )
        == "4.90"
    )
    assert scalar(database, "SELECT value FROM identifier WHERE type = 'gtin'") == "04006381333931"
    assert scalar(
        database, "SELECT actor || ' ' || source FROM aggregate WHERE type = 'product' LIMIT 1"
    ) == (f"import:{summary.run} erp")


def test_the_same_file_again_changes_nothing_and_emits_nothing(database: Database, run: Import) -> None:
    run(cup(), cup(sku="cup-2", slug="cup-two"))
    before = scalar(database, "SELECT count(*) FROM pending")
    summary, _ = run(cup(), cup(sku="cup-2", slug="cup-two"))
    assert counts(summary) == (2, 0, 0, 2, 0)
    assert scalar(database, "SELECT count(*) FROM pending") == before


def test_only_what_differs_is_written(database: Database, run: Import) -> None:
    run(cup(), cup(sku="cup-2", slug="cup-two"))
    summary, _ = run(cup(price="5.00"), cup(sku="cup-2", slug="cup-two"), cup(sku="cup-3", slug="cup-three"))
    assert counts(summary) == (3, 1, 1, 1, 0)
    assert scalar(database, "SELECT changes -> 0 -> 'n' FROM pending ORDER BY id DESC OFFSET 1 LIMIT 1") in (
        {"amount": "5"},
        {"amount": "5.00"},
    )


BAD: list[tuple[str, Any, str, str | None, str]] = [
    ("broken JSON", b'{"sku": "cup-1", ', "INVALID", None, "Line 2 is not JSON"),
    (
        "wrong encoding",
        '{"sku": "cup-1", "name": "Größe"}'.encode("latin-1"),
        "INVALID",
        None,
        "Byte 29 of line 2 is 0xF6",
    ),
    ("no object", b"[1, 2]", "INVALID", None, "Line 2 is not a JSON object"),
    ("no key", {"slug": "cup"}, "REQUIRED", "sku", 'The record has no "sku"'),
    (
        "11 digits",
        cup(gtin="12345678901"),
        "INVALID",
        "gtin",
        'GTIN "12345678901" has 11 digits: give 8, 12, 13 or 14.',
    ),
    (
        "wrong check digit",
        cup(gtin="4006381333932"),
        "INVALID",
        "gtin",
        "ends in 2, but its check digit is 1",
    ),
    ("unknown field", cup(hight=3), "NOT_FOUND", "hight", 'Field "hight" is not in mapping "small"'),
    ("unknown attribute", cup(secret="x"), "NOT_FOUND", "secret", 'Attribute "secret" is not defined'),
    ("wrong type", cup(washable="perhaps"), "INVALID", "washable", "neither true nor false"),
    ("wrong number", cup(pieces="six"), "INVALID", "pieces", "is not a whole number"),
    ("unknown unit", cup(size="9 ell"), "INVALID", "size", 'Unit "ell" is not known'),
    ("wrong unit", cup(size="9 kg"), "INVALID", "size", 'Unit "kg" measures mass, not length'),
    ("unknown locale", cup(**{"name:de": "Tasse"}), "NOT_FOUND", "name, name:de", 'Locale "de"'),
    ("wrong decimals", cup(price="4.905"), "INVALID", "price", "4.905"),
    ("negative price", cup(price="-1"), "INVALID", None, "negative"),
    ("unknown type", cup(type="saucer"), "NOT_FOUND", "type", "saucer"),
    ("SKU twice in the file", cup(sku="cup-0", slug="other"), "DUPLICATE", "sku", "Record 1 of the file has"),
    ("slug of another product", cup(slug="first"), "DUPLICATE", "slug", '"first"'),
    ("GTIN of another product", cup(gtin="96385074"), "DUPLICATE", None, "belongs to another variant"),
    ("a 10 MB cell", cup(name="x" * 10_000_000), "LIMIT", None, "at most 4194304 are read"),
    ("a long text", cup(name="x" * 300_000), "LIMIT", "name", "300000 characters"),
    ("NUL", cup(name="a\0b"), "INVALID", "name", "NUL"),
]


ALL = [pytest.param(each, 500, id=each[0]) for each in BAD]
ONE_BY_ONE = [pytest.param(each, 1, id=f"{each[0]}, earlier batch") for each in BAD if each[2] == "DUPLICATE"]


@pytest.mark.parametrize(("bad", "batch"), ALL + ONE_BY_ONE)
def test_bad_input_is_refused_by_itself_and_leaves_nothing(
    database: Database, run: Import, bad: tuple[str, Any, str, str | None, str], batch: int
) -> None:
    _, line, code, field, said = bad
    good = cup(sku="cup-0", slug="first", gtin="96385074")
    summary, rejects = run(good, line, cup(sku="cup-9", slug="last"), batch=batch)
    assert counts(summary) == (3, 2, 0, 0, 1)
    assert scalar(database, "SELECT string_agg(slug, ' ' ORDER BY slug) FROM product") == "first last"
    assert scalar(database, "SELECT string_agg(sku, ' ' ORDER BY sku) FROM variant") == "cup-0 cup-9"
    (reject,) = rejects
    (error, *_) = reject["error"]
    assert (error["code"], error["imported"]) == (code, False)
    assert said in error["message"]
    if field is not None:
        assert error["field"] == field


def test_rejects_that_are_corrected_are_imported(database: Database, run: Import) -> None:
    _, rejects = run(
        cup(sku="cup-0", slug="first"), cup(gtin="12345678901"), b'{"sku": "cup-2", "slug": "two"'
    )
    rejects[0]["gtin"] = "123456789012"
    rejects[1]["line"] += "}"
    summary, left = run(*rejects)
    assert counts(summary) == (2, 2, 0, 0, 0)
    assert left == []
    assert scalar(database, "SELECT string_agg(slug, ' ' ORDER BY slug) FROM product") == "cup first two"


def test_a_value_may_be_refused_alone(database: Database, run: Import) -> None:
    summary, rejects = run(cup(rating="five", pieces=6))
    assert counts(summary) == (1, 1, 0, 0, 0)
    assert summary.refused == 1
    (error,) = rejects[0]["error"]
    assert (error["code"], error["field"], error["value"], error["imported"]) == (
        "INVALID",
        "rating",
        "five",
        True,
    )
    assert set(scalar(database, "SELECT attributes FROM product")) == {"weight", "pieces"}


def test_a_gtin_of_another_variant_may_be_refused_alone(database: Database, run: Import) -> None:
    tolerant = MAPPING.replace(b'identifiers[gtin]"', b'identifiers[gtin]", refuse: value')
    lines = [cup(sku=f"cup-{number}", slug=f"cup-{number}", gtin="96385074") for number in range(3)]
    summary, rejects = run(*lines, text=tolerant, batch=2)
    assert counts(summary) == (3, 3, 0, 0, 0)
    assert [(reject["sku"], reject["error"][0]["code"]) for reject in rejects] == [
        ("cup-1", "DUPLICATE"),
        ("cup-2", "DUPLICATE"),
    ]
    assert "cup-0" in rejects[0]["error"][0]["message"]
    again, _ = run(*lines, text=tolerant)
    assert counts(again) == (3, 0, 0, 3, 0)


def test_a_slug_may_change_because_the_key_finds_the_product(database: Database, run: Import) -> None:
    run(cup())
    summary, _ = run(cup(slug="fine-cup"))
    assert counts(summary) == (1, 0, 1, 0, 0)
    assert scalar(database, "SELECT slug FROM former_slug") == "cup"


def test_an_attribute_of_another_type_refuses_the_file(database: Database, run: Import) -> None:
    with database.write(Writer("user:1", "pim")) as tx:
        save(tx, "attribute", [{"code": "weight", "type": "decimal"}])
    with pytest.raises(
        HubError, match='Attribute "weight" is decimal in the hub, and measurement mass in mapping'
    ):
        run(cup())
    assert scalar(database, "SELECT count(*) FROM product_type") == 0


def test_what_is_there_already_is_left_alone(database: Database, run: Import) -> None:
    with database.write(Writer("user:1", "pim")) as tx:
        save(tx, "locale", [{"code": "en"}])
        save(tx, "attribute", [{"code": "pieces", "type": "integer", "name": {"en": "Number of pieces"}}])
    run(cup())
    assert scalar(database, "SELECT name ->> 'en' FROM attribute WHERE code = 'pieces'") == "Number of pieces"


def test_csv_with_quotes_lines_in_cells_and_gzip(database: Database, tmp_path: Path) -> None:
    text = (
        "\ufeffsku;slug;name;price;weight\n"
        'cup-1;cup;"Cup;\nwith ""handle""";4.90;250\n'
        "cup-2;cup-two;Cup 2;5.00\n"
        "cup-3;cup-three;Gr\xf6\xdfe;5.00;\n"
        "cup-4;cup-four;Cup 4;5.00;\n"
    )
    raw = text.encode().replace("Größe".encode(), "Größe".encode("latin-1"))
    source, rejects = tmp_path / "in.csv.gz", tmp_path / "out.csv"
    source.write_bytes(gzip.compress(raw))
    how = mapping.parse(CSV, "small.yaml")
    summary = importing.run(database, source, how, lambda _: None)
    assert counts(summary) == (4, 2, 0, 0, 2)
    assert scalar(database, "SELECT name ->> 'en' FROM product WHERE slug = 'cup'") == 'Cup;\nwith "handle"'
    assert scalar(database, "SELECT attributes FROM product WHERE slug = 'cup-four'") == {}
    with database.read() as tx:
        assert import_rejects.write(tx, summary.run, source, how.form, rejects) == 2
    head, short, encoded = rejects.read_text().splitlines()
    assert head == "sku;slug;name;price;weight;error"
    assert "INVALID The row on line 4 has 4 cells, the header 5" in short
    assert "of line 5 is 0xF6, which is not UTF-8" in encoded
    corrected = [head, short.replace("5.00;", "5.00;;"), encoded]
    source.write_bytes("\n".join(corrected).encode())
    importing.finish(database, summary.run)
    assert counts(importing.run(database, source, how, lambda _: None))[1] == 2


def test_a_csv_column_that_the_mapping_does_not_name_refuses_the_file(
    database: Database, tmp_path: Path
) -> None:
    source = tmp_path / "in.csv"
    source.write_text("sku;hight\n1;2\n")
    with pytest.raises(HubError, match='does not name the columns "hight"'):
        importing.run(database, source, mapping.parse(CSV, "small.yaml"), lambda _: None)
    assert scalar(database, "SELECT count(*) FROM import_run") == 0


def test_a_quote_that_is_never_closed_swallows_no_row_in_silence(database: Database, tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_text('sku;slug\ncup-1;cup\ncup-2;"two\n' + "cup-3;three\n" * 10)
    how = mapping.parse(CSV, "small.yaml")
    summary = importing.run(database, source, how, lambda _: None)
    assert counts(summary) == (2, 1, 0, 0, 1)
    rejects = tmp_path / "out.csv"
    with database.read() as tx:
        import_rejects.write(tx, summary.run, source, how.form, rejects)
    assert list(csv.reader(rejects.open(), delimiter=";"))[1][1].count("cup-3") == 10


def test_a_damaged_gzip_file_is_refused_before_anything_is_written(
    database: Database, tmp_path: Path
) -> None:
    source = tmp_path / "in.jsonl.gz"
    source.write_bytes(gzip.compress(json.dumps(cup()).encode() * 1000)[:-20])
    with pytest.raises(HubError, match=r'File "in\.jsonl\.gz" cannot be read'):
        importing.run(database, source, mapping.parse(MAPPING, "small.yaml"), lambda _: None)
    assert scalar(database, "SELECT count(*) FROM import_run") == 0


def test_a_dry_run_shows_each_value_and_writes_nothing(
    database: Database, run: Import, tmp_path: Path
) -> None:
    run(cup(), cup(sku="cup-2", slug="cup-two"))
    tables = (
        "product",
        "price",
        "attribute",
        "pending",
        "import_run",
        "import_reject",
        "import_seen",
        "aggregate",
    )
    before = [scalar(database, f"SELECT count(*) FROM {table}") for table in tables]
    source, rejects = tmp_path / "next.jsonl", tmp_path / "rejects.jsonl"
    lines = [
        cup(price="5.00", name="Fine cup"),
        cup(sku="cup-2", slug="cup-two"),
        cup(sku="new", slug="new"),
        {"sku": 1, "a": 2},
    ]
    source.write_text("\n".join(map(json.dumps, lines)))
    shown: list[Difference] = []
    how = mapping.parse(MAPPING, "small.yaml")
    summary, refused = preview(database, source, how, lambda _: None, shown.append, rejects)
    assert counts(summary) == (4, 1, 1, 1, 1)
    assert refused == 1
    assert "a" in json.loads(rejects.read_text())["error"][0]["field"]
    updated, created = sorted(shown, key=lambda each: each.key)
    assert (created.kind, created.key) == ("CREATED", "new")
    changed = {each.path.rsplit("/", 1)[1]: (each.old, each.new) for each in updated.changed}
    assert changed["en"] == ("Cup", "Fine cup")
    assert [float(side) for side in changed["amount"]] == [4.9, 5.0]
    assert [scalar(database, f"SELECT count(*) FROM {table}") for table in tables] == before


def test_versions_and_feed_hold_one_change_per_product(database: Database, run: Import) -> None:
    run(cup(), cup(sku="cup-2", slug="cup-two"))
    with database.read() as tx:
        versions = tx.execute(
            sa.select(aggregate.Aggregate.version).where(aggregate.Aggregate.type == "product")
        )
        assert list(versions.scalars()) == [1, 1]


def test_reading_goes_on_at_any_place(tmp_path: Path) -> None:
    for form, name, text in (
        (reading.Format(), "a.jsonl", "".join(f'{{"n": {number}, "t": "é"}}\n\n' for number in range(50))),
        (reading.Format("csv"), "a.csv", "n,t\n" + "".join(f'{number},"é\n,"\n' for number in range(50))),
    ):
        path = tmp_path / name
        path.write_text(text)
        every = list(reading.records(path, form))
        assert [int(record.data["n"]) for record in every if record.data] == list(range(50))
        for place in (0, 7, 49):
            rest = list(reading.records(path, form, every[place].end))
            assert [(each.number, each.line, each.data) for each in rest] == [
                (each.number, each.line, each.data) for each in every[place + 1 :]
            ]


def test_the_command_prints_one_summary_that_adds_up(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hub.cli import app

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HUB_VAR", str(tmp_path))
    monkeypatch.setenv("HUB_DATABASE_URL", database.url)
    Path("in.jsonl").write_text("\n".join(map(json.dumps, [cup(), cup(sku="cup-2", slug="two", hight=3)])))
    Path("small.yaml").write_bytes(MAPPING)
    command = ["import", "products", "in.jsonl", "--mapping", "small.yaml"]
    dry = CliRunner().invoke(app, [*command, "--dry-run"])
    assert '+ product "cup"' in dry.stdout
    assert "A dry run: nothing was written." in dry.stdout
    nowhere = CliRunner().invoke(app, [*command, "--rejects", "nowhere/out.jsonl"])
    assert (
        str(nowhere.exception)
        == 'Folder "nowhere" for the rejects does not exist: make it, or name another file.'
    )
    assert scalar(database, "SELECT count(*) FROM product") == 0
    done = CliRunner().invoke(app, command)
    assert "Read 2 = created 1 + updated 0 + unchanged 0 + skipped 1. Values refused: 0." in done.stdout
    assert "Rejects: in.rejects.jsonl (1 record)." in done.stdout
    assert Path("in.rejects.jsonl").exists()


def test_a_channel_that_was_there_sells_by_the_file_s_prices_after_its_own(
    database: Database, run: Import
) -> None:
    with database.write(Writer("test", "test")) as tx:
        save(tx, "locale", [{"code": "en"}])
        save(tx, "price_list", [{"code": "own", "currency": "EUR"}])
        own = {"price_lists": [{"price_list": {"key": "own"}}]}
        save(tx, "channel", [{"code": "web", "currency": "EUR", "order_prefix": "W-", **own}])
    summary, _ = run(cup())
    assert summary.made["price list of the channel"] == 1
    lists = scalar(
        database,
        "SELECT array_agg(l.code ORDER BY c.position) FROM channel_price_list c"
        " JOIN price_list l ON l.id = c.price_list_id",
    )
    assert lists == ["own", "retail"]
    assert run(cup())[0].made == {}
