"""Change capture: triggers, generated from the registry, that see every write in its own transaction.

A statement trigger on each kept table writes a piece for every row that really changed. The pieces are folded into
records when the transaction commits (``hub.flush``), whoever wrote: a mutation, an import, the clock or ``psql``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import sqlalchemy as sa

from hub import audience, flush, functions, guards, sequencer, state
from hub.db import raw
from hub.flat import captured
from hub.registry import Part, parts

LOCK = 4_823_001
"""The advisory lock under which functions and triggers are replaced, by one process at a time."""

PAIRS = 45
"""A function of PostgreSQL takes 100 arguments: an object of more columns is put together from several."""

CAPTURE = """
CREATE OR REPLACE FUNCTION hub_capture_{table}_{suffix}() RETURNS trigger LANGUAGE plpgsql
SET search_path = {schema}, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    mine uuid := hub_token();
    place bigint := nextval('frag_statement');
BEGIN
    INSERT INTO frag (token, statement, aggregate, aggregate_id, "table", key, before, after, context)
    {select};
    IF FOUND THEN
        INSERT INTO tx_open (token) VALUES (mine) ON CONFLICT DO NOTHING;
    END IF;
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER hub_capture_{suffix} AFTER {operation} ON "{table}" REFERENCING {rows}
    FOR EACH STATEMENT EXECUTE FUNCTION hub_capture_{table}_{suffix}();
