from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from hub.config import Settings
from tests.running import free_port

SECRET = "0123456789abcdef" * 4


def start(**environment: str) -> subprocess.CompletedProcess[str]:
    """Read the settings in a process of its own, as the hub does at its start."""
    return subprocess.run(
        [sys.executable, "-c", "from hub.config import load; load()"],
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("environment", "line"),
    [
        ({"HUB_PORT": "abc"}, 'Setting HUB_PORT is "abc": set it to a whole number from 1 to 65535.'),
        ({"HUB_PORT": "0"}, 'Setting HUB_PORT is "0": set it to a whole number from 1 to 65535.'),
        ({"HUB_ENV": "prod"}, 'Setting HUB_ENV is "prod": set it to development or production.'),
        (
            {"HUB_DATABASE_URL": "mysql://me:hidden@host/db"},
            "Setting HUB_DATABASE_URL is not usable (its value is not shown):"
            " set it to postgresql://user:password@host:5432/name.",
        ),
        (
            {"HUB_ELASTICSEARCH_URL": "search:9200"},
            "Setting HUB_ELASTICSEARCH_URL is not usable (its value is not shown):"
            " set it to http://host:9200 or https://user:password@host.",
        ),
        (
            {"HUB_WEBHOOK_ALLOWED_NETWORKS": "10.0.0.0/8,10.0.0.1/8"},
            'Setting HUB_WEBHOOK_ALLOWED_NETWORKS is "10.0.0.0/8,10.0.0.1/8":'
            " set it to private networks and hosts with commas between them, for example 10.1.0.0/16,erp.internal.",
        ),
        (
            {"HUB_VAR": "/srv/my shop"},
            'Setting HUB_VAR is "/srv/my shop": set it to a folder that the hub may write to; no spaces in its path.',
        ),
        (
            {"HUB_VAR": "/proc/nope"},
            'Setting HUB_VAR is "/proc/nope", which cannot be made (No such file or directory):'
            " set it to a folder that the hub may write to; no spaces in its path.",
        ),
        (
            {"HUB_ENV": "production", "HUB_SECRET_KEY": SECRET},
            "Setting HUB_DATABASE_URL is missing, which production needs:"
            " set it to postgresql://user:password@host:5432/name.",
        ),
        (
            {"HUB_ENV": "production", "HUB_DATABASE_URL": "postgresql://host/db"},
            "Setting HUB_SECRET_KEY is missing, which production needs: set it to at least 32 random characters,"
            " for example from: openssl rand -hex 32.",
        ),
        (
            {"HUB_SECRET_KEY": "short"},
            "Setting HUB_SECRET_KEY is not usable (its value is not shown): set it to at least 32 random characters,"
            " for example from: openssl rand -hex 32.",
        ),
    ],
)
def test_wrong_setting_ends_the_start_with_one_line(environment: dict[str, str], line: str) -> None:
    ended = start(**environment)
    assert (ended.returncode, ended.stdout, ended.stderr) == (2, "", line + "\n")


@pytest.mark.parametrize("command", ["serve", "migrate"])
def test_a_database_that_does_not_answer_is_one_line(command: str, tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "hub", command],
        env={
            "PATH": os.environ["PATH"],
            "HUB_VAR": str(tmp_path),
            "HUB_DATABASE_URL": "postgresql://me:swordfish@127.0.0.1:1/db",
            "HUB_PORT": str(free_port()),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith("The database cannot be reached (")
    assert ended.stderr.endswith("start it, or correct HUB_DATABASE_URL.\n")
    assert "swordfish" not in ended.stderr


def test_a_name_that_is_no_setting_is_told_of(tmp_path: Path) -> None:
    ended = start(HUB_VAR=str(tmp_path), HUB_PROT="9000", HUB_ELEPHANTS="2", HUB_SOAK_SECONDS="60")
    assert ended.returncode == 0
    assert sorted(ended.stderr.splitlines()) == [
        "Setting HUB_ELEPHANTS is unknown and does nothing: see docs/operations.md for those that there are.",
        "Setting HUB_PROT is unknown and does nothing: the nearest is HUB_PORT.",
    ]


def test_right_settings_start_in_production(tmp_path: Path) -> None:
    ended = start(
        HUB_ENV="production",
        HUB_VAR=str(tmp_path),
        HUB_DATABASE_URL="postgresql://host/db",
        HUB_SECRET_KEY=SECRET,
        HUB_PORT="9000",
    )
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.parametrize("prefix", ["postgres", "postgresql", "postgresql+psycopg"])
def test_any_postgresql_address_gets_the_driver(prefix: str) -> None:
    assert Settings(database_url=f"{prefix}://me@host/db").database_url == "postgresql+psycopg://me@host/db"


def test_read_urls_are_split_at_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUB_DATABASE_READ_URLS", "postgresql://a/db, postgresql://b/db")
    assert Settings().database_read_urls == ("postgresql+psycopg://a/db", "postgresql+psycopg://b/db")


def test_secret_is_made_once_and_kept_private(tmp_path: Path) -> None:
    first, second = Settings(var=tmp_path).secret, Settings(var=tmp_path).secret
    kept = tmp_path / "secret_key"
    assert first == second == kept.read_text()
    assert len(first) == 64
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["secret_key"]


def test_two_hubs_have_different_secrets(tmp_path: Path) -> None:
    assert Settings(var=tmp_path / "one").secret != Settings(var=tmp_path / "two").secret


def test_given_secret_is_not_written_down(tmp_path: Path) -> None:
    assert Settings(var=tmp_path, secret_key=SECRET).secret == SECRET
    assert not list(tmp_path.iterdir())


def test_settings_do_not_change_after_the_start(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Settings(var=tmp_path).port = 9  # type: ignore[misc]  # what is tested


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8000"),
        ("0.0.0.0", "http://127.0.0.1:8000"),
        ("::1", "http://[::1]:8000"),
        ("hub.local", "http://hub.local:8000"),
    ],
)
def test_url_is_one_that_people_can_open(host: str, url: str) -> None:
    assert Settings(host=host).url == url


@pytest.mark.parametrize("place", ["s3://files", "s3://my.files-2/hub/a", "/srv/files", "files"])
def test_files_lie_in_a_folder_or_a_bucket(place: str) -> None:
    assert Settings(files=place).files == place


@pytest.mark.parametrize("place", ["s3://", "s3://Files", "s3:files", "s3://a/b", "s3://-files"])
def test_a_name_that_no_bucket_can_have_is_refused(place: str) -> None:
    with pytest.raises(ValidationError):
        Settings(files=place)
