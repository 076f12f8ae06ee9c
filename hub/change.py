"""What a change says to those outside: the paths that changed, as JSON Pointers, with their old and new values.

``/slug`` and ``/attributes/colour/*/de`` lie on the aggregate itself, ``/variants/<global id>/sku`` on a row that hangs
on it. A row that came or went is one path with the whole row; a new aggregate names each of its own values. Applied to
the aggregate's state (``hub.state``), they give the next one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import orjson

from hub import state
from hub.db import Json
from hub.flat import split
from hub.registry import Part, parts
from hub.viewer import Viewer


@dataclass(frozen=True)
class Changed:
    """One changed value. ``old`` is null for what was not there before, ``new`` for what is there no more.

    ``erased``: it held personal data, which is null on both sides since the person was erased.
    """

    path: str
    old: Any
    new: Any
    erased: bool = False


def paths(changes: list[Json]) -> list[Changed]:
    """The changed paths of a record's ``changes``. Rows of tables that the hub no longer keeps are left out."""
    return [changed for change in changes if change["t"] in _kept() for changed in _of_row(change)]


def seen(changes: list[Json], viewer: Viewer) -> list[Changed]:
    """The changed paths that a viewer may read: of tables that its scopes open, and personal data only with its scope."""
    own = [change for change in changes if change["t"] in _kept() and opens(viewer, _kept()[change["t"]])]
    return paths([_without(change, hidden(viewer, _kept()[change["t"]])) for change in own])


def opens(viewer: Viewer, part: Part) -> bool:
    """Whether a viewer sees changes of the table's rows, and the rows in a snapshot."""
    return viewer.may(part.kept.scope, "read")


def hidden(viewer: Viewer, part: Part) -> frozenset[str]:
    """The columns of a table that opens to the viewer, but without these."""
    return frozenset() if viewer.sees_personal else part.kept.personal


def _without(change: Json, columns: frozenset[str]) -> Json:
    if not columns:
        return change
    sides = {
        side: {path: value for path, value in change[side].items() if split(path)[0] not in columns}
        for side in ("o", "n")
        if change[side] is not None
    }
    erased = [path for path in change.get("x", ()) if split(path)[0] not in columns]
    return {**change, **sides, "x": erased}


def pointer(*keys: object) -> str:
    """A JSON Pointer (RFC 6901)."""
    return "".join("/" + str(key).replace("~", "~0").replace("/", "~1") for key in keys)


def _of_row(change: Json) -> Iterator[Changed]:
    part = _kept()[change["t"]]
    if part.is_root:
        yield from _of_values(part, "", change)
        return
    place = pointer(part.kept.collection, state.global_id(part.name, change["k"]))
    if change["op"] == "U":
        yield from _of_values(part, place, change)
    else:
        whole = state.of(part.name).whole
        was, becomes = (None if side is None else whole(side) for side in (change["o"], change["n"]))
        yield Changed(place, was, becomes, erased=bool(change.get("x")))


def _of_values(part: Part, place: str, change: Json) -> Iterator[Changed]:
    old, new = change["o"] or {}, change["n"] or {}
    erased, context = frozenset(change.get("x", ())), change.get("c") or {}
    columns = state.of(part.name).columns
    for path in dict.fromkeys((*old, *new)):
        column, key = split(path)
        if column not in columns:
            continue
        name, target, depth = columns[column]
        start = place + pointer(name, *(() if key is None else (key,)))
        if path in erased:
            yield Changed(start, None, None, erased=True)
            continue
        was, becomes = (state.shown(target, side.get(path), context | side) for side in (old, new))
        yield from _leaves(start, was, becomes, 0 if key is None else depth)


def _leaves(place: str, old: Any, new: Any, depth: int) -> Iterator[Changed]:
    """Descend ``depth`` levels of channels and locales to the values that differ."""
    if depth and all(side is None or isinstance(side, dict) for side in (old, new)):
        was, becomes = old or {}, new or {}
        for key in dict.fromkeys((*was, *becomes)):
            yield from _leaves(place + pointer(key), was.get(key), becomes.get(key), depth - 1)
    elif _differ(old, new):
        yield Changed(place, state.present(old, depth), state.present(new, depth))


def _differ(old: Any, new: Any) -> bool:
    """Python takes true for 1; a value inside of others is compared as it is written."""
    if isinstance(old, dict | list) and isinstance(new, dict | list):
        return orjson.dumps(old, option=orjson.OPT_SORT_KEYS) != orjson.dumps(
            new, option=orjson.OPT_SORT_KEYS
        )
    return bool(old != new or isinstance(old, bool) is not isinstance(new, bool))


@cache
def _kept() -> dict[str, Part]:
    return {part.name: part for part in parts()}
