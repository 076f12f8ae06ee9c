"""What each filter operator is in SQL: for plain values and for attribute values.

Operators that say no (``ne``, ``notIn``) hold for rows without a value: they say exactly what the others do not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from hub import unit
from hub.attribute_value import ALL, Definition
from hub.errors import HubError, Invalid
from schema import scalar, sql

if TYPE_CHECKING:
    from schema.context import Scope

Expression = sa.ColumnElement[Any]
Predicate = sa.ColumnElement[bool]

OPERATORS: dict[str, Callable[[Expression, Any], Predicate]] = {
    "eq": lambda held, given: held.is_(None) if given is None else held == _bound(held, given),
    "ne": lambda held, given: (
        held.is_not(None) if given is None else held.is_distinct_from(_bound(held, given))
    ),
    "in_": lambda held, given: held == sa.any_(_list(held, given)),
    "not_in": lambda held, given: sa.func.coalesce(held != sa.all_(_list(held, given)), sa.true()),
    "lt": lambda held, given: held < _bound(held, given),
    "lte": lambda held, given: held <= _bound(held, given),
    "gt": lambda held, given: held > _bound(held, given),
    "gte": lambda held, given: held >= _bound(held, given),
    "contains": lambda held, given: sa.func.strpos(sql.sort_key(held), sql.sort_key(given)) > 0,
    "starts_with": lambda held, given: sa.func.starts_with(sql.sort_key(held), sql.sort_key(given)),
    "is_empty": lambda held, given: held.is_(None) if given else held.is_not(None),
}


def _bound(held: Expression, given: Any) -> Expression:
    return sa.literal(given, held.type)


def _list(held: Expression, given: Sequence[Any]) -> Expression:
    return sa.literal(list(given), ARRAY(held.type))


def compare(held: Expression, operator: str, given: Any) -> Predicate:
    """Whether a value meets an operator; a null given to any but eq and ne asks nothing."""
    if given is None and operator not in ("eq", "ne"):
        return sa.true()
    return OPERATORS[operator](held, given)


@dataclass(frozen=True)
class Asked:
    """One condition on an attribute: what it is compared with, and the unit or currency that numbers are given in."""

    definition: Definition
    operators: dict[str, Any]
    unit: str | None = None
    currency: str | None = None


def attribute_values(column: Expression, definition: Definition, scope: Scope) -> Expression:
    """The value that a reader in this scope sees among those of one level; null without one."""
    channels = [scope.channel.code] if definition.per_channel and scope.channel else []
    locales = list(scope.locales) if definition.localizable else []
    paths = [(channel, locale) for channel in (*channels, ALL) for locale in (*locales, ALL)]
    found = [column[(definition.code, *path)] for path in paths]
    return found[0] if len(found) == 1 else sa.func.coalesce(*found, type_=JSONB)


def attribute(held: Expression, asked: Asked) -> Predicate:
    """Whether an attribute's value, as JSONB, meets every operator asked. A missing value meets none but the negations."""
    try:
        return sa.and_(sa.true(), *(_attribute(held, asked, *each) for each in asked.operators.items()))
    except HubError as wrong:
        wrong.message = f'Attribute "{asked.definition.code}" ({asked.definition.type}): {wrong.message}'
        raise


def _attribute(held: Expression, asked: Asked, operator: str, given: Any) -> Predicate:
    if operator == "is_empty":
        return compare(held, operator, given)
    kind = asked.definition.type
    if kind == "choices":
        return _choices(held, operator, given)
    if kind not in OPERATORS_BY_TYPE or operator not in OPERATORS_BY_TYPE[kind]:
        known = ", ".join(_outside(each) for each in OPERATORS_BY_TYPE.get(kind, ()))
        raise Invalid(
            f"{_outside(operator)} is not among its operators: use {known + ' or ' if known else ''}isEmpty."
        )
    read: Callable[[Any, Asked], Any] = READERS.get(kind, _text)
    holder: Callable[[Expression], Expression] = HOLDERS.get(kind, _as_text)
    value = [read(each, asked) for each in given] if isinstance(given, list) else read(given, asked)
    met = compare(holder(held), operator, value)
    if kind == "money" and asked.currency:
        met = sa.and_(met, held["currency"].astext == asked.currency)
    return met


def _outside(operator: str) -> str:
    head, *rest = operator.rstrip("_").split("_")
    return head + "".join(each.capitalize() for each in rest)


def _choices(held: Expression, operator: str, given: Any) -> Predicate:
    some = [str(each) for each in (given if isinstance(given, list) else [given])]
    has_one = sa.func.coalesce(sa.func.jsonb_exists_any(held, sa.literal(some, ARRAY(sa.Text))), sa.false())
    if operator in ("eq", "in_"):
        return has_one
    if operator in ("ne", "not_in"):
        return ~has_one
    raise Invalid(f"{_outside(operator)} is not among its operators: use eq, ne, in, notIn or isEmpty.")


def _as_text(held: Expression) -> Expression:
    return sa.case((sa.func.jsonb_typeof(held) != "object", held[()].astext))


def _as_number(held: Expression) -> Expression:
    plain = held[()].astext
    return sa.case((sa.func.jsonb_typeof(held) != "object", sa.cast(plain, sa.Numeric)))


def _part(name: str) -> Callable[[Expression], Expression]:
    return lambda held: sa.cast(held[name].astext, sa.Numeric)


def _text(given: Any, _: Asked) -> str:
    return str(given).lower() if isinstance(given, bool) else str(given)


def _number(given: Any, _: Asked) -> Decimal:
    try:
        return scalar.number(given)
    except ValueError as wrong:
        raise Invalid(str(wrong)) from wrong


def _amount(given: Any, asked: Asked) -> Decimal:
    number = _number(given, asked)
    own = asked.definition.unit
    code = asked.unit or own
    if code is None:
        return number
    found = unit.find(code)
    if found.family != asked.definition.unit_family:
        raise Invalid(f'Unit "{code}" measures {found.family}, not {asked.definition.unit_family}.')
    return unit.to_base(number, found)


EQUAL = ("eq", "ne", "in_", "not_in")
ORDERED = (*EQUAL, "lt", "lte", "gt", "gte")
OPERATORS_BY_TYPE: dict[str, tuple[str, ...]] = {
    "text": (*EQUAL, "contains", "starts_with"),
    "rich_text": ("contains",),
    "integer": ORDERED,
    "decimal": ORDERED,
    "boolean": ("eq", "ne"),
    "date": ORDERED,
    "datetime": ORDERED,
    "choice": EQUAL,
    "measurement": ORDERED,
    "money": ORDERED,
}
"""The operators that a type of attribute knows beside isEmpty; choices knows eq, ne, in, notIn; the others none."""

HOLDERS: dict[str, Callable[[Expression], Expression]] = {
    "integer": _as_number,
    "decimal": _as_number,
    "measurement": _part("base"),
    "money": _part("amount"),
}
READERS: dict[str, Callable[[Any, Asked], Any]] = {
    "integer": _number,
    "decimal": _number,
    "measurement": _amount,
    "money": _number,
}
