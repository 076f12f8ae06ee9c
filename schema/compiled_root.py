"""How the fields at the root are compiled: one of a noun, lists of it, and objects by their ids."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hub import ids
from hub.errors import Forbidden, Invalid
from schema import filter as filters
from schema import rule
from schema.compiled_field import one_of, row
from schema.compiled_level import ById, Found, Level, Reading
from schema.compiled_list import connection
from schema.compiled_search import Searching, search
from schema.compiler import Asked, Builder, Seat
from schema.declare import NOUNS, Field, Noun, by_name
from schema.root import look_ups
from schema.selection import Unknown
from schema.spec import Identity

if TYPE_CHECKING:
    from graphql import FieldNode

    from schema.compiled_argument import Given

MOST_NOUNS = 5
"""Nouns that one list of ids may be of, for a plan of its own."""

Answer = Callable[[Reading], tuple[Any, int]]
"""Gives the value of a root field, and how many objects are in it."""


@dataclass(frozen=True, eq=False)
class Compiled:
    """One root field, ready to be read. ``given``: its own arguments, those that open the scope among them.

    ``searching``: what a search does before and after its rows are read; null for all else.
    """

    builder: Builder
    given: Given
    answer: Answer
    searching: Searching | None = None


def compiled(builder: Builder, asked: Asked, nouns: tuple[str, ...]) -> Compiled:
    """A root field. ``nouns``: those that the ids of ``node`` and ``nodes`` are of. Raises ``Unknown``."""
    if not isinstance(asked.field, Field):
        raise Unknown(f"root field {asked.name}")
    given = builder.arguments(asked)
    if asked.name == "productSearch" and not builder.whole:
        result, searching = search(builder, asked, given)
        return Compiled(builder, given, builder.source.made(result), searching)
    result = _result(builder, asked, given, nouns)
    return Compiled(builder, given, builder.source.made(result))


def _result(builder: Builder, asked: Asked, given: Given, nouns: tuple[str, ...]) -> str:
    if builder.whole:
        return _payload(builder, asked, nouns)
    if asked.name in ("node", "nodes"):
        return _nodes(builder, asked, given, nouns)
    for noun in NOUNS.values():
        if asked.name in (noun.single, noun.plural):
            builder.opened(noun)
            _passed(builder, noun, asked.name)
            if asked.name == noun.single:
                return _single(builder, noun, asked, given)
            return _plural(builder, noun, asked)
    raise Unknown(f"root field {asked.name}")


def _passed(builder: Builder, noun: Noun, name: str) -> None:
    try:
        rule.passed(builder.viewer, noun.requires, name)
    except Forbidden as closed:
        raise Unknown("forbidden") from closed


def _single(builder: Builder, noun: Noun, asked: Asked, given: Given) -> str:
    names = builder.schema.config.name_converter
    named = {names.get_graphql_name(each): each.python_name for each in asked.field.arguments}
    ways = [named[each.name.value] for each in asked.nodes[0].arguments or ()]
    found_by = look_ups(noun)
    wanted = [each for each in ways if each == "id" or each in found_by]
    if len(wanted) != 1:
        raise Unknown("ways to find it")
    (way,) = wanted
    if way == "id":
        level: Level = ById(0, noun)
        level.keys_from = _key(given, noun)
    else:
        level = Found(0, noun, found_by[way], way, given)
        level.keys_from = _given(given, way)
    builder.level("root", lambda _: level)
    found = row(builder, Seat(level, noun), asked.nodes)
    shown = builder.source.function("r", f"None if r is None else {found}(r)")
    return f"{shown}(v.first(0))"


def _payload(builder: Builder, asked: Asked, nouns: tuple[str, ...]) -> str:
    """Many objects of one noun, by their ids."""
    noun = by_name(nouns[0]) if nouns else next(n for n in NOUNS.values() if n.single == asked.name)
    assert noun is not None, "What a payload document reads is a noun."
    builder.opened(noun)
    _passed(builder, noun, asked.name)
    level = builder.level("root", lambda place: ById(place, noun))
    level.keys_from = lambda reading: {"keys": list(reading.keys)}
    one = builder.source.function("k", one_of(builder, level, asked.nodes, "str(k)"))
    return f"dict(zip(v.wanted, map({one}, v.wanted)))"


def _key(given: Given, noun: Noun) -> Callable[[Reading], dict[str, Any]]:
    def keys(reading: Reading) -> dict[str, Any]:
        return {"keys": [filters.number_of(_stated(reading, given, "id"), noun)]}

    return keys


def _given(given: Given, way: str) -> Callable[[Reading], dict[str, Any]]:
    def keys(reading: Reading) -> dict[str, Any]:
        _stated(reading, given, way)
        return {}

    return keys


def _stated(reading: Reading, given: Given, name: str) -> Any:
    """The argument. Raises ``Invalid`` for null, which is no way to find anything."""
    value = reading.arguments[given.place].get(name)
    if value is None:
        raise Invalid(f"{name} is null.")
    return value


def _plural(builder: Builder, noun: Noun, asked: Asked) -> str:
    if any(each.name.value == "search" for each in asked.nodes[0].arguments or ()):
        raise Unknown("search")
    return connection(builder, noun, asked, "None", row, {})


def _nodes(builder: Builder, asked: Asked, given: Given, nouns: tuple[str, ...]) -> str:
    one = asked.name == "node"
    functions = {}
    for name in nouns:
        noun = by_name(name)
        if noun is None or not isinstance(noun.specs.get("id"), Identity):
            raise Unknown("no node")
        builder.opened(noun)
        _passed(builder, noun, noun.name)
        level = builder.level(name, lambda place, noun=noun: ById(place, noun))  # type: ignore[misc]
        level.keys_from = _numbers(given, noun, one=one)
        functions[name] = builder.source.function("k", one_of(builder, level, asked.nodes, "k"))
    by_name_ = "{" + ", ".join(f"{name!r}: {function}" for name, function in functions.items()) + "}"
    chosen = builder.named("D", by_name_)
    each = builder.source.function("w", f"{chosen}[w[0]](w[1])")
    wanted = builder.source.constant(_wanted(given, one=one))
    return f"{each}({wanted}(v)[0])" if one else f"list(map({each}, {wanted}(v)))"


def _global_ids(reading: Reading, given: Given, *, one: bool) -> list[str]:
    arguments = reading.arguments[given.place]
    if one:
        return [arguments["id"]]
    wanted: list[str] = arguments["ids"]
    if len(wanted) > filters.LARGEST_LIST:
        raise filters.too_many("ids", len(wanted))
    return wanted


def _wanted(given: Given, *, one: bool) -> Callable[[Reading], list[tuple[str, str]]]:
    def wanted(reading: Reading) -> list[tuple[str, str]]:
        decoded = [ids.decode(each) for each in _global_ids(reading, given, one=one)]
        return [(name, str(number)) for name, number in decoded]

    return wanted


def _numbers(given: Given, noun: Noun, *, one: bool) -> Callable[[Reading], dict[str, Any]]:
    def keys(reading: Reading) -> dict[str, Any]:
        decoded = [ids.decode(each) for each in _global_ids(reading, given, one=one)]
        return {"keys": sorted({number for name, number in decoded if name == noun.name})}

    return keys


def nouns_of(node: FieldNode, variables: dict[str, Any]) -> tuple[str, ...]:
    """The nouns that the ids of a ``node`` or ``nodes`` field are of. Raises ``Unknown`` where there is none, or many."""
    from graphql import value_from_ast_untyped

    given = [
        value_from_ast_untyped(each.value, variables)
        for each in node.arguments or ()
        if each.name.value in ("id", "ids")
    ]
    texts = [each for some in given for each in (some if isinstance(some, list) else [some])]
    try:
        found = tuple(sorted({ids.decode(each)[0] for each in texts}))
    except (ValueError, TypeError, AttributeError) as wrong:
        raise Unknown("no id") from wrong
    if not 0 < len(found) <= MOST_NOUNS:
        raise Unknown("nouns")
    return found
