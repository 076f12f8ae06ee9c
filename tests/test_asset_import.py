"""Folders and ZIPs of files: each is linked to the product that its name tells, or told of."""

from __future__ import annotations

import csv
import stat
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from hub import asset_match, asset_source, cli, file_store
from hub.asset_import import Done, Import, Summary
from hub.asset_match import Match
from hub.db import Database
from hub.errors import Invalid
from hub.file_pool import Pool
from hub.save import save
from tests.capturing import ERP
from tests.running import make_settings
from tests.sending import picture
from tests.shop import all_rows

GTIN = "04006381333931"


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    opened = Pool(most_pixels=80_000_000)
    yield opened
    opened.close()


@pytest.fixture
def shop(database: Database) -> Database:
    """Two products: one has a SKU with a hyphen and one with a slash in it, the other a GTIN."""
    with database.write(ERP) as tx:
        save(tx, "product_type", [{"code": "cup"}])
        rows: list[dict[str, Any]] = [
            {"slug": "cup", "type": {"key": "cup"}, "variants": [{"sku": "A-1"}, {"sku": "B/7"}]},
            {
                "slug": "pot",
                "type": {"key": "cup"},
                "variants": [{"sku": "007", "identifiers": [{"type": "gtin", "value": GTIN}]}],
            },
        ]
        for result in save(tx, "product", rows):
            assert not result.errors, result.errors
    return database


Run = Callable[..., tuple[Summary, dict[str, Done]]]


@pytest.fixture
def run(shop: Database, pool: Pool, tmp_path: Path) -> Run:
    def go(place: Path, *match: str, **how: Any) -> tuple[Summary, dict[str, Done]]:
        settings = make_settings(shop.url, tmp_path / "var")
        told: dict[str, Done] = {}
        importing = Import(
            database=shop,
            store=file_store.opened(settings),
            pool=pool,
            incoming=settings.var / "incoming",
            most_bytes=1_000_000,
            patterns=[asset_match.pattern(each) for each in match or asset_match.DEFAULT],
            **how,
        )
        with asset_source.opened(place) as source:
            summary = importing.run(source, lambda done: told.update({done.name: done}))
        assert summary.read == sum(summary.counts.values()) == len(told)
        assert not list((settings.var / "incoming").glob("*"))
        return summary, told

    return go


def folder(tmp_path: Path, **names: bytes) -> Path:
    place = tmp_path / "files"
    for name, data in names.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(data)
    return place


def links(database: Database) -> list[tuple[Any, ...]]:
    return [
        tuple(row)
        for row in all_rows(
            database,
            "SELECT p.slug, a.code, l.role, l.position FROM product_asset l JOIN asset a ON a.id = l.asset_id"
            " JOIN product p ON p.id = l.product_id ORDER BY 1, 3, 4",
        )
    ]


def feed(database: Database) -> int:
    return int(all_rows(database, "SELECT count(*) FROM pending")[0][0])


def test_files_are_linked_by_sku_gtin_and_position(shop: Database, run: Run, tmp_path: Path) -> None:
    place = folder(
        tmp_path,
        **{
            "A-1.jpg": picture((30, 20)),
            "A-1_2.jpg": picture((31, 20)),
            "sub/B%2F7-9.png": picture((32, 20), "PNG"),
            "4006381333931.jpg": picture((33, 20)),
            ".DS_Store": b"noise",
        },
    )
    summary, told = run(place)
    assert summary.counts == {"created": 4, "updated": 0, "unchanged": 0, "skipped": 0}
    assert links(shop) == [
        ("cup", "A-1", "gallery", 0),
        ("cup", "A-1_2", "gallery", 2),
        ("cup", "sub-B%2F7-9", "gallery", 9),
        ("pot", "4006381333931", "gallery", 0),
    ]
    assert told["A-1.jpg"].says == 'asset "A-1" (image/jpeg, 30 × 20) as gallery of product "cup"'
    stands = feed(shop)
    again, _ = run(place)
    assert again.counts == {"created": 0, "updated": 0, "unchanged": 4, "skipped": 0}
    assert feed(shop) == stands  # the same files again are no change


