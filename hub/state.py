"""The state of an aggregate as those outside hold it: one JSON document, to which the paths of its changes apply exactly.

Its own values stand at the top. Rows that hang on it stand in objects, by their collection's name and their global id.
What is null or empty is left out, so that a value that went away and one that never was are the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

from hub import ids, registry
from hub.db import Json
from hub.flat import captured, levels
from hub.registry import Part

ENTITY = "entity"
"""The column of an external id that names the noun of its ``entity_id``; its changes name it too."""

BY_ENTITY = f":{ENTITY}"
"""As a column's noun: the one that ``ENTITY`` names."""

Row = tuple[str, Any, Json]
"""A row of an aggregate: its table, its primary key as JSON, and its flat map (``hub.flat``)."""


@dataclass(frozen=True)
class Shape:
    """How rows of one table look outside.

    ``columns``: for each column that is shown its name, the noun whose ids its numbers are (null for plain values,
    ``BY_ENTITY`` where each row says it), and how many levels of keys lie below its first. ``collection``: null on the aggregate's own table.
    """

    table: str
    collection: str | None
    columns: dict[str, tuple[str, str | None, int]]

    def whole(self, flat: Json, hidden: frozenset[str] = frozenset()) -> Json:
        """A whole row, without what its path says already and without the hidden columns."""
        made: Json = {}
        for path, value in flat.items():
            column, slash, key = path.partition("/")
            if value is None or column in hidden or column not in self.columns:
                continue
            name, target, depth = self.columns[column]
            if not slash:
                made[name] = shown(target, value, flat)
            elif (kept := present(value, depth)) is not None:
                made.setdefault(name, {})[key] = kept
        return made


def shown(target: str | None, value: Any, row: Json) -> Any:
    """A value as people outside know it: the number of another object becomes its global id.

    ``row``: where the noun stands that ``BY_ENTITY`` asks for; a number of a row that does not say it stays one.
    """
    noun = row.get(ENTITY) if target == BY_ENTITY else target
    return value if noun is None or value is None else ids.encode(noun, value)


def present(value: Any, depth: int) -> Any:
    """A value below ``depth`` levels of keys, without those that lead nowhere; null where nothing is left."""
    if not depth or not isinstance(value, dict):
        return value
    below = {key: present(each, depth - 1) for key, each in value.items()}
    return {key: each for key, each in below.items() if each is not None} or None


def document(rows: Iterable[Row], hidden: dict[str, frozenset[str]]) -> Json:
    """The state that an aggregate's rows make up. ``hidden``: the columns that are not shown, by table."""
    made: Json = {}
    for table, key, flat in rows:
        shape = of(table)
        row = shape.whole(flat, hidden.get(table, frozenset()))
        if shape.collection is None:
            made |= row
        else:
            made.setdefault(shape.collection, {})[global_id(table, key)] = row
    return made


def put(state: Json, path: str, new: Any) -> None:
    """Apply one changed path: set the value there, or with null take it away, and what is empty without it.

    This is the rule that is published for every consumer. Raises ``ValueError`` where a value stands in the way.
    """
    *above, last = [key.replace("~1", "/").replace("~0", "~") for key in path.split("/")[1:]]
    trail = [state]
    for key in above:
        below = trail[-1].setdefault(key, {})
        if not isinstance(below, dict):
            raise ValueError(f"{path} leads through a value.")
        trail.append(below)
    if new is not None:
        trail[-1][last] = new
        return
    trail[-1].pop(last, None)
    for key, holder, held in zip(reversed(above), reversed(trail[:-1]), reversed(trail[1:]), strict=True):
        if not held:
            del holder[key]


def global_id(table: str, key: Any) -> str:
    """How paths call a row: its global id, or its key's values where it has several."""
    return ids.encode(table, key) if isinstance(key, int) else ",".join(map(str, key))


@cache
def of(table: str) -> Shape:
    """The shape of a table's rows. Raises ``KeyError`` for one that is not kept."""
    part = registry.part(table)
    names, nouns = names_of(part), targets_of(part)
    said = {part.kept.root, *part.table.primary_key.columns.keys()}
    columns = {
        column.name: (
            names.get(column.name, column.name),
            nouns.get(column.name),
            levels(column.name) - 1 if column.name in part.kept.deep else 0,
        )
        for column in captured(part)
        if column.name not in said
    }
    return Shape(table, part.kept.collection, columns)


def names_of(part: Part) -> dict[str, str]:
    """What inputs call columns that have another name in the database."""
    return {column.name: name for name, (column, _) in part.fields().items()}


def targets_of(part: Part) -> dict[str, str]:
    """Which table a column's numbers are ids of."""
    found = {
        column.name: key.column.table.name
        for column in part.table.columns
        for key in column.foreign_keys
        if key.column.name == "id"
    }
    return {**found, f"{ENTITY}_id": BY_ENTITY} if part.kept.aggregate is None else found
