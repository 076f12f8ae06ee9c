"""A draft: one row of an input, checked and ready to be compared with what is stored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import sqlalchemy as sa

from hub import registry, value
from hub.db import Json
from hub.errors import HubError, Invalid, Path
from hub.field import Condition, Field
from hub.reference import Way, way
from hub.registry import Part
from hub.row import default


@dataclass(eq=False)
class Draft:
    """What an input says of one row.

    ``values`` by column; ``references`` by column, until they are resolved into ``values``; ``parts`` by collection;
    ``conditions``: what the stored row must be like.
    ``current`` is the stored row that it is about, null for a new one. ``proposals``: what was taken out of an object
    because another system owns it (``hub.ownership``).
    """

    part: Part
    path: Path
    parent: Draft | None = None
    id: int | None = None
    remove: bool = False
    values: dict[str, Any] = field(default_factory=dict)
    references: dict[str, tuple[str, Way, str]] = field(default_factory=dict)
    attributes: list[Any] | None = None
    axes: dict[str, Any] | None = None
    parts: dict[str, list[Draft]] = field(default_factory=dict)
    conditions: dict[str, Any] = field(default_factory=dict)
    current: Mapping[str, Any] | None = None
    errors: list[HubError] = field(default_factory=list)
    proposals: list[Json] = field(default_factory=list)

    @property
    def root(self) -> Draft:
        """The draft of the aggregate that this one is part of."""
        return self if self.parent is None else self.parent.root

    def walk(self) -> Iterator[Draft]:
        """This draft and all below it, parents first."""
        yield self
        for drafts in self.parts.values():
            for draft in drafts:
                yield from draft.walk()

    def refuse(self, error: HubError, *path: str | int) -> None:
        """Note why the input cannot be taken, at a path within this row."""
        self.root.errors.append(error.under(*self.path, *path))

    def get(self, column: str) -> Any:
        """The value the row will have: as given, else as stored."""
        if column in self.values:
            return self.values[column]
        return None if self.current is None else self.current[column]


@dataclass(frozen=True)
class Shape:
    """What an input of a part may hold."""

    fields: dict[str, tuple[sa.Column[Any], Field]]
    collections: dict[str, Part]
    conditions: dict[str, Condition]


@cache
def shapes() -> dict[str, Shape]:
    """The shape of every part's input, by table name."""
    parts = registry.parts()
    named = {each.name: each for each in parts}
    found = {}
    for each in parts:
        below = {child.kept.collection or "": child for child in registry.children(each)}
        if each.is_root or each.name == "variant":
            below["external_ids"] = named["external_id"]
        found[each.name] = Shape(each.fields(), below, getattr(each.model, "__conditions__", {}))
    return found


def read(part: Part, row: Json, path: Path = (), parent: Draft | None = None) -> Draft:
    """The draft of an input row. What is wrong with it is noted on the aggregate's draft, all of it at once."""
    shape = shapes()[part.name]
    # Of an external id, ``id`` is what the other system calls the object.
    draft = Draft(part, path, parent, id=None if "id" in shape.fields else row.get("id"))
    for name, given in row.items():
        if name in shape.fields:
            _take(draft, name, given, *shape.fields[name])
        elif name in shape.collections:
            _take_list(draft, name, given, shape.collections[name])
        elif name in shape.conditions:
            _take_condition(draft, name, given, shape.conditions[name])
        elif name == "remove" and parent is not None:
            draft.remove = bool(given)
        elif name != "id":
            draft.refuse(Invalid(f'"{name}" is not a field of {part.name}.'), name)
    _prepare(draft)
    return draft


def _prepare(draft: Draft) -> None:
    prepare = getattr(draft.part.model, "prepare", None)
    if prepare is None or draft.remove:
        return
    try:
        prepare(draft.values)
    except HubError as wrong:
        draft.refuse(wrong, "value" if "value" in draft.values else "total")


def _take(draft: Draft, name: str, given: Any, column: sa.Column[Any], declared: Field) -> None:
    if declared.refers is not None:
        _take_reference(draft, name, given, column, declared.refers)
    elif declared.kind == "attributes":
        draft.attributes = given
    elif declared.kind == "axes":
        draft.axes = given
    elif given is None:
        _clear(draft, name, column)
    else:
        try:
            draft.values[column.name] = value.CHECKS[kind_of(column, declared)](given)
        except HubError as wrong:
            draft.refuse(wrong, name)


def _take_condition(draft: Draft, name: str, given: Any, declared: Condition) -> None:
    if given is None:
        return
    try:
        draft.conditions[name] = value.CHECKS[declared.kind](given)
    except HubError as wrong:
        draft.refuse(wrong, name)


def kind_of(column: sa.Column[Any], declared: Field) -> str:
    """The kind of value that a column takes."""
    return declared.kind or value.BY_TYPE[column.type.python_type]


def _clear(draft: Draft, name: str, column: sa.Column[Any]) -> None:
    if column.nullable:
        draft.values[column.name] = None
    elif column.server_default is None:
        draft.refuse(Invalid(f"{name} cannot be empty."), name)
    else:
        draft.values[column.name] = default(column)


def _take_reference(draft: Draft, name: str, given: Any, column: sa.Column[Any], noun: str) -> None:
    if given is not None:
        try:
            draft.references[column.name] = (noun, way(given, noun), name)
        except HubError as wrong:
            draft.refuse(wrong, name)
    elif column.nullable:
        draft.values[column.name] = None
    else:
        draft.refuse(Invalid(f"{name} cannot be empty."), name)


def _take_list(draft: Draft, name: str, given: Any, part: Part) -> None:
    if not isinstance(given, list) or not all(isinstance(row, dict) for row in given):
        draft.refuse(Invalid(f"{name} is not a list."), name)
        return
    draft.parts[name] = [
        read(part, _placed(row, place, part), (*draft.path, name, place), draft)
        for place, row in enumerate(given)
    ]


def _placed(row: Json, place: int, part: Part) -> Json:
    """A list that is given whole is in the order in which it is given."""
    if part.kept.whole and "position" in part.fields() and "position" not in row:
        return {**row, "position": place}
    return row
