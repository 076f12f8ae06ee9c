"""Values on their way from PostgreSQL's text to JSON: what the generated source calls.

A compiled statement gives every column as text, which is what most of them are in JSON too.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

import orjson
import sqlalchemy as sa
from graphql import GraphQLEnumType, GraphQLLeafType, GraphQLString
from sqlalchemy.dialects.postgresql import JSONB

from hub import ids
from schema.cost import objects
from schema.scalar import stamp
from schema.selection import Unknown

LARGEST_INT = 2**31
STAMP = 19
"""Characters of a moment down to its seconds."""
BOOLEANS = {"true": True, "false": False}


class Bail(Exception):
    """The compiled executor gives up. ``cause``: a word for the figures."""

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause


def bail(cause: str = "null") -> Any:
    """Give up: a value is missing where there must be one."""
    raise Bail(cause)


def held(value: Any) -> Any:
    """A value that must be there."""
    return bail() if value is None else value


def int32(text: str) -> int:
    """A whole number as GraphQL's Int takes it."""
    number = int(text)
    return number if -LARGEST_INT <= number < LARGEST_INT else bail("range")


def moment_text(text: str) -> str:
    """A moment as the scalar DateTime shows it, from PostgreSQL's text of one in UTC."""
    plain, zone = text[:-3], text[-3:]
    if zone != "+00" or plain[4] != "-" or plain[10] != " ":
        return bail("range")  # type: ignore[no-any-return]
    date, time = plain[:10], plain[11:]
    return f"{date}T{time}Z" if len(plain) == STAMP else f"{date}T{time.ljust(15, '0')}Z"


def moment(text: str) -> datetime:
    """A moment, from PostgreSQL's text."""
    return datetime.fromisoformat(text)


def text(value: Any) -> str | None:
    """A text or null, as GraphQL's String takes it."""
    return value if value is None or type(value) is str else GraphQLString.coerce_output_value(value)


def held_text(value: Any) -> str:
    """A text, as GraphQL's String takes it."""
    return value if type(value) is str else GraphQLString.coerce_output_value(held(value))


def _unless_null(make: Callable[[str], Any]) -> Callable[[str | None], Any]:
    return lambda text: None if text is None else make(text)


NAMES: dict[str, Any] = {
    "B": BOOLEANS,
    "bail": bail,
    "held": held,
    "int32": int32,
    "moment_text": moment_text,
    "encode": ids.encode,
    "loads": orjson.loads,
    "text": text,
    "held_text": held_text,
    "objects": objects,
    "__builtins__": {each.__name__: each for each in (int, str, list, dict, bool, len, map, zip, type)},
}
"""What generated source may name beside its own constants."""

PYTHON: dict[type[Any], Callable[[str], Any]] = {
    str: str,
    int: int,
    bool: BOOLEANS.__getitem__,
    Decimal: Decimal,
    datetime: moment,
    dict: orjson.loads,
}
"""What makes the Python value of a column's text, by the column's type."""

NAMES |= {f"as_{type_.__name__}": _unless_null(make) for type_, make in PYTHON.items()}


class EnumNames(dict[Any, str]):
    """The names of an enum's values, each asked for once. Raises what GraphQL raises for any other value."""

    def __init__(self, type_: GraphQLEnumType) -> None:
        super().__init__()
        self._type = type_

    def __missing__(self, value: Any) -> str:
        self[value] = name = self._type.coerce_output_value(value)
        return name


def python_type(column: sa.types.TypeEngine[Any]) -> type[Any]:
    """The Python type that a column's values have. Raises ``Unknown`` for one that no conversion is known for."""
    found: type[Any] = dict if isinstance(column, JSONB) else column.python_type
    if found not in PYTHON:
        raise Unknown(f"column type {found.__name__}")
    return found


AS_IT_IS = "{}"
PLAIN = {
    ("String", str): AS_IT_IS,
    ("ID", str): AS_IT_IS,
    ("Int", int): "int32({})",
    ("Long", int): "int({})",
    ("Boolean", bool): "B[{}]",
    ("Decimal", Decimal): AS_IT_IS,
    ("DateTime", datetime): "moment_text({})",
    ("JSON", dict): "json(loads({}))",
}
"""How a column's text becomes JSON, by scalar and Python type. All but ``AS_IT_IS`` fail for a missing text."""


def pattern(type_: GraphQLLeafType, column: sa.types.TypeEngine[Any], constant: Callable[[Any], str]) -> str:
    """The expression that makes JSON of a column's text. Raises ``Unknown`` for types that do not go together."""
    held_as = python_type(column)
    if isinstance(type_, GraphQLEnumType) and held_as is str:
        return f"{constant(names_of(type_))}[{{}}]"
    found = PLAIN.get((type_.name, held_as))
    if found is None:
        raise Unknown(f"scalar {type_.name}")
    return found


_ENUMS: dict[str, EnumNames] = {}


def names_of(type_: GraphQLEnumType) -> EnumNames:
    """The names of an enum's values."""
    known = _ENUMS.get(type_.name)
    if known is None or known._type is not type_:  # noqa: SLF001 - another schema may have an enum of the same name
        known = _ENUMS[type_.name] = EnumNames(type_)
    return known


def coerced(type_: GraphQLLeafType) -> Callable[[Any], Any]:
    """What makes JSON of a Python value, as the ordinary executor does it."""
    if isinstance(type_, GraphQLEnumType):
        return names_of(type_).__getitem__
    return {"DateTime": stamp}.get(type_.name, type_.coerce_output_value)
