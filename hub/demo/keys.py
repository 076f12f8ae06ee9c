"""The demo's tokens. Their texts are kept in a file, so that they are the same at every start."""

from __future__ import annotations

import json
import os
from pathlib import Path

import sqlalchemy as sa

from hub.db import Database
from hub.demo.gallery import DEMO
from hub.token import Wish, authenticate, create

FILE = "demo-tokens.json"

WISHES = {
    "admin": Wish(kind="staff", name="Demo admin", system="hub", default_channel="web", default_locale="en"),
    "storefront": Wish(kind="storefront", name="Demo storefront", channels=["web"], default_locale="en"),
    "shop": Wish(
        kind="app",
        name="Demo shop's server",
        system="shop",
        scopes=["catalogue:read", "customers:read", "orders:read", "orders:write", "settings:read", "stock:read"],
        channels=["web"],
        default_locale="en",
    ),
    "erp": Wish(
        kind="app",
        name="Demo ERP",
        system="erp",
        scopes=[
            *("catalogue:read", "catalogue:write", "customers:read", "feed:read", "orders:read", "orders:write"),
            *("settings:read", "stock:read", "stock:write", "webhooks:read", "webhooks:write"),
        ],
    ),
    "marketplace": Wish(
        kind="app",
        name="Demo marketplace",
        system="marketplace",
        scopes=["catalogue:read", "feed:read", "settings:read", "webhooks:read", "webhooks:write"],
        default_channel="marketplace",
    ),
}  # fmt: skip
"""Who the demo's tokens are for."""


def ready(database: Database, secret: str, folder: Path) -> dict[str, str]:
    """The texts of the demo's tokens by name; those that are missing or no longer open the same are made."""
    path = folder / FILE
    kept: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    with database.write(DEMO) as tx:
        texts = {name: _one(tx, secret, kept.get(name), wish) for name, wish in WISHES.items()}
        write_private(path, json.dumps(texts, indent=2))
    return texts


def _one(tx: sa.Connection, secret: str, kept: str | None, wish: Wish) -> str:
    opened = None if kept is None else tx.execute(authenticate(secret, kept)).mappings().first()
    if (
        kept is not None
        and opened is not None
        and (wish.scopes is None or {*wish.scopes} == {*opened["scopes"]})
    ):
        return kept
    return create(tx, secret, wish)[1]


def write_private(path: Path, text: str) -> None:
    """Write a file that its owner alone may read; a reader never finds half of it."""
    part = path.with_name(f"{path.name}.part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(f"{text}\n")
    part.replace(path)