ALTER TABLE "{table}" ENABLE ALWAYS TRIGGER hub_capture_{suffix};
"""


def prelude(connection: sa.Connection) -> None:
    """Make the functions that column defaults and checks of the tables call. Runs before the migrations."""
    _alone(connection)
    _run(connection, functions.statements())


def install(connection: sa.Connection) -> None:
    """Make or renew all functions and triggers. Runs after the migrations, as often as one likes.

    Raises ``ValueError`` for a declaration that cannot be captured.
    """
    _alone(connection)
    schema = connection.scalar(sa.select(sa.func.quote_ident(sa.func.current_schema())))
    _run(connection, functions.statements())
    _run(connection, statements(parts(), str(schema)))
    _drop_stale(connection)
    sequencer.prepare(connection)
    audience.install(connection)


def statements(kept: Sequence[Part], schema: str) -> str:
    """All SQL that the kept tables need: capture, flush and guards."""
    each = (sql for part in kept for sql in (*_capture(part, schema), *guards.of_table(part)))
    return (
        flush.statements(kept, schema)
        + audience.statements(kept)
        + sequencer.statements()
        + guards.SHARED
        + "".join(each)
        + guards.of_references(kept)
    )


def row(part: Part, alias: str) -> str:
    """SQL for the flat map of a whole row."""
    plain = [f"'{column.name}', {_value(column, alias)}" for column in _plain(part)]
    deep = [
        f"""(SELECT coalesce(jsonb_object_agg('{column}/' || key, value), '{{}}') FROM jsonb_each({alias}."{column}"))"""
        for column in part.kept.deep
    ]
    return " || ".join((*_objects(plain), *deep))


def key(part: Part, alias: str) -> str:
    """SQL for the primary key as JSON: the value, or a list of several."""
    columns = [f'{alias}."{column.name}"' for column in part.table.primary_key]
    return f"to_jsonb({columns[0]})" if len(columns) == 1 else f"jsonb_build_array({', '.join(columns)})"


def owner(part: Part, alias: str) -> tuple[str, str]:
    """SQL for the type and id of the aggregate that a row belongs to."""
    named = part.kept.aggregate
    return (f"'{named}'" if named else f'{alias}."aggregate"', f'{alias}."{part.kept.root}"')


def _alone(connection: sa.Connection) -> None:
    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(LOCK)))


def _capture(part: Part, schema: str) -> Iterator[str]:
    _check(part)
    triggers = (
        (
            "i",
            "INSERT",
            "NEW TABLE AS new_rows",
            _whole(part, "n", "new_rows", f"NULL, {row(part, 'n')}, NULL"),
        ),
        (
            "d",
            "DELETE",
            "OLD TABLE AS old_rows",
            _whole(part, "o", "old_rows", f"{row(part, 'o')}, NULL, NULL"),
        ),
        ("u", "UPDATE", "OLD TABLE AS old_rows NEW TABLE AS new_rows", _difference(part)),
    )
    for suffix, operation, rows, select in triggers:
        yield CAPTURE.format(
            table=part.name, schema=schema, suffix=suffix, operation=operation, rows=rows, select=select
        )


def _check(part: Part) -> None:
    for name in part.kept.deep:
        if part.table.columns[name].nullable:
            raise ValueError(
                f"Column {part.name}.{name} is captured key by key, but may be null: declare it NOT NULL."
            )


def _whole(part: Part, alias: str, rows: str, maps: str) -> str:
    type_, id_ = owner(part, alias)
    return (
        f"SELECT mine, place, {type_}, {id_}, '{part.name}', {key(part, alias)}, {maps} FROM {rows} {alias}"
    )


def _difference(part: Part) -> str:
    """Old and new rows meet by key and aggregate: a row that moves is a delete here and an insert there."""
    named = [column.name for column in part.table.primary_key]
    named += [name for name in (part.kept.root,) if name not in named]
    named += ["aggregate"] if part.kept.aggregate is None else []
    meet = " AND ".join(f'o."{name}" = n."{name}"' for name in named)
    (old_type, old_id), (new_type, new_id) = owner(part, "o"), owner(part, "n")
    first = named[0]
    return f"""SELECT mine, place, coalesce({old_type}, {new_type}), coalesce({old_id}, {new_id}), '{part.name}',
        CASE WHEN o."{first}" IS NULL THEN {key(part, "n")} ELSE {key(part, "o")} END,
        CASE WHEN n."{first}" IS NULL THEN {row(part, "o")} WHEN o."{first}" IS NOT NULL THEN {_changed(part, "o")} END,
        CASE WHEN o."{first}" IS NULL THEN {row(part, "n")} WHEN n."{first}" IS NOT NULL THEN {_changed(part, "n")} END,
        {_context(part)}
    FROM old_rows o FULL JOIN new_rows n ON {meet}
    WHERE o."{first}" IS NULL OR n."{first}" IS NULL OR {" OR ".join(_distinct(column.name) for column in captured(part))}"""


def _context(part: Part) -> str:
    """What a changed row is for: a column that need not have changed itself."""
    column = state.ENTITY if part.kept.aggregate is None else part.kept.within
    return "NULL" if column is None else f"""jsonb_build_object('{column}', n."{column}")"""


def _changed(part: Part, alias: str) -> str:
    """What differs, as it is on one side. Equal columns all write one empty key, which is taken out again."""
    plain = [
        f"CASE WHEN {_distinct(column.name)} THEN '{column.name}' ELSE '' END, {_value(column, alias)}"
        for column in _plain(part)
        if not column.primary_key
    ]
    deep = [
        f"CASE WHEN {_distinct(column)} THEN (SELECT coalesce(jsonb_object_agg('{column}/' || key,"
        f""" coalesce({alias}."{column}" -> key, 'null')), '{{}}')"""
        f""" FROM jsonb_object_keys(o."{column}" || n."{column}") AS key"""
        f""" WHERE o."{column}" -> key IS DISTINCT FROM n."{column}" -> key) ELSE '{{}}' END"""
        for column in part.kept.deep
    ]
    return " || ".join((*(f"({each} - '')" for each in _objects(plain)), *deep))


def _plain(part: Part) -> list[sa.Column[object]]:
    return [column for column in captured(part) if column.name not in part.kept.deep]


def _distinct(name: str) -> str:
    return f'o."{name}" IS DISTINCT FROM n."{name}"'


def _objects(pairs: Sequence[str]) -> Iterable[str]:
    for start in range(0, len(pairs), PAIRS):
        yield f"jsonb_build_object({', '.join(pairs[start : start + PAIRS])})"


def _value(column: sa.Column[object], alias: str) -> str:
    """Decimals are written as text without idle zeros: 1.0 and 1.00 are one value, and none passes through a float."""
    name = f'{alias}."{column.name}"'
    return (
        f"trim_scale({name})::text" if isinstance(column.type, sa.Numeric) and column.type.asdecimal else name
    )


def _drop_stale(connection: sa.Connection) -> None:
    """Drop triggers on tables that are no longer kept."""
    stale = connection.execute(
        sa.text(
            "SELECT tgname, relname FROM pg_trigger JOIN pg_class c ON c.oid = tgrelid"
            " WHERE NOT tgisinternal AND relnamespace = current_schema()::regnamespace"
            r" AND tgname LIKE 'hub\_%' AND relname <> ALL (:kept)"
        ),
        {"kept": ["tx_open", *(part.name for part in parts())]},
    )
    for trigger, table in stale.all():
        _run(connection, f'DROP TRIGGER "{trigger}" ON "{table}"')


def _run(connection: sa.Connection, script: str) -> None:
    """Run several statements as they stand: a percent sign in them is no placeholder."""
    raw(connection).execute(script.encode())
