"""Connections by the Relay specification: pages by key, so that a page stays where it is while rows come and go."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from hashlib import blake2s
from typing import Any, Generic, TypeVar

import orjson
import strawberry

from hub.errors import Invalid, Limit
from schema import sql
from schema.declare import resolved
from schema.scalar import LARGEST
from schema.spec import Argument

T = TypeVar("T")

LARGEST_PAGE = 100
DEFAULT_PAGE = 20


@strawberry.type(description="Where a page stands in its list.")
class PageInfo:
    """Where a page stands in its list."""

    has_next_page: bool = strawberry.field(description="Whether rows follow this page.")
    has_previous_page: bool = strawberry.field(description="Whether rows precede this page.")
    start_cursor: str | None = strawberry.field(
        description="Cursor of the first row; null for an empty page."
    )
    end_cursor: str | None = strawberry.field(description="Cursor of the last row; null for an empty page.")


@strawberry.type(description="A row of a connection with its cursor.")
class Edge(Generic[T]):
    """A row of a connection with its cursor."""

    cursor: str = strawberry.field(
        description="Names this place in this ordering; give it as after or before."
    )
    node: T = strawberry.field(description="The row.")


@dataclass(frozen=True)
class Counted:
    """A count that may have stopped at its cap."""

    count: int
    capped: bool

    @classmethod
    def of(cls, counted: int) -> Counted:
        """What a capped counting statement gave."""
        return cls(min(counted, sql.COUNT_CAP), counted > sql.COUNT_CAP)


def _edges(page: Connection[Any], _info: Any, _arguments: Any) -> list[Edge[Any]]:
    return [Edge(cursor=cursor, node=node) for cursor, node in zip(page.cursors, page.nodes, strict=True)]


async def _count(page: Connection[Any], _info: Any, _arguments: Any) -> int:
    return (await page.counting()).count


async def _capped(page: Connection[Any], _info: Any, _arguments: Any) -> bool:
    return (await page.counting()).capped


@strawberry.type(description="A page of a list, by the Relay specification.")
class Connection(Generic[T]):
    """A page of a list."""

    nodes: list[T] = strawberry.field(description="The rows of the page.")
    page_info: PageInfo = strawberry.field(description="Where the page stands in its list.")
    cursors: strawberry.Private[list[str]]
    counting: strawberry.Private[Callable[[], Awaitable[Counted]]]

    edges: list[Edge[T]] = resolved("The rows of the page, each with its cursor.", _edges)
    total_count: int = resolved(
        f"How many rows the whole list has, without first, last, after and before. Counting stops at {sql.COUNT_CAP}: "
        "see totalCountCapped. It costs a statement of its own, so ask only where it is shown.",
        _count,
    )
    total_count_capped: bool = resolved(
        f"Whether there are more rows than totalCount says, because counting stopped at {sql.COUNT_CAP}.",
        _capped,
    )


ARGUMENTS: dict[str, Argument] = {
    "first": Argument(
        type=int | None,
        description=f"Rows from the start, or after the cursor: 0 to {LARGEST_PAGE}; {DEFAULT_PAGE} without first and last.",
    ),
    "after": Argument(type=str | None, description="Cursor of the row that the page comes after."),
    "last": Argument(
        type=int | None,
        description=f"Rows from the end, or before the cursor: 0 to {LARGEST_PAGE}. Not with first.",
    ),
    "before": Argument(type=str | None, description="Cursor of the row that the page comes before."),
}
"""The paging arguments of every connection."""


@dataclass(frozen=True)
class Paging:
    """The paging arguments as given."""

    first: int | None = None
    after: str | None = None
    last: int | None = None
    before: str | None = None

    @property
    def size(self) -> int:
        """The rows of the page. Raises ``Invalid`` or ``Limit`` for arguments that make no page."""
        if self.first is not None and self.last is not None:
            raise Invalid("first and last cannot go together: give one of them.")
        name, size = ("last", self.last) if self.last is not None else ("first", self.first)
        if size is None:
            return DEFAULT_PAGE
        if size < 0:
            raise Invalid(f"{name} is {size}: give 0 to {LARGEST_PAGE}.", (name,))
        if size > LARGEST_PAGE:
            raise Limit(
                f"{name} is {size}, but a page has at most {LARGEST_PAGE} rows: go on with cursors.", (name,)
            )
        return size

    def window(self, ordering: sql.Ordering) -> sql.Window:
        """The part of the list, one row more than the page to know whether more follow."""
        return sql.Window(
            limit=self.size + 1,
            after=None if self.after is None else decode(self.after, ordering, "after"),
            before=None if self.before is None else decode(self.before, ordering, "before"),
            backward=self.last is not None,
        )

    def shown(self, rows: Sequence[T]) -> tuple[list[T], bool, bool]:
        """The rows that are shown of those read in the window's direction, and whether rows follow and precede them."""
        size, backward = self.size, self.last is not None
        more, shown = len(rows) > size, list(rows[:size])
        if backward:
            shown.reverse()
            return shown, self.before is not None, more
        return shown, more, self.after is not None

    def page(
        self,
        rows: Sequence[tuple[Any, Any]],
        ordering: sql.Ordering,
        counting: Callable[[], Awaitable[Counted]],
    ) -> Connection[Any]:
        """The page made of rows and instances, read in the window's direction."""
        shown, has_next, has_previous = self.shown(rows)
        cursors = [encode(row, ordering) for row, _ in shown]
        return Connection(
            nodes=[instance for _, instance in shown],
            cursors=cursors,
            counting=counting,
            page_info=PageInfo(
                has_next_page=has_next,
                has_previous_page=has_previous,
                start_cursor=cursors[0] if cursors else None,
                end_cursor=cursors[-1] if cursors else None,
            ),
        )


