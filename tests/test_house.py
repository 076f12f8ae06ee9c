"""The house: how it starts, what it says of itself, and what its files promise."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
import yaml

from hub import migrations, postgres
from hub.config import Settings
from hub.db import Database
from tests.running import Server, free_port, serving, wait_until

HOUSE = Path(__file__).parent.parent
SECRET = "0123456789abcdef" * 4


def hub(var: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run one command of the hub."""
    return subprocess.run(
        [sys.executable, "-m", "hub", *words],
        env=os.environ | {"HUB_VAR": str(var)} | environment,
        cwd=HOUSE,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def var(tmp_path: Path) -> Path:
    """A folder with nothing in it yet."""
    return tmp_path / "var"


def test_server_says_that_it_lives(server: Server) -> None:
    status, body = server.get("/health")
    assert (status, json.loads(body)) == (200, {"status": "ok"})


def test_server_becomes_ready_with_every_check_well(server: Server) -> None:
    wait_until(lambda: server.get("/ready")[0] == 200)
    checks = json.loads(server.get("/ready")[1])["checks"]
    assert {name: check["ok"] for name, check in checks.items()} == {
        "database": True,
        "migrations": True,
        "capture": True,
        "relay": True,
        "search": True,
        "webhooks": True,
    }


def test_server_at_another_migration_is_not_ready(server: Server) -> None:
    with server.database.engine.begin() as tx:
        tx.execute(sa.text("UPDATE alembic_version SET version_num = 'another'"))
    status, body = server.get("/ready")
    check = json.loads(body)["checks"]["migrations"]
    assert (status, check["ok"]) == (503, False)
    assert check["detail"] == (
        f"The database is at migration another, not {migrations.newest()}: run hub migrate."
    )


def test_server_whose_relay_stands_still_is_not_ready(settings: Settings) -> None:
    with serving(settings, relay=False) as server:
        with server.database.engine.begin() as tx:
            tx.execute(
                sa.text(
                    "INSERT INTO pending (token, type, aggregate, aggregate_id, version, kind, events, changes,"
                    " actor, source, occurred_at) VALUES (gen_random_uuid(), 'a.b', 'a', 1, 1, 'CREATED', '{}',"
                    " '[]', 'a', 's', now() - interval '2 minutes')"
                )
            )
        status, body = server.get("/ready")
        assert status == 503
        assert json.loads(body)["checks"]["relay"]["detail"].startswith(
            "1 changes wait for the relay, the oldest"
        )
        metrics = server.get("/metrics")[1]
        assert "hub_feed_pending 1.0" in metrics
        assert re.search(r"hub_relay_lag_seconds 1[2-9]\d\.", metrics)


def test_metrics_count_requests_by_path_and_status(server: Server) -> None:
    for path in ("/health", "/health", "/guess/1", "/guess/2"):
        server.get(path)
    metrics = server.get("/metrics")[1]
    assert 'hub_requests_total{method="GET",path="/health",status="200"} 2.0' in metrics
    assert 'hub_requests_total{method="GET",path="other",status="404"} 2.0' in metrics
    assert "hub_feed_head 0.0" in metrics
    assert "guess" not in metrics


def test_probes_answer_while_the_database_is_away(settings: Settings) -> None:
    with serving(settings) as server:
        server.database.engine.dispose()
        away = sa.make_url(str(settings.database_url))
        with psycopg.connect(
            postgres.libpq(away.set(database="postgres").render_as_string(hide_password=False)),
            autocommit=True,
        ) as admin:
            admin.execute(f"ALTER DATABASE {away.database} ALLOW_CONNECTIONS false")
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [away.database]
            )
            assert server.get("/health")[0] == 200
            assert server.get("/metrics")[0] == 200
            status, body = server.get("/ready")
            assert (status, json.loads(body)["checks"]["database"]["ok"]) == (503, False)
            admin.execute(f"ALTER DATABASE {away.database} ALLOW_CONNECTIONS true")
        wait_until(lambda: server.get("/ready")[0] == 200)


