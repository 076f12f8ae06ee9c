"""Real values to ask with, read from the database and from answers: keys, ids, attribute values, cursors."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from strawberry.utils.str_converters import to_camel_case

from hub import ids
from hub.db import Database
from schema import sort
from schema.declare import NOUNS, Noun
from schema.nouns import load
from schema.spec import Column, Identity, Paged, Text
from tests.reading import Asking

MOST = 40
"""Values kept of each kind."""


@dataclass
class Pools:
    """``values``: by noun and field; ``ids`` and ``cursors``: by noun, cursors also by the order they belong to."""

    values: dict[tuple[str, str], list[Any]] = field(default_factory=dict)
    ids: dict[str, list[str]] = field(default_factory=dict)
    cursors: dict[tuple[str, str], list[str]] = field(default_factory=lambda: defaultdict(list))
    attributes: dict[str, list[Any]] = field(default_factory=dict)

    def of(self, noun: str, name: str) -> list[Any]:
        """The values of a field; none where the database has none."""
        return self.values.get((noun, name), [])


def gather(database: Database, ask: Asking) -> Pools:
    """Everything worth asking with."""
    load()
    found = Pools()
    with database.read() as tx:
        for noun in NOUNS.values():
            _values(tx, noun, found)
        found.attributes = _attributes(tx)
    for noun in NOUNS.values():
        if noun.plural:
            _cursors(ask, noun, found)
    return found


def _values(tx: sa.Connection, noun: Noun, found: Pools) -> None:
    if noun.title == "PriceFound":
        return
    table = noun.table
    for name, spec in noun.specs.items():
        if isinstance(spec, Column) and spec.of == "own":
            column = table.c[spec.name or name]
        elif isinstance(spec, Text):
            column = table.c[spec.name]
        else:
            continue
        rows = tx.execute(sa.select(column).distinct().order_by(column).limit(MOST)).scalars()
        shown = [_plain(value) for value in rows if value is not None]
        if isinstance(spec, Text):
            shown = sorted({text for value in shown for text in value.values()})
        found.values[noun.title, to_camel_case(name)] = shown
    if isinstance(noun.specs.get("id"), Identity):
        numbers = tx.execute(sa.select(table.c.id).order_by(table.c.id).limit(MOST)).scalars().all()
        # Of a noun that the shop has none of, an id that leads nowhere.
        found.ids[noun.title] = [ids.encode(noun.name, number) for number in numbers or [1]]


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return str(value) if isinstance(value, Decimal) else value


def _attributes(tx: sa.Connection) -> dict[str, list[Any]]:
    """What each attribute is set to somewhere, in the forms that a filter takes."""
    found: dict[str, set[Any]] = defaultdict(set)
    for (code,) in tx.execute(sa.text("SELECT code FROM attribute ORDER BY id")):
        found[code] = set()
    for table in ("product", "variant"):
        for (stored,) in tx.execute(sa.text(f"SELECT attributes FROM {table} ORDER BY id")):
            for code, channels in stored.items():
                found[code] |= {_operand(each) for some in channels.values() for each in some.values()}
    for (axes,) in tx.execute(sa.text("SELECT axes FROM variant ORDER BY id")):
        for code, value in axes.items():
            found[code].add(value)
    return {
        code: sorted((each for each in values if each is not None), key=str) for code, values in found.items()
    }


def _operand(stored: Any) -> Any:
    if isinstance(stored, dict):
        return stored.get("amount")
    return (
        (stored[0] if stored and isinstance(stored[0], str) else None) if isinstance(stored, list) else stored
    )


SCOPES = ('channel: "web"', 'channel: "paris"', 'locale: "en"')


def _cursors(ask: Asking, noun: Noun, found: Pools) -> None:
    orders = [
        (name, direction)
        for name in ("ID", *(each.upper() for each in sort.sortable(noun)))
        for direction in ("ASC", "DESC")
    ]
    parts = [
        f"{name}_{direction}_{place}: {noun.plural}(first: 7, sort: {{field: {name}, direction: {direction}}}, {scope})"
        " { edges { cursor } }"
        for name, direction in orders
        for place, scope in enumerate(SCOPES)
    ]
    shown = ask(f"{{ {' '.join(parts)} }}")
    for name, direction in orders:
        for place in range(len(SCOPES)):
            edges = shown[f"{name}_{direction}_{place}"]["edges"]
            found.cursors[noun.title, f"{name} {direction}"] += [each["cursor"] for each in edges]
    found.cursors[noun.title, ""] = found.cursors[noun.title, "ID ASC"]
    for name, spec in noun.specs.items():
        if isinstance(spec, Paged):
            _nested_cursors(ask, noun, to_camel_case(name), found)


def _nested_cursors(ask: Asking, noun: Noun, name: str, found: Pools) -> None:
    page = ask(f"{{ {noun.plural}(first: 30) {{ nodes {{ {name}(first: 4) {{ edges {{ cursor }} }} }} }} }}")
    for each in page[noun.plural]["nodes"]:
        found.cursors[noun.title, name] += [edge["cursor"] for edge in (each[name] or {"edges": []})["edges"]]
