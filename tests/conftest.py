"""One PostgreSQL for the whole run; every test gets a database of its own, copied from a migrated template."""

from __future__ import annotations

import getpass
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import fasteners
import psycopg
import pytest
from psycopg import sql
from sqlalchemy import make_url

from hub import migrations, postgres
from hub.config import Settings
from hub.db import Database
from tests.running import Server, make_settings, serving

TEMPLATE = "template_hub"
FORGETFUL = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_connections": "200"}
"""A test's database need not survive a power cut."""

OURS = ("HUB_DATA", "HUB_SOAK_ORDERS", "HUB_SOAK_SECONDS", "HUB_TEST_ELASTICSEARCH_URL")
SOAK_SECONDS = float(os.environ.get("HUB_SOAK_SECONDS", "15"))
IN_A_SOAK = 60.0
"""Seconds of an attack from which on it is a soak."""

numbers = count(1)


@pytest.fixture(scope="session", autouse=True)
def _clean_environment() -> None:
    """What a developer exported must not reach the tests, which say their own settings."""
    for name in list(os.environ):
        if name.startswith("HUB_") and name not in OURS:
            del os.environ[name]


@pytest.fixture(scope="session")
def cluster(testrun_uid: str) -> Iterator[str]:
    """The address of the run's PostgreSQL, with the template in it. The last worker stops and removes it."""
    folder = Path(tempfile.gettempdir()) / f"hub-tests-{getpass.getuser()}-{testrun_uid[:12]}"
    folder.mkdir(exist_ok=True)
    url = postgres.embedded(folder / "postgres", server=FORGETFUL)
    try:
        _make_template(url, folder)
        yield url
    finally:
        postgres.release(folder / "postgres")
    if not (folder / "postgres" / "postmaster.pid").exists():
        shutil.rmtree(folder, ignore_errors=True)


def _make_template(url: str, folder: Path) -> None:
    """Migrate the template, once in the run: a worker that comes second finds the note that it is whole."""
    with fasteners.InterProcessLock(folder / "template.lock"):
        if (folder / "template.made").exists():
            return
        with _admin(url) as connection:
            name = sql.Identifier(TEMPLATE)
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(name))
            connection.execute(sql.SQL("CREATE DATABASE {}").format(name))
        migrations.upgrade(_named(url, TEMPLATE))
        (folder / "template.made").touch()


@contextmanager
def _admin(url: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(postgres.libpq(_named(url, "postgres")), autocommit=True) as connection:
        yield connection


def _named(url: str, database: str) -> str:
    return make_url(url).set(database=database).render_as_string(hide_password=False)


@contextmanager
def _copied(cluster: str) -> Iterator[str]:
    """The address of a fresh, migrated, empty database."""
    name = f"test_{os.getpid()}_{next(numbers)}"
    # Copied as files: through the log, as is usual, it takes several times as long.
    copy = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy").format(
        sql.Identifier(name), sql.Identifier(TEMPLATE)
    )
    with _admin(cluster) as connection:
        connection.execute(copy)
        yield _named(cluster, name)
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def database_url(cluster: str) -> Iterator[str]:
    """The SQLAlchemy address of this test's own database."""
    with _copied(cluster) as url:
        yield url


@pytest.fixture(scope="module")
def module_database_url(cluster: str) -> Iterator[str]:
    """One database for all tests of a module, for those that only read what a slow step once filled in."""
    with _copied(cluster) as url:
        yield url


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """This test's own database."""
    opened = Database(database_url)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def module_database(module_database_url: str) -> Iterator[Database]:
    """The database that the tests of a module share."""
    opened = Database(module_database_url)
    yield opened
    opened.close()


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    """Settings on this test's database, with a free port and room for receivers on this machine."""
    return make_settings(database_url, tmp_path)


@pytest.fixture
def server(settings: Settings) -> Iterator[Server]:
    """The whole hub, relay included, on this test's own database."""
    with serving(settings) as running:
        yield running


@pytest.fixture(scope="module")
def module_server(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The whole hub on the database that the tests of a module share."""
    with serving(make_settings(module_database_url, tmp_path_factory.mktemp("var"))) as running:
        yield running


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What is marked ``soak(only=True)`` skips in ``make test``, before anything is set up for it."""
    if SOAK_SECONDS >= IN_A_SOAK:
        return
    for item in items:
        if any(mark.kwargs.get("only") for mark in item.iter_markers("soak")):
            item.add_marker(pytest.mark.skip(reason="It takes long: make soak runs it."))


def pytest_unconfigure(config: pytest.Config) -> None:
    """Name what failed on the very last lines, which is all that many a log shows."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None:
        for outcome in ("failed", "error"):
            for report in reporter.stats.get(outcome, ()):
                print(f"{outcome}: {report.nodeid}")


@pytest.fixture(scope="session")
def soak_seconds() -> float:
    """How long a time-boxed attack lasts: short in ``make test``, a minute in ``make soak``."""
    return SOAK_SECONDS


@pytest.fixture(scope="session")
def soaking() -> bool:
    """Whether this is ``make soak``, where a test takes the whole of what it takes a sample of in ``make test``."""
    return SOAK_SECONDS >= IN_A_SOAK


@pytest.fixture(scope="session")
def outside_data() -> Path:
    """The folder with the outside data. Without it a test skips, and says so; under CI=true it fails."""
    folder = Settings().data
    if folder.is_dir():
        return folder
    missing = f"There is no outside data at {folder}: set HUB_DATA to the folder that holds it."
    if os.environ.get("CI") == "true":
        pytest.fail(missing)
    pytest.skip(missing)
