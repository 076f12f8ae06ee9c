"""How attribute values are compiled: which a reader sees is said by ``schema.attribute_level``, for both executors."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import orjson
import sqlalchemy as sa
from graphql import FieldNode

from hub.attribute import Attribute as AttributeTable
from hub.attribute_value import TARGETS
from hub.direct import Made, Row
from hub.errors import HubError
from hub.recent import Recent
from schema.attribute_level import DEFINING, Known, Leaf, Level, known_of, places, seen, stored_codes
from schema.attribute_value import TYPES, Leading, OfLeaf
from schema.compiled_level import FIRST_CELL, ById, Options, Reading
from schema.compiled_level import Level as Rows
from schema.compiler import Asked, Builder, Seat
from schema.declare import NOUNS, by_name
from schema.selection import Unknown
from schema.sql import by_codes

if TYPE_CHECKING:
    from schema.compiled_argument import Given
    from schema.context import Scope
    from schema.declare import Noun
    from schema.joined import Joined
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

    def codes(self, reading: Reading) -> list[str] | None:
        """The codes that are asked for; null for all."""
        given = reading.arguments[self.given.place]
        return [given["code"]] if self.single else given["codes"]

    def meet(self, reading: Reading) -> None:
        """Find the values in the rows that were read, each row's with the codes that are wanted of it."""
        kept = self._kept(reading)
        codes = self.codes(reading) if kept else None
        reading.met[self.place] = [
            (key, one, one.codes if codes is None else one.among(codes)) for key, one in kept.items()
        ]

    def codes_met(self, reading: Reading) -> set[str]:
        """The codes that have values in the rows that were read."""
        return {code for _, _, wanted in reading.met[self.place] for code in wanted}

    def see(self, reading: Reading, known: dict[str, Known]) -> None:
        """Choose what the reader sees."""
        reading.leaves[self.place] = {
            key: one.seen(wanted, known, reading.scope) for key, one, wanted in reading.met[self.place]
        }

    def _kept(self, reading: Reading) -> dict[str, Stored]:
        found: dict[str, Stored] = {}
        handed = self.handed.texts(reading) if self.handed else {}
        for row in reading.rows[self.level.place]:
            key = row[self.key]
            if key is not None and key not in found:
                more = handed.get(row[self.handed.via]) if self.handed else None
                own = tuple(row[place] for place in self.own.values())
                found[key] = stored(tuple(self.own), own, _cell(row, self.provenance), more)
        return found


@dataclass
class Handed:
    """Where a row's inherited values come from: the product's level, and the columns of keys, values and provenance."""

    level: Rows
    via: int
    key: int
    attributes: int
    provenance: int | None = None

    def texts(self, reading: Reading) -> dict[str, tuple[str, str | None]]:
        """What each product hands down and who wrote it, as texts, by its id."""
        return {
            row[self.key]: (row[self.attributes], _cell(row, self.provenance))
            for row in reading.rows[self.level.place]
        }


def _cell(row: Row, place: int | None) -> str | None:
    return None if place is None else row[place]


class Leaves(list[Leaf]):
    """The values that a reader sees. ``shown``: what plans made of them, with the number of objects in it."""

    __slots__ = ("shown",)

    def __init__(self, leaves: Sequence[Leaf]) -> None:
        super().__init__(leaves)
        self.shown: dict[Any, tuple[Any, int]] = {}


class Stored:
    """The values of a row as they were read from its texts, and what readers saw of them."""

    def __init__(self, levels: Sequence[Level]) -> None:
        self._levels = levels
        self.codes = stored_codes(levels, None)
        self._seen: Recent[Hashable, tuple[Leaves, Sequence[Known | None]]] = Recent(READERS)

    def among(self, codes: Sequence[str]) -> list[str]:
        """Those of the codes that have a value."""
        return stored_codes(self._levels, codes)

    def seen(self, codes: Sequence[str], known: Mapping[str, Known], scope: Scope) -> Leaves:
        """The values of some codes for a reader in a scope, by the attributes that are known of them."""
        by = [known.get(code) for code in codes]
        key = (scope.channel.code if scope.channel else None, scope.locales, *codes, *map(id, by))
        found = self._seen.find(key)
        if found is None:
            looked = {each.definition.code: (each, places(each.definition, scope)) for each in by if each}
            # With what it was made of, so that nothing else gets the same identity while this is kept.
            found = self._seen.keep(key, (Leaves(seen(self._levels, codes, looked)), by))
        return found[0]


READERS = 4
"""Ways to look at a row's values that are kept."""
_STORED: Recent[Hashable, Stored] = Recent(50_000, 8_000_000)
"""Values by the very texts that they were read from: what stays the same in the database is read once."""


def stored(
    names: tuple[str, ...], own: tuple[str, ...], written: str | None, handed: tuple[str, str | None] | None
) -> Stored:
    """The values of a row: its columns' texts, who wrote it, and what it inherits."""
    key = (names, own, written, handed)
    found = _STORED.find(key)
    if found is None:
        columns = {name: orjson.loads(text) for name, text in zip(names, own, strict=True)}
        levels = [Level(columns, _provenance(written), inherited=False)]
        if handed is not None:
            values_, by = handed
            levels.append(Level({"attributes": orjson.loads(values_)}, _provenance(by), inherited=True))
        weight = sum(map(len, own)) + len(written or "") + sum(len(each or "") for each in handed or ())
        found = _STORED.keep(key, Stored(levels), weight)
    return found


