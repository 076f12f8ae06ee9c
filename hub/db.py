"""The database: one way to write, one way to read.

A write names who writes. PostgreSQL notes it with every value and change, so it is not an optional courtesy.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, ClassVar, cast

import orjson
import psycopg
import sqlalchemy as sa
from psycopg.types.json import set_json_dumps, set_json_loads
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import DeclarativeBase, mapped_column

from hub.direct import Direct, Made, Row
from hub.field import Field
from hub.wake import COMMITTED

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

Json = dict[str, Any]
Id = Annotated[int, mapped_column(sa.BigInteger, sa.Identity(), primary_key=True)]


class Base(DeclarativeBase):
    """Every table of the hub. Classes only declare tables: statements are written with SQLAlchemy Core."""

    metadata = sa.MetaData(naming_convention=NAMES)
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        int: sa.BigInteger,
        str: sa.Text,
        Json: JSONB,
    }


def written(
    *type_: Any,
    refers: str | None = None,
    required: bool = False,
    name: str | None = None,
    kind: str | None = None,
    **options: Any,
) -> Any:
    """A column that inputs may write; see ``hub.registry.Field`` for the words."""
    declared = Field(refers=refers, required=required, name=name, kind=kind)
    return mapped_column(*type_, info={"field": declared}, **options)


def belongs(to: str, **options: Any) -> Any:
    """The column that ties a row to what it is part of; it goes with it."""
    return mapped_column(sa.ForeignKey(to, ondelete="CASCADE"), nullable=False, index=True, **options)


@dataclass(frozen=True)
class Writer:
    """Who writes: ``actor`` (``token:7``, ``import:icecat``) and ``source``, the system that the values come from."""

    actor: str
    source: str
    reason: str | None = None


HUB = Writer(actor="hub", source="hub")
"""The hub itself, for what it does unasked: turning windows, housekeeping."""


class Database:
    """A pool for synchronous writes and one for asynchronous reads of the same PostgreSQL.

    ``url`` is a SQLAlchemy address (``postgresql+psycopg://…``). ``tries``: whether each connection is tried before it is
    used, which is one more round trip; who does it all again after a failure need not.
    """

    def __init__(
        self, url: str, *, pool_size: int = 8, statement_timeout_ms: int = 0, tries: bool = True
    ) -> None:
        self.url = url
        told = f"-c timezone=UTC -c statement_timeout={statement_timeout_ms}"
        options = {
            "pool_size": pool_size,
            "max_overflow": pool_size,
            "pool_pre_ping": tries,
            "hide_parameters": True,  # the values of a statement may be personal data, and errors are logged
            "connect_args": {"options": told},
        }
        self.engine = sa.create_engine(url, **options)
        # A read is one statement: a transaction around it would be two more round trips for nothing.
        self.async_engine = create_async_engine(url, **options, isolation_level="AUTOCOMMIT")
        address = sa.make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
        self.direct = Direct(address, size=pool_size, options=told)
        self.statements = 0
        for engine in (self.engine, self.async_engine.sync_engine):
            sa.event.listen(engine, "before_cursor_execute", self._count)

    def _count(self, *_: object) -> None:
        self.statements += 1

    @contextmanager
    def write(self, writer: Writer) -> Iterator[sa.Connection]:
        """A transaction that commits at the end of the block, and is undone by an exception in it."""
        with self.engine.begin() as tx:
            sign(tx, writer)
            yield tx
        COMMITTED.ring()

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A connection for reading; what is written through it is rolled back."""
        with self.engine.connect() as connection:
            yield connection

    async def rows(
        self, statement: sa.Executable, values: dict[str, Any] | None = None
    ) -> Sequence[sa.RowMapping]:
        """The rows of one statement, on a connection of its own: loaders run side by side."""
        async with self.async_engine.connect() as connection:
            return (await connection.execute(statement, values or {})).mappings().all()

    async def read_made(self, statement: Made, values: Mapping[str, Any]) -> Sequence[Row]:
        """The rows of a statement that was made before, on a connection of its own. Raises ``psycopg.Error``."""
        self.statements += 1
        return await self.direct.rows(statement, values)

    def close(self) -> None:
        """Give the synchronous connections back."""
        self.engine.dispose()

    async def aclose(self) -> None:
        """Give all connections back."""
        await self.direct.aclose()
        await self.async_engine.dispose()
        self.close()


def sign(tx: sa.Connection, writer: Writer) -> None:
    """Tell PostgreSQL who writes in this transaction; it answers whether any field has an owner (``hub.ownership``)."""
    signed = tx.execute(
        sa.text(
            "SELECT set_config('hub.actor', :actor, true), set_config('hub.source', :source, true),"
            " set_config('hub.reason', :reason, true), EXISTS (SELECT FROM field_owner)"
        ),
        {"actor": writer.actor, "source": writer.source, "reason": writer.reason or ""},
    )
    tx.info["owned"] = signed.one()[3]


def raw(tx: sa.Connection) -> psycopg.Connection[Any]:
    """The psycopg connection below ``tx``, for COPY."""
    connection = tx.connection.driver_connection
    return cast("psycopg.Connection[Any]", connection)


set_json_dumps(partial(orjson.dumps, option=orjson.OPT_NON_STR_KEYS))
set_json_loads(orjson.loads)