def encode(row: Any, ordering: sql.Ordering) -> str:
    """The cursor of a row: its key values, under the mark of their ordering."""
    return cursor(mark(ordering), [_plain(row[f"key_{place}"]) for place in range(len(ordering.keys))])


def cursor(mark: str, values: Sequence[Any]) -> str:
    """The cursor of plain key values, under the mark of their ordering."""
    return base64.urlsafe_b64encode(orjson.dumps([mark, *values])).decode().rstrip("=")


def decode(cursor: str, ordering: sql.Ordering, argument: str) -> tuple[Any, ...]:
    """The key values of a cursor. Raises ``Invalid`` for a cursor of another ordering, or for none at all."""
    try:
        own, *values = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if own != mark(ordering) or len(values) != len(ordering.keys):
            raise Invalid(
                f'Cursor "{cursor}" belongs to another list or order: take one from this connection.',
                (argument,),
            )
        return tuple(_typed(value, key) for value, key in zip(values, ordering.keys, strict=True))
    except (binascii.Error, UnicodeError, ValueError, TypeError, ArithmeticError) as wrong:
        raise Invalid(f'"{cursor}" is not a cursor: take one from this connection.', (argument,)) from wrong


def mark(ordering: sql.Ordering) -> str:
    """What tells the cursors of an ordering from those of others."""
    return blake2s(ordering.tag.encode(), digest_size=4).hexdigest()


def _plain(value: Any) -> Any:
    return (
        str(value)
        if isinstance(value, Decimal)
        else value.isoformat()
        if isinstance(value, datetime)
        else value
    )


def _typed(value: Any, key: sql.Key) -> Any:
    if value is None:
        if not key.nullable:
            raise ValueError("A key that has no null.")
        return None
    wanted = key.expression.type.python_type
    if wanted is datetime:
        return datetime.fromisoformat(value)
    if wanted is Decimal:
        return Decimal(value)
    if type(value) is not wanted:
        raise TypeError(f"{value!r} is no {wanted.__name__}.")
    if (wanted is int and abs(value) > LARGEST) or (wanted is str and "\0" in value):
        raise ValueError(f"{value!r} is nothing that a key can be.")
    return value
