"""How attribute values are compiled: which a reader sees is said by ``schema.attribute_level``, for both executors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import orjson
from graphql import FieldNode

from hub.attribute import Attribute as AttributeTable
from hub.attribute_value import TARGETS
from hub.direct import Made, Row
from schema.attribute_level import DEFINING, Known, Leaf, Level, known_of, places, seen, stored_codes
from schema.attribute_value import TYPES, Leading, OfLeaf
from schema.compiled_level import ById, Options, Reading
from schema.compiler import Asked, Builder, Seat
from schema.declare import NOUNS, by_name
from schema.selection import Unknown
from schema.sql import by_codes

if TYPE_CHECKING:
    from schema.compiled_argument import Given
    from schema.compiled_level import Level as Rows
    from schema.spec import Values

ATTRIBUTES = 10_000
"""Attributes whose definitions are kept as read: the same row always gives the same object."""


@dataclass
class ValuesAt:
    """The attribute values of one seat. Places are those of columns in the level's rows.

    ``handed``: the level of what is inherited from, the column that names it, and its values and provenance.
    """

    place: int
    level: Rows
    key: int
    own: dict[str, int]
    single: bool
    given: Given
    provenance: int | None = None
    handed: Handed | None = None

    def meet(self, reading: Reading) -> set[str]:
        """The codes that have values in the rows that were read."""
        levels = self._levels(reading)
        codes = self._codes(reading) if levels else None
        met = [(key, some, stored_codes(some, codes)) for key, some in levels.items()]
        reading.met[self.place] = met
        return {code for _, _, wanted in met for code in wanted}

    def _codes(self, reading: Reading) -> list[str] | None:
        given = reading.arguments[self.given.place]
        return [given["code"]] if self.single else given["codes"]

    def see(self, reading: Reading, known: dict[str, Known]) -> None:
        """Choose what the reader sees."""
        looked = {code: (each, places(each.definition, reading.scope)) for code, each in known.items()}
        reading.leaves[self.place] = {
            key: seen(levels, wanted, looked) for key, levels, wanted in reading.met[self.place]
        }

    def _levels(self, reading: Reading) -> dict[str, list[Level]]:
        found: dict[str, list[Level]] = {}
        handed = self.handed.levels(reading) if self.handed else {}
        for row in reading.rows[self.level.place]:
            key = row[self.key]
            if key is None or key in found:
                continue
            columns = {name: orjson.loads(row[place]) for name, place in self.own.items()}
            found[key] = [Level(columns, _provenance(row, self.provenance), inherited=False)]
            if self.handed and (more := handed.get(row[self.handed.via])) is not None:
                found[key].append(more)
        return found


@dataclass
class Handed:
    """Where a row's inherited values come from: the product's level, and the columns of keys, values and provenance."""

    level: Rows
    via: int
    key: int
    attributes: int
    provenance: int | None = None

    def levels(self, reading: Reading) -> dict[str, Level]:
        """What each product hands down, by its id."""
        return {
            row[self.key]: Level(
                {"attributes": orjson.loads(row[self.attributes])},
                _provenance(row, self.provenance),
                inherited=True,
            )
            for row in reading.rows[self.level.place]
        }


def _provenance(row: Row, place: int | None) -> dict[str, Sequence[str]]:
    return {} if place is None else orjson.loads(row[place])


DEFINITIONS = Made.of(by_codes(AttributeTable.__table__, *DEFINING))
"""The attributes of ``:codes``."""


def definition(row: Row) -> Known:
    """The attribute of a row of ``DEFINITIONS``."""
    *plain, rules = row
    return _definition(tuple(plain), orjson.dumps(rules))


@lru_cache(ATTRIBUTES)
def _definition(plain: tuple[Any, ...], rules: bytes) -> Known:
    return known_of(dict(zip(DEFINING, (*plain, orjson.loads(rules)), strict=True)))


def values(builder: Builder, seat: Seat, spec: Values, asked: Asked, row: Any, by_id: Any) -> str:
    """The expression of a seat's attribute values."""
    at = ValuesAt(
        place=len(builder.values),
        level=seat.level,
        key=seat.place("id"),
        own={name: seat.place(name) for name in spec.own},
        single=spec.single,
        given=builder.arguments(asked),
        provenance=seat.place("provenance") if builder.whole else None,
    )
    if spec.inherits:
        at.handed = _handed(builder, seat, spec.inherits, by_id)
    builder.values.append(at)
    each = _Shown(builder, seat, at, row).each(asked.nodes)
    leaves = builder.named(f"L{at.place}", f"v.leaves[{at.place}]")
    found = f"{leaves}[{seat.cell('id')}]"
    if not spec.single:
        return f"{each}({found})"
    first = builder.source.function("x", f"{each}(x)[0] if x else None")
    return asked.guarded(f"{first}({found})")


def _handed(builder: Builder, seat: Seat, inherits: str, by_id: Any) -> Handed:
    product = NOUNS["Product"]
    from_ = Seat(by_id(builder, seat, inherits, product), product)
    return Handed(
        level=from_.level,
        via=seat.place(inherits),
        key=from_.place("id"),
        attributes=from_.place("attributes"),
        provenance=from_.place("provenance") if builder.whole else None,
    )


SURE = {"String": "str", "JSON": "str", "Boolean": "bool"}
"""The Python types that are in JSON what they are, by scalar."""


