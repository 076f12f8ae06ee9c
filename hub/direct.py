"""Statements that are made once and run often, past SQLAlchemy: their text with numbered parameters, on connections of
psycopg that keep them prepared.

Making a statement takes longer than running most of them, so whoever asks often keeps the ``Fragment``.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

import sqlalchemy as sa
from psycopg import AsyncConnection, AsyncRawCursor, OperationalError
from psycopg.errors import QueryCanceled
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool
from sqlalchemy.dialects.postgresql import psycopg as driver

DIALECT: sa.Dialect = driver.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy's dialects have no types
PARAMETER = re.compile(r"%%|%\((\w+)\)s")
PLAIN = (sa.String, sa.Numeric, sa.Boolean, sa.LargeBinary, sa.JSON.JSONPathType)
"""Types whose values say themselves what they are, or are sent as text that PostgreSQL reads as what it needs."""
PREPARED_AFTER = 1
"""How often a connection runs a statement before it keeps it prepared."""
PREPARED_MOST = 100
"""Statements that a connection keeps prepared."""
PATIENCE = 30.0
"""Seconds to wait for a connection."""

Row = tuple[Any, ...]


@dataclass(frozen=True, eq=False)
class Fragment:
    """A SELECT's text, cut at its parameters: ``pieces`` has one entry more than ``names``.

    ``constants``: the values that stand in the statement itself; every other name is bound when it runs.
    """

    pieces: tuple[str, ...]
    names: tuple[str, ...]
    constants: Mapping[str, Any]

    @classmethod
    def of(
        cls, statement: sa.Executable, late: Mapping[sa.BindParameter[Any], str] | None = None
    ) -> Fragment:
        """The fragment of a statement. ``late``: parameters of it that are bound by another name when it runs.

        Raises ``TypeError`` for a parameter whose type PostgreSQL would have to guess.
        """
        # A list whose length the text depends on is written out.
        options = {"render_postcompile": True}
        compiled = cast("Any", statement).compile(dialect=DIALECT, compile_kwargs=options)
        # A condition beside one that nothing meets is left out of the text, and its parameters with it.
        renamed = {
            compiled.bind_names[bind]: name
            for bind, name in (late or {}).items()
            if bind in compiled.bind_names
        }
        plain = {name for name, bind in compiled.binds.items() if isinstance(bind.type, PLAIN)}
        pieces, names = _cut(str(compiled), plain)
        open_ = {name for name, bind in compiled.binds.items() if bind.required} | set(renamed)
        constants = {
            name: wire(_processed(compiled, name, value))
            for name, value in compiled.params.items()
            if name in names and name not in open_
        }
        return cls(pieces, tuple(renamed.get(name, name) for name in names), constants)


def bound(bind: sa.BindParameter[Any]) -> Any:
    """The value of a parameter, as it goes to PostgreSQL."""
    processor = bind.type.dialect_impl(DIALECT).bind_processor(DIALECT)
    return wire(bind.effective_value if processor is None else processor(bind.effective_value))


def _processed(compiled: Any, name: str, value: Any) -> Any:
    processor: Callable[[Any], Any] | None = compiled._bind_processors.get(name)  # noqa: SLF001 - what execution itself uses
    return value if processor is None else processor(value)


def _cut(text: str, plain: Collection[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Cut a compiled text at its parameters. ``plain``: those whose type need not stand there."""
    pieces, names, piece, end = [], [], "", 0
    for found in PARAMETER.finditer(text):
        piece += text[end : found.start()]
        end = found.end()
        if found[1] is None:
            piece += "%"
            continue
        if not text.startswith("::", end) and found[1] not in plain:
            raise TypeError(f"Parameter {found[1]} names no type.")
        pieces.append(piece)
        names.append(found[1])
        piece = ""
    return (*pieces, piece + text[end:]), tuple(names)