def _provenance(text: str | None) -> dict[str, Sequence[str]]:
    return {} if text is None else orjson.loads(text)


DEFINITIONS = Made.of(by_codes(AttributeTable.__table__, DEFINING))
"""The attributes of ``:codes``."""


def definition(row: Row) -> Known:
    """The attribute of a row of ``DEFINITIONS``."""
    *plain, rules = row
    return _definition(tuple(plain), orjson.dumps(rules))


@lru_cache(ATTRIBUTES)
def _definition(plain: tuple[Any, ...], rules: bytes) -> Known:
    return known_of(dict(zip(DEFINING, (*plain, orjson.loads(rules)), strict=True)))


class Definitions(Rows):
    """The attributes that the values of one stage are read by, in the same statement as the values themselves."""

    key = None
    last = True

    def __init__(self, place: int, noun: Noun, **more: Any) -> None:
        super().__init__(place, noun, **more)
        self.values: list[ValuesAt] = []

    @property
    def fixed(self) -> bool:
        """Whether the same values are always asked for."""
        return not any(each.given.variables for each in self.values)

    def columns(self, _: Reading) -> list[str]:
        """What defines an attribute."""
        return list(DEFINING)

    def _named(self, reading: Reading) -> list[str]:
        """The codes that are asked for by name. What is wrong with them is told where there are values."""
        found: set[str] = set()
        for each in self.values:
            with suppress(HubError):
                found.update(each.codes(reading) or ())
        return sorted(found)

    def _everything(self, reading: Reading) -> list[ValuesAt]:
        """The values that are asked for without a code."""
        found = []
        for each in self.values:
            with suppress(HubError):
                found += [each] if each.codes(reading) is None else []
        return found

    def late(self, reading: Reading) -> dict[str, Any]:
        """The codes asked for."""
        return {"codes": self._named(reading)}

    def shape(self, reading: Reading) -> Hashable:
        """Whether all that have values are wanted."""
        return bool(self._everything(reading))

    def statement(self, reading: Reading, _: Joined) -> sa.Select[Any]:
        """By ``:codes``, and by those that stand in the rows."""
        lists = ("codes", "stored") if self._everything(reading) else ("codes",)
        return by_codes(AttributeTable.__table__, DEFINING, lists)

    def inlined(self, reading: Reading, names: Mapping[int, str]) -> dict[str, str]:
        """The codes that stand in the rows of the statement's other levels."""
        selects = []
        for each in self._everything(reading):
            columns = [(each.level, place) for place in each.own.values()]
            columns += [(each.handed.level, each.handed.attributes)] if each.handed else []
            selects += [
                f"SELECT jsonb_object_keys(c{place - FIRST_CELL}) FROM {names[level.place]}"
                for level, place in columns
                if level.place in names
            ]
        return {"stored": f"ARRAY({' UNION '.join(selects)})"} if selects else {}

    def arrange(self, reading: Reading, rows: Sequence[Row]) -> Sequence[Row]:
        """Keep the attributes by code."""
        reading.known |= {each.definition.code: each for each in map(_from_text, rows)}
        return rows


@lru_cache(ATTRIBUTES)
def _from_text(row: Row) -> Known:
    number, code, type_, localizable, per_channel, family, unit, rules = row[FIRST_CELL : FIRST_CELL + 8]
    plain = (int(number), code, type_, localizable == "true", per_channel == "true", family, unit)
    return _definition(plain, orjson.dumps(orjson.loads(rules)))


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
    if not builder.whole:
        top = _top(seat.level)
        made = builder.level(
            ("definitions", top.place),
            lambda place: Definitions(place, NOUNS["Attribute"], parent=top, wave=top.wave),
        )
        assert isinstance(made, Definitions)
        made.values.append(at)
    each = _Shown(builder, seat, at, row).each(asked.nodes)
    leaves = builder.named(f"L{at.place}", f"v.leaves[{at.place}]")
    found = f"{leaves}[{seat.cell('id')}]"
    if not spec.single:
        return f"{each}({found})"
    first = builder.source.function("x", f"{each}(x)[0] if x else None")
    return asked.guarded(f"{first}({found})")


def _top(level: Rows) -> Rows:
    """The level that begins the stage of a level."""
    while level.parent is not None and level.keys_from is None:
        level = level.parent
    return level


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
        self._leads = False

    def each(self, nodes: Sequence[FieldNode]) -> str:
        """The function that shows values, each in its type."""
        functions = {
            name: self._builder.object("l", self._builder.type(cls.__name__), nodes, self._field)
            for name, cls in TYPES.items()
        }
        if len(set(functions.values())) == 1:
            one = functions.popitem()[1]
            return self._kept(self._builder.source.function("x", f"list(map({one}, x))"))
        by_type = ", ".join(f"{name!r}: {function}" for name, function in functions.items())
        chosen = self._builder.named(f"T{self._at.place}", "{" + by_type + "}")
        some = self._builder.source.function("x", f"[{chosen}[l.known.definition.type](l) for l in x]")
        return self._kept(some)

    def _kept(self, each: str) -> str:
        """The function that shows values, or what was kept of an earlier showing where nothing else is read for it."""
        return each if self._leads or self._builder.whole else self._builder.source.kept(each)

    def _field(self, asked: Asked) -> str:
        spec = getattr(asked.field, "spec", None)
        if isinstance(spec, OfLeaf):
            return self._read(spec, asked)
        if isinstance(spec, Leading):
            self._leads = True
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
