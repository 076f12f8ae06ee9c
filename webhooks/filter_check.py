"""Checks a filter when it is saved: its form, its size, and whether the bodies of its endpoint have what it asks for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from hub.db import Json
from hub.errors import HubError, Invalid, Limit, Path
from webhooks.filter import EVERY, JOINS, OPERATORS, moment, number, segments

DEEPEST = 8
MOST_CONDITIONS = 50
LONGEST_LIST = 200
LONGEST_TEXT = 1_000
LARGEST = 2**63 - 1
"""The greatest whole number that the filter's column takes."""

SHOWN = 12
"""Names that a refusal lists."""

ORDERED = ("lt", "lte", "gt", "gte")
TEXTUAL = ("contains", "startsWith")
LISTED = ("in", "notIn")


def check(tree: Json, shapes: Sequence[Json]) -> Json:
    """The filter as it is kept. ``shapes``: the JSON Schemas of the bodies that it will see; one must have each place.

    Raises ``hub.errors.Invalid`` or ``Limit``, with the way to the part that is wrong.
    """
    return _Checking().tree(tree, shapes, (), 1)


@dataclass
class _Checking:
    conditions: int = 0

    def tree(self, given: Any, shapes: Sequence[Json], at: Path, depth: int) -> Json:
        if not isinstance(given, dict) or not given:
            raise Invalid('A filter is an object like {"path": "/source", "eq": "erp"}.', at)
        if depth > DEEPEST:
            raise Limit(f"A filter goes at most {DEEPEST} levels deep: ask in a flatter way.", at)
        self._names(given, at)
        kept: Json = {}
        below = self._place(given, shapes, at) if "path" in given else []
        for name, value in given.items():
            kept[name] = self._one(name, value, shapes, below, (*at, name), depth)
        return kept

    def _names(self, given: Json, at: Path) -> None:
        for name in given:
            if name not in (*JOINS, *OPERATORS, "path"):
                known = ", ".join((*JOINS, "path", *OPERATORS))
                raise Invalid(f'A filter knows no "{name}": take one of {known}.', (*at, name))
        asks = [name for name in given if name == "some" or name in OPERATORS]
        if asks and "path" not in given:
            raise Invalid(f'"{asks[0]}" is asked of a place: name it in path.', at)
        if "path" in given and not asks:
            raise Invalid(f'"{given["path"]}" is named, and nothing asked of it: add eq, in, gt …', at)

    def _place(self, given: Json, shapes: Sequence[Json], at: Path) -> list[Json]:
        """The schemas of what may stand at the leaf's place."""
        self.conditions += 1
        if self.conditions > MOST_CONDITIONS:
            raise Limit(f"A filter has at most {MOST_CONDITIONS} conditions.", at)
        try:
            return place(shapes, given["path"])
        except HubError as wrong:
            raise wrong.under(*at, "path") from None

    def _one(
        self, name: str, value: Any, shapes: Sequence[Json], below: list[Json], at: Path, depth: int
    ) -> Any:
        if name in ("and", "or"):
            if not isinstance(value, list) or not value:
                raise Invalid(f'"{name}" joins a list of filters.', at)
            return [self.tree(each, shapes, (*at, number_), depth + 1) for number_, each in enumerate(value)]
        if name == "not":
            return self.tree(value, shapes, at, depth + 1)
        if name == "some":
            entries = [entry for each in below for entry in _step(each, EVERY)]
            if not entries:
                raise Invalid('"some" is asked of a list, and there is none at this place.', at)
            return self.tree(value, entries, at, depth + 1)
        return value if name == "path" else operand(name, value, below, at)


def place(shapes: Sequence[Json], path: Any) -> list[Json]:
    """The schemas of what may stand at a path. Raises ``hub.errors.Invalid`` where no body has such a place."""
    if not isinstance(path, str) or len(path) > LONGEST_TEXT:
        raise Invalid("A path is a JSON Pointer like /data/product/slug.")
    here = list(shapes)
    for part in segments(path):
        there = [below for each in here for below in _step(each, part)]
        if not there:
            raise Invalid(f'Path "{path}" is in no body of this endpoint: {_right(here, part)}')
        here = there
    return here


def _step(shape: Json, part: str) -> Iterator[Json]:
    """The schemas one step further in; any where the schema leaves it open."""
    for each in shape.get("anyOf", [shape]):
        if "properties" in each:
            fields = each["properties"]
            yield from fields.values() if part == EVERY else [fields[part]] if part in fields else []
        elif "items" in each:
            yield from [each["items"]] if part == EVERY or part.isdecimal() else []
        elif "type" not in each and "enum" not in each and "const" not in each:
            yield {}


