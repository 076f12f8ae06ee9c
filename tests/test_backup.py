"""The drill: a backup while writes go on, an empty place, and everything that has to be true there."""

from __future__ import annotations

import json
import shutil
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
import sqlalchemy as sa
from psycopg import sql
from pydantic import SecretStr
from sqlalchemy import make_url
from typer.testing import CliRunner

from hub import backup, cli, feed, file, file_store, postgres, restore, verify
from hub.asset_upload import looked_at
from hub.config import Settings
from hub.db import HUB, Database
from hub.errors import Conflict, HubError, Invalid, NotFound
from hub.file_pool import Pool
from hub.save import save
from search import app as search
from search import lane
from search.verify import verify as compare
from tests.capturing import ERP, SHOP, drain, run
from tests.running import make_settings, serving, wait_until
from tests.sending import asset, fetch, picture


@contextmanager
def empty(cluster: str) -> Iterator[str]:
    """The address of a database with nothing in it."""
    name = f"restored_{uuid4().hex[:10]}"
    url = make_url(cluster)
    admin = postgres.libpq(url.set(database="postgres").render_as_string(hide_password=False))
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield url.set(database=name).render_as_string(hide_password=False)
        finally:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@contextmanager
def writing(database: Database) -> Iterator[list[int]]:
    """Write and sequence all the while; gives how often it did."""
    stop, done = threading.Event(), [0]

    def write() -> None:
        while not stop.is_set():
            with database.write(ERP) as tx:
                made = save(
                    tx,
                    "product",
                    [
                        {
                            "slug": f"new-{done[0]}",
                            "type": {"key": "cup"},
                            "variants": [{"sku": f"n{done[0]}"}],
                        }
                    ],
                )
                assert not made[0].errors, made
                run(tx, "UPDATE variant SET position = position + 1 WHERE id % 3 = 0")
            drain(database)
            done[0] += 1

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield done
    finally:
        stop.set()
        thread.join()


def quiet(_done: int, _total: int) -> None:
    pass


@pytest.fixture
def home(database: Database, tmp_path: Path) -> Settings:
    """A hub with a little of everything, and a file that an asset has."""
    settings = make_settings(database.url, tmp_path / "home")
    settings.var.mkdir()
    with database.write(ERP) as tx:
        run(tx, SHOP)
        save(tx, "product_type", [{"code": "cup"}])
    (tmp_path / "cup.jpg").write_bytes(picture())
    pool = Pool(80_000_000)
    with looked_at(pool, tmp_path / "cup.jpg") as content, database.write(HUB) as tx:
        address = file.keep(tx, file_store.opened(settings), content)
        save(tx, "asset", [{"code": "cup", "address": address}])
    pool.close()
    drain(database)
    return settings


def test_a_backup_under_writes_is_one_moment_of_the_hub(
    database: Database, home: Settings, cluster: str, tmp_path: Path
) -> None:
    with writing(database) as done:
        wait_until(lambda: done[0] > 3)
        before = done[0]
        report = backup.write(database.url, home, tmp_path / "backup", quiet)
        wait_until(lambda: done[0] > before + 3)
    away = make_settings("postgresql://nowhere", tmp_path / "away")
    away.var.mkdir()
    with empty(cluster) as url:
        restored = restore.read(url, away, tmp_path / "backup", quiet)
        assert (restored.sequence, restored.files, restored.missing) == (report.sequence, 1, ())
        there = Database(url)
        _check_moment(database, there, report.sequence)
        assert verify.verify(there).wrong == 0
        drain(there)
        assert verify.verify(there).wrong == 0
        with writing(there) as done:  # life goes on there
            wait_until(lambda: done[0] > 2)
        assert verify.verify(there).wrong == 0
        there.close()
    assert away.secret == home.secret
    assert [path.name for path in (away.var / "files").glob("??/*")] == [
        path.name for path in (home.var / "files").glob("??/*")
    ]


def _check_moment(of: Database, restored: Database, sequence: int) -> None:
    """The feed there is the feed here up to that moment, and consumers that are ahead are told so."""
    numbers = (
        "SELECT sequence, type, aggregate_id, version, changes FROM feed WHERE sequence <= :last ORDER BY 1"
    )
    with of.read() as tx:
        here = tx.execute(sa.text(numbers), {"last": sequence}).all()
        old = feed.read_ends(tx)
    with restored.read() as tx:
        assert tx.execute(sa.text(numbers), {"last": 10**9}).all() == here
        ends = feed.read_ends(tx)
    assert (ends.last, old.last > ends.last) == (sequence, True)
    for ahead in (
        feed.Position(old.last, old.epoch),
        feed.Position(sequence, old.epoch),
        feed.Position(old.last),
    ):
        with pytest.raises(feed.AheadError):
            ends.check(ahead)


@pytest.mark.soak(only=True)
def test_backups_again_and_again_under_load(
    database: Database, home: Settings, cluster: str, tmp_path: Path, soak_seconds: float
) -> None:
    ends = time.monotonic() + soak_seconds
    with writing(database):
        while time.monotonic() < ends:
            backup.write(database.url, home, tmp_path / "backup", quiet)
            away = make_settings("postgresql://nowhere", tmp_path / "away")
            away.var.mkdir()
            with empty(cluster) as url:
                restore.read(url, away, tmp_path / "backup", quiet)
                there = Database(url)
                assert verify.verify(there).wrong == 0
                drain(there)
                assert verify.verify(there).wrong == 0
                there.close()
            shutil.rmtree(tmp_path / "backup")
            shutil.rmtree(tmp_path / "away")


