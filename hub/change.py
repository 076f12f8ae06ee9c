"""What a change says to those outside: the paths that changed, as JSON Pointers, with their old and new values.

``/slug`` and ``/attributes/colour/*/de`` lie on the aggregate itself, ``/variants/<global id>/sku`` on a row that hangs
on it. A row that came or went is one path with the whole row; a new aggregate names each of its own values.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from hub import ids
from hub.db import Json
from hub.flat import levels, nested, split
from hub.registry import Part, parts
from hub.viewer import Viewer


@dataclass(frozen=True)
class Changed:
    """One changed value. ``old`` is null for what was not there before, ``new`` for what is there no more."""

    path: str
    old: Any
    new: Any


def paths(changes: list[Json]) -> list[Changed]:
    """The changed paths of a record's ``changes``. Rows of tables that the hub no longer keeps are left out."""
    return [changed for change in changes if change["t"] in _kept() for changed in _of_row(change)]


def seen(changes: list[Json], viewer: Viewer) -> list[Changed]:
    """The changed paths that a viewer may read: of tables that its scopes open, and personal data only with its scope."""
    own = [change for change in changes if change["t"] in _kept() and _opens(viewer, change["t"])]
    if not viewer.sees_personal:
        own = [_impersonal(change) for change in own]
    return paths(own)


def _opens(viewer: Viewer, table: str) -> bool:
    return viewer.may(_kept()[table].kept.scope, "read")


def _impersonal(change: Json) -> Json:
    """A changed row without its personal columns."""
    hidden = _kept()[change["t"]].kept.personal
    if not hidden:
        return change
    sides = {
        side: {path: value for path, value in change[side].items() if split(path)[0] not in hidden}
        for side in ("o", "n")
        if change[side] is not None
    }
    return {**change, **sides}


def pointer(*keys: object) -> str:
    """A JSON Pointer (RFC 6901)."""
    return "".join("/" + str(key).replace("~", "~0").replace("/", "~1") for key in keys)


def _of_row(change: Json) -> Iterator[Changed]:
    part = _kept()[change["t"]]
    old, new = change["o"] or {}, change["n"] or {}
    if part.is_root:
        yield from _of_values(part, "", old, new)
        return
    place = pointer(part.kept.collection, _global_id(part, change["k"]))
    if change["op"] == "U":
        yield from _of_values(part, place, old, new)
    else:
        yield Changed(place, _whole(part, change["o"]), _whole(part, change["n"]))


def _of_values(part: Part, place: str, old: Json, new: Json) -> Iterator[Changed]:
    for path in dict.fromkeys((*old, *new)):
        column, key = split(path)
        if column in part.table.primary_key.columns:
            continue
        start = place + pointer(_name(part, column), *(() if key is None else (key,)))
        was, becomes = _shown(part, column, old.get(path)), _shown(part, column, new.get(path))
        yield from _leaves(start, was, becomes, 0 if key is None else levels(column) - 1)


def _leaves(place: str, old: Any, new: Any, depth: int) -> Iterator[Changed]:
    """Descend ``depth`` levels of channels and locales to the values that differ."""
    if depth and all(side is None or isinstance(side, dict) for side in (old, new)):
        was, becomes = old or {}, new or {}
        for key in dict.fromkeys((*was, *becomes)):
            yield from _leaves(place + pointer(key), was.get(key), becomes.get(key), depth - 1)
    elif old != new:
        yield Changed(place, old, new)


def _whole(part: Part, flat: Json | None) -> Json | None:
    """A row that hangs on an aggregate, without what its path says already."""
    if flat is None:
        return None
    said = {part.kept.root, *part.table.primary_key.columns.keys()}
    return {
        _name(part, column): _shown(part, column, value)
        for column, value in nested(flat).items()
        if column not in said
    }


def _shown(part: Part, column: str, value: Any) -> Any:
    """A value as people outside know it: the number of another object becomes its global id."""
    target = _targets(part).get(column)
    return value if target is None or value is None else ids.encode(target, value)


def _global_id(part: Part, key: Any) -> str:
    return ids.encode(part.name, key) if isinstance(key, int) else ",".join(map(str, key))


def _name(part: Part, column: str) -> str:
    return _names(part).get(column, column)


@cache
def _kept() -> dict[str, Part]:
    return {part.name: part for part in parts()}


@cache
def _names(part: Part) -> dict[str, str]:
    return {column.name: name for name, (column, _) in part.fields().items()}


@cache
def _targets(part: Part) -> dict[str, str]:
    """Which table a column's numbers are ids of."""
    return {
        column.name: key.column.table.name
        for column in part.table.columns
        for key in column.foreign_keys
        if key.column.name == "id"
    }
