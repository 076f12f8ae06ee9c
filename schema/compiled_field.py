"""How each kind of field of a noun is compiled: the counterpart of ``schema.ordinary``.

Each function gives the expression of the field's value, in terms of ``r``, the row of its seat.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from graphql import GraphQLLeafType

from hub.aggregate import Aggregate
from schema import ordinary, sql
from schema.compiled_attribute import values
from schema.compiled_level import ById, Join, LookedUp, ManyOf
from schema.compiled_list import connection
from schema.compiled_value import AS_IT_IS, PYTHON, pattern, python_type
from schema.compiler import MOST_JOINS, Asked, Builder, Seat
from schema.declare import NOUNS
from schema.selection import Unknown
from schema.spec import (
    Column,
    Computed,
    Identity,
    Looked,
    Many,
    One,
    Paged,
    Scoped,
    Text,
    TextLocale,
    Translations,
    Values,
)

if TYPE_CHECKING:
    import sqlalchemy as sa

    from schema.declare import Noun

AGGREGATE = Aggregate.__table__
Compile = Callable[[Builder, Seat, Any, Asked], str]


def row(builder: Builder, seat: Seat, nodes: Any) -> str:
    """The function that makes the dictionary that a row becomes."""
    if builder.whole:
        _take_all(seat)
    return builder.object(
        "r", builder.type(seat.noun.title), nodes, lambda asked: _field(builder, seat, asked)
    )


def _take_all(seat: Seat) -> None:
    """Read what ``sql.Frame`` reads: then every document asks for the same."""
    for name, spec in seat.noun.specs.items():
        if isinstance(spec, Column):
            _column_cell(seat, spec, name)
        else:
            for each in sql.reads(spec):
                seat.place(each)


def _field(builder: Builder, seat: Seat, asked: Asked) -> str:
    spec = getattr(asked.field, "spec", None)
    compile_ = COMPILERS.get(type(spec))
    if compile_ is None or spec is None:
        raise Unknown(f"field {asked.name}")
    builder.permitted(spec, asked.name)
    return compile_(builder, seat, spec, asked)


def _identity(_: Builder, seat: Seat, __: Identity, ___: Asked) -> str:
    return f"encode({seat.noun.name!r}, {seat.cell('id')})"


def _column(builder: Builder, seat: Seat, spec: Column, asked: Asked) -> str:
    name = asked.field.python_name
    held = seat.held(spec.name or name) if spec.of == "own" else AGGREGATE.c[spec.name or name]
    cell = _column_cell(seat, spec, name)
    leaf = asked.type
    assert isinstance(leaf, GraphQLLeafType)
    made = pattern(leaf, held.type, builder.source.constant)
    never_null = spec.of == "own" and getattr(held, "nullable", True) is False
    return _leaf(made, cell, nullable=asked.nullable, never_null=never_null)


def _column_cell(seat: Seat, spec: Column, name: str) -> str:
    if spec.of == "own":
        return seat.cell(spec.name or name)
    seat.level.reads_aggregate = True
    return seat.made(name, lambda frame, _: frame.column(spec, name), scoped=False)


def _leaf(made: str, cell: str, *, nullable: bool, never_null: bool) -> str:
    """The expression of a column. What is text in JSON too needs no guard where the database keeps nulls out."""
    if made == AS_IT_IS:
        return cell if nullable or never_null else f"held({cell})"
    value = made.format(cell)
    if nullable:
        return f"(None if {cell} is None else {value})"
    return value if never_null and not made.startswith("json") else f"held({value})"


def _python(seat: Seat, name: str) -> str:
    """The Python value of a column."""
    made = python_type(seat.held(name).type)
    if made is str:
        return seat.cell(name)
    return f"as_{made.__name__}({seat.cell(name)})"


def _text(builder: Builder, seat: Seat, spec: Text, asked: Asked) -> str:
    if builder.whole:
        return asked.guarded(_by_scope(builder, ordinary.text_in, seat.cell(spec.name)))

    def localised(frame: Any, scope: Any) -> sa.ColumnElement[str]:
        return sql.localised(frame.c[spec.name], scope.locales)

    return asked.guarded(seat.made(f"text {spec.name}", localised, scoped=True))


def _text_locale(builder: Builder, seat: Seat, spec: TextLocale, asked: Asked) -> str:
    return asked.guarded(_by_scope(builder, ordinary.locale_in, seat.cell(spec.name)))


def _by_scope(builder: Builder, function: Callable[..., Any], cell: str) -> str:
    return f"{builder.source.constant(function)}(loads({cell}), v.scope)"


def _translations(builder: Builder, seat: Seat, spec: Translations, asked: Asked) -> str:
    made = f"{builder.source.constant(ordinary.translations)}(loads({seat.cell(spec.name)}))"
    return builder.plain(asked.definition.type, asked.nodes, made)


def _computed(builder: Builder, seat: Seat, spec: Computed, asked: Asked) -> str:
    read = ", ".join(_python(seat, name) for name in spec.columns)
    made = f"{builder.source.constant(spec.function)}({read})"
    return builder.plain(asked.definition.type, asked.nodes, made)


def _scoped(builder: Builder, seat: Seat, spec: Scoped, asked: Asked) -> str:
    given = builder.arguments(asked).place
    function = builder.source.constant(spec.function)
    others = "".join(f"{name}={_python(seat, name)}, " for name in spec.others)
    made = f"{function}({_python(seat, spec.column)}, v.scope, {others}**v.arguments[{given}])"
    return builder.plain(asked.definition.type, asked.nodes, made)


def _one(builder: Builder, seat: Seat, spec: One, asked: Asked) -> str:
    target = NOUNS[spec.to]
    builder.opened(target)
    if not builder.whole and len(seat.path) < MOST_JOINS:
        follows = spec.same_rule or seat.shows(target, "id", spec.via)
        there = Seat(seat.level, target, (*seat.path, Join(spec.via, target, follows)))
        absent = "None" if asked.nullable else "bail()"
        found = row(builder, there, asked.nodes)
        return f"({found}(r) if {there.cell('id')} is not None else {absent})"
    level = by_id(builder, seat, spec.via, target)
    return asked.guarded(one_of(builder, level, asked.nodes, seat.cell(spec.via)))


def by_id(builder: Builder, seat: Seat, via: str, target: Noun) -> ById:
    """The level of rows whose ids stand in a column."""
    key = ("id", seat.level.place, seat.place(via), target.title)
    made = builder.level(key, lambda place: ById(place, target, **below(seat, via)))
    assert isinstance(made, ById)
    return made


def below(seat: Seat, via: str) -> dict[str, Any]:
    """How a level hangs on a seat."""
    return {"parent": seat.level, "via": seat.place(via), "wave": seat.level.wave}


def one_of(builder: Builder, level: Any, nodes: Any, key: str) -> str:
    """The object of the row that a level found for a key; null without one."""
    found = builder.source.function(
        "r", f"None if r is None else {row(builder, Seat(level, level.noun), nodes)}(r)"
    )
    return f"{found}({builder.index(level)}.get({key}))"


def _many(builder: Builder, seat: Seat, spec: Many, asked: Asked) -> str:
    target = NOUNS[spec.to]
    builder.opened(target)
    given = builder.arguments(asked)
    key = (spec, seat.level.place, seat.place(spec.here), _constant(given))
    follows = seat.shows(target, spec.key, spec.here)
    level = builder.level(
        key,
        lambda place: ManyOf(
            place, target, spec, seat.noun, given, follows=follows, **below(seat, spec.here)
        ),
    )
    found = row(builder, Seat(level, target), asked.nodes)
    return f"list(map({found}, {builder.index(level)}.get({seat.cell(spec.here)}, ())))"


def _constant(given: Any) -> Any:
    """What makes two askings of a field the same: equal constant arguments."""
    return given.place if given.variables else repr(given.read(None))


def _looked(builder: Builder, seat: Seat, spec: Looked, asked: Asked) -> str:
    given = builder.arguments(asked)
    noun = NOUNS[spec.to] if spec.to else seat.noun
    key = (spec, seat.level.place, seat.place(spec.here), _constant(given))
    level = builder.level(key, lambda place: LookedUp(place, noun, spec, given, **below(seat, spec.here)))
    if spec.to is not None:
        return asked.guarded(one_of(builder, level, asked.nodes, seat.cell(spec.here)))
    return _found(builder, seat, spec, asked, level)


def _found(builder: Builder, seat: Seat, spec: Looked, asked: Asked, level: Any) -> str:
    """The plain value of a look-up: null where nothing is looked up, ``missing`` for what has no row."""
    leaf, name = asked.type, str(spec.value)
    assert isinstance(leaf, GraphQLLeafType)
    type_ = {"Boolean": bool, "Int": int, "Long": int, "String": str}.get(leaf.name)
    if type_ is None:
        raise Unknown(f"scalar {leaf.name}")
    place = level.cell((), name, lambda frame, _: frame.c[name])
    index, convert = builder.index(level), builder.source.constant(PYTHON[type_])
    missing = builder.source.constant(spec.missing)
    value = builder.source.function("r", f"{missing} if r is None else {convert}(r[{place}])")
    found = f"(None if {index} is None else {value}({index}.get({seat.cell(spec.here)})))"
    return builder.plain(asked.definition.type, asked.nodes, found)


def _paged(builder: Builder, seat: Seat, spec: Paged, asked: Asked) -> str:
    target = NOUNS[spec.to]
    builder.opened(target)
    follows = spec.through is None and seat.shows(target, spec.key, spec.here)
    below_it = {"spec": spec, "follows": follows, **below(seat, spec.here)}
    return connection(builder, target, asked, seat.cell(spec.here), row, below_it)


def _values(builder: Builder, seat: Seat, spec: Values, asked: Asked) -> str:
    return values(builder, seat, spec, asked, row, by_id)


COMPILERS: dict[type[Any], Compile] = {
    Identity: _identity,
    Column: _column,
    Text: _text,
    TextLocale: _text_locale,
    Translations: _translations,
    Computed: _computed,
    Scoped: _scoped,
    One: _one,
    Many: _many,
    Looked: _looked,
    Paged: _paged,
    Values: _values,
}
