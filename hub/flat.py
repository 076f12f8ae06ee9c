"""Flat maps: how the feed holds a row. Column → value, and ``column/key`` → value for columns captured key by key.

In the maps of an update a null under ``column/key`` means that the key is not there.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from hub.db import Json
from hub.registry import Part

LEVELS = {"attributes": 3}
"""How many keys lead to one value of a column captured key by key: code, channel, locale; elsewhere one (a locale)."""


def captured(part: Part) -> list[sa.Column[Any]]:
    """The columns whose changes are recorded, in the table's order."""
    silent = {*part.kept.hidden, "provenance"}
    return [column for column in part.table.columns if column.name not in silent]


def levels(column: str) -> int:
    """How many keys lead to a value of a column captured key by key."""
    return LEVELS.get(column, 1)


def split(path: str) -> tuple[str, str | None]:
    """Column and key of an entry; the key is null for a column captured whole."""
    column, slash, key = path.partition("/")
    return column, key if slash else None


def before(now: Json | None, op: str, old: Json | None) -> Json | None:
    """The row as it was before a change whose old values are ``old``; null where there was none."""
    if old is None:
        return None
    whole = (now or {}) | old if op == "U" else old
    return {path: value for path, value in whole.items() if value is not None or "/" not in path}