def test_another_file_of_that_name_is_the_next_version(shop: Database, run: Run, tmp_path: Path) -> None:
    run(folder(tmp_path, **{"007.jpg": picture((30, 20))}))
    summary, _ = run(folder(tmp_path, **{"007.jpg": picture((40, 20))}))
    assert summary.counts["updated"] == 1
    assert [tuple(row) for row in all_rows(shop, "SELECT number, width FROM asset_version ORDER BY 1")] == [
        (1, 30),
        (2, 40),
    ]
    assert links(shop) == [("pot", "007", "gallery", 0)]


def test_a_dry_run_says_the_same_and_writes_nothing(shop: Database, run: Run, tmp_path: Path) -> None:
    place = folder(tmp_path, **{"A-1.jpg": picture(), "nobody.jpg": picture(), "007.jpg": b"no picture"})
    before = feed(shop)
    dry, said = run(place, dry_run=True)
    assert feed(shop) == before
    assert links(shop) == []
    assert all_rows(shop, "SELECT count(*) FROM file")[0][0] == 0
    assert not (tmp_path / "var" / "files").exists()
    wet, done = run(place)
    assert (dry.counts, said.keys()) == (wet.counts, done.keys())
    assert {name: each.says for name, each in said.items()} == {
        name: each.says for name, each in done.items()
    }


def test_what_cannot_be_imported_is_told_of_and_the_rest_is_there(
    shop: Database, run: Run, tmp_path: Path
) -> None:
    place = folder(
        tmp_path,
        **{
            "A-1.jpg": picture((30, 20)),
            "A-1.png": picture((30, 21), "PNG"),
            "nobody.jpg": picture(),
            "007.jpg": picture((30, 20), "PNG"),
            "B%2F7.svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
            "007_1.pdf": b"%PDF" + b"0" * 1_000_001,
        },
    )
    (place / "007_2.jpg").symlink_to(place / "A-1.jpg")
    summary, told = run(place)
    assert summary.counts == {"created": 1, "updated": 0, "unchanged": 0, "skipped": 6}
    codes = {name: each.error.code.value for name, each in told.items() if each.error}
    assert codes == {
        "A-1.png": "DUPLICATE",
        "nobody.jpg": "NOT_FOUND",
        "007.jpg": "INVALID",
        "B%2F7.svg": "INVALID",
        "007_1.pdf": "LIMIT",
        "007_2.jpg": "INVALID",
    }
    assert links(shop) == [("cup", "A-1", "gallery", 0)]


def test_a_link_that_stands_keeps_its_place_and_others_stay(shop: Database, run: Run, tmp_path: Path) -> None:
    with shop.write(ERP) as tx:
        save(tx, "asset", [{"code": "old", "address": "https://example.com/old.jpg"}])
        links_ = [{"asset": {"key": "old"}, "role": "gallery", "position": 4}]
        save(tx, "product", [{"slug": "cup", "assets": links_}])
    run(folder(tmp_path, **{"A-1.jpg": picture()}))
    assert links(shop) == [("cup", "old", "gallery", 4), ("cup", "A-1", "gallery", 5)]


def test_roles_and_folders_may_stand_in_the_pattern(shop: Database, run: Run, tmp_path: Path) -> None:
    place = folder(
        tmp_path,
        **{"cup/manual.pdf": b"%PDF-1.4\n%%EOF\n", "pot/gallery_3.jpg": picture(), "x/y/z.jpg": picture()},
    )
    summary, told = run(place, "{slug}/{role}_{position}", "{slug}/{role}")
    assert summary.counts["created"] == 2
    assert links(shop) == [("cup", "cup-manual", "manual", 0), ("pot", "pot-gallery_3", "gallery", 3)]
    assert told["x/y/z.jpg"].error is not None


