"""A noun's table as a compiled read takes it: the columns that are asked for, and to-one relations joined in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from schema import sql

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hub.viewer import Viewer
    from schema.declare import Noun


class Joined(sql.Frame):
    """A frame with some columns, in a fixed order, and the rows of other nouns that its columns name.

    The other's row rule stands in the ON: a row that the viewer may not see is as one that is not there.
    """

    def __init__(self, noun: Noun, viewer: Viewer, source: sa.FromClause | None = None) -> None:
        super().__init__(noun, source)
        self._viewer = viewer
        self._others: dict[str, Joined] = {}
        self._seen: set[str] = set()
        self._chosen: Sequence[sa.ColumnElement[Any]] | None = None

    def one(self, via: str, noun: Noun, *, follows: bool = False) -> Joined:
        """The joined row of another noun, whose id stands in column ``via``. ``follows``: whoever sees the one sees it."""
        if via not in self._others:
            self._others[via] = Joined(noun, self._viewer)
            self._seen |= {via} if follows else set()
        return self._others[via]

    @property
    def alone(self) -> bool:
        """Whether nothing is joined to it."""
        return not self._others

    def choose(self, columns: Sequence[sa.ColumnElement[Any]]) -> None:
        """Say which columns are read, of this frame and of those joined to it."""
        self._chosen = columns

    def columns(self) -> list[sa.ColumnElement[Any]]:
        """The chosen columns, as ``c0`` and so on."""
        assert self._chosen is not None, "A joined frame is read by the columns that were chosen."
        return [column.label(f"c{place}") for place, column in enumerate(self._chosen)]

    def beside(self, start: sa.FromClause) -> sa.FromClause:
        """``start`` with the aggregate's row and the joined ones."""
        found = super().beside(start)
        for via, other in self._others.items():
            rule = [] if via in self._seen else other.seen_by(self._viewer)
            met = sa.and_(other.c.id == self.c[via], *rule)
            found = other.beside(found.outerjoin(other.table, met))
        return found