def _right(shapes: list[Json], part: str) -> str:
    names = sorted(
        {
            name
            for shape in shapes
            for each in shape.get("anyOf", [shape])
            for name in each.get("properties", ())
        }
    )
    if names:
        near = get_close_matches(part, names, 1)
        listed = ", ".join(names[:SHOWN]) + (" …" if len(names) > SHOWN else "")
        return f'"{part}" is none of {listed}' + (f"; the nearest is {near[0]}." if near else ".")
    if any("items" in shape for shape in shapes):
        return f'"{part}" stands where a list is: take * for every entry, or a number.'
    return f'there is nothing below "{part}".'


def operand(name: str, value: Any, shapes: list[Json], at: Path) -> Any:
    """What an operator is given, as it is kept. Raises ``hub.errors.Invalid`` where it fits no value of the place."""
    if name == "isEmpty":
        if not isinstance(value, bool):
            raise Invalid('"isEmpty" is true or false.', at)
        return value
    if name in LISTED:
        if not isinstance(value, list) or not 0 < len(value) <= LONGEST_LIST:
            raise Invalid(f'"{name}" is given a list of 1 to {LONGEST_LIST} values.', at)
        return [_scalar(name, each, shapes, (*at, number_)) for number_, each in enumerate(value)]
    if value is None and name in ("eq", "ne"):
        return None
    return _scalar(name, value, shapes, at)


def _scalar(name: str, value: Any, shapes: list[Json], at: Path) -> Any:
    if not isinstance(value, str | int | float | bool):
        raise Invalid(f'"{name}" is given a text, a number or a boolean.', at)
    if isinstance(value, str) and (len(value) > LONGEST_TEXT or "\0" in value):
        raise Limit(f"A text in a filter has at most {LONGEST_TEXT} characters, none of them U+0000.", at)
    if isinstance(value, int | float) and not -LARGEST <= value <= LARGEST:
        raise Limit("A number in a filter lies within 64 bits.", at)
    fitting = [fitted for each in shapes for fitted in _fitted(name, value, each)]
    if not fitting:
        held = " or ".join(dict.fromkeys(_said(each) for each in shapes))
        raise Invalid(f'"{name}" with {value!r} is asked of a place that holds {held}.', at)
    return fitting[0]


def _fitted(name: str, value: Any, shape: Json) -> Iterator[Any]:
    """The value as the place writes it; nothing where the operator or the value does not fit the place."""
    kinds = _kinds(shape)
    if "enum" in shape or "const" in shape:
        allowed = shape.get("enum", [shape.get("const")])
        yield from [value] if value in allowed and name in ("eq", "ne", *LISTED) else []
    elif not kinds:
        yield from [value] if name not in TEXTUAL or isinstance(value, str) else []
    elif isinstance(value, bool) or kinds == ["boolean"]:
        yield from (
            [value]
            if isinstance(value, bool) and kinds == ["boolean"] and name in ("eq", "ne", *LISTED)
            else []
        )
    elif shape.get("format") == "decimal" or kinds[0] in ("integer", "number"):
        yield from _number(name, value)
    elif kinds[0] == "string" and isinstance(value, str):
        stamp = shape.get("format") == "date-time"
        yield from [value] if not stamp or (moment(value) and name not in TEXTUAL) else []


def _number(name: str, value: Any) -> Iterator[Any]:
    made = number(value)
    # Judged before it is written out: a text such as 1e999999999 is short, and its digits would fill the memory.
    if name not in TEXTUAL and made is not None and -LARGEST <= made <= LARGEST:
        plain = int(made) if made == made.to_integral_value() else float(made)
        yield from [plain] if number(plain) == made else []


def _kinds(shape: Json) -> list[str]:
    told = shape.get("type", [])
    return [each for each in ([told] if isinstance(told, str) else told) if each != "null"]


def _said(shape: Json) -> str:
    if "enum" in shape or "const" in shape:
        allowed = [each for each in shape.get("enum", [shape.get("const")]) if each is not None]
        return f"one of {', '.join(map(str, allowed))}"
    if shape.get("format") == "date-time":
        return "a moment like 2026-01-31T12:00:00Z"
    if shape.get("format") == "decimal":
        return "a decimal number"
    kinds = _kinds(shape)
    return {"object": "an object", "array": "a list", "string": "a text", "integer": "a whole number"}.get(
        kinds[0] if kinds else "", f"a {kinds[0]}" if kinds else "anything"
    )