def test_a_restored_hub_serves_its_files_and_its_index_repairs_itself(
    database: Database, home: Settings, cluster: str, tmp_path: Path
) -> None:
    backup.write(database.url, home, tmp_path / "backup", quiet)
    with serving(home) as hub:
        token = hub.token
        with database.write(ERP) as tx:
            save(tx, "product", [{"slug": "later", "name": {"en": "Samovar"}, "type": {"key": "cup"}}])
        index = search.opened(home, database)
        wait_until(
            lambda: search.ready(database, index).documents > 0 and search.ready(database, index).lag == 0
        )
    away = make_settings("postgresql://nowhere", tmp_path / "away")
    shutil.copytree(home.var / "search", away.var / "search")  # an index that is ahead
    with empty(cluster) as url:
        restore.read(url, away, tmp_path / "backup", quiet)
        there = away.model_copy(update={"database_url": url})
        with serving(there) as hub:
            kept = asset(hub, "cup")
            assert fetch(hub, kept["url"]).status == 200
            assert "errors" in hub.graphql(
                "{ channels { nodes { code } } }", token=token
            )  # made after the backup
            index = search.opened(there, hub.database)
            wait_until(lambda: lane.problem(hub.database, index) is None)
            assert not compare(hub.database, index).faults


def test_a_backup_is_for_its_owner_alone_and_never_written_over(
    database: Database, home: Settings, tmp_path: Path
) -> None:
    target = tmp_path / "backup"
    backup.write(database.url, home, target, quiet)
    assert stat.S_IMODE(target.stat().st_mode) == 0o700
    assert stat.S_IMODE((target / "secret_key").stat().st_mode) == 0o600
    with pytest.raises(Conflict, match="is there already"):
        backup.write(database.url, home, target, quiet)


def test_a_file_that_the_store_lacks_is_told_of(database: Database, home: Settings, tmp_path: Path) -> None:
    (lost,) = (home.var / "files").glob("??/*")
    lost.unlink()
    report = backup.write(database.url, home, tmp_path / "backup", quiet)
    assert (report.files, report.missing) == (0, (lost.name,))
    assert json.loads((tmp_path / "backup" / "manifest.json").read_text())["missing"] == [lost.name]


def _cut(folder: Path) -> None:
    (folder / "manifest.json").unlink()


def _newer(folder: Path) -> None:
    told = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(told | {"migration": "ffffffffffff", "hub": "9.0"}))


def _damaged(folder: Path) -> None:
    data = bytearray((folder / "database.dump").read_bytes())
    data[len(data) // 2] ^= 0xFF
    (folder / "database.dump").write_bytes(data)


def _damaged_unseen(folder: Path) -> None:
    """The dump is cut, and the manifest says that this is how it was written."""
    data = (folder / "database.dump").read_bytes()
    (folder / "database.dump").write_bytes(data[: len(data) // 2])
    told = json.loads((folder / "manifest.json").read_text())
    told["dump"]["sha256"] = file_store.hashed(folder / "database.dump")
    (folder / "manifest.json").write_text(json.dumps(told))


def _other_file(folder: Path) -> None:
    (kept,) = (folder / "files").glob("??/*")
    kept.write_bytes(b"something else")


def test_what_is_not_a_whole_backup_is_refused_and_leaves_nothing(
    database: Database, home: Settings, cluster: str, tmp_path: Path
) -> None:
    backup.write(database.url, home, tmp_path / "good", quiet)
    wrong = [
        (_cut, NotFound, "no whole backup"),
        (_newer, Invalid, "made by version 9.0 of the hub, which is newer"),
        (_damaged, Invalid, "not as it was written"),
        (_damaged_unseen, HubError, "was not restored"),
        (_other_file, Invalid, "not as it was written"),
    ]
    with empty(cluster) as url:
        for number, (spoil, error, said) in enumerate(wrong):
            shutil.copytree(tmp_path / "good", tmp_path / f"bad-{number}")
            spoil(tmp_path / f"bad-{number}")
            away = make_settings("postgresql://nowhere", tmp_path / f"away-{number}")
            away.var.mkdir()
            with pytest.raises(error, match=said):
                restore.read(url, away, tmp_path / f"bad-{number}", quiet)
            with psycopg.connect(postgres.libpq(url)) as connection:
                tables = "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'"
                assert connection.execute(tables).fetchone() == (0,)
        away = make_settings("postgresql://nowhere", tmp_path / "away")
        away.var.mkdir()
        other = away.model_copy(update={"secret_key": SecretStr("x" * 40)})
        with pytest.raises(Conflict, match="HUB_SECRET_KEY is not the key of the backup"):
            restore.read(url, other, tmp_path / "good", quiet)
        restore.read(url, away, tmp_path / "good", quiet)
        with pytest.raises(Conflict, match="not empty"):
            restore.read(url, away, tmp_path / "good", quiet)


def test_the_commands_say_what_they_did(
    database: Database, home: Settings, cluster: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUB_DATABASE_URL", database.url)
    monkeypatch.setenv("HUB_VAR", str(home.var))
    made = CliRunner().invoke(cli.app, ["backup", str(tmp_path / "backup")])
    assert made.exit_code == 0, made.output
    assert "Backed up to sequence" in made.output
    assert "with 1 files" in made.output
    with empty(cluster) as url:
        monkeypatch.setenv("HUB_DATABASE_URL", url)
        monkeypatch.setenv("HUB_VAR", str(tmp_path / "away"))
        done = CliRunner().invoke(cli.app, ["restore", str(tmp_path / "backup")])
        assert done.exit_code == 0, done.output
        assert "Restored to sequence" in done.output
