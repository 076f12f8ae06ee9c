"""Every declared noun, made ready: names filled in, fields given their resolvers, and checked against the tables."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any, get_args

import sqlalchemy as sa

from schema import filter as filters
from schema import ordinary, sql
from schema.connection import Connection
from schema.declare import NOUNS, Field, Noun
from schema.node import Translation
from schema.spec import Column, Many, One, Paged, Spec

DECLARES = "@noun("


@cache
def load() -> dict[str, Noun]:
    """All nouns. A new one adds its file; nothing is listed by hand.

    Raises ``TypeError`` for a declaration that does not fit its table.
    """
    here = Path(__file__).parent
    for module in pkgutil.iter_modules([str(here)]):
        if module.name != "nouns" and DECLARES in (here / f"{module.name}.py").read_text():
            importlib.import_module(f"schema.{module.name}")
    _fill_names()
    for noun in filters.filterable():
        vars(filters).setdefault(f"{noun.title}Filter", filters.input_of(noun))
    for noun in NOUNS.values():
        check(noun)
        for name, field in noun.fields.items():
            complete(name, field)
    return NOUNS


def _fill_names() -> None:
    """Give every module the types that its annotations name: nouns name each other, and files cannot."""
    names = {title: noun.type for title, noun in NOUNS.items()}
    modules = {vars(sys.modules[noun.type.__module__])["__name__"] for noun in NOUNS.values()}
    for module in (*modules, "schema.attribute_value", "schema.node"):
        for name, type_ in (names | {"Connection": Connection, "Translation": Translation}).items():
            vars(sys.modules[module]).setdefault(name, type_)


def complete(name: str, field: Field) -> None:
    """Give a field its resolver and its arguments."""
    if field.spec is None:
        return
    if field.resolver is None:
        field.resolver = ordinary.resolver(name, field.spec)
    field.take(ordinary.arguments(field.spec), {})


def check(noun: Noun) -> None:
    """Raises ``TypeError`` where a declaration does not fit its table, or leaves no room for a refusal."""
    try:
        sql.Frame(noun).columns()
    except (KeyError, AssertionError) as missing:
        raise TypeError(
            f"{noun.title} reads {missing}, which its table {noun.name} does not have."
        ) from missing
    for name, spec in noun.specs.items():
        _check_field(noun, name, spec)


def _check_field(noun: Noun, name: str, spec: Spec) -> None:
    nullable = _is_nullable(noun.fields[name])
    if spec.requires is not None and not nullable:
        raise TypeError(f"{noun.title}.{name} has a field rule, so it must allow null.")
    if spec.requires is not None and getattr(spec, "sort", False):
        raise TypeError(f"{noun.title}.{name} has a field rule, so no order may tell its values.")
    if isinstance(spec, One | Many | Paged) and spec.to not in NOUNS:
        raise TypeError(f"{noun.title}.{name} leads to {spec.to}, which is no noun.")
    if isinstance(spec, One) and not nullable and (_may_be_null(noun, spec) or _guarded(noun, spec)):
        raise TypeError(f"{noun.title}.{name} may find no {spec.to}, so it must allow null.")
    if isinstance(spec, Many | Paged) and not nullable and NOUNS[spec.to].scope not in (noun.scope, None):
        raise TypeError(
            f"{noun.title}.{name} is opened by another scope than {noun.title}, so it must allow null."
        )
    if isinstance(spec, Column):
        _check_column(noun, name, spec, nullable=nullable)


def _may_be_null(noun: Noun, spec: One) -> bool:
    return bool(noun.table.c[spec.via].nullable)


def _guarded(noun: Noun, spec: One) -> bool:
    """Whether a viewer who sees the one may be kept from the other."""
    target = NOUNS[spec.to]
    by_row = target.rows is not None and target.rows is not noun.rows and not spec.same_rule
    return by_row or target.scope not in (noun.scope, None)


def _check_column(noun: Noun, name: str, spec: Column, *, nullable: bool) -> None:
    held = sql.Frame(noun).column(spec, name)
    may_be_null = spec.of == "own" and getattr(held, "nullable", nullable)
    if may_be_null != nullable and spec.requires is None:
        stands = "may be null" if may_be_null else "is never null"
        raise TypeError(f"{noun.title}.{name}: its column {stands}, its annotation says otherwise.")
    plain = _plain_type(noun.fields[name])
    if isinstance(plain, type) and not _fits(held.type, plain):
        raise TypeError(f"{noun.title}.{name}: {plain.__name__} does not fit its column, {held.type!r}.")


def _fits(held: sa.types.TypeEngine[Any], plain: type) -> bool:
    return plain is held.python_type or (held.python_type is str and issubclass(plain, Enum))


def _is_nullable(field: Field) -> bool:
    assert field.type_annotation is not None
    return type(None) in get_args(field.type_annotation.evaluate())


def _plain_type(field: Field) -> Any:
    assert field.type_annotation is not None
    evaluated = field.type_annotation.evaluate()
    return next((each for each in get_args(evaluated) if each is not type(None)), evaluated)