def wire(value: Any) -> Any:
    """A parameter as it goes to PostgreSQL: as text where the statement says the type.

    psycopg chooses a type by how large a number is, and PostgreSQL would prepare the statement anew for each.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, list) and all(type(each) is int for each in value):
        return "{" + ",".join(map(str, value)) + "}"
    return value


class Text:
    """A statement that is put together from texts and fragments."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._slots: list[tuple[str | None, Any]] = []
        self._places: dict[str, int] = {}

    def add(self, text: str) -> None:
        """Add plain text."""
        self._parts.append(text)

    def take(
        self,
        fragment: Fragment,
        renamed: Mapping[str, str] | None = None,
        inlined: Mapping[str, str] | None = None,
    ) -> None:
        """Add a fragment. ``renamed``: other names for its parameters; ``inlined``: text in place of a parameter."""
        for place, piece in enumerate(fragment.pieces):
            self._parts.append(piece)
            if place < len(fragment.names):
                name = fragment.names[place]
                self._parts.append(
                    (inlined or {}).get(name) or self._parameter(fragment, name, renamed or {})
                )

    def _parameter(self, fragment: Fragment, name: str, renamed: Mapping[str, str]) -> str:
        if name in fragment.constants:
            self._slots.append((None, fragment.constants[name]))
            return f"${len(self._slots)}"
        shown = renamed.get(name, name)
        if shown not in self._places:
            self._slots.append((shown, None))
            self._places[shown] = len(self._slots)
        return f"${self._places[shown]}"

    def made(self) -> Made:
        """The statement."""
        return Made("".join(self._parts), tuple(self._slots))


@dataclass(frozen=True)
class Made:
    """A statement that is ready to run. ``slots``: for each parameter its name, or null and its value."""

    text: str
    slots: tuple[tuple[str | None, Any], ...]

    @classmethod
    def of(cls, statement: sa.Executable) -> Made:
        """The whole of a statement."""
        text = Text()
        text.take(Fragment.of(statement))
        return text.made()

    def parameters(self, values: Mapping[str, Any]) -> list[Any]:
        """The parameters in their order."""
        return [constant if name is None else wire(values[name]) for name, constant in self.slots]


class Connection(AsyncConnection[TupleRow]):
    """A connection of psycopg with one cursor that it reads by."""

    reader: AsyncRawCursor[TupleRow]


async def _ready(connection: Connection) -> None:
    connection.reader = AsyncRawCursor(connection)
    connection.prepare_threshold = PREPARED_AFTER
    connection.prepared_max = PREPARED_MOST


class Direct:
    """Connections of one event loop, opened when first asked for. ``options``: what PostgreSQL is told at their start."""

    def __init__(self, address: str, *, size: int, options: str) -> None:
        self._address = address
        self._size = size
        self._options = options
        self._pool: AsyncConnectionPool[Connection] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def rows(self, statement: Made, values: Mapping[str, Any]) -> Sequence[Row]:
        """The rows of one statement. Raises ``psycopg.Error``."""
        return await self.run(statement.text, statement.parameters(values))

    async def run(self, text: str, parameters: Sequence[Any]) -> Sequence[Row]:
        """The rows of a text with its parameters. Raises ``psycopg.Error``.

        Connections that died since they were used are replaced, and the statement is run once more: it only reads.
        """
        pool = await self._opened()
        try:
            return await self._run(pool, text, parameters)
        except OperationalError as wrong:
            if isinstance(wrong, QueryCanceled):
                raise
            await pool.check()
            return await self._run(pool, text, parameters)

    async def _run(
        self, pool: AsyncConnectionPool[Connection], text: str, parameters: Sequence[Any]
    ) -> Sequence[Row]:
        connection = await pool.getconn(PATIENCE)
        try:
            await connection.reader.execute(text, parameters)
            return await connection.reader.fetchall()
        finally:
            await pool.putconn(connection)

    async def _opened(self) -> AsyncConnectionPool[Connection]:
        if self._pool is None or self._loop is not asyncio.get_running_loop():
            self._loop = asyncio.get_running_loop()
            self._pool = AsyncConnectionPool(
                self._address,
                connection_class=Connection,
                kwargs={"autocommit": True, "options": self._options},
                min_size=0,
                max_size=self._size,
                open=False,
                configure=_ready,
            )
            await self._pool.open()
        return self._pool

    async def aclose(self) -> None:
        """Give the connections back."""
        if self._pool is not None and self._loop is asyncio.get_running_loop():
            await self._pool.close()
        self._pool = None