class _Shown:
    """Compiles what is selected of attribute values, in terms of ``l``, the leaf."""

    def __init__(self, builder: Builder, seat: Seat, at: ValuesAt, row: Any) -> None:
        self._builder = builder
        self._seat = seat
        self._at = at
        self._row = row

    def each(self, nodes: Sequence[FieldNode]) -> str:
        """The function that shows values, each in its type."""
        functions = {
            name: self._builder.object("l", self._builder.type(cls.__name__), nodes, self._field)
            for name, cls in TYPES.items()
        }
        if len(set(functions.values())) == 1:
            return self._builder.source.function("x", f"list(map({functions.popitem()[1]}, x))")
        by_type = ", ".join(f"{name!r}: {function}" for name, function in functions.items())
        chosen = self._builder.named(f"T{self._at.place}", "{" + by_type + "}")
        return self._builder.source.function("x", f"[{chosen}[l.known.definition.type](l) for l in x]")

    def _field(self, asked: Asked) -> str:
        spec = getattr(asked.field, "spec", None)
        if isinstance(spec, OfLeaf):
            return self._read(spec, asked)
        if isinstance(spec, Leading):
            return {
                "attribute": self._attribute,
                "choice": self._choice,
                "choices": self._choices,
                "reference": self._reference,
            }[spec.to](asked)
        raise Unknown(f"field {asked.name}")

    def _read(self, spec: OfLeaf, asked: Asked) -> str:
        self._builder.permitted(spec, asked.name)
        if spec.requires is not None:
            self._take_provenance()
        made = f"{self._builder.source.constant(spec.read)}(l)"
        general = self._builder.plain(asked.definition.type, asked.nodes, made)
        sure = SURE.get(str(asked.type))
        if spec.plain is None or sure is None:
            return general
        return f"(l.{spec.plain} if type(l.{spec.plain}) is {sure} else {general})"

    def _take_provenance(self) -> None:
        self._at.provenance = self._seat.place("provenance")
        if self._at.handed:
            self._at.handed.provenance = Seat(self._at.handed.level, NOUNS["Product"]).place("provenance")

    def _attribute(self, asked: Asked) -> str:
        level = self._by_id("Attribute", lambda leaf: (leaf.known.id,))
        return asked.guarded(self._one(level, asked.nodes, "str(l.known.id)"))

    def _choice(self, asked: Asked) -> str:
        found = self._one(self._options(), asked.nodes, "(str(l.known.id), l.value)")
        return asked.guarded(f"(None if l.value is None else {found})")

    def _choices(self, asked: Asked) -> str:
        one = self._builder.source.function(
            "l, c", self._one(self._options(), asked.nodes, "(str(l.known.id), c)")
        )
        some = f"[o for c in l.value if (o := {one}(l, c)) is not None]"
        return asked.guarded(f"(None if l.value is None else {some})")

    def _reference(self, asked: Asked) -> str:
        functions = {}
        for name in TARGETS:
            noun = by_name(name)
            assert noun is not None, "What a reference may lead to is a noun."
            level = self._by_id(noun.title, _references(name))
            functions[name] = self._builder.source.function(
                "l", self._one(level, asked.nodes, 'str(l.value["id"])')
            )
        by_type = ", ".join(f"{name!r}: {function}" for name, function in functions.items())
        return asked.guarded(f'(None if l.value is None else {{{by_type}}}[l.value["type"]](l))')

    def _one(self, level: Any, nodes: Sequence[FieldNode], key: str) -> str:
        row = self._row(self._builder, Seat(level, level.noun), nodes)
        found = self._builder.source.function("r", f"None if r is None else {row}(r)")
        return f"{found}({self._builder.index(level)}.get({key}))"

    def _by_id(self, title: str, numbers: Callable[[Leaf], Iterable[int]]) -> ById:
        noun, at = NOUNS[title], self._at.place

        def keys(reading: Reading) -> dict[str, Any]:
            return {"keys": sorted({each for leaf in _leaves(reading, at) for each in numbers(leaf)})}

        wave = self._at.level.wave + 1
        level = self._builder.level((at, title), lambda place: ById(place, noun, wave=wave))
        level.keys_from = keys
        assert isinstance(level, ById)
        return level

    def _options(self) -> Options:
        at = self._at.place

        def keys(reading: Reading) -> dict[str, Any]:
            wanted = sorted({each for leaf in _leaves(reading, at) for each in _chosen(leaf)})
            return {"attributes": [number for number, _ in wanted], "codes": [code for _, code in wanted]}

        wave, noun = self._at.level.wave + 1, NOUNS["AttributeOption"]
        level = self._builder.level((at, "options"), lambda place: Options(place, noun, wave=wave))
        level.keys_from = keys
        assert isinstance(level, Options)
        return level


def _leaves(reading: Reading, place: int) -> Iterable[Leaf]:
    return (leaf for some in reading.leaves[place].values() for leaf in some)


def _chosen(leaf: Leaf) -> Iterable[tuple[int, str]]:
    """The options that a value names, by attribute and code."""
    type_, value = leaf.known.definition.type, leaf.value
    if value is None or type_ not in ("choice", "choices"):
        return ()
    return [(leaf.known.id, code) for code in ([value] if type_ == "choice" else value)]


def _references(name: str) -> Callable[[Leaf], Iterable[int]]:
    def numbers(leaf: Leaf) -> Iterable[int]:
        value = leaf.value
        is_one = leaf.known.definition.type == "reference" and value is not None and value["type"] == name
        return (value["id"],) if is_one else ()

    return numbers