def packed(tmp_path: Path, *members: tuple[str, bytes], **options: Any) -> Path:
    place = tmp_path / "files.zip"
    with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED) as made:
        for name, data in members:
            made.writestr(zipfile.ZipInfo(name) if options.get("plain") else name, data)
    return place


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_tricks_of_a_zip_are_refused_by_name(shop: Database, run: Run, tmp_path: Path) -> None:
    place = tmp_path / "tricks.zip"
    link = zipfile.ZipInfo("link/007.jpg")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    bad = ["../007_1.jpg", "/007_2.jpg", "a/../../007_3.jpg", "..\\007_4.jpg", "C:/007_5.jpg"]
    with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED) as made:
        for name in bad:
            made.writestr(zipfile.ZipInfo(name), picture())
        made.writestr(link, "/etc/passwd")
        made.writestr("007_6.jpg", b"\0" * 50_000_000)  # a bomb: 50 kB in the ZIP
        made.writestr("A-1.jpg", picture())
        made.writestr("007_7.jpg", picture())
        made.writestr("007_7.jpg", picture((5, 5)))
        made.writestr("__MACOSX/A-1.jpg", b"noise")
    _, told = run(place)
    assert {name: each.outcome for name, each in told.items()} == {
        **dict.fromkeys([*bad, "link/007.jpg", "007_6.jpg", "007_7.jpg"], "skipped"),
        "A-1.jpg": "created",
    }
    codes = {name: each.error.code.value for name, each in told.items() if each.error}
    assert codes.pop("007_6.jpg") == "LIMIT"
    assert codes.pop("007_7.jpg") == "DUPLICATE"
    assert set(codes.values()) == {"INVALID"}
    assert {path.name for path in tmp_path.iterdir()} == {"tricks.zip", "var"}


def test_a_zip_that_is_damaged_in_one_file_gives_the_others(shop: Database, run: Run, tmp_path: Path) -> None:
    place = packed(tmp_path, ("A-1.jpg", picture()), ("007.jpg", picture((50, 50))))
    data = bytearray(place.read_bytes())
    data[60:70] = b"0123456789"
    place.write_bytes(data)
    _, told = run(place)
    assert {name: each.outcome for name, each in told.items()} == {"A-1.jpg": "skipped", "007.jpg": "created"}


@pytest.mark.parametrize(
    "text", ["{position}", "{sku}_{gtin}", "{sku}{sku}", "{colour}", "picture"], ids=lambda text: text
)
def test_a_pattern_that_tells_no_product_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match="Pattern"):
        asset_match.pattern(text)


@pytest.mark.parametrize(
    ("text", "name", "expected"),
    [
        ("{sku}", "A.1.jpg", Match(("sku", "A.1"), None, None)),
        ("{sku}_{position}", "A_1_02.jpg", Match(("sku", "A_1"), 2, None)),
        ("{sku}_{position}", "A_1_x.jpg", None),
        ("img_{gtin}_{any}", "img_4006381333931_front.jpg", Match(("gtin", "4006381333931"), None, None)),
        ("{role}/{sku}", "manual/7.pdf", Match(("sku", "7"), None, "manual")),
        ("{sku}+{position}", "7+1.jpg", Match(("sku", "7"), 1, None)),
    ],
)
def test_a_name_means_what_its_pattern_says(text: str, name: str, expected: Match | None) -> None:
    assert asset_match.pattern(text).match(name) == expected


def test_the_command_shows_what_it_would_do_and_lists_what_it_refused(
    shop: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUB_DATABASE_URL", shop.url)
    monkeypatch.setenv("HUB_VAR", str(tmp_path / "var"))
    monkeypatch.chdir(tmp_path)
    place = folder(tmp_path, **{"A-1.jpg": picture((30, 20)), "=1+1.jpg": picture()})
    dry = CliRunner().invoke(cli.app, ["import", "assets", str(place), "--dry-run"])
    assert dry.exit_code == 0, dry.output
    assert '+ A-1.jpg: asset "A-1" (image/jpeg, 30 × 20) as gallery of product "cup"' in dry.output
    assert "Read 2 = created 1 + updated 0 + unchanged 0 + skipped 1." in dry.output
    assert "A dry run: nothing was written." in dry.output
    assert links(shop) == []
    wet = CliRunner().invoke(cli.app, ["import", "assets", str(place), "--match", "{sku}"])
    assert "Rejects: files.rejects.csv (1 file)." in wet.output
    header, row = csv.reader((tmp_path / "files.rejects.csv").open())
    assert (header, row[:2]) == (["file", "code", "error"], ["'=1+1.jpg", "NOT_FOUND"])
    assert links(shop) == [("cup", "A-1", "gallery", 0)]
    missing = CliRunner().invoke(cli.app, ["import", "assets", str(tmp_path / "nothing")])
    assert missing.exit_code == 1
