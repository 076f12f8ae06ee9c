"""Rows in bulk: one statement per table and set of columns, however many rows there are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

Row = dict[str, Any]
_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy left it untyped


def new_ids(tx: sa.Connection, table: sa.Table, count: int) -> list[int]:
    """Ids for rows that are about to be inserted, so that rows can refer to each other before they exist."""
    # OFFSET 0 keeps the look-up of the sequence out of the loop, where it would cost more than the numbers.
    statement = sa.text(
        "SELECT nextval(sequence) FROM generate_series(1, :count),"
        " (SELECT CAST(pg_get_serial_sequence(:name, 'id') AS regclass) AS sequence OFFSET 0) AS named"
    )
    return list(tx.execute(statement, {"name": f'"{table.name}"', "count": count}).scalars())


def insert(tx: sa.Connection, table: sa.Table, rows: Sequence[Row]) -> None:
    """Insert rows in one statement, so that they may refer to each other. What a row leaves out gets its default."""
    names = sorted(set().union(*rows))
    blank = {name: default(table.c[name]) for name in names}
    columns = ", ".join(f'"{name}"' for name in names)
    _execute(
        tx,
        f'INSERT INTO "{table.name}" ({columns}) SELECT {columns} FROM {_given(table, names)}',
        [blank | row for row in rows],
    )


def default(column: sa.Column[Any]) -> Any:
    """What the database fills in where a row leaves the column out; null where that is nothing."""
    given = column.server_default
    if not isinstance(given, sa.DefaultClause):
        return None
    text = str(given.arg)
    if text == "{}":
        return {}
    python = column.type.python_type
    return text == "true" if python is bool else python(text)


def update(tx: sa.Connection, table: sa.Table, rows: Sequence[Row]) -> None:
    """Set the columns that each row names, by ``id``."""
    groups: dict[tuple[str, ...], list[Row]] = defaultdict(list)
    for row in rows:
        groups[tuple(sorted(row))].append(row)
    for names, group in groups.items():
        sets = ", ".join(f'"{name}" = given."{name}"' for name in names if name != "id")
        _execute(
            tx,
            f'UPDATE "{table.name}" AS stored SET {sets} FROM {_given(table, names)} WHERE stored.id = given.id',
            group,
        )


def delete(tx: sa.Connection, table: sa.Table, numbers: Sequence[int]) -> None:
    """Delete rows by ``id``."""
    tx.execute(sa.delete(table).where(table.c.id == sa.any_(sa.cast(list(numbers), sa.ARRAY(sa.BigInteger)))))


def _given(table: sa.Table, names: Sequence[str]) -> str:
    columns = ", ".join(f'"{name}" {table.c[name].type.compile(_DIALECT)}' for name in names)
    return f"jsonb_to_recordset(CAST(:rows AS jsonb)) AS given({columns})"


def _execute(tx: sa.Connection, statement: str, rows: Sequence[Row]) -> None:
    tx.execute(sa.text(statement), {"rows": orjson.dumps(rows, default=_plain).decode()})


def _plain(value: object) -> str:
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError(f"{type(value).__name__} cannot be written.")
