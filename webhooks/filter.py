"""The filter of an endpoint: what a body must say to be sent.

A filter is a tree. A leaf names a place in the body by JSON Pointer and what must hold there, with the operators of
every other filter of the hub: ``{"path": "/data/product/type/code", "in": ["cup", "mug"]}``. ``*`` in a path stands for
every entry of a list or object, and one that fits is enough. ``and``, ``or`` and ``not`` join filters; ``some`` asks for
one entry that meets a filter whose paths begin at the entry. What stands beside each other must all hold.

Numbers are compared as numbers, also where the body writes them as text (``"18.90"``), and moments as moments. There is
no other computation in it: a filter takes time linear in the body.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from hub.db import Json
from hub.errors import Invalid

EVERY = "*"
JOINS = ("and", "or", "not", "some")
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)")

Values = list[Any]


def passes(tree: Json, body: Any) -> bool:
    """Whether a body meets a filter that was checked when it was saved."""
    return all(_holds(name, given, tree, body) for name, given in tree.items() if name != "path")


def _holds(name: str, given: Any, tree: Json, body: Any) -> bool:
    match name:
        case "and":
            return all(passes(each, body) for each in given)
        case "or":
            return any(passes(each, body) for each in given)
        case "not":
            return not passes(given, body)
    values = list(found(body, segments(tree["path"])))
    if name == "some":
        return any(passes(given, entry) for value in values for entry in _entries(value))
    return OPERATORS[name](values, given)


def segments(path: str) -> tuple[str, ...]:
    """The parts of a JSON Pointer. Raises ``hub.errors.Invalid`` for a text that is none."""
    if path == "":
        return ()
    if not path.startswith("/") or re.search(r"~(?![01])", path):
        raise Invalid(f'Path "{path[:200]}" is no JSON Pointer: write it like /data/product/slug.')
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in path[1:].split("/"))


def found(body: Any, parts: Sequence[str]) -> Iterator[Any]:
    """The values at a place, none where there is no such place."""
    if not parts:
        yield body
        return
    first, *rest = parts
    if first == EVERY:
        for entry in _entries(body):
            yield from found(entry, rest)
    elif isinstance(body, dict) and first in body:
        yield from found(body[first], rest)
    elif isinstance(body, list) and first.isdecimal() and int(first) < len(body):
        yield from found(body[int(first)], rest)


def _entries(value: Any) -> list[Any]:
    if isinstance(value, list):
        return value
    return list(value.values()) if isinstance(value, dict) else []


def _any(meets: Callable[[Any, Any], bool]) -> Callable[[Values, Any], bool]:
    return lambda values, given: any(meets(value, given) for value in values)


def _is_empty(values: Values, given: Any) -> bool:
    return all(value is None or value in ([], {}) for value in values) is bool(given)


def _is_equal(values: Values, given: Any) -> bool:
    return _is_empty(values, given=True) if given is None else any(same(value, given) for value in values)


def same(value: Any, wanted: Any) -> bool:
    """Whether two values are equal, a number and its text included where a number is wanted."""
    if isinstance(wanted, bool) or isinstance(value, bool):
        return value is wanted
    if isinstance(wanted, int | float):
        return number(value) == number(wanted)
    if isinstance(value, str) and isinstance(wanted, str) and MOMENT.fullmatch(wanted):
        return value == wanted or (moment(value) is not None and moment(value) == moment(wanted))
    return bool(value == wanted)


def _compared(value: Any, wanted: Any) -> int | None:
    """Below zero where the value comes first, above where it comes later; null where they cannot be compared."""
    one: Any
    other: Any
    if isinstance(wanted, int | float):
        one, other = number(value), number(wanted)
    else:
        one, other = (moment(value), moment(wanted)) if MOMENT.fullmatch(wanted) else (value, wanted)
    if one is None or other is None or not isinstance(one, type(other)):
        return None
    return int(one > other) - int(one < other)


def _ordered(meets: Callable[[int], bool]) -> Callable[[Any, Any], bool]:
    def compare(value: Any, wanted: Any) -> bool:
        sign = _compared(value, wanted)
        return sign is not None and meets(sign)

    return compare


def number(value: Any) -> Decimal | None:
    """The number that a value is, or writes; null for another."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        made = Decimal(str(value))
    except InvalidOperation:
        return None
    return made if made.is_finite() else None


def moment(value: Any) -> datetime | None:
    """The moment that a text writes; null for another value."""
    if not isinstance(value, str) or not MOMENT.fullmatch(value):
        return None
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        return None


def _folded(value: Any) -> str:
    if not isinstance(value, str):
        return ""
    plain = unicodedata.normalize("NFKD", value)
    return "".join(each for each in plain if not unicodedata.combining(each)).casefold()


OPERATORS: dict[str, Callable[[Values, Any], bool]] = {
    "eq": _is_equal,
    "ne": lambda values, given: not _is_equal(values, given),
    "in": lambda values, given: any(_is_equal(values, each) for each in given),
    "notIn": lambda values, given: not any(_is_equal(values, each) for each in given),
    "lt": _any(_ordered(lambda sign: sign < 0)),
    "lte": _any(_ordered(lambda sign: sign <= 0)),
    "gt": _any(_ordered(lambda sign: sign > 0)),
    "gte": _any(_ordered(lambda sign: sign >= 0)),
    "contains": _any(lambda value, given: isinstance(value, str) and _folded(given) in _folded(value)),
    "startsWith": _any(
        lambda value, given: isinstance(value, str) and _folded(value).startswith(_folded(given))
    ),
    "isEmpty": _is_empty,
}
"""What a leaf may ask of the values at its place. ``ne`` and ``notIn`` hold without any value too."""
