"""Sets the stage of a soak: a PostgreSQL, a migrated hub with a small shop, a token."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from ipaddress import ip_network
from pathlib import Path

from pydantic import SecretStr

from bench.soak import ground
from bench.soak.attack import Attack, Outcome, Ways
from bench.soak.cluster import Cluster, running
from bench.soak.ground import Ground, free_port
from hub import migrations
from hub.config import Settings
from hub.db import HUB, Database
from hub.token import Wish, create

SERVER: Mapping[str, str] = {"max_connections": "200", "checkpoint_timeout": "30s"}


def attack(folder: Path, ways: Ways) -> Outcome:
    """Attack on a server of its own, which crashes too."""
    with running(folder / "postgres", SERVER) as cluster:
        return attack_on(cluster.start(), folder, ways, cluster)


def attack_on(url: str, folder: Path, ways: Ways, cluster: Cluster | None = None) -> Outcome:
    """Attack an empty database."""
    return Attack(stage(url, folder), cluster, ways).run()


def stage(url: str, folder: Path) -> Ground:
    """Migrate an empty database and fill it with the shop."""
    settings = Settings(
        env="production",
        secret_key=SecretStr(secrets.token_hex(32)),
        var=folder / "var",
        port=free_port(),
        database_url=url,
        webhook_allowed_networks=(ip_network("127.0.0.0/8"),),
    )
    migrations.upgrade(url)
    database = Database(url)
    with database.write(HUB) as tx:
        _, token = create(tx, settings.secret, Wish(kind="staff", name="soak"))
    database.close()
    made = Ground(settings, folder, token)
    ground.furnish(made.address)
    return made