def test_printed_address_opens_the_embedded_database(var: Path) -> None:
    printed = hub(var, "db", "url")
    try:
        assert (printed.returncode, printed.stderr) == (0, "")
        with psycopg.connect(printed.stdout.strip()) as connection:
            row = connection.execute("SELECT current_database(), current_setting('jit')").fetchone()
        assert row == ("hub", "off")
    finally:
        postgres.embedded(var / "postgres")
        postgres.release(var / "postgres")


def test_first_starts_at_once_share_one_database_and_the_last_stops_it(var: Path) -> None:
    with ThreadPoolExecutor() as pool:
        ended = list(pool.map(lambda _: hub(var, "migrate"), range(2)))
    again = hub(var, "migrate")
    done = f"The database is at migration {migrations.newest()}.\n"
    assert [(each.returncode, each.stdout, each.stderr) for each in (*ended, again)] == [(0, done, "")] * 3
    assert (var / "postgres" / "PG_VERSION").exists()
    assert not (var / "postgres" / "postmaster.pid").exists()


def test_database_is_not_migrated_by_itself_in_production(database_url: str, var: Path) -> None:
    with Database(database_url).engine.begin() as tx:
        tx.execute(sa.text("DROP TABLE alembic_version"))
    settings = Settings(env="production", var=var, database_url=database_url, secret_key=SECRET)
    migrations.prepared(settings).close()
    with Database(database_url).read() as tx:
        assert not sa.inspect(tx).has_table("alembic_version")


def test_server_ends_cleanly_on_sigterm(var: Path) -> None:
    environment = os.environ | {"HUB_VAR": str(var), "HUB_PORT": str(free_port())}
    with subprocess.Popen(
        [sys.executable, "-m", "hub", "serve"], env=environment, cwd=HOUSE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == f"Serving http://127.0.0.1:{environment['HUB_PORT']}/graphql\n"
        process.terminate()
        process.wait(timeout=30)
    assert not (var / "postgres" / "postmaster.pid").exists()


def test_token_is_printed_and_kept_as_a_hash(database_url: str, var: Path) -> None:
    made = hub(var, "token", "create", "erp", "--kind", "staff", HUB_DATABASE_URL=database_url)
    assert (made.returncode, made.stderr) == (0, "")
    with Database(database_url).read() as tx:
        kept = tx.execute(sa.text("SELECT name, last_four, token::text AS everything FROM token")).one()
    assert (kept.name, kept.last_four) == ("erp", made.stdout.strip()[-4:])
    assert made.stdout.strip() not in kept.everything


def test_refused_command_is_one_line(database_url: str, var: Path) -> None:
    refused = hub(var, "token", "create", "x", "--channel", "nowhere", HUB_DATABASE_URL=database_url)
    assert refused.returncode == 1
    assert refused.stdout == ""
    assert re.fullmatch(r'.*"nowhere".*\n', refused.stderr)


def test_migrations_import_nothing_of_ours() -> None:
    ours = {"hub", "schema", "search", "webhooks"}
    for file in (HOUSE / "alembic" / "versions").glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not ours & {name.partition(".")[0] for name in names}, file.name


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_lock_names_no_registry_and_hashes_every_package(name: str) -> None:
    text = (HOUSE / name).read_text()
    packages = re.split(r"\n(?=\S)", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).strip())
    assert len(packages) > 30
    assert not [package for package in packages if "--hash=sha256:" not in package]
    assert not re.search(r"://|--index|--find-links|--trusted-host", text)


def test_compose_gives_every_service_a_health_check() -> None:
    services = yaml.safe_load((HOUSE / "docker-compose.yml").read_text())["services"]
    assert set(services) == {"postgres", "elasticsearch", "storage", "migrate", "hub", "relay"}
    without = {name for name, service in services.items() if "healthcheck" not in service}
    assert without == {"migrate"}  # it runs once and ends


def test_image_runs_as_an_unprivileged_user() -> None:
    users = re.findall(r"^USER (\S+)$", (HOUSE / "Dockerfile").read_text(), flags=re.MULTILINE)
    assert users
    assert users[-1] not in ("root", "0")
