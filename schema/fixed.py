"""Statements whose text never changes: put into words once, and run past SQLAlchemy.

A search asks a handful of small questions for each page. Making and sending them the general way took longer than
everything else that the hub does for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from hub.direct import Made

if TYPE_CHECKING:
    import sqlalchemy as sa

    from hub.db import Database


class Fixed:
    """A select, ready to run. Every parameter of it has a type."""

    def __init__(self, select: sa.Select[*tuple[Any, ...]]) -> None:
        self._select = select

    @cached_property
    def _made(self) -> tuple[Made, tuple[str, ...]]:
        return Made.of(self._select), tuple(str(column.key) for column in self._select.selected_columns)

    async def rows(self, database: Database, values: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The rows by column. Raises ``psycopg.Error``."""
        made, names = self._made
        return [dict(zip(names, row, strict=True)) for row in await database.read_made(made, values)]
